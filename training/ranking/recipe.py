"""The parts of a recipe that stage 2 reads: ``[data]``, ``[[mine]]``, ``[[contrast]]`` and ``[[light]]``.

A recipe may hold several rounds of mining and of training. Each has a name, which is that of its folder in the run,
and says which of the others it builds on. The paper's order (appendix B) is: negatives by BM25, a first model,
negatives by that model, and the final model, from stage 1's student again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from training.entries import read_entries, take

#: How a round says that it starts from, or searches with, the student of stage 1 or the teacher on both sides.
DISTILLED, TEACHER, BM25 = "distilled", "teacher", "bm25"


@dataclass(frozen=True)
class DataRecipe:
    """Judged queries and the passages: a BEIR folder, or MS MARCO's three files."""

    #: A BEIR folder, or a collection as TSV or JSON lines.
    collection: str
    queries: str = ""
    qrels: str = ""
    #: The judgements of a BEIR folder.
    split: str = "train"
    #: Grade from which a passage is relevant.
    relevant_from: int = 1


@dataclass(frozen=True)
class MineRecipe:
    """A round of mining: for each query, passages that a search finds and that are not relevant."""

    name: str
    #: "bm25"; "teacher", for queries, too; "distilled" for the student of stage 1; or the name of a [[contrast]].
    by: str = BM25
    #: Hits of each query that negatives are drawn from, and how many are drawn.
    depth: int = 200
    negatives: int = 30
    #: The first hits, which are left out: unjudged, and likelier than others to be relevant.
    skip: int = 0
    #: BM25's parameters: Anserini's defaults for MS MARCO's passages.
    k1: float = 0.9
    b: float = 0.4


@dataclass(frozen=True)
class ContrastRecipe:
    """A round of contrastive training. The defaults are the paper's (appendix B), and Tevatron's where it is silent."""

    name: str
    #: "mine:NAME", or files that :func:`training.data.read_groups` reads.
    groups: tuple[str, ...]
    #: "distilled", or the name of another round.
    start: str = DISTILLED
    #: "trained" along, from the teacher; or "frozen", so that an index stays valid.
    passages: str = "trained"
    epochs: int = 3
    #: Queries in a step, over all processes, and the hard negatives of each; all other passages are its negatives, too.
    batch: int = 64
    negatives: int = 7
    rate: float = 5e-6
    #: Share of the steps in which the rate rises to ``rate``; then it falls to zero in a straight line.
    warmup: float = 0.0
    weight_decay: float = 0.0
    #: Scores are divided by it. 0: 1 for a dot product, 0.05 for a cosine.
    temperature: float = 0.0
    #: Texts that are encoded at a time, with gradient caching; 0 for the whole batch at once.
    chunk: int = 0
    #: Passages whose encoder is trained are cut at so many word pieces, special tokens included; 0 for the teacher's
    #: own length, which a frozen encoder always keeps.
    passage_tokens: int = 128
    #: Share of the queries that is held out, and looked at after each epoch.
    development: float = 0.02


@dataclass(frozen=True)
class LightRecipe(ContrastRecipe):
    """A round of LightRetriever's training. Rates and losses default to the paper's, or its code's."""

    #: "teacher", or the name of an earlier round, whose passage encoder it goes on with.
    start: str = TEACHER
    #: What stands before each token of a query: one for each entry of ``groups``, one for all, or the teacher's own.
    prompts: tuple[str, ...] = ()
    #: Whether queries are means of token vectors, and whether they are counts of tokens.
    dense: bool = True
    sparse: bool = True
    rate: float = 2e-5
    #: Of the head that gives passages their weights of tokens; 0: ``rate``.
    head_rate: float = 0.0
    temperature: float = 0.02
    sparse_temperature: float = 1.0
    #: Weight of the KL divergence from whole queries' scores, and of the whole queries' own loss.
    alignment: float = 1.0
    symmetric: float = 1.0
    #: Matryoshka: first entries of the vectors that are trained for themselves, too. None: all of them alone.
    dimensions: tuple[int, ...] = ()
    #: "count" or "set": whether a token that comes twice counts twice.
    counts: str = "count"
    #: Weight of the FLOPS regulariser, and the share of the steps after which it is all there.
    flops: float = 1e-3
    flops_warmup: float = 0.3
    #: Weights that a passage keeps, the largest; 0: all.
    top_k: int = 0
    #: Rank of low-rank adapters, in which alone the model is trained; 0: all of its weights are.
    lora_rank: int = 0
    lora_alpha: int = 32
    lora_dropout: float = 0.1


Round = TypeVar("Round", MineRecipe, ContrastRecipe, LightRecipe)


