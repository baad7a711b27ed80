"""The tables of a recipe that stage 2 reads: ``[data]``, ``[[mine]]``, ``[[contrast]]`` and ``[[light]]``.

A recipe may have several rounds of mining and of training. Each has a name, which is also the name of its folder in the
run, and states which other round it builds on. The paper's order (appendix B) is: negatives by BM25, a first model,
negatives by that model, and the final model, which starts from stage 1's student again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from training.checking import Count, HeldOut, Natural, NotNegative, OneOf, Positive, Share
from training.data.judged import KINDS, split_kind
from training.entries import RecipeError, read_entries, take

#: What a round can start from or search with, besides other rounds: stage 1's student, the teacher for both, BM25.
DISTILLED, TEACHER, BM25 = "distilled", "teacher", "bm25"


@dataclass(frozen=True)
class DataRecipe:
    """The judged queries and the passages: a BEIR folder, or MS MARCO's three files."""

    #: A BEIR folder, or a collection as TSV or JSON lines.
    collection: str
    queries: str = ""
    qrels: str = ""
    #: Which judgements of a BEIR folder to use.
    split: str = "train"
    #: The lowest grade of a relevant passage.
    relevant_from: Count = 1


@dataclass(frozen=True)
class MineRecipe:
    """A round of mining: for each query, irrelevant passages that a search finds."""

    name: str
    #: What searches: "bm25"; "teacher", which then encodes queries too; "distilled", the student of stage 1; or the
    #: name of a [[contrast]] or [[light]].
    by: str = BM25
    #: How many of a query's hits to draw from, and how many negatives to draw.
    depth: Count = 200
    negatives: Count = 30
    #: How many of the first hits to leave out: they are unjudged, and more likely to be relevant than others.
    skip: Natural = 0
    #: BM25's parameters. The defaults are Anserini's for MS MARCO's passages.
    k1: NotNegative = 0.9
    b: Share = 0.4


@dataclass(frozen=True)
class ContrastRecipe:
    """A round of contrastive training. Defaults are the paper's (appendix B), or else Tevatron's."""

    name: str
    #: "mine:NAME" for a round of mining, or files that :func:`training.data.read_groups` reads.
    groups: tuple[str, ...]
    #: "distilled", or the name of another round.
    start: str = DISTILLED
    #: The passage encoder: "trained" too, starting from the teacher; or "frozen", so an index stays valid.
    passages: Annotated[str, OneOf("trained", "frozen")] = "trained"
    epochs: Natural = 3
    #: Queries in a step, over all processes, and the hard negatives of each. The batch's other passages also count as
    #: negatives.
    batch: Count = 64
    negatives: Natural = 7
    rate: NotNegative = 5e-6
    #: The share of the steps in which the rate rises to ``rate``. After that it falls linearly to zero.
    warmup: Share = 0.0
    weight_decay: NotNegative = 0.0
    #: Scores are divided by this; 0 for the default, which is 1 for a dot product and 0.05 for a cosine.
    temperature: NotNegative = 0.0
    #: Texts to encode at a time, with gradient caching; 0 for the whole batch at once.
    chunk: Natural = 0
    #: A passage encoder under training cuts passages after this many word pieces, special tokens included; 0 for the
    #: teacher's own limit. A frozen encoder always keeps that limit.
    passage_tokens: Natural = 128
    #: The share of the queries that is held out and evaluated after each epoch.
    development: HeldOut = 0.02


@dataclass(frozen=True)
class LightRecipe(ContrastRecipe):
    """A round of LightRetriever's training. Rates and losses default to those of the paper or its code."""

    #: "teacher", or the name of an earlier round whose passage encoder to continue with.
    start: str = TEACHER
    #: Texts before each token of a query: one for each entry of ``groups``, one for all, or none for the teacher's own.
    prompts: tuple[str, ...] = ()
    #: Whether to train queries as means of token vectors, and as counts of tokens.
    dense: bool = True
    sparse: bool = True
    rate: NotNegative = 2e-5
    #: The rate of the head that gives passages their token weights; 0 for ``rate``.
    head_rate: NotNegative = 0.0
    temperature: Positive = 0.02
    sparse_temperature: Positive = 1.0
    #: The weights of the KL divergence from the whole queries' scores, and of the whole queries' own loss.
    alignment: NotNegative = 1.0
    symmetric: NotNegative = 1.0
    #: Matryoshka: how many first entries of the vectors get a loss of their own. None: only the whole vectors.
    dimensions: tuple[Count, ...] = ()
    #: "count" or "set": whether a token that occurs twice counts twice.
    counts: Annotated[str, OneOf("count", "set")] = "count"
    #: The weight of the FLOPS regulariser, and the share of the steps after which it has its full weight.
    flops: NotNegative = 1e-3
    flops_warmup: Share = 0.3
    #: How many of its largest weights a passage keeps; 0 for all.
    top_k: Natural = 0
    #: The rank of low-rank adapters, which are then the only weights trained; 0 trains all weights.
    lora_rank: Natural = 0
    lora_alpha: Count = 32
    lora_dropout: HeldOut = 0.1


#: The entries of [data] that name a file or folder.
_PATHS = ("collection", "queries", "qrels")

Round = TypeVar("Round", MineRecipe, ContrastRecipe, LightRecipe)


