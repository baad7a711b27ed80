"""Model cards: what a model is, what it was trained on and under which terms, and its measured figures.

Everything on a card comes from a recipe, a run's log, the training files, the teacher's own card, and the JSON of
``typeahead evaluate`` and ``typeahead bench``. Only the texts below and the families' own words are written by hand.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.data import read_examples
from training.exporting.writers.parts import Words
from training.families import family_of, resolve
from training.recipe import Recipe
from training.teacher.about import About, about
from typeahead.encoders.families import FAMILIES
from typeahead.evaluate.report import tables
from typeahead.tables import markdown

if TYPE_CHECKING:
    from training.teacher.torch_teacher import TorchTeacher

#: Printed for a source that ``terms.toml`` does not list.
_NOT_STATED = "not stated: add it to training/exporting/terms.toml"

_STUDENT = """\
# {name}

{introduction}
{usage}

{facts}
"""

_SESSION = """\
    import typeahead
    session = typeahead.load("{name}").session()
    session.update("how to b")

Weights are {weights}."""

_WHOLE = """\
    import typeahead
    vectors = typeahead.load("{name}").encode(["how to boil an egg"])

Weights are {weights}."""

_TEACHER = """\
# {name}

The teacher **{teacher}** itself as a passage encoder, in int8 for ONNX Runtime, so that indexing needs neither PyTorch
nor a model hub. Only the precision of its weights was changed here: they have one scale for each output column, and
activations one for each row, so a passage's vector does not depend on its batch.

    import typeahead
    vectors = typeahead.load("{name}").encode(["Put the eggs into boiling water."])

{facts}
"""

_BEFORE_QUERIES = "the teacher puts before every query"

#: Sources whose terms a reader has to weigh, by what their terms begin with.
_RESEARCH = ("MS MARCO", "TREC")


def source_terms(source: str, terms: dict[str, str]) -> str:
    """The terms of a source, by its whole name or else by the part before its slash; a remark if neither is listed."""
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
    """One section for each file of ``typeahead evaluate retrieval`` or ``typeahead bench``."""
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


def student_card(
    recipe: Recipe,
    run: Path,
    figures: Sequence[Path],
    *,
    teacher: About | None = None,
    passages: str = "",
    usage: str = "",
    command: str = "",
    sources: Sequence[Mapping[str, Any]] | None = None,
) -> str:
    """The card of a student.

    Args:
        recipe: what it was trained by.
        run: the folder of its run, with its log.
        figures: JSON files of ``typeahead evaluate`` and ``typeahead bench``.
        teacher: what is known of the teacher; read from the recipe's files if it is missing.
        passages: the name of the passage encoder that fits; "" prints the command that makes it.
        usage: replaces the words on how to use it with this package.
        command: replaces the command that the run's log states.
        sources: rows for the table of training texts; read from the recipe's files if they are missing.
    """
    family = family_of(recipe.student.family)
    teacher = teacher or about(recipe.teacher)
    words: Words = resolve(family.words)(recipe.student, teacher.name)
    template = _SESSION if FAMILIES[family.runs_as].incremental else _WHOLE
    usage = usage or template.format(name=recipe.name, weights=words.weights)
    if passages:
        fitting = f"`{passages}`"
    else:
        fitting = (
            f"the teacher; `python -m training.exporting.export teacher {recipe.path.name or 'RECIPE'} OUT` makes it"
        )
    facts = _list({**_facts(teacher), "passages are encoded by": fitting})
    introduction = _STUDENT.format(name=recipe.name, introduction=words.introduction, usage=usage, facts=facts)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    columns = list(dict.fromkeys(key for entry in log for key in entry))
    rows = [{column: entry.get(column) for column in columns} for entry in log]
    texts = _sources(recipe) if sources is None else [dict(source) for source in sources]
    return _joined(
        introduction,
        _figures(figures),
        f"## Training\n\n{command or _command(recipe, run)}, seed {recipe.seed}. Figures "
        "on a development split; *agreement* is the share of the teacher's ten nearest passages that the student has "
        "in its own ten.\n\n" + markdown(rows),
        "## Training texts and their terms\n\n" + _remark(texts) + markdown(texts) if texts else "",
    )


def teacher_card(name: str, teacher: TorchTeacher, known: About, figures: Sequence[Path]) -> str:
    """The card of a teacher that serves as a passage encoder; ``known`` is what is known of it."""
    prompt = {"the teacher puts before every passage": f"`{teacher.passage_prompt}`"} if teacher.passage_prompt else {}
    facts = {**_facts(known), "pooling": teacher.pooling, "longest text": f"{teacher.max_length} tokens", **prompt}
    facts.pop(_BEFORE_QUERIES, None)
    return _joined(_TEACHER.format(name=name, teacher=known.name, facts=_list(facts)), _figures(figures))


def _joined(*parts: str) -> str:
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _facts(teacher: About) -> dict[str, str]:
    """What both cards say of the teacher. What is not known is left out, except the licence."""
    facts = {"teacher": f"{teacher.name} (`{teacher.hub_id}`)" if teacher.hub_id else teacher.name}
    if teacher.base:
        facts["the teacher was trained from"] = teacher.base
    facts["licence of the teacher"] = teacher.licence
    if teacher.languages:
        facts["languages of the teacher"] = ", ".join(teacher.languages)
    if teacher.dim:
        length = ", of length 1" if teacher.similarity == "cosine" else ""
        facts["vectors"] = f"{teacher.dim} dimensions, compared by {teacher.similarity}{length}"
    if teacher.tokens:
        facts["vocabulary"] = f"{teacher.tokens:,} of the teacher's tokens. All other words are spelt with them"
    if teacher.query_prompt:
        facts[_BEFORE_QUERIES] = f"`{teacher.query_prompt}`. Give the model the query alone"
    return facts


def _list(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def _remark(texts: Sequence[Mapping[str, Any]]) -> str:
    """A remark on terms that forbid some uses, if a source has such terms."""
    if not any(str(source.get("terms", "")).startswith(_RESEARCH) for source in texts):
        return ""
    return (
        "MS MARCO and TREC texts are for non-commercial research: decide for your use whether a model distilled on "
        "them suits it.\n\n"
    )


def _command(recipe: Recipe, run: Path) -> str:
    """The command that was run, in backticks, as the run's own log states it."""
    log = run / "LOG.md"
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    said = next((line for line in lines if line.startswith("`python -m ")), "")
    return said or f"`python -m training.stage1.distill {recipe.path.name}`"