@dataclass(frozen=True)
class Stage2:
    """All of it. ``data`` is ``None`` where every round of training reads files of its own."""

    data: DataRecipe | None
    #: What stands between a passage's title and its text: "[SEP]" for coCondenser's retriever.
    separator: str
    mine: tuple[MineRecipe, ...]
    contrast: tuple[ContrastRecipe, ...]
    light: tuple[LightRecipe, ...]
    path: Path

    def mining(self, name: str) -> MineRecipe:
        """The round of mining of that name; ``ValueError`` if there is none."""
        return _named(self.mine, name, f"{self.path} [[mine]]")

    def training(self, name: str) -> ContrastRecipe:
        """The round of training of that name; ``ValueError`` if there is none."""
        return _named(self.contrast, name, f"{self.path} [[contrast]]")

    def lighting(self, name: str) -> LightRecipe:
        """The round of LightRetriever's training of that name; ``ValueError`` if there is none."""
        return _named(self.light, name, f"{self.path} [[light]]")


def _named(rounds: tuple[Round, ...], name: str, where: str) -> Round:
    names = [one.name for one in rounds]
    if name not in names:
        raise ValueError(f"{where}: no {name!r}; there are: {', '.join(names) or 'none'}")
    return rounds[names.index(name)]


def read_stage2(path: Path) -> Stage2:
    """Read these parts of a recipe; ``ValueError`` names an entry that is unknown, missing or makes no sense."""
    recipe = read_entries(path)
    data = dict(recipe["data"]) if "data" in recipe else None
    separator = str((data or {}).pop("separator", " "))
    mine = tuple(take(MineRecipe, one, f"{path} [[mine]]") for one in recipe.get("mine", []))
    contrast = tuple(take(ContrastRecipe, one, f"{path} [[contrast]]") for one in recipe.get("contrast", []))
    light = tuple(take(LightRecipe, one, f"{path} [[light]]") for one in recipe.get("light", []))
    stage2 = Stage2(
        None if data is None else take(DataRecipe, data, f"{path} [data]"), separator, mine, contrast, light, path
    )
    _check(stage2)
    return stage2


def _check(stage2: Stage2) -> None:
    names = [one.name for one in stage2.mine] + [one.name for one in (*stage2.contrast, *stage2.light)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{stage2.path}: two rounds are called {name!r}")
    trained = [one.name for one in stage2.contrast]
    lit = [one.name for one in stage2.light]
    for name in (*trained, *lit):
        if name in (DISTILLED, TEACHER, BM25):
            raise ValueError(f"{stage2.path}: no round can be called {name!r}, which has a meaning of its own")
    for miner in stage2.mine:
        if miner.by not in (BM25, TEACHER, DISTILLED, *trained, *lit):
            raise ValueError(f"{stage2.path} [[mine]] {miner.name}: by = {miner.by!r} is no round of training")
        if not 0 < miner.negatives <= miner.depth - miner.skip:
            raise ValueError(
                f"{stage2.path} [[mine]] {miner.name}: {miner.negatives} negatives out of {miner.depth} hits"
            )
        if stage2.data is None:
            raise ValueError(f"{stage2.path} [[mine]] {miner.name}: there is no [data] to mine in")
    for place, one in enumerate(stage2.contrast):
        where = f"{stage2.path} [[contrast]] {one.name}"
        if one.start not in (DISTILLED, *trained[:place]):
            raise ValueError(f"{where}: start = {one.start!r} is neither {DISTILLED!r} nor an earlier round")
        if one.passages not in ("trained", "frozen"):
            raise ValueError(f"{where}: passages = {one.passages!r} is neither 'trained' nor 'frozen'")
        _check_groups(stage2, one, where)
    for place, light in enumerate(stage2.light):
        where = f"{stage2.path} [[light]] {light.name}"
        if light.start not in (TEACHER, *lit[:place]):
            raise ValueError(f"{where}: start = {light.start!r} is neither {TEACHER!r} nor an earlier round")
        if light.passages != "trained":
            raise ValueError(f"{where}: its passages are always trained")
        if not (light.dense or light.sparse):
            raise ValueError(f"{where}: neither dense nor sparse: there is nothing to train")
        if len(light.prompts) not in (0, 1, len(light.groups)):
            raise ValueError(f"{where}: {len(light.prompts)} prompts for {len(light.groups)} entries of groups")
        if light.counts not in ("count", "set"):
            raise ValueError(f"{where}: counts = {light.counts!r} is neither 'count' nor 'set'")
        _check_groups(stage2, light, where)


def _check_groups(stage2: Stage2, one: ContrastRecipe, where: str) -> None:
    if not one.groups:
        raise ValueError(f"{where}: groups is empty")
    for source in one.groups:
        kind, _, name = source.partition(":")
        if kind == "mine":
            stage2.mining(name)
