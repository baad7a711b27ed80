"""Export: of every family, the graphs equal PyTorch, and int8 is close to float32."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("onnx", reason="training needs onnx")

from safetensors.numpy import load_file  # noqa: E402

import typeahead  # noqa: E402
from tests.recurrent import write_folder  # noqa: E402
from tests.training.conftest import WORDS  # noqa: E402
from training.exporting import export  # noqa: E402
from training.exporting.graphs_recurrent import RecurrentSizes  # noqa: E402
from training.exporting.graphs_transformer import EncoderSizes, write_transformer  # noqa: E402
from training.exporting.writers.recurrent import sizes_of  # noqa: E402
from training.families import student_recipe  # noqa: E402
from training.recipe import Recipe, TeacherRecipe, read_recipe  # noqa: E402
from training.student_recipes import CausalRecipe, ResidualGRURecipe, RNNRecipe, StaticRecipe, TransformerRecipe  # noqa: E402
from training.students import PaperRNN, Student, build, save_student  # noqa: E402
from training.students.rounding import rounded_state  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from typeahead.core.encoder import IncrementalEncoder  # noqa: E402
from typeahead.encoders.causal import CausalEncoder  # noqa: E402
from typeahead.encoders.compiled.vnni import supported  # noqa: E402
from typeahead.encoders.recurrent import RecurrentEncoder  # noqa: E402
from typeahead.encoders.static import StaticEncoder  # noqa: E402
from typeahead.encoders.transformer import TransformerEncoder  # noqa: E402
from typeahead.errors import ModelCorrupt, ModelError  # noqa: E402
from typeahead.models.folder import read_config, write_config  # noqa: E402
from typeahead.models.golden import Golden, agreements, cosines  # noqa: E402
from typeahead.search.space import Space, check_space  # noqa: E402
from typeahead.storage.sealed import seal  # noqa: E402

ROOT = Path(__file__).parents[3]
ROWS = sorted(path for path in (ROOT / "training/recipes/table1").glob("*.toml") if path.stem != "common")
TEXTS = ["boil", "boil egg", "rain sun cat dog walk home read file", "xyz", " ".join(WORDS), "egg boil"]
FOLDS = {
    "static": StaticRecipe(),
    "static with a layer": StaticRecipe(readout=24),
    "static with a layer of four bits": StaticRecipe(readout=24, readout_bits=4),
    "residual GRU": ResidualGRURecipe(hidden=24),
    "residual GRU of two layers": ResidualGRURecipe(hidden=24, layers=2),
    "residual GRU with a layer": ResidualGRURecipe(hidden=24, readout=40),
    "RNN(1, 0)": RNNRecipe(hidden=32),
    "RNN(1, 1)": RNNRecipe(hidden=32, feed_forward=1),
    "RNN(2, 0), projected": RNNRecipe(hidden=48, layers=2, table="trained"),
    "RNN(2, 2), projected": RNNRecipe(hidden=20, layers=2, feed_forward=2, inner=40, table="free"),
}
WHOLE = {
    "ST(1)": TransformerRecipe(),
    "ST(2)": TransformerRecipe(layers=2, table="trained"),
    "ST(1), the second layer": TransformerRecipe(teacher_layers=(1,)),
    "ST(2) with token vectors": TransformerRecipe(layers=2, residual=True),
}


@pytest.fixture(params=["cosine", "dot"])
def recipe(request: pytest.FixtureRequest, recipe_path: Path, dot_teacher_folder: Path) -> Recipe:
    """Over a normalised teacher of means, and over one in coCondenser's form."""
    read = read_recipe(recipe_path)
    return (
        read if request.param == "cosine" else dataclasses.replace(read, teacher=TeacherRecipe(str(dot_teacher_folder)))
    )


def trained(recipe: Recipe) -> Student:
    """A student whose weights are no longer those of its start."""
    teacher = TorchTeacher.of(recipe.teacher)
    torch.manual_seed(3)
    student = build(recipe.student, teacher, np.arange(1, teacher.model.config.vocab_size + 1))
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            parameter.add_(torch.randn_like(parameter) * (0.02 if "words" in name else 0.05))
    return student.eval()


