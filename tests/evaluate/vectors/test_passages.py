"""Passage vectors: what is encoded when, what survives a kill, and what is never mistaken for something else."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.evaluate.layouts import write_beir
from tests.evaluate.numbered import COUNT, DIM, SIZE, Encode, Numbered, dataset_of, expected, files, texts
from typeahead.errors import ModelError, SourceError
from typeahead.evaluate.data.datasets import Dataset, open_dataset
from typeahead.evaluate.quantities import byte_count, duration
from typeahead.evaluate.vectors import passages as module
from typeahead.evaluate.vectors.passages import PassageCacheError, PassageVectors, encode_passages


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH", 3)


@pytest.fixture
def dataset() -> Dataset:
    return dataset_of(texts())


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    return Encode(tmp_path / "cache")


def test_vectors_come_in_shards_by_row_with_their_ids(encode: Encode, dataset: Dataset) -> None:
    vectors = encode(Numbered(), dataset)
    assert (vectors.name, vectors.count, len(vectors), vectors.dim) == ("numbers", COUNT, COUNT, DIM)
    shards = list(vectors.shards())
    assert [(first, len(part)) for first, part in shards] == [(0, 4), (4, 4), (8, 4), (12, 4), (16, 4), (20, 3)]
    np.testing.assert_array_equal(np.concatenate([part for _, part in shards]), expected())
    np.testing.assert_array_equal(vectors.to_array(), expected())
    assert shards[0][1].dtype == np.float32
    assert vectors.id_of(22) == "p22"
    assert vectors.ids_of(np.array([3, 0])) == ["p3", "p0"]
    with pytest.raises(IndexError, match="row -1 is none of 23"):
        vectors.ids_of([-1])


def test_passages_are_encoded_once_in_order_and_shared_by_datasets_of_one_collection(
    encode: Encode, dataset: Dataset
) -> None:
    encoder = Numbered()
    encode(encoder, dataset)
    assert encoder.asked == list(texts().values())
    other = Dataset("numbers/other", {"r": "text"}, {"r": {"p5": 1}}, 1, dataset.collection)
    np.testing.assert_array_equal(encode(encoder, other).to_array(), expected())
    assert len(encoder.asked) == COUNT


def test_float16_takes_half_of_the_disk_and_is_kept_apart(encode: Encode, dataset: Dataset, tmp_path: Path) -> None:
    encode(Numbered(), dataset)
    wide = {path: path.stat().st_size for path in files(tmp_path)}
    encoder = Numbered()
    half = encode(encoder, dataset, dtype="float16")
    assert len(encoder.asked) == COUNT
    assert {part.dtype for _, part in half.shards()} == {np.dtype(np.float16)}
    np.testing.assert_array_equal(half.to_array(), expected())
    narrow = [path for path in files(tmp_path) if path not in wide]
    assert max(wide.values()) - max(path.stat().st_size for path in narrow) == SIZE * DIM * 2


def test_another_encoder_and_another_collection_have_shards_of_their_own(encode: Encode, dataset: Dataset) -> None:
    encode(Numbered(), dataset)
    another = Numbered()
    encode(another, dataset, key="another teacher")
    assert len(another.asked) == COUNT
    changed = Numbered()
    encode(changed, dataset_of(texts() | {"p9": "changed to 99"}))
    assert changed.asked == ["passage 8", "changed to 99", "passage 10", "passage 11"]
    renamed = Numbered()
    encode(renamed, dataset_of(dict(zip([*list(texts())[:-1], "renamed"], texts().values(), strict=True))))
    assert renamed.asked == ["passage 20", "passage 21", "passage 22"]
    # And the first is still what it was.
    untouched = Numbered()
    np.testing.assert_array_equal(encode(untouched, dataset).to_array(), expected())
    assert not untouched.asked


CHILD = """
import os, signal, sys
from pathlib import Path
import numpy as np
from typeahead.evaluate import passages
from typeahead.evaluate.datasets import open_dataset

passages._BATCH = 3
folder, cache, after, during_write = sys.argv[1:]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Dying:
    seen = 0
    def encode(self, texts, /):
        # In the middle of the shard after those that are to survive.
        self.seen += len(texts)
        if not int(during_write) and self.seen > 4 * int(after) + 2:
            die()
        return np.array([float(text.split()[-1]) for text in texts], np.float32)[:, None] + np.arange(4) / 8

