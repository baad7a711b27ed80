"""Model cards: figures come from the files that measurements write, whichever measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs PyTorch")

from training.exporting.card import source_terms, student_card, teacher_card
from training.recipe import Recipe, TeacherRecipe, read_recipe
from training.teacher.about import About, about

ROOT = Path(__file__).parents[3]
HARDWARE = {"processor": "one of ours", "cores": "2"}


def test_a_card_takes_the_figures_of_evaluate_and_of_bench(tmp_path: Path) -> None:
    metrics = {"nDCG@10": 0.25, "RR@10": 0.5}
    result = {"query_encoder": "student", "metrics": metrics, "comparison": None}
    teacher = {"query_encoder": "teacher", "metrics": {"nDCG@10": 0.5, "RR@10": 0.5}, "comparison": None}
    retrieval = {"kind": "retrieval", "dataset": "nfcorpus", "queries": 323, "passages": 3633, "hardware": HARDWARE}
    retrieval |= {"passage_encoder": "teacher", "baseline": "teacher", "relevant_from": 1, "missing": []}
    bench = {"title": "Keystrokes", "hardware": HARDWARE, "keystrokes": 7, "rows": [{"what": "a key", "p50 µs": 67.0}]}
    files = [tmp_path / "retrieval.json", tmp_path / "bench.json"]
    files[0].write_text(json.dumps(retrieval | {"results": [result, teacher]}))
    files[1].write_text(json.dumps(bench))
    (tmp_path / "log.jsonl").write_text('{"stage": "start"}\n')
    source = (ROOT / "training" / "recipes" / "minilm-gru.toml").read_text()
    texts = tmp_path / "texts.tsv"
    texts.write_text("docs/numpy\tan array\n")
    for path in ("../shared/data/train_texts.tsv", "../shared/data/train_queries.tsv", "runs/phrases.tsv"):
        source = source.replace(path, str(texts))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(source)
    card = student_card(read_recipe(recipe), tmp_path, files)
    assert "## nfcorpus: 323 queries, 3,633 passages" in card
    assert "| student       | 0.2500  | 0.5000 | 50.0%" in card
    assert "- passage encoder: teacher" in card
    assert "## Keystrokes" in card
    assert "- keystrokes: 7" in card
    assert card.count("measured on: processor one of ours") == 2


def test_terms_are_those_of_the_source_or_of_its_family_or_are_not_stated() -> None:
    terms = {"docs": "MIT", "docs/numpy": "BSD 3-clause"}
    assert source_terms("docs/numpy", terms) == "BSD 3-clause"
    assert source_terms("docs/other", terms) == "MIT"
    assert source_terms("mine", terms) == "not stated: add it to training/exporting/terms.toml"


def test_a_card_of_own_texts_says_that_their_terms_are_not_stated(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"stage": "start"}\n')
    (tmp_path / "texts.tsv").write_text("mine/notes\tbuy eggs\nmine/notes\tboil them\n")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"""
name = "mine"
seed = 1
cache = "vectors"
development = 0.1
teacher = {{ id = "teacher" }}
student = {{ family = "transformer", layers = 2, residual = true }}
stages = [{{ name = "one", files = ["{tmp_path / "texts.tsv"}"], epochs = 1 }}]
"""
    )
    card = student_card(read_recipe(recipe), tmp_path, ())
    assert "| mine   |     2 |" in card or "| mine   | 2     |" in card
    assert "not stated: add it to training/exporting/terms.toml" in card
    assert "2 of the teacher's layers, fine-tuned, and a weighted mean of token vectors" in card
    assert 'typeahead.load("mine").encode(' in card


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A recipe of two own texts, and the log of its run beside it."""
    (tmp_path / "log.jsonl").write_text('{"stage": "start"}\n')
    (tmp_path / "texts.tsv").write_text("mine/notes\tbuy eggs\nmine/notes\tboil them\n")
    path = tmp_path / "mine.toml"
    path.write_text(
        f"""
name = "mine"
seed = 1
cache = "vectors"
development = 0.1
teacher = {{ id = "someone/some-teacher" }}
stages = [{{ name = "one", files = ["{tmp_path / "texts.tsv"}"], epochs = 1 }}]
student = {{ family = "static" }}
"""
    )
    return read_recipe(path)


def test_a_card_says_nothing_of_a_teacher_that_it_does_not_know(recipe: Recipe, tmp_path: Path) -> None:
    card = student_card(recipe, tmp_path, ())
    assert "- teacher: some-teacher (`someone/some-teacher`)" in card
    assert "- licence of the teacher: not stated" in card
    for foreign in ("MiniLM", "minilm", "English", "Apache", "languages", "MS MARCO"):
        assert foreign not in card
    assert "`python -m training.exporting.export teacher mine.toml OUT` makes it" in card


def test_a_card_takes_licence_and_languages_from_the_teacher_s_own(recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "their-model"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlanguage: [de, no]\nlicense: mit\nbase_model: xlm\n---\n# Theirs\n")
    known = about(TeacherRecipe(f"{folder}/"))
    assert known == About("their-model", licence="mit", languages=("de", "no"), base="xlm")
    card = student_card(recipe, tmp_path, (), teacher=known, passages="their-doc", command="`typeahead train`")
    assert "in the embedding space of **their-model**" in card
    assert "- teacher: their-model\n- the teacher was trained from: xlm\n- licence of the teacher: mit" in card
    assert "- languages of the teacher: de, no" in card
    assert "- passages are encoded by: `their-doc`" in card
    assert "`typeahead train`, seed 1" in card


@pytest.mark.parametrize("text", ["# no front matter", "---\nlicense: [\n---\n", "---\n- a\n- list\n---\n"])
def test_a_teacher_s_card_that_says_nothing_is_no_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text)
    assert about(TeacherRecipe(str(tmp_path))).licence == "not stated"


def test_research_terms_are_pointed_out_where_a_source_has_them(recipe: Recipe, tmp_path: Path) -> None:
    sources = [{"source": "msmarco-dev-full", "texts": 3, "terms": "MS MARCO: non-commercial research"}]
    assert "non-commercial research: decide" in student_card(recipe, tmp_path, (), sources=sources)


def test_the_card_of_a_teacher_states_how_it_reads_passages(teacher_folder: Path) -> None:
    from training.teacher.torch_teacher import TorchTeacher

    stated = TeacherRecipe(str(teacher_folder), query_prompt="query: ", passage_prompt="passage: ")
    teacher = TorchTeacher.of(stated)
    card = teacher_card("doc", teacher, about(stated, teacher), ())
    assert f"The teacher **{teacher_folder.name}** itself" in card
    assert "- vectors: 32 dimensions, compared by cosine, of length 1" in card
    assert "- pooling: mean\n- longest text: 32 tokens\n- the teacher puts before every passage: `passage: `" in card
    assert "query: " not in card
    assert "- licence of the teacher: not stated" in card