def exported(student: Student, recipe: Recipe, folder: Path, out: str = "model") -> Any:
    run = folder / "run"
    run.mkdir(exist_ok=True)
    save_student(student, run / "student.safetensors")
    (run / "log.jsonl").write_text(json.dumps({"stage": "start"}) + "\n")
    export.export_student(run, recipe, folder / out, ())
    return typeahead.load(folder / out)


def lengths(vectors: Any) -> Any:
    return np.linalg.norm(vectors, axis=1)


@pytest.mark.parametrize("name", [*FOLDS, *WHOLE])
def test_the_exported_graphs_equal_pytorch(name: str, recipe: Recipe, tmp_path: Path) -> None:
    recipe = dataclasses.replace(recipe, student=(FOLDS | WHOLE)[name])
    student = trained(recipe)
    encoder = exported(student, recipe, tmp_path)
    expected = export.encode_with_student(student, TorchTeacher.of(recipe.teacher), TEXTS)
    # A table has one form, whose sums are in float32 anyway.
    static = isinstance(encoder, StaticEncoder)
    precise = encoder if static else type(encoder)(encoder.config, tmp_path / "model", variant="-float32")
    assert cosines(precise.encode(TEXTS), expected).min() > 0.9995
    assert cosines(encoder.encode(TEXTS), expected).min() > 0.995
    assert cosines(encoder.encode(TEXTS), precise.encode(TEXTS)).min() > 0.995
    np.testing.assert_allclose(lengths(encoder.encode(TEXTS)), lengths(expected), rtol=0.05)
    assert encoder.config.similarity == student.similarity
    golden = Golden.read(tmp_path / "model")
    assert golden.agreement(encoder.encode(golden.texts)) > 0.9999


@pytest.mark.parametrize("bits", [3, 4, 5])
def test_a_layer_ships_with_the_weights_it_was_trained_with(bits: int, recipe_path: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), student=StaticRecipe(readout=24, readout_bits=bits))
    student = trained(recipe)
    exported(student, recipe, tmp_path)
    tensors = load_file(tmp_path / "model" / "weights.safetensors")
    seen = rounded_state(student)
    for name in ("inner", "outer"):
        assert np.abs(tensors[name].astype(int)).max() == 2 ** (bits - 1) - 1
        found = (tensors[name] * tensors[f"{name}.scale"]).T
        np.testing.assert_allclose(found, seen[f"{name}.weight"].numpy(), rtol=1e-5, atol=1e-7)


def test_weights_of_tokens_ship_only_where_a_vector_depends_on_them(recipe: Recipe, tmp_path: Path) -> None:
    student = trained(dataclasses.replace(recipe, student=StaticRecipe(readout=24)))
    exported(student, dataclasses.replace(recipe, student=StaticRecipe(readout=24)), tmp_path)
    tensors = load_file(tmp_path / "model" / "weights.safetensors")
    assert ("weight" in tensors) == (student.similarity == "dot")


#: Teachers whose similarity does not go with their vectors' lengths.
LENGTHS = {
    "cosine of vectors of any length": {"normalize": False, "similarity": "cosine"},
    "dot product of vectors of length one": {"normalize": True, "similarity": "dot"},
}


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(
    "name",
    [
        "static",
        "static with a layer",
        "residual GRU",
        "residual GRU with a layer",
        "RNN(1, 1)",
        "causal",
        "ST(1)",
    ],
)
def test_vectors_are_as_long_as_pytorchs_whatever_runs_them(
    name: str, lengths: str, recipe_path: Path, teacher_folder: Path, tmp_path: Path
) -> None:
    students: dict[str, Any] = {**FOLDS, **WHOLE, "causal": CausalRecipe(layers=1)}
    teacher = TeacherRecipe(str(teacher_folder), **LENGTHS[lengths])  # type: ignore[arg-type]
    recipe = dataclasses.replace(read_recipe(recipe_path), teacher=teacher, student=students[name])
    student = trained(recipe)
    encoder = exported(student, recipe, tmp_path)
    expected = export.encode_with_student(student, TorchTeacher.of(teacher), TEXTS)
    plain = {"compiled": False} if isinstance(encoder, CausalEncoder | RecurrentEncoder) else {}
    # Random weights are near the limits, where int8 products saturate on processors without VNNI.
    least = 0.995 if supported() else 0.98
    for one in (encoder, type(encoder)(encoder.config, tmp_path / "model", **plain)):
        found = one.encode(TEXTS)
        assert agreements(found, expected).min() > least
        if teacher.similarity == "cosine":
            np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", FOLDS)