if int(during_write):
    replace, renamed = Path.replace, []
    def replace_or_die(self, target):
        # All of the shard is written, under another name.
        if len(renamed) == int(after):
            die()
        renamed.append(target)
        return replace(self, target)
    Path.replace = replace_or_die

passages.encode_passages(Dying(), "teacher", open_dataset(folder), Path(cache), shard_size=4)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX systems")
@pytest.mark.parametrize("during_write", [False, True])
@pytest.mark.parametrize("after", [0, 3])
def test_after_kill_9_finished_shards_are_not_encoded_again(
    encode: Encode, tmp_path: Path, after: int, during_write: bool
) -> None:
    folder = write_beir(tmp_path / "numbers", texts(), {"q": "text"}, {"q": {"p0": 1}})
    arguments = [str(folder), str(tmp_path / "cache"), str(after), str(int(during_write))]
    child = subprocess.run([sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert len(files(tmp_path)) == after
    encoder, said = Numbered(), list[str]()
    vectors = encode(encoder, open_dataset(folder), announce=said.append)
    np.testing.assert_array_equal(vectors.to_array(), expected())
    assert encoder.asked == list(texts().values())[after * SIZE :]
    assert said[:-1] == ([f"{after * SIZE} of 23 passages of numbers are encoded already"] if after else [])
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_shards_that_are_missing_here_and_there_are_filled_in(encode: Encode, dataset: Dataset, tmp_path: Path) -> None:
    encode(Numbered(), dataset)
    for path in [files(tmp_path)[number] for number in (0, 3, 4)]:
        path.unlink()
    encoder = Numbered()
    np.testing.assert_array_equal(encode(encoder, dataset).to_array(), expected())
    assert encoder.asked == [f"passage {row}" for row in [*range(4), *range(12, 20)]]


def test_an_encoder_that_has_changed_its_dimension_under_one_key_is_refused(
    encode: Encode, dataset: Dataset, tmp_path: Path
) -> None:
    encode(Numbered(), dataset)
    files(tmp_path)[2].unlink()
    with pytest.raises(PassageCacheError, match=r"has vectors of length 5, .* of 4"):
        encode(Numbered(dim=5), dataset)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_vector_that_is_not_finite_is_refused_with_the_id_of_its_passage(
    encode: Encode, dataset: Dataset, tmp_path: Path, value: float
) -> None:
    with pytest.raises(ModelError, match="vector that is not finite: that of passage 'p10' of numbers"):
        encode(Numbered(replace={"passage 10": value}), dataset)
    # What was finished before stays.
    assert len(files(tmp_path)) == 2


def test_a_number_that_float16_cannot_hold_is_refused(encode: Encode, dataset: Dataset) -> None:
    with pytest.raises(ModelError, match=r"not finite in float16; try float32: that of passage 'p10'"):
        encode(Numbered(replace={"passage 10": 1e5}), dataset, dtype="float16")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 4), np.float32), r"float32 \(2, 4\) for 3 passages"),
        (np.zeros((3, 4, 1), np.float32), r"float32 \(3, 4, 1\)"),
        (np.zeros((3, 0), np.float32), r"float32 \(3, 0\)"),
        (np.zeros((3, 4), np.int64), r"int64 \(3, 4\)"),
    ],
)
def test_vectors_of_a_wrong_shape_or_type_are_refused(
    encode: Encode, dataset: Dataset, given: NDArray[Any], message: str
) -> None:
    encoder = Numbered()
    encoder.encode = lambda _, /: given  # type: ignore[method-assign]
    with pytest.raises(ModelError, match=message):
        encode(encoder, dataset)


def test_time_and_disk_are_announced_once_before_most_of_the_work(encode: Encode, tmp_path: Path) -> None:
    encoder = Numbered()
    said: list[tuple[int, str]] = []
    encode(
        encoder,
        dataset_of(texts(1200)),
        shard_size=500,
        announce=lambda text: said.append((len(encoder.asked), text)),
    )
    assert [asked for asked, _ in said] == [9]
    folder = files(tmp_path)[0].parent
    assert said[0][1].startswith(f"1,200 passages of numbers to encode: 19.2 kB as float32 in {folder}, about ")
    assert said[0][1].endswith(" a second")


