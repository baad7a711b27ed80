"""The cache of teacher vectors: nothing is lost or overwritten, whoever else writes and whenever a writer is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")

from training.teacher.torch_teacher import TorchTeacher
from training.teacher.vectors import VectorCache

TEXTS = [f"boil {number} egg" for number in range(40)]


@pytest.fixture(scope="module")
def teacher(teacher_folder: Path) -> TorchTeacher:
    return TorchTeacher(str(teacher_folder))


def test_a_prompt_is_part_of_what_a_vector_is_of(teacher: TorchTeacher, tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, teacher)
    cache.fill(TEXTS[:4])
    cache.fill(TEXTS[:4], prompt="read: ")
    np.testing.assert_allclose(cache.get(TEXTS[:4]), teacher.encode(TEXTS[:4]), atol=1e-3)
    expected = teacher.encode(TEXTS[:4], prompt="read: ")
    np.testing.assert_allclose(cache.get(TEXTS[:4], prompt="read: "), expected, atol=1e-3)
    np.testing.assert_array_equal(
        cache.get(["read: " + text for text in TEXTS[:4]]), cache.get(TEXTS[:4], prompt="read: ")
    )
    with pytest.raises(KeyError):
        cache.get(TEXTS[:4], prompt="walk: ")


def test_two_writers_leave_what_both_wrote(teacher: TorchTeacher, tmp_path: Path) -> None:
    first, second = VectorCache(tmp_path, teacher, shard_size=8), VectorCache(tmp_path, teacher, shard_size=8)
    first.fill(TEXTS[:20])
    second.fill(TEXTS[20:])
    first.refresh()
    for cache in (first, VectorCache(tmp_path, teacher)):
        np.testing.assert_allclose(cache.get(TEXTS), teacher.encode(TEXTS), atol=1e-3)
    assert len(list(first.folder.glob("*.safetensors"))) == 6


_FILL = """
import os, signal, sys
from pathlib import Path
from training.teacher.torch_teacher import TorchTeacher
from training.teacher.vectors import VectorCache

folder, out, shards = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
teacher = TorchTeacher(folder)
cache = VectorCache(out, teacher, shard_size=8)
place = cache._place

def dying(partial):
    if len(cache._shards) == shards:
        os.kill(os.getpid(), signal.SIGKILL)
    return place(partial)

cache._place = dying
cache.fill([f"boil {number} egg" for number in range(40)])
"""


def test_a_writer_that_is_killed_loses_one_shard(teacher: TorchTeacher, teacher_folder: Path, tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", _FILL, str(teacher_folder), str(tmp_path), "2"]
    died = subprocess.run(
        command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    cache = VectorCache(tmp_path, teacher, shard_size=8)
    assert len(list(cache.folder.glob("*.safetensors"))) == 2
    asked: list[str] = []
    encode = teacher.encode
    try:
        teacher.encode = lambda texts, **options: (asked.extend(texts), encode(texts, **options))[1]  # type: ignore
        cache.fill(TEXTS)
    finally:
        del teacher.encode
    assert asked == TEXTS[16:]
    np.testing.assert_allclose(cache.get(TEXTS), teacher.encode(TEXTS), atol=1e-3)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted as Linux shows them")
def test_no_shard_stays_open(teacher: TorchTeacher, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    cache = VectorCache(tmp_path, teacher, shard_size=1)
    cache.fill(TEXTS)
    cache.get(TEXTS)
    VectorCache(tmp_path, teacher).get(TEXTS[::-1])
    assert len(list(cache.folder.glob("*.safetensors"))) == len(TEXTS)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_vectors_come_in_the_order_of_the_texts(teacher: TorchTeacher, tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, teacher, shard_size=7)
    cache.fill(TEXTS)
    order = [31, 2, 2, 17, 39, 0, 31]
    np.testing.assert_array_equal(cache.get([TEXTS[row] for row in order]), cache.get(TEXTS)[order])
    assert cache.get([]).shape == (0, teacher.dim)


def test_each_of_several_processes_encodes_its_share_and_waits(teacher: TorchTeacher, tmp_path: Path) -> None:
    def other() -> None:
        """The other process comes later, when half of the texts are there, and still knows its own share."""
        VectorCache(tmp_path, teacher, process=1, processes=2).fill(TEXTS)

    cache = VectorCache(tmp_path, teacher, process=0, processes=2, wait=other)
    cache.fill(TEXTS)
    np.testing.assert_allclose(cache.get(TEXTS), teacher.encode(TEXTS), atol=1e-3)
    alone = VectorCache(tmp_path / "alone", teacher, process=0, processes=2)
    alone.fill(TEXTS)
    assert 5 < len(alone._where) < 35
