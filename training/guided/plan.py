"""How the time of a training is divided, and what it needs.

The time of the teacher and that of a student are both proportional to the number of their weights and of the tokens,
so two measured numbers are enough: the weights multiplied in a second, once for reading and once for learning. A plan
that is printed takes them from below; one that is carried out measures them on the machine.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from training.guided.checks import Checked
from training.guided.facts import megabytes
from training.guided.request import Request

#: Weights times tokens in a second and thread: a teacher's pass over short texts, in bfloat16 on a core with
#: AVX512-BF16 (all-MiniLM-L6-v2 10,000 tokens a second on two threads, all-mpnet-base-v2 1,600), and half of it in
#: float32.
_READING = 6e10
#: The same for a step of training, forward and backward: about a third, and some overhead.
_LEARNING = 1.6e10
#: Seconds until the first text is read: imports, and loading the teacher.
_BEGINNING = 20.0
#: The share of the time that judging takes, and what is kept back because nothing is quite as planned.
_JUDGING, _RESERVE = 0.04, 0.06
#: The share of the time for the static student, which comes first, and the most that learning from judgements may take.
_STATIC, _MOST_RANKING = 0.06, 0.5
#: Passes over the judged queries, at most. The first gains most.
_RANKING_PASSES = 3
#: How many times as long as in distillation a token takes there, because it is encoded twice; and a token of a passage,
#: compared with one of a query, because attention grows with the length. The first is a guess.
_TWICE, _LONG = 1.7, 1.1
#: Passes over the texts: those that a plan is made with, and the most that are of use.
_PASSES, MOST_PASSES = 3, 12
#: With fewer texts times passes, "auto" takes a GRU instead of layers of the teacher. It is a guess: where the one gets
#: better than the other was not measured.
_LEAST_CAUSAL = 10_000
#: Units of a GRU, and of the layer that reads the embedding from a static student's mean or from a GRU.
HIDDEN, READOUT = 384, 1024
#: Weights of feed-forward layers above which they are stored in four bits, and then those of attention.
_FOUR_BITS, _ALL_FOUR_BITS = 20e6, 60e6


@dataclass(frozen=True)
class Speeds:
    """What this machine does: weights times tokens in a second, reading and learning."""

    reading: float
    learning: float

    @classmethod
    def expected(cls, *, threads: int, bfloat16: bool) -> Speeds:
        """What to expect before anything was measured."""
        factor = min(threads, os.cpu_count() or 1) * (1.0 if bfloat16 else 0.5)
        return cls(_READING * factor, _LEARNING * factor)


@dataclass(frozen=True)
class Plan:
    """How a training goes. Times are in seconds."""

    #: A key of :data:`~training.guided.request.FAMILIES`.
    family: str
    #: Texts to train on, and how often each is used.
    texts: int
    passes: float
    #: The most texts that a student of any family would have time for.
    most_texts: int
    beginning: float
    table: float
    vectors: float
    static: float
    training: float
    #: Learning from judged queries, which includes the teacher's vectors of their passages.
    ranking: float
    #: Passes over those queries.
    ranking_passes: int
    ending: float
    #: Bytes.
    memory: float
    disk: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.beginning + self.table + self.vectors + self.static + self.training + self.ranking + self.ending

    def __str__(self) -> str:
        """The plan as a person reads it."""
        times = [
            ("loading the teacher", self.beginning),
            ("the teacher's vector of each token", self.table),
            (f"the teacher's vectors of {self.texts:,} texts", self.vectors),
            ("the static student", self.static),
            (f"the {self.family} student, {self.passes:.1f} passes over the texts", self.training),
            ("learning from judged queries", self.ranking),
            ("the rest: figures, export", self.ending),
        ]
        lines = [f"  {minutes(seconds):>7}  {what}" for what, seconds in times if seconds >= 0.5]
        lines.append(f"  {minutes(self.seconds):>7}  in all")
        lines.append(f"Memory: about {megabytes(self.memory)}. Disk: about {megabytes(self.disk)}.")
        return "\n".join(lines)


def minutes(seconds: float) -> str:
    """A time for people."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def student_weights(checked: Checked, family: str) -> float:
    """Weights that a student multiplies each token by, besides its table."""
    dim = checked.facts.dim
    if family == "static":
        # Once a text, not once a token.
        return 2 * dim * READOUT / 8
    if family == "gru":
        return 3 * HIDDEN * (dim + HIDDEN) + READOUT * 2 * (dim + HIDDEN) / 8
    return checked.facts.layer_weights + 2 * dim**2 / 8