def test_progress_begins_where_an_earlier_run_ended(encode: Encode, dataset: Dataset, tmp_path: Path) -> None:
    encode(Numbered(), dataset)
    files(tmp_path)[5].unlink()
    told: list[tuple[str, int, int | None]] = []
    encode(Numbered(), dataset, progress=lambda *arguments: told.append(arguments))
    assert ("checking vectors of numbers", 5, 5) in told
    assert [step for step in told if step[0] == "passages of numbers"] == [
        ("passages of numbers", 20, 23),
        ("passages of numbers", 23, 23),
    ]


def test_a_disk_without_room_is_refused_before_anything_is_written(
    encode: Encode, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 700, COUNT * DIM * 4 - 1))
    encoder = Numbered()
    with pytest.raises(PassageCacheError, match="the vectors need 368 bytes and the disk has 367 bytes left"):
        encode(encoder, dataset)
    assert len(encoder.asked) == 3
    assert not files(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 700, COUNT * DIM * 4))
    encode(encoder, dataset)


def test_a_second_process_that_encodes_the_same_is_refused(encode: Encode, dataset: Dataset) -> None:
    class Nested(Numbered):
        def encode(self, texts: Sequence[str], /) -> NDArray[Any]:
            if not self.asked:
                with pytest.raises(PassageCacheError, match="another process is encoding"):
                    encode(Numbered(), dataset)
            return super().encode(texts)

    encode(Nested(), dataset)


def test_a_folder_that_cannot_be_written_is_named(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PassageCacheError, match=r"file/numbers-.*: vectors cannot be written there: Not a directory"):
        encode_passages(Numbered(), "teacher", dataset, tmp_path / "file")


def test_a_collection_that_changes_while_it_is_encoded_is_refused(encode: Encode, tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "numbers", texts(), {"q": "text"}, {"q": {"p0": 1}})
    dataset = open_dataset(folder)
    corpus = folder / "corpus.jsonl"
    corpus.write_bytes(corpus.read_bytes().replace(b'"21"', b'"12"'))
    with pytest.raises(SourceError, match=r"corpus\.jsonl:22: passage 'p21' has changed"):
        encode(Numbered(), dataset)
    assert len(files(tmp_path)) == 5


def test_a_name_of_a_collection_never_leads_out_of_the_folder(encode: Encode, tmp_path: Path) -> None:
    for name in ("../../up", "a/b", "", "..", "ü"):
        encode(Numbered(), dataset_of(texts(), name))
    assert {path.parent.parent for path in files(tmp_path)} == {tmp_path / "cache"}


def test_bad_options_are_refused(encode: Encode, dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="shard_size is 0"):
        encode(Numbered(), dataset, shard_size=0)
    with pytest.raises(ValueError, match="dtype 'int8' is none of float32, float16"):
        encode(Numbered(), dataset, dtype="int8")


def test_vectors_in_memory_are_one_shard() -> None:
    vectors = PassageVectors.from_arrays(["a", "b"], np.eye(2, 3, dtype=np.float32), name="two")
    assert (vectors.name, vectors.count, vectors.dim, vectors.id_of(1)) == ("two", 2, 3, "b")
    assert [(first, part.shape) for first, part in vectors.shards()] == [(0, (2, 3))]
    for wrong in (np.eye(3, dtype=np.float32), np.zeros(2, np.float32), np.eye(2)):
        with pytest.raises(ValueError, match="does not hold a vector for each of 2 ids"):
            PassageVectors.from_arrays(["a", "b"], wrong)  # type: ignore[arg-type]


def test_quantities_are_said_as_people_say_them() -> None:
    assert [byte_count(size) for size in (999, 1536, 13_581_040_128, 2e15)] == [
        "999 bytes",
        "1.5 kB",
        "13.6 GB",
        "2,000.0 TB",
    ]
    assert [duration(seconds) for seconds in (0.4, 119, 600, 166_800)] == ["0 s", "119 s", "10 min", "46 h"]
