"""The parts of a recipe that stage 2 reads: defaults are the paper's, and what makes no sense is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.ranking.recipe import read_stage2

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
        ('by = "first"', "negatives = 0", "0 negatives"),
        ('["mine:bm25"]', '["mine:none"]', "no 'none'; there are: bm25, dense"),
        ('["mine:bm25"]', "[]", "groups is empty"),
        ('["mine:bm25"]', '["mine:bm25"]\nstart = "final"', "start = 'final' is neither"),
        ('["mine:bm25"]', '["mine:bm25"]\npassages = "thawed"', "passages = 'thawed' is neither"),
        ('["mine:bm25"]', '["mine:bm25"]\nbatc = 3', "unknown batc"),
        ('groups = ["mine:bm25"]', "", r"\[\[contrast\]\]: groups missing"),
        ('[data]\ncollection = "c"', "", r"needs a \[data\] table"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert old in BASE
    (tmp_path / "r.toml").write_text(BASE.replace(old, new, 1))
    with pytest.raises(ValueError, match=reason):
        read_stage2(tmp_path / "r.toml")