def _ranking(checked: Checked, speeds: Speeds, most: float) -> tuple[float, int]:
    """Seconds of learning from judgements, and the passes over their queries; in ``most`` seconds, if one pass fits.

    The teacher reads the passages, then the queries are learnt. They take as long as a causal student's.
    """
    if checked.judged is None:
        return 0.0, 0
    size, weights = checked.judged, max(checked.facts.layer_weights, 1)
    passages = _LONG * size.passages * size.passage_tokens * weights / speeds.reading
    once = _TWICE * size.queries * size.query_tokens * weights / speeds.learning
    passes = max(1, min(_RANKING_PASSES, int((most - passages) / max(once, 1e-9))))
    return passages + passes * once, passes


def plan(
    request: Request, checked: Checked, speeds: Speeds, *, available: int, tokens: float, passed: float = 0.0
) -> Plan:
    """Divide the time of a request.

    Args:
        request: what is asked.
        checked: what the checks found.
        speeds: of this machine.
        available: how many texts there are.
        tokens: the mean number of tokens in a text, special ones not counted.
        passed: seconds that are gone already, instead of those for loading the teacher.
    """
    facts = checked.facts
    total = request.minutes * 60
    special = 2 + (3 if facts.settings.query_prompt else 0)
    reading = speeds.reading / max(facts.layer_weights, 1)
    beginning = passed or _BEGINNING
    table = 0.0 if checked.start else checked.rows * (1 + special) / reading
    ending = _JUDGING * total + 15 + facts.weights / 10e6
    ranking, ranking_passes = _ranking(checked, speeds, _MOST_RANKING * total)
    rest = max(total * (1 - _RESERVE) - beginning - table - ranking - ending, 1.0)
    # Who names a family gets that family. "auto" has the static student to compare with.
    static = 0.0 if request.family != "auto" or checked.start else min(_STATIC * total, rest / 4)
    rest -= static
    each = (tokens + special) / reading

    def divided(family: str) -> tuple[int, float, float]:
        """Texts, seconds of the teacher, and passes."""
        once = (tokens + 1) * student_weights(checked, family) / speeds.learning
        count = min(available, max(int(rest / (each + _PASSES * once)), 1))
        left = max(rest - count * each, 0.0)
        return count, count * each, min(left / max(count * once, 1e-9), MOST_PASSES)

    family = request.family
    if family == "auto":
        if checked.start:
            family = {"static": "static", "recurrent": "gru", "causal": "causal"}[checked.start[1].family]
        else:
            texts, _, passes = divided("causal")
            enough = "causal" in checked.families and texts * passes >= _LEAST_CAUSAL
            family = "causal" if enough else "gru" if "gru" in checked.families else "static"
    texts, vectors, passes = divided(family)
    most_texts = max(divided(name)[0] for name in ((family,) if request.family != "auto" else checked.families))
    once = (tokens + 1) * student_weights(checked, family) / speeds.learning
    weights = student_weights(checked, family) if family == "causal" else 0.0
    tables = checked.rows * facts.dim * (2 if family == "causal" else 1)
    # In float32: weights, gradients and two moments; and the teacher.
    memory = 6e8 + 16 * (weights + tables) + facts.weights * (2 if family == "causal" else 1)
    # The vectors, two checkpoints with moments and two students, the exported models.
    disk = 2 * facts.dim * (texts + checked.rows * 2) + 2 * 12 * (weights + tables) + 8 * tables + facts.weights
    return Plan(
        family=family,
        texts=texts,
        passes=passes,
        most_texts=most_texts,
        beginning=beginning,
        table=table,
        vectors=vectors,
        static=static,
        training=passes * texts * once,
        ranking=ranking,
        ranking_passes=ranking_passes,
        ending=ending,
        memory=memory,
        disk=disk,
    )


def bits(layer_weights: int) -> tuple[int, int]:
    """Bits of feed-forward and attention weights of a causal student: a step takes the time to read its weights."""
    return (4 if layer_weights > _FOUR_BITS else 8), (4 if layer_weights > _ALL_FOUR_BITS else 8)


def has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16, by Linux's word; elsewhere float32 is the safe choice."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return "avx512_bf16" in text or "amx_bf16" in text


def batches(passes: float, texts: int, size: int) -> int:
    """The number of batches in so many passes."""
    return max(1, math.floor(passes * texts / size))
