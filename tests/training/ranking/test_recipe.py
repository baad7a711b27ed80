"""The parts of a recipe that stage 2 reads: defaults are the paper's, and what makes no sense is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.entries import RecipeError
from training.ranking.recipe import check_files, read_stage2

BASE = """
[data]
collection = "c"
[[mine]]
name = "bm25"
[[contrast]]
name = "first"
groups = ["mine:bm25"]
[[mine]]
name = "dense"
by = "first"
[[contrast]]
name = "final"
groups = ["mine:dense", "triples:some.tsv"]
"""


def test_without_a_word_a_round_is_as_in_the_paper(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(BASE)
    stage2 = read_stage2(tmp_path / "r.toml")
    first, final = stage2.contrast
    assert (final.rate, final.epochs, final.batch, final.start, final.passages) == (5e-6, 3, 64, "distilled", "trained")
    assert stage2.mining("bm25").by == "bm25"
    assert stage2.training("first") == first


def test_a_recipe_without_these_parts_has_no_rounds(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("name = 'x'\n")
    stage2 = read_stage2(tmp_path / "r.toml")
    assert (stage2.data, stage2.mine, stage2.contrast) == (None, (), ())
    with pytest.raises(ValueError, match=r"r\.toml \[\[mine\]\]: no 'bm25'; there are: none"):
        stage2.mining("bm25")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('name = "dense"', 'name = "first"', "two rounds are called 'first'"),
        ('name = "first"', 'name = "teacher"', "a round cannot be called 'teacher'"),
        ('collection = "c"', 'collection = "c"\nseparator = "[SEP]"', "separator: remove it. A blank stands"),
        ('by = "first"', 'by = "none"', "by = 'none' is not"),
        ('by = "first"', "negatives = 300", "300 negatives from 200 hits"),
        ('by = "first"', "negatives = 0", "negatives = 0 is not a whole number, at least 1"),
        ('["mine:bm25"]', '["mine:none"]', "no 'none'; there are: bm25, dense"),
        ('["mine:bm25"]', "[]", "groups is empty"),
        ('["mine:bm25"]', '["mine:bm25"]\nstart = "final"', "start = 'final' is neither"),
        (
            '["mine:bm25"]',
            '["mine:bm25"]\npassages = "thawed"',
            "passages = 'thawed' is not one of 'trained', 'frozen'",
        ),
        ('["mine:bm25"]', '["mine:bm25"]\nbatc = 3', "unknown batc"),
        ('groups = ["mine:bm25"]', "", r"\[\[contrast\]\] 'first': groups missing"),
        ('[data]\ncollection = "c"', "", r"needs a \[data\] table"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert old in BASE
    (tmp_path / "r.toml").write_text(BASE.replace(old, new, 1))
    with pytest.raises(ValueError, match=reason):
        read_stage2(tmp_path / "r.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'by = "first"',
            'by = "first"\ndepth = "9"',
            r"\[\[mine\]\] 'dense': depth = '9' is not a whole number, at least 1",
        ),
        (
            '["mine:bm25"]',
            '["mine:bm25"]\nwarmup = 2',
            r"\[\[contrast\]\] 'first': warmup = 2 is not a number, at least 0",
        ),
        ('["mine:bm25"]', '"mine:bm25"', "groups = 'mine:bm25' is not a list of texts"),
        ('[[mine]]\nname = "bm25"', '[mine]\nname = "bm25"', "write it with two brackets"),
    ],
)
def test_a_value_of_another_type_or_out_of_range_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = BASE.replace('[[mine]]\nname = "dense"\nby = "first"\n', "") if new.startswith("[mine]") else BASE
    assert old in text
    (tmp_path / "r.toml").write_text(text.replace(old, new))
    with pytest.raises(RecipeError, match=message):
        read_stage2(tmp_path / "r.toml")


def test_files_that_are_not_there_are_named_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(BASE)
    with pytest.raises(RecipeError, match=r"r\.toml \[data\]: collection: there is no c"):
        check_files(read_stage2(path))
    path.write_text(BASE.replace('"c"', f'"{tmp_path}"'))
    with pytest.raises(RecipeError, match=r"round 'final': groups: there is no some\.tsv"):
        check_files(read_stage2(path))
