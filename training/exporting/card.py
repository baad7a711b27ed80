"""Model cards: what a model is, what it was trained on and under which terms, and the figures that were measured.

Everything on a card comes from a recipe, a run's log, the training files, and JSON that ``typeahead evaluate`` and
``typeahead bench`` wrote. Nothing is typed in by hand but the introductions below.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.data import read_examples
from training.recipe import Recipe
from typeahead.evaluate.report import tables
from typeahead.tables import markdown

#: What stands for the terms of a source that ``terms.toml`` does not list.
_NOT_STATED = "not stated: add it to training/exporting/terms.toml"

#: What a student is, by its family in the recipe.
_STUDENTS = {
    "static": """\
A static query encoder for search while typing, in the embedding space of **{teacher}**: an index of that teacher's
vectors is searched as it is. An embedding is the weighted mean of the vectors of its tokens, in whatever
order{readout}.
""",
    "rnn": """\
A recurrent query encoder for search while typing, in the embedding space of **{teacher}**: an index of that teacher's
vectors is searched as it is. It is RNN({student.layers}, {student.feed_forward}) of *Extremely efficient online query
encoding*: GRUs of {student.hidden} units, and feed-forward layers over the state of the last token.
""",
    "transformer": """\
A query encoder for whole texts, in the embedding space of **{teacher}**: an index of that teacher's vectors is searched
as it is. It has {layers} of the teacher's layers, fine-tuned{residual}. It reads a text anew at every key; the
incremental encoders do not.
""",
    "residual-gru": """\
A recurrent query encoder for search while typing, in the embedding space of **{teacher}**: an index of that teacher's
vectors is searched as it is. After each token its embedding is the normalised sum of a weighted mean of token vectors
and a correction read from a GRU of {student.hidden} units; a keystroke takes one small step.
""",
    "causal": """\
A causal query encoder for search while typing, in the embedding space of **{teacher}**: an index of that teacher's
vectors is searched as it is. After each token its embedding is the normalised sum of a weighted mean of token vectors
and a correction read from {layers} of the teacher's layers, fine-tuned to look back only; a keystroke runs them
over the new token alone.{ahead}
""",
}

_AHEAD = """
A second read-out guesses where a text is going while it is typed: `session.ahead` beside `session.embedding`."""

_STUDENT = """\
# {name}

{introduction}
{usage}

Queries in English. It keeps most of its teacher on queries as people type them,
and less on long technical ones of domains that it has not seen. For passages use `minilm-doc`, the teacher itself.
"""

_SESSION = """\
    import typeahead
    session = typeahead.load("{name}").session()
    session.update("how to b")

Weights are int8{four_bits}, run by {runtime}."""

_WHOLE = """\
    import typeahead
    vectors = typeahead.load("{name}").encode(["how to boil an egg"])

Weights are int8, run by ONNX Runtime."""

_TEACHER = """\
# {name}

The teacher **{teacher}** itself as a passage encoder, in int8 for ONNX Runtime, so that indexing needs neither PyTorch
nor a model hub: {pooling} pooling, {max_tokens} word pieces, {normalised}. Weights have one scale for each output
column, activations one for each row, so a passage's vector does not depend on its batch.

    import typeahead
    vectors = typeahead.load("{name}").encode(["Put the eggs into boiling water."])

