"""What a round of contrastive training reads: groups by row, and the batches drawn from them.

The passages drawn for a query and the queries that share a batch depend only on the seed, the epoch and the row. So
every process of a run can draw a batch for itself, and a resumed run draws the same ones.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.data import Group, GroupFile, Passage, Text, is_development, read_groups, write_groups
from training.data.judged import KINDS, split_kind
from training.ranking.recipe import ContrastRecipe, Stage2
from training.ranking.round_folders import NEGATIVES, open_judged, seed_of


@dataclass(frozen=True)
class Batch:
    """Queries, all passages of the batch, and how they belong together.

    ``target`` int64 (queries,) is the place of each query's positive. ``barred`` bool (queries, passages) marks other
    passages that are relevant to a query and so cannot be its negatives. ``files`` holds the number of each query's
    file.
    """

    queries: list[Text]
    passages: list[Passage]
    target: Tensor
    barred: Tensor
    files: tuple[int, ...] = ()


def group_paths(stage2: Stage2, one: ContrastRecipe, run: Path, *, write: bool) -> list[Path]:
    """The Tevatron files of a round. If ``write``, sources of another format are converted in its folder first.

    Raises:
        ValueError: a round of mining has not been run yet.
    """
    paths = []
    for number, source in enumerate(one.groups):
        kind, _, name = source.partition(":")
        if kind == "mine":
            path = run / name / NEGATIVES
            if not path.is_file():
                raise ValueError(
                    f"there is no {path}: run python -m training.ranking.mine for {name!r} before this round"
                )
        else:
            kind, path = split_kind(source, KINDS, "tevatron")
            if kind != "tevatron" or path.suffix == ".gz":
                path = run / one.name / f"groups-{number}.jsonl"
                if write and not path.is_file():
                    judged = open_judged(stage2.data) if kind == "id-triples" and stage2.data else None
                    write_groups(path, read_groups(source, judged))
        paths.append(path)
    return paths


class Groups:
    """The groups of several files, by row: some to train on, the others held out."""

    def __init__(self, paths: Sequence[Path], one: ContrastRecipe, seed: int) -> None:
        self._one, self._seed = one, seed
        self._files: list[GroupFile] = []
        self._rows: dict[bool, array[int]] = {False: array("Q"), True: array("Q")}
        first = 0
        for path in paths:
            held_out: list[bool] = []

            def note(group: Group, _: int, held_out: list[bool] = held_out) -> None:
                held_out.append(isinstance(group.query, str) and is_development(group.query, one.development))

            self._files.append(GroupFile(path, note))
            for row, development in enumerate(held_out):
                self._rows[development].append(first + row)
            first += len(held_out)
        if not self._rows[False]:
            raise ValueError(f"{', '.join(map(str, paths))}: no query is left to train on; is development too large?")

    def __len__(self) -> int:
        """How many groups are trained on."""
        return len(self._rows[False])

    @property
    def digest(self) -> str:
        """A hash of all groups."""
        return "-".join(file.digest for file in self._files)

    def __getitem__(self, row: int) -> Group:
        number, place = self._place(row)
        return self._files[number][place]

    def _place(self, row: int) -> tuple[int, int]:
        """The number of a row's file, and the row's place in it."""
        for number, file in enumerate(self._files):
            if row < len(file):
                return number, row
            row -= len(file)
        raise IndexError(row)

    def __iter__(self) -> Iterator[Group]:
        """All groups, including those held out."""
        for file in self._files:
            yield from file

    def development(self, count: int) -> list[Group]:
        """The first ``count`` held-out groups."""
        return [self[row] for row in self._rows[True][:count]]

    def batches(self, epoch: int) -> list[np.ndarray]:
        """The rows of each batch of an epoch. Each row comes once."""
        rows = np.array(self._rows[False], np.int64)
        order = np.random.default_rng([self._seed, epoch]).permutation(rows)
        return [order[start : start + self._one.batch] for start in range(0, len(order), self._one.batch)]

    def batch(self, rows: np.ndarray, epoch: int) -> Batch:
        """Read the groups of some rows, and draw a positive and negatives for each."""
        queries: list[Text] = []
        passages: list[Passage] = []
        target: list[int] = []
        relevant: list[set[object]] = []
        for row in rows.tolist():
            group = self[row]
            positive, negatives = draw(group, self._one.negatives, seed_of(self._seed, epoch, row))
            target.append(len(passages))
            queries.append(group.query)
            passages += [positive, *negatives]
            relevant.append({passage.key for passage in group.positives})
        keys = [passage.key for passage in passages]
        barred = torch.tensor([[key in own for key in keys] for own in relevant])
        places = torch.tensor(target)
        barred[torch.arange(len(target)), places] = False
        return Batch(queries, passages, places, barred, tuple(self._place(row)[0] for row in rows.tolist()))


def held_out_pool(groups: Sequence[Group]) -> tuple[list[Passage], list[list[int]]]:
    """The passages of held-out groups, each once, and the places of each group's positives among them."""
    pool = {passage.key: passage for group in groups for passage in (*group.positives, *group.negatives[:8])}
    places = {key: place for place, key in enumerate(pool)}
    return list(pool.values()), [[places[passage.key] for passage in group.positives] for group in groups]


def draw(group: Group, count: int, seed: int) -> tuple[Passage, list[Passage]]:
    """One of a group's positives and ``count`` of its negatives, or all if there are fewer."""
    rng = random.Random(seed)
    positive = rng.choice(group.positives)
    return positive, rng.sample(group.negatives, min(count, len(group.negatives)))
