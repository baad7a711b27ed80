"""The table of families: its records name parts that exist, and a family needs its modules and two records only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("onnx", reason="training needs onnx")

import typeahead  # noqa: E402
from tests.training.toy_family import RUN_TIME, TRAINING, LastTokenEncoder, LastTokenRecipe  # noqa: E402
from training import families  # noqa: E402
from training.exporting import export  # noqa: E402
from training.families import FAMILIES, family_of, resolve  # noqa: E402
from training.recipe import read_recipe  # noqa: E402
from training.stage1 import distill  # noqa: E402
from training.student_recipes import StudentRecipe  # noqa: E402
from training.students import Student, load_student  # noqa: E402
from typeahead.encoders.families import FAMILIES as RUN_TIME_FAMILIES  # noqa: E402
from typeahead.models.golden import cosines  # noqa: E402

TEXTS = ["boil egg", "egg boil", "rain sun cat"]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_part_that_a_record_names_is_there(name: str) -> None:
    family = family_of(name)
    assert family.runs_as in RUN_TIME_FAMILIES
    recipe, student = resolve(family.recipe), resolve(family.student)
    assert issubclass(recipe, StudentRecipe)
    assert recipe().family == name
    assert issubclass(student, Student)
    assert student.family == name
    for function in (family.writer, family.words, family.sentences):
        assert callable(resolve(function))


def test_a_family_is_its_modules_and_two_records(
    recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(families.FAMILIES, "last-token", TRAINING)
    monkeypatch.setitem(RUN_TIME_FAMILIES, "last-token", RUN_TIME)
    text = recipe_path.read_text().replace("hidden = 48", 'family = "last-token"\nscale = 2.0')
    recipe_path.write_text(text.replace("epochs = 2", "epochs = 1").replace("epochs = 3", "epochs = 1"))
    recipe = read_recipe(recipe_path)
    assert recipe.student == LastTokenRecipe(scale=2.0)

    run, out = tmp_path / "run", tmp_path / "model"
    distill.main([str(recipe_path), "--out", str(run), "--threads", "1", "--cpu"])
    export.main(["student", str(recipe_path), str(run), str(out)])
    encoder = typeahead.load(out)
    assert isinstance(encoder, LastTokenEncoder)
    expected = export.encode_with_student(load_student(run), export.precise_teacher(recipe), TEXTS)
    assert cosines(encoder.encode(TEXTS), expected).min() > 0.9999
    session = encoder.session()
    session.update("boil egg")
    np.testing.assert_array_equal(session.embedding, encoder.encode(["egg"])[0])
    card = (out / "README.md").read_text()
    assert "The last token's vector in the space of" in card
    assert "times 2.0." in card
    assert "Weights are float32, run by NumPy." in card
    assert "session.update(" in card

    with pytest.raises(ValueError, match="'last-token' cannot be exported for sentence-transformers"):
        export.main(["sentence-transformers", str(recipe_path), str(run), str(tmp_path / "library")])


def test_a_family_that_no_table_has_is_named() -> None:
    with pytest.raises(ValueError, match="'last-token' is not one of static, residual-gru"):
        family_of("last-token")