The teacher is all-MiniLM-L6-v2 by the sentence-transformers project, licensed Apache-2.0; its card names the data that
it was trained on. Only the precision of the weights was changed here.
"""


def source_terms(source: str, terms: dict[str, str]) -> str:
    """Terms of a source: by its whole name, else by the part before its slash; where neither is listed, that."""
    return terms.get(source) or terms.get(source.split("/")[0]) or _NOT_STATED


def _sources(recipe: Recipe) -> list[dict[str, Any]]:
    with (Path(__file__).parent / "terms.toml").open("rb") as file:
        terms = {name: value for table in tomllib.load(file).values() for name, value in table.items()}
    taken: dict[Path, int | None] = {}
    for stage in recipe.stages:
        for path, limit in stage.sources():
            before = taken.get(path, 0)
            taken[path] = None if limit is None or before is None else max(limit, before)
    counts: Counter[tuple[str, str]] = Counter()
    for path, limit in taken.items():
        for example in read_examples(path, limit=limit):
            family = example.source if example.source in terms else example.source.split("/")[0]
            counts[family, source_terms(example.source, terms)] += 1
    return [{"source": name, "texts": count, "terms": stated} for (name, stated), count in counts.most_common()]


def _figures(paths: Sequence[Path]) -> str:
    """A section for each file of ``typeahead evaluate retrieval`` or ``typeahead bench``."""
    return "\n\n".join(_section(json.loads(path.read_text(encoding="utf-8"))) for path in paths)


def _section(data: dict[str, Any]) -> str:
    if data.get("kind") == "retrieval":
        title = f"{data['dataset']}: {data['queries']:,} queries, {data['passages']:,} passages"
        rows = tables.metrics(data["results"], data["missing"], baseline=data["baseline"])
        facts = {"passage encoder": data["passage_encoder"], "relevant from grade": data["relevant_from"]}
    else:
        title, rows = data["title"], data["rows"]
        facts = {key: value for key, value in data.items() if key not in ("title", "hardware", "rows", "command")}
    lines = [f"## {title}", "", markdown(rows), "", *([f"- `{data['command']}`"] if "command" in data else [])]
    lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in facts.items()]
    lines.append("- measured on: " + ", ".join(f"{name} {value}" for name, value in data["hardware"].items()))
    return "\n".join(lines)


def student_card(recipe: Recipe, run: Path, figures: Sequence[Path], *, usage: str = "") -> str:
    """The card of a student; ``usage`` says how it is used where that is not with this package."""
    student = recipe.student
    what = _STUDENTS[student.family].format(
        teacher=recipe.teacher.id.rsplit("/", 1)[-1],
        student=student,
        layers=len(student.teacher_layers) or student.layers,
        readout=f", and what a hidden layer of {student.readout:,} units reads from it" if student.readout else "",
        ahead=_AHEAD if student.ahead else "",
        residual=", and a weighted mean of token vectors beside them" if student.residual else "",
    )
    runtime = "NumPy" if student.family == "static" else "ONNX Runtime"
    four_bits = ", those of feed-forward layers of four bits" if student.feed_forward_bits == 4 else ""
    usage = usage or (_WHOLE if student.family == "transformer" else _SESSION).format(
        name=recipe.name, runtime=runtime, four_bits=four_bits
    )
    introduction = _STUDENT.format(name=recipe.name, introduction=what, usage=usage)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    columns = list(dict.fromkeys(key for entry in log for key in entry))
    rows = [{column: entry.get(column) for column in columns} for entry in log]
    parts = [
        introduction,
        _figures(figures),
        f"## Training\n\n{_command(recipe, run)}, seed {recipe.seed}. Figures "
        "on a development split; *agreement* is the share of the teacher's ten nearest passages that the student has "
        "in its own ten.\n\n" + markdown(rows),
        "## Training texts and their terms\n\nMS MARCO and TREC texts are for non-commercial research: decide for your "
        "use whether a model distilled on them suits it.\n\n" + markdown(_sources(recipe)),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _command(recipe: Recipe, run: Path) -> str:
    """What was run, as the run's own log says it, in backticks."""
    log = run / "LOG.md"
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    said = next((line for line in lines if line.startswith("`python -m ")), "")
    return said or f"`python -m training.stage1.distill training/recipes/{recipe.path.name}`"


def teacher_card(name: str, teacher: Any, recipe: Recipe, figures: Sequence[Path]) -> str:
    """The card of a teacher that serves as passage encoder."""
    introduction = _TEACHER.format(
        name=name,
        teacher=recipe.teacher.id,
        pooling=teacher.pooling,
        max_tokens=teacher.max_length,
        normalised="normalised" if teacher.normalize else "not normalised",
    )
    return "\n\n".join(part.strip() for part in (introduction, _figures(figures)) if part) + "\n"