def test_a_fold_steps_to_what_it_encodes_at_every_token(name: str, recipe: Recipe, tmp_path: Path) -> None:
    recipe = dataclasses.replace(recipe, student=FOLDS[name])
    student = trained(recipe)
    encoder = exported(student, recipe, tmp_path)
    assert isinstance(encoder, StaticEncoder if name.startswith("static") else RecurrentEncoder)
    assert isinstance(encoder, IncrementalEncoder)
    tokens = encoder.tokenizer.encode(TEXTS[2])
    with torch.inference_mode():
        expected = student.prefixes(torch.tensor([tokens]), torch.tensor([len(tokens)]))[0].numpy()
    states: Any = [encoder.start()]
    embeddings = []
    for token in tokens:
        states, embedding = encoder.step(states, np.array((token,), np.int64))
        embeddings.append(embedding[0])
    assert cosines(np.array(embeddings), expected).min() > 0.995
    session = encoder.session()
    for text in TEXTS:
        session.update(text)
        np.testing.assert_array_equal(session.embedding, encoder.encode([text])[0])
    np.testing.assert_array_equal(encoder.encode(TEXTS), np.concatenate([encoder.encode([text]) for text in TEXTS]))
    assert not encoder.encode([""]).any()


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_text_has_the_same_vector_in_every_batch(name: str, recipe: Recipe, tmp_path: Path) -> None:
    recipe = dataclasses.replace(recipe, student=WHOLE[name])
    encoder = exported(trained(recipe), recipe, tmp_path)
    assert isinstance(encoder, TransformerEncoder)
    assert encoder.config.role == "query"
    before, after = TorchTeacher.of(recipe.teacher).special_ids()
    assert encoder.token_ids("egg") == (*before, *encoder.tokenizer.encode("egg"), *after)
    one_by_one = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert cosines(encoder.encode(TEXTS), one_by_one).min() > 0.9999
    assert np.isfinite(encoder.encode([""])).all()
    longest, longer = encoder.encode(["egg " * 30, "egg " * 31])
    np.testing.assert_array_equal(longest, longer)


def test_a_prompt_is_read_but_is_no_token_of_the_text(recipe_path: Path, teacher_folder: Path, tmp_path: Path) -> None:
    teacher = TeacherRecipe(str(teacher_folder), query_prompt="find: ")
    recipe = dataclasses.replace(read_recipe(recipe_path), teacher=teacher, student=WHOLE["ST(2) with token vectors"])
    student = trained(recipe)
    encoder = exported(student, recipe, tmp_path)
    expected = export.encode_with_student(student, TorchTeacher.of(recipe.teacher), TEXTS)
    assert len(encoder.config.prefix_ids) > 2
    assert cosines(encoder.encode(TEXTS), expected).min() > 0.998


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_a_transformer_pools_as_its_teacher(
    pooling: str, recipe_path: Path, teacher_folder: Path, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(
        read_recipe(recipe_path), teacher=TeacherRecipe(str(teacher_folder), pooling=pooling), student=WHOLE["ST(2)"]
    )
    student = trained(recipe)
    expected = export.encode_with_student(student, TorchTeacher.of(recipe.teacher), TEXTS)
    assert cosines(exported(student, recipe, tmp_path).encode(TEXTS), expected).min() > 0.998


@pytest.mark.parametrize("path", ROWS, ids=lambda path: path.stem)
def test_every_row_of_the_table_becomes_a_model(path: Path, recipe_path: Path, tmp_path: Path) -> None:
    read = read_recipe(path)
    small = {"hidden": 32, "layers": min(getattr(read.student, "layers", 1), 2)}
    entries = dataclasses.asdict(read.student)
    student = student_recipe(entries | {name: size for name, size in small.items() if name in entries})
    recipe = dataclasses.replace(read_recipe(recipe_path), name=read.name, student=student)
    encoder = exported(trained(recipe), recipe, tmp_path)
    assert encoder.config.name == read.name
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"# {read.name}" in card
    assert ("session" in card) == (read.student.family != "transformer")


def test_a_folder_whose_sizes_do_not_fit_its_graphs_is_refused(recipe_path: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), student=FOLDS["RNN(1, 1)"])
    exported(trained(recipe), recipe, tmp_path)
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    for name in ("row", "state"):
        changed = config["shape"] | {name: config["shape"][name] + 1}
        path.write_text(seal(config | {"shape": changed}))
        with pytest.raises(ModelCorrupt, match="does not fit the weights"):
            typeahead.load(tmp_path / "model")