@dataclass(frozen=True)
class Stage2:
    """The tables of stage 2. ``data`` is ``None`` if every round of training reads files of its own."""

    data: DataRecipe | None
    mine: tuple[MineRecipe, ...]
    contrast: tuple[ContrastRecipe, ...]
    light: tuple[LightRecipe, ...]
    path: Path

    def mining(self, name: str) -> MineRecipe:
        """The round of mining with that name. ``RecipeError`` if there is none."""
        return _named(self.mine, name, f"{self.path} [[mine]]")

    def training(self, name: str) -> ContrastRecipe:
        """The round of contrastive training with that name. ``RecipeError`` if there is none."""
        return _named(self.contrast, name, f"{self.path} [[contrast]]")

    def lighting(self, name: str) -> LightRecipe:
        """The round of LightRetriever's training with that name. ``RecipeError`` if there is none."""
        return _named(self.light, name, f"{self.path} [[light]]")


def _named(rounds: tuple[Round, ...], name: str, where: str) -> Round:
    names = [one.name for one in rounds]
    if name not in names:
        raise RecipeError(f"{where}: no {name!r}; there are: {', '.join(names) or 'none'}")
    return rounds[names.index(name)]


def read_stage2(path: Path) -> Stage2:
    """Read these tables of a recipe.

    Raises:
        RecipeError: an entry is unknown or missing, of another type, out of range, or makes no sense. The message names
            file, table and entry.
    """
    recipe = read_entries(path)
    data = recipe.get("data")
    if isinstance(data, dict) and "separator" in data:
        raise RecipeError(
            f"{path} [data]: separator: remove it. A blank stands between title and text in training, as in indexes "
            "and in evaluation"
        )
    stage2 = Stage2(
        None if data is None else take(DataRecipe, data, f"{path} [data]"),
        tuple(_rounds(MineRecipe, recipe, "mine", path)),
        tuple(_rounds(ContrastRecipe, recipe, "contrast", path)),
        tuple(_rounds(LightRecipe, recipe, "light", path)),
        path,
    )
    _check(stage2)
    return stage2


def _rounds(kind: type[Round], recipe: Mapping[str, Any], table: str, path: Path) -> Iterator[Round]:
    tables, where = recipe.get(table, []), f"{path} [[{table}]]"
    if not isinstance(tables, list):
        raise RecipeError(f"{where}: write it with two brackets: a recipe may have several rounds")
    for number, entries in enumerate(tables, 1):
        name = entries.get("name", number) if isinstance(entries, Mapping) else number
        yield take(kind, entries, f"{where} {name!r}")


def check_files(stage2: Stage2) -> None:
    """Check that what the rounds read is there, before any work. What earlier rounds write is not looked for.

    Raises:
        RecipeError: a file or folder of [data], or one of groups, does not exist.
    """
    named = {} if stage2.data is None else {name: getattr(stage2.data, name) for name in _PATHS}
    for name, source in named.items():
        if source and not Path(source).exists():
            raise RecipeError(f"{stage2.path} [data]: {name}: there is no {source}")
    for one in (*stage2.contrast, *stage2.light):
        for source in one.groups:
            path = split_kind(source, KINDS, "tevatron")[1]
            if not source.startswith("mine:") and not path.exists():
                raise RecipeError(f"{stage2.path} round {one.name!r}: groups: there is no {path}")


def _check(stage2: Stage2) -> None:
    names = [one.name for one in stage2.mine] + [one.name for one in (*stage2.contrast, *stage2.light)]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"{stage2.path}: two rounds are called {name!r}: each needs a name of its own")
    trained = [one.name for one in stage2.contrast]
    lit = [one.name for one in stage2.light]
    for name in (*trained, *lit):
        if name in (DISTILLED, TEACHER, BM25):
            raise RecipeError(f"{stage2.path}: a round cannot be called {name!r}, because the name has another meaning")
    for miner in stage2.mine:
        if miner.by not in (BM25, TEACHER, DISTILLED, *trained, *lit):
            raise RecipeError(f"{stage2.path} [[mine]] {miner.name}: by = {miner.by!r} is not a round of training")
        if not 0 < miner.negatives <= miner.depth - miner.skip:
            raise RecipeError(
                f"{stage2.path} [[mine]] {miner.name}: cannot draw {miner.negatives} negatives from {miner.depth} hits "
                f"without the first {miner.skip}"
            )
        if stage2.data is None:
            raise RecipeError(f"{stage2.path} [[mine]] {miner.name}: mining needs a [data] table")
    for place, one in enumerate(stage2.contrast):
        where = f"{stage2.path} [[contrast]] {one.name}"
        if one.start not in (DISTILLED, *trained[:place]):
            raise RecipeError(f"{where}: start = {one.start!r} is neither {DISTILLED!r} nor an earlier round")
        if one.passages not in ("trained", "frozen"):
            raise RecipeError(f"{where}: passages = {one.passages!r} is neither 'trained' nor 'frozen'")
        _check_groups(stage2, one, where)
    for place, light in enumerate(stage2.light):
        where = f"{stage2.path} [[light]] {light.name}"
        if light.start not in (TEACHER, *lit[:place]):
            raise RecipeError(f"{where}: start = {light.start!r} is neither {TEACHER!r} nor an earlier round")
        if light.passages != "trained":
            raise RecipeError(f"{where}: passages must be 'trained'")
        if not (light.dense or light.sparse):
            raise RecipeError(f"{where}: set dense or sparse: there is nothing to train")
        if len(light.prompts) not in (0, 1, len(light.groups)):
            raise RecipeError(f"{where}: {len(light.prompts)} prompts for {len(light.groups)} entries of groups")
        if light.counts not in ("count", "set"):
            raise RecipeError(f"{where}: counts = {light.counts!r} is neither 'count' nor 'set'")
        _check_groups(stage2, light, where)


def _check_groups(stage2: Stage2, one: ContrastRecipe, where: str) -> None:
    if not one.groups:
        raise RecipeError(f"{where}: groups is empty")
    for source in one.groups:
        kind, _, name = source.partition(":")
        if kind == "mine":
            stage2.mining(name)
