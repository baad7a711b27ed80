"""``python -m training.ranking.mine RECIPE.toml [ROUND]``: hard negatives for stage 2, in Tevatron's format.

For each judged query, a search finds the best passages, and some of those that are not relevant are drawn at random.
The search is BM25, or exact search with a model's vectors: each round of the recipe says which. Without a name, the
first unfinished round runs. A killed run can be resumed and ends with the same file.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from tqdm import tqdm

from training.commandline import run
from training.data import Group, Passage
from training.data.tevatron import format_group
from training.ranking.bm25 import BM25Index
from training.ranking.dense import CollectionVectors, search
from training.ranking.encoding import blocks, encode_queries
from training.ranking.recipe import BM25, MineRecipe, Stage2, check_files, read_stage2
from training.ranking.round_folders import (
    NEGATIVES,
    claim,
    command_line,
    fingerprint,
    next_round,
    open_judged,
    open_models,
    seed_of,
)
from training.recipe import Recipe, check_teacher, read_recipe
from training.stage1.parallel import accelerator_of
from training.teacher.vectors import VectorCache

log = logging.getLogger(__name__)

#: Queries searched at a time. A kill costs at most this many.
BLOCK = 256

Search = Callable[[Sequence[str]], list[tuple[np.ndarray, np.ndarray]]]


class Mining:
    """One round, in its folder. If there is a ``cache``, it keeps the vectors of passages by their texts, too."""

    def __init__(
        self,
        recipe: Recipe,
        stage2: Stage2,
        miner: MineRecipe,
        run: Path,
        accelerator: Accelerator,
        *,
        cache: VectorCache | None = None,
    ) -> None:
        if stage2.data is None:
            raise ValueError(f"{stage2.path}: mining needs a [data] table")
        self._recipe, self._stage2, self._miner, self._run = recipe, stage2, miner, run
        self._accelerator, self._cache = accelerator, cache
        self.folder = run / miner.name
        self._judged = open_judged(stage2.data)
        claim(self.folder, fingerprint(recipe, stage2, miner, run, collection=self._judged.collection.digest))

    def _search(self) -> Search:
        """A function that finds the best passages of queries. With several processes, all help to prepare it."""
        miner, collection = self._miner, self._judged.collection
        if miner.by == BM25:
            # A title's words count like those of the text.
            texts = (str(passage.whole()) for passage in collection)
            index = BM25Index.open(self.folder / "index", texts, k1=miner.k1, b=miner.b)
            return lambda queries: index.search(queries, miner.depth)
        device = self._accelerator.device
        student, teacher = open_models(self._recipe, self._run, miner.by, device)
        vectors = CollectionVectors(Path(self._recipe.cache), teacher, collection)
        process, processes = self._accelerator.process_index, self._accelerator.num_processes
        vectors.fill(process=process, processes=processes, cache=self._cache)
        self._accelerator.wait_for_everyone()
        longest = self._recipe.student.max_tokens

        def by_vectors(queries: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
            return search(encode_queries(student, teacher, queries, longest, device), vectors, miner.depth, device)

        return by_vectors

    def mine(self) -> Path:
        """Mine all queries, or those that are left, and return the file."""
        result = self.folder / NEGATIVES
        if result.is_file():
            return result
        if self._miner.by == BM25 and not self._accelerator.is_main_process:
            return result
        find = self._search()
        if self._accelerator.is_main_process:
            self._write(result, find)
        return result

    def _write(self, result: Path, find: Search) -> None:
        keys = list(self._judged.queries)
        partial = result.with_suffix(".partial")
        done = whole_lines(partial, BLOCK)
        without = 0
        with (
            partial.open("a", encoding="utf-8") as file,
            tqdm(total=len(keys), initial=done, desc="queries", unit="query", disable=None, mininterval=5) as progress,
        ):
            for rows in blocks(len(keys), BLOCK):
                if rows.start < done:
                    continue
                part = [keys[row] for row in rows]
                hits = find([self._judged.queries[key] for key in part])
                for key, (found, _) in zip(part, hits, strict=True):
                    group = self._group(key, found)
                    without += not group.negatives
                    file.write(format_group(group) + "\n")
                file.flush()
                progress.update(len(part))
        partial.replace(result)
        if without:
            log.warning("%s: %d queries have no negatives: the search found only their answers", result, without)

    def _group(self, key: str, found: np.ndarray) -> Group:
        """A query, its relevant passages, and negatives drawn from the rows that were found (best first)."""
        collection, miner = self._judged.collection, self._miner
        positives = tuple(collection.get(passage) for passage in self._judged.relevant[key])
        answers = {passage.text for passage in positives}
        known = {passage.id for passage in positives} | self._judged.doubtful[key]
        hits: list[Passage] = []
        for row in found[miner.skip :].tolist():
            passage = collection[row]
            # A copy of an answer under another id is also an answer. MS MARCO has many.
            if passage.id not in known and passage.text not in answers:
                hits.append(passage)
        rng = random.Random(seed_of(self._recipe.seed, miner.name, key))
        drawn = rng.sample(hits, min(miner.negatives, len(hits)))
        return Group(key, self._judged.queries[key], positives, tuple(drawn))


def whole_lines(path: Path, multiple: int) -> int:
    """Cut a file down to a multiple of ``multiple`` whole lines, and return how many are left."""
    if not path.is_file():
        return 0
    ends = []
    place = 0
    with path.open("r+b") as file:
        for line in file:
            place += len(line)
            if line.endswith(b"\n"):
                ends.append(place)
        kept = len(ends) - len(ends) % multiple
        file.truncate(ends[kept - 1] if kept else 0)
    return kept


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = command_line("training.ranking.mine", __doc__.split("\n\n")[0], arguments)
    recipe, stage2 = read_recipe(options.recipe), read_stage2(options.recipe)
    check_teacher(recipe)
    check_files(stage2)
    run = options.out or Path("runs") / recipe.name
    name = options.round or next_round(run, stage2.mine)
    if name is None:
        print(f"all {len(stage2.mine)} rounds of mining in {run} are done")
        return
    print(Mining(recipe, stage2, stage2.mining(name), run, accelerator_of("", cpu=options.cpu)).mine())


if __name__ == "__main__":
    run(main)