def test_a_residual_gru_that_states_no_row_as_the_first_models_loads(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    config = read_config(folder)
    sizes = RecurrentSizes(config.dim, normalize=True, mean=True, hidden=config.shape["hidden"], layers=1)
    assert sizes.shape() == config.shape
    shape = {name: size for name, size in config.shape.items() if name in ("hidden", "state")}
    write_config(folder, dataclasses.replace(config, shape=shape))
    assert isinstance(typeahead.load(folder), RecurrentEncoder)


@pytest.mark.parametrize("name", ["static", "RNN(1, 0)", "residual GRU of two layers"])
def test_only_the_residual_gru_is_stepped_by_torch(name: str, recipe_path: Path, tmp_path: Path) -> None:
    from typeahead.evaluate.peers.torch_step import TorchStepEncoder

    recipe = dataclasses.replace(read_recipe(recipe_path), student=FOLDS[name])
    exported(trained(recipe), recipe, tmp_path)
    with pytest.raises(ModelError, match="one residual GRU"):
        TorchStepEncoder(tmp_path / "model", threads=1)


def test_a_student_that_no_graph_is_known_for_is_refused_by_name(
    recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(Student):
        family = "other"

    recipe = read_recipe(recipe_path)
    monkeypatch.setattr(export, "load_student", lambda _run: Other())
    monkeypatch.setattr(export, "encode_with_student", lambda *_: None)
    with pytest.raises(ValueError, match="'other'"):
        export.export_student(tmp_path, recipe, tmp_path / "out", ())
    assert not (tmp_path / "out").exists()


def test_a_pooling_that_no_graph_is_known_for_is_refused_by_name(tmp_path: Path) -> None:
    tensors: dict[str, Any] = {
        "words": np.zeros((3, 4), np.uint8),
        "words.scale": np.ones((3, 1), np.float32),
        "positions": np.zeros((2, 4), np.float32),
        "words.norm": np.ones(4, np.float32),
        "words.norm.bias": np.zeros(4, np.float32),
    }
    sizes = EncoderSizes(layers=0, heads=1, epsilon=1e-12, pooling="max", normalize=True)
    with pytest.raises(ValueError, match="'max'"):
        write_transformer(tmp_path, tensors, sizes)


def test_the_state_of_an_rnn_holds_its_grus_and_no_more() -> None:
    student = PaperRNN(vocabulary=9, width=4, dim=6, hidden=5, layers=2, feed_forward=1, inner=8)
    sizes = sizes_of(student)
    assert sizes.projected
    assert (sizes.state, sizes.row) == (10, 15)


def test_whoever_may_read_one_file_of_a_folder_may_read_all(recipe_path: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), student=FOLDS["static"])
    exported(trained(recipe), recipe, tmp_path)
    assert len({path.stat().st_mode for path in (tmp_path / "model").iterdir()}) == 1


def test_a_card_names_the_passage_encoder_that_lies_beside_the_student(recipe_path: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), student=FOLDS["static"])
    exported(trained(recipe), recipe, tmp_path)
    assert "export teacher tiny.toml OUT` makes it" in (tmp_path / "model" / "README.md").read_text()
    export.export_teacher(recipe, "tiny-doc", tmp_path / "doc", ())
    exported(trained(recipe), recipe, tmp_path)
    assert "- passages are encoded by: `tiny-doc`" in (tmp_path / "model" / "README.md").read_text()


