"""Every architecture with every family: trained for a few steps, exported with its passages, loaded, and used."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("onnx", reason="training needs onnx")

import typeahead  # noqa: E402
from tests.training.architectures import TOKENIZERS, WIDTH, write_teacher  # noqa: E402
from tests.training.conftest import WORDS, sentence  # noqa: E402
from training.exporting import export  # noqa: E402
from training.families import FAMILIES  # noqa: E402
from training.recipe import read_recipe  # noqa: E402
from training.stage1 import distill  # noqa: E402
from training.stage1.start import start_from  # noqa: E402
from training.students import build, load_student, save_student  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from typeahead.core.encoder import IncrementalEncoder  # noqa: E402
from typeahead.encoders.causal import CausalEncoder  # noqa: E402
from typeahead.encoders.compiled.importing import import_compiled  # noqa: E402
from typeahead.encoders.compiled.vnni import supported  # noqa: E402
from typeahead.models.golden import Golden, agreements  # noqa: E402

ENTRIES = {
    "static": "readout = 32",
    "residual-gru": "hidden = 32",
    "rnn": "hidden = 32",
    "causal": "layers = 3\npooled = 0.7\nahead = true",
    "transformer": "layers = 3",
}
#: Long enough for a window of eight tokens to either side.
TEXTS = [
    "boil",
    "boil egg",
    "rain sun cat dog walk home read file line open close fast slow",
    "xyz 東京",
    " ".join(WORDS),
]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("teachers")
    return {kind: write_teacher(folder / kind, kind) for kind in TOKENIZERS}


def write_recipe(folder: Path, teacher: Path, family: str) -> Path:
    rng = random.Random(1)
    texts = dict.fromkeys(sentence(rng) for _ in range(60))
    (folder / "texts.tsv").write_text("".join(f"docs/numpy\t{text}\n" for text in texts))
    path = folder / "recipe.toml"
    path.write_text(
        f"""
name = "tiny"
seed = 3
cache = "{folder / "vectors"}"
development = 0.1

[teacher]
id = "{teacher}"

[student]
family = "{family}"
{ENTRIES[family]}

[[stages]]
name = "only"
files = ["{folder / "texts.tsv"}"]
epochs = 1
batch = 16
rate = [1e-4, 1e-4]
"""
    )
    return path


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_teacher_gives_a_student_of_any_family(
    kind: str, family: str, teachers: dict[str, Path], tmp_path: Path
) -> None:
    path = write_recipe(tmp_path, teachers[kind], family)
    run, out = tmp_path / "run", tmp_path / "model"
    distill.main([str(path), "--out", str(run), "--threads", "1", "--cpu"])
    export.main(["student", str(path), str(run), str(out)])
    encoder: Any = typeahead.load(out)
    teacher = TorchTeacher(str(teachers[kind]))
    student = load_student(run)
    expected = export.encode_with_student(student, teacher, TEXTS)
    found = encoder.encode(TEXTS)
    assert agreements(found, expected).min() > 0.99
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert agreements(found, alone).min() > 0.9999
    if family in ("static", "residual-gru", "causal"):
        again = start_from(out, encoder.config, teacher, read_recipe(path).student).eval()
        assert agreements(export.encode_with_student(again, teacher, TEXTS), expected).min() > 0.99
    if not isinstance(encoder, IncrementalEncoder):
        return
    np.testing.assert_array_equal(found, alone)
    session: Any = encoder.session()  # type: ignore[attr-defined]
    for text in TEXTS:
        for end in range(1, len(text) + 1):
            session.update(text[:end])
        np.testing.assert_array_equal(session.embedding, encoder.encode([text])[0])
    if isinstance(encoder, CausalEncoder):
        assert encoder.compiled == (import_compiled("causal", "") is not None and supported() and WIDTH % 64 == 0)
        assert_all_ways_agree(encoder, out, expected)


def assert_all_ways_agree(encoder: CausalEncoder, folder: Path, expected: Any) -> None:
    graph = CausalEncoder(encoder.config, folder, compiled=False)
    assert agreements(graph.encode(TEXTS), encoder.encode(TEXTS)).min() > 0.998
    precise = CausalEncoder(encoder.config, folder, variant="-float32")
    assert agreements(precise.encode(TEXTS), expected).min() > 0.998
    golden = Golden.read(folder)
    for one in (encoder, graph, precise):
        assert golden.agreement(one.encode(golden.texts)) > golden.min_cosine


@pytest.mark.parametrize("family", ["causal", "transformer"])
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_sentence_transformers_gives_the_same_vectors(
    kind: str, family: str, teachers: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = pytest.importorskip("sentence_transformers")
    from transformers import dynamic_module_utils

    # The library keeps copies of a folder's code: not beside the user's.
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    path, run, out = write_recipe(tmp_path, teachers[kind], family), tmp_path / "run", tmp_path / "out"
    recipe, teacher = read_recipe(path), TorchTeacher(str(teachers[kind]))
    torch.manual_seed(1)
    student = build(recipe.student, teacher, np.ones(teacher.model.config.vocab_size)).eval()
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    run.mkdir()
    save_student(student, run / "student.safetensors")
    (run / "log.jsonl").write_text('{"stage": "start"}\n')
    export.main(["sentence-transformers", str(path), str(run), str(out)])
    own = family == "causal" or kind == "mpnet"
    model = library.SentenceTransformer(str(out), device="cpu", trust_remote_code=own)
    assert bool(list(out.glob("*.py"))) == own
    np.testing.assert_allclose(model.encode(TEXTS), export.encode_with_student(student, teacher, TEXTS), atol=1e-4)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_teachers_passage_encoder_is_the_teacher(kind: str, teachers: dict[str, Path], tmp_path: Path) -> None:
    recipe = read_recipe(write_recipe(tmp_path, teachers[kind], "static"))
    export.export_teacher(recipe, "passages", tmp_path / "passages", ())
    encoder: Any = typeahead.load(tmp_path / "passages")
    expected = TorchTeacher(str(teachers[kind])).encode(TEXTS)
    assert agreements(encoder.encode(TEXTS), expected).min() > 0.99
    precise = type(encoder)(encoder.config, tmp_path / "passages", variant="-float32")
    assert agreements(precise.encode(TEXTS), expected).min() > 0.998
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert agreements(encoder.encode(TEXTS), alone).min() > 0.9999
