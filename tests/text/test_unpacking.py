"""Compressed files: truncated, damaged, bombs, and read twice."""

from __future__ import annotations

import bz2
import gzip
import importlib
import json
import lzma
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from typeahead.errors import MissingExtra, SourceError
from typeahead.index import read_source
from typeahead.text import unpacking
from typeahead.text.reading import utf8_lines
from typeahead.text.unpacking import open_bytes, unpacked_name

zstd = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "Zstandard": zstd.compress,
    # Small blocks, so that a file has several.
    "bzip2": lambda content: bz2.compress(content, 1),
    "xz": lambda content: lzma.compress(content, preset=0),
}
_WORDS = random.Random(1)
LINES = "".join(
    json.dumps({"id": at, "text": " ".join(f"{_WORDS.random()}" for _ in range(10))}) + "\n" for at in range(6_000)
).encode()


@pytest.fixture(params=PACK)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_compressed_file_can_be_read_from_anywhere_and_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(PACK[name](LINES))
    with open_bytes(path) as file:
        assert file.seekable()
        assert file.read() == LINES
        file.seek(1_000_000)
        assert file.read(100) == LINES[1_000_000:1_000_100]
        file.seek(5)
        assert (file.tell(), file.read(10)) == (5, LINES[5:15])
    last = list(utf8_lines(path))[-1]
    assert next(utf8_lines(path, line=last.number, offset=last.offset)) == last


def test_a_truncated_file_says_how_far_it_goes(tmp_path: Path, name: str) -> None:
    packed = PACK[name](LINES)
    path = tmp_path / "x.jsonl"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(
        SourceError, match=rf"its {name} data are cut short, after [1-9][\d,]* unpacked bytes"
    ) as caught:
        list(read_source(path))
    assert caught.value.path == path
    with pytest.raises(SourceError, match=r"after line [1-9]\d{3,}: its .* data are cut short"):
        list(utf8_lines(path))


def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    packed = bytearray(PACK[name](LINES))
    packed[len(packed) // 2 : len(packed) // 2 + 50] = bytes(50)
    path = tmp_path / "x.jsonl"
    path.write_bytes(packed)
    with pytest.raises(SourceError, match=rf"cannot be read.*its {name} data are damaged"):
        list(read_source(path))


def test_a_file_that_unpacks_to_far_too_much_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "BEFORE", 1 << 20)
    path = tmp_path / "x.jsonl"
    path.write_bytes(PACK[name](bytes(32 << 20)))
    with pytest.raises(SourceError, match=r"to more than 250 times their size: .*, after [1-9][\d,]* unpacked bytes"):
        list(read_source(path))


def test_a_file_that_is_compressed_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(gzip.compress(LINES)))
    with pytest.raises(SourceError, match="perhaps twice: unpack it"):
        list(read_source(path))


def test_without_its_package_zstandard_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl.zst"
    path.write_bytes(zstd.compress(LINES))
    monkeypatch.setitem(sys.modules, zstd.__name__, None)
    with pytest.raises(MissingExtra, match=r"\[zstd\]"):
        list(read_source(path))


def test_only_the_suffix_of_a_compressed_file_is_left_out() -> None:
    assert unpacked_name(Path("a/x.jsonl.GZ")) == Path("a/x.jsonl")
    assert unpacked_name(Path("a/x.jsonl")) == Path("a/x.jsonl")