def test_a_slash_at_the_end_of_the_teacher_s_folder_changes_nothing(recipe_path: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), student=FOLDS["static"])
    slashed = dataclasses.replace(recipe, teacher=TeacherRecipe(f"{recipe.teacher.id}/"))
    configs = [exported(trained(recipe), one, tmp_path, out).config for one, out in ((recipe, "a"), (slashed, "b"))]
    assert configs[0].teacher == configs[1].teacher


def resized(teacher: Path, folder: Path, rows: int) -> Path:
    """A copy of a teacher with this many rows more than tokens, or less."""
    import shutil

    from transformers import AutoModel

    shutil.copytree(teacher, folder)
    model = AutoModel.from_pretrained(teacher)
    model.resize_token_embeddings(model.config.vocab_size + rows, mean_resizing=False)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["static", "static with a layer", "residual GRU", "RNN(1, 0)", "ST(1)"])
def test_a_teacher_may_have_more_rows_than_tokens(
    name: str, recipe_path: Path, teacher_folder: Path, tmp_path: Path
) -> None:
    folder = resized(teacher_folder, tmp_path / "padded", 35)
    recipe = dataclasses.replace(
        read_recipe(recipe_path), teacher=TeacherRecipe(str(folder)), student=(FOLDS | WHOLE)[name]
    )
    student = trained(recipe)
    encoder = exported(student, recipe, tmp_path)
    expected = export.encode_with_student(student, TorchTeacher.of(recipe.teacher), TEXTS)
    assert cosines(encoder.encode(TEXTS), expected).min() > 0.995


def test_a_teacher_with_more_tokens_than_rows_is_refused(teacher_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"token ids up to \d+, but its model has only \d+ rows"):
        TorchTeacher(str(resized(teacher_folder, tmp_path / "cut", -5)))


def test_names_of_special_tokens_are_text_in_training_as_at_run_time(recipe_path: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), student=FOLDS["static"])
    student, texts = trained(recipe), ["a [SEP] b", "[CLS]"]
    encoder, teacher = exported(student, recipe, tmp_path), TorchTeacher.of(recipe.teacher)
    assert [list(encoder.tokenizer.encode(text)) for text in texts] == teacher.text_ids(texts)
    assert not set(teacher.text_ids(texts)[0]) & {teacher.tokenizer.sep_token_id, teacher.tokenizer.cls_token_id}


@pytest.mark.parametrize("name", ["static", "residual GRU", "ST(2)"])
def test_a_cosine_teacher_without_a_normalize_module_makes_models_of_one_space(
    name: str, recipe_path: Path, teacher_folder: Path, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "teacher"
    shutil.copytree(teacher_folder, folder)
    (folder / "modules.json").write_text(json.dumps(json.loads((folder / "modules.json").read_text())[:2]))
    (folder / "config_sentence_transformers.json").write_text('{"similarity_fn_name": "cosine"}')
    recipe = dataclasses.replace(
        read_recipe(recipe_path), teacher=TeacherRecipe(str(folder)), student=(FOLDS | WHOLE)[name]
    )
    queries = exported(trained(recipe), recipe, tmp_path)
    export.export_teacher(recipe, "doc", tmp_path / "doc", ())
    passages = typeahead.load(tmp_path / "doc")
    for encoder in (queries, passages):
        assert (encoder.config.similarity, encoder.config.teacher.normalized) == ("cosine", True)
        np.testing.assert_allclose(lengths(encoder.encode(TEXTS)), 1, atol=1e-3)
    check_space(Space("any", passages.config.teacher.revision, passages.dim, "cosine"), queries.config)
