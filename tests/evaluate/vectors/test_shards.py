"""Shards of passage vectors: damaged files, other people's files, and files that change in use."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluate.numbered import Encode, Numbered, dataset_of, expected, files, texts
from typeahead.evaluate.data.datasets import Dataset
from typeahead.evaluate.vectors.passages import PassageCacheError


@pytest.fixture
def dataset() -> Dataset:
    return dataset_of(texts())


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    return Encode(tmp_path / "cache")


def cut(path: Path, to: int) -> None:
    os.truncate(path, to)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def with_header(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: cut(path, 0), "cut short, or no shard"),
        (lambda path: cut(path, 7), "cut short, or no shard"),
        (lambda path: cut(path, 100), "cut short, or no shard"),
        (lambda path: cut(path, path.stat().st_size - 1), "is cut short"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "is too long"),
        (lambda path: flip(path, -1), "is damaged"),
        (lambda path: flip(path, 8), "is no shard"),
        (lambda path: path.write_bytes(b"\xff" * 500), "cut short, or no shard"),
        (lambda path: path.write_bytes(struct.pack("<Q", 2) + b"{}"), "is no shard"),
        (lambda path: path.write_bytes(struct.pack("<Q", 9000) + b"[" * 9000), "is no shard"),
        (lambda path: with_header(path, lambda header: header["vectors"].update(shape=[4])), "is no shard"),
        (lambda path: with_header(path, lambda header: header["vectors"].update(shape=[-4, -4])), "is no shard"),
        (lambda path: with_header(path, lambda header: header["vectors"].update(shape=[2**40, 2**40])), "is cut"),
        (lambda path: with_header(path, lambda header: header["vectors"].update(shape=[2, 8])), "other passages"),
        (lambda path: with_header(path, lambda header: header["vectors"].update(dtype="F64")), "is no shard"),
        (lambda path: with_header(path, lambda header: header["__metadata__"].update(passages="0")), "other passages"),
        (lambda path: shutil.copy(min(path.parent.glob("*.safetensors")), path), "other passages"),
    ],
)
def test_a_shard_that_was_damaged_is_encoded_again_and_said_so(
    encode: Encode, dataset: Dataset, tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    encode(Numbered(), dataset)
    path = files(tmp_path)[2]
    damage(path)
    encoder, said = Numbered(), list[str]()
    np.testing.assert_array_equal(encode(encoder, dataset, announce=said.append).to_array(), expected())
    assert encoder.asked == [f"passage {row}" for row in range(8, 12)]
    assert said[0].startswith(f"{path}: ")
    assert reason in said[0]
    assert said[0].endswith("; it is encoded again")
    assert said[1] == "19 of 23 passages of numbers are encoded already"
    assert len(said) == 3
    again = Numbered()
    encode(again, dataset)
    assert not again.asked


def test_a_shard_of_another_encoder_or_of_a_later_format_is_refused_and_left_alone(
    encode: Encode, dataset: Dataset, tmp_path: Path
) -> None:
    encode(Numbered(), dataset)
    path = files(tmp_path)[2]
    whole = path.read_bytes()
    for field, value, message in (
        ("encoder", "another", "holds vectors of the encoder 'another', not of 'teacher'"),
        ("format_version", "2", "is in format version 2, this typeahead reads up to 1"),
    ):
        with_header(path, lambda header: header["__metadata__"].update({field: value}))  # noqa: B023
        changed = path.read_bytes()
        encoder = Numbered()
        with pytest.raises(PassageCacheError, match=message) as caught:
            encode(encoder, dataset)
        assert caught.value.path == path
        assert not encoder.asked
        assert path.read_bytes() == changed
        path.write_bytes(whole)


def test_a_shard_that_is_cut_short_while_it_is_in_use_is_noticed(
    encode: Encode, dataset: Dataset, tmp_path: Path
) -> None:
    vectors = encode(Numbered(), dataset)
    cut(files(tmp_path)[1], files(tmp_path)[1].stat().st_size - 1)
    shards = vectors.shards()
    next(shards)
    with pytest.raises(PassageCacheError, match="has been cut short"):
        next(shards)
    files(tmp_path)[1].unlink()
    shards = vectors.shards()
    next(shards)
    with pytest.raises(PassageCacheError, match="cannot be read: No such file"):
        next(shards)


def test_shards_are_safetensors_files(encode: Encode, dataset: Dataset, tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    encode(Numbered(), dataset)
    np.testing.assert_array_equal(numpy.load_file(files(tmp_path)[1])["vectors"], expected()[4:8])


def test_a_disk_that_fills_up_while_a_shard_is_written_leaves_nothing_behind(
    encode: Encode, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(PassageCacheError, match=r"00000-.*safetensors: cannot be written: No space left on device"):
            encode(Numbered(), dataset)
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == ["lock"]
    encode(Numbered(), dataset)
