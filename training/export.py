"""Turns trained weights into model folders: ``python -m training.export student RUN OUT`` and ``… teacher RECIPE OUT``.

Quantises, writes the graphs of :mod:`training.graphs`, golden vectors and the card, checks the folder against PyTorch,
and prints how far int8 is from float32. Nothing is written to ``OUT`` unless the check passed.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from training.card import student_card, teacher_card
from training.graphs import WeightsFile, quantize_columns, quantize_rows, write_encoder, write_fold, write_step
from training.recipe import Recipe, read_recipe
from training.students import ResidualGRU
from training.teachers import Teacher, file_sha256
from typeahead.encoders.base import Encoder, Vectors
from typeahead.models import Golden, ModelConfig, TeacherInfo, load, write_config

#: Written for this purpose; short, long, rare words, digits, other scripts, marks that normalisation removes.
GOLDEN_TEXTS = (
    "how to boil an egg",
    "h",
    "weather tomorrow in lisbon",
    "what does a NullPointerException mean, and where does it come from?",
    "naïve café résumé",
    "Übergrößenträger",
    "東京の天気",
    "한국어 검색",
    "погода завтра",
    "price of 2.5 kg flour in 1999 ($)",
    "the effect of regular exercise on blood pressure in older adults with diabetes mellitus and hypertension",
    "👩‍👩‍👧‍👦 family emoji",
)


def _numpy(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().float().numpy()
    return array


def teacher_info(recipe: Recipe, teacher: Teacher) -> TeacherInfo:
    """What a model folder says of its teacher."""
    weights = Path(recipe.teacher.path()) / "model.safetensors"
    return TeacherInfo(
        name=recipe.teacher.id.rsplit("/", 1)[-1],
        revision=file_sha256(weights) if weights.is_file() else "",
        pooling=teacher.pooling,
        max_tokens=teacher.max_length,
        normalized=teacher.normalize,
    )


def _student_tensors(student: ResidualGRU) -> dict[str, np.ndarray]:
    """The student's weights as the step's graph names them."""
    tensors: dict[str, np.ndarray] = {}
    tensors["table"], tensors["table.scale"] = quantize_rows(_numpy(student.table.weight))
    tensors["token_weight"] = np.exp(_numpy(student.log_weights.weight))
    for name, weight in (
        ("input", student.input_weight),
        ("recurrent", student.gru.get_parameter("weight_hh_l0")),
        ("readout", student.readout.weight),
    ):
        tensors[name], tensors[f"{name}.scale"] = quantize_columns(_numpy(weight).T)
    # The new gate's recurrent bias is multiplied by the reset gate; all other biases are added outright.
    recurrent_bias = _numpy(student.gru.get_parameter("bias_hh_l0"))
    only_new = np.where(np.arange(3 * student.hidden) < 2 * student.hidden, 0, recurrent_bias)
    tensors["input.bias"] = _numpy(student.gru.get_parameter("bias_ih_l0")) + recurrent_bias - only_new
    tensors["recurrent.bias"] = only_new.astype(np.float32)
    return tensors


def _teacher_tensors(teacher: Teacher) -> dict[str, np.ndarray]:
    """A BERT teacher's weights as the encoder's graph names them."""
    state = {name: _numpy(tensor) for name, tensor in teacher.model.state_dict().items()}
    tensors: dict[str, np.ndarray] = {}
    tensors["words"], tensors["words.scale"] = quantize_rows(state["embeddings.word_embeddings.weight"])
    positions = state["embeddings.position_embeddings.weight"][: teacher.max_length]
    tensors["positions"] = positions + state["embeddings.token_type_embeddings.weight"][0]
    norms = {"words": "embeddings.LayerNorm"}
    for number in range(teacher.model.config.num_hidden_layers):
        layer = f"encoder.layer.{number}"
        for name, source in (
            ("query", "attention.self.query"),
            ("key", "attention.self.key"),
            ("value", "attention.self.value"),
            ("attention", "attention.output.dense"),
            ("up", "intermediate.dense"),
            ("down", "output.dense"),
        ):
            key = f"{number}.{name}"
            tensors[key], tensors[f"{key}.scale"] = quantize_columns(state[f"{layer}.{source}.weight"].T)
            tensors[f"{key}.bias"] = state[f"{layer}.{source}.bias"]
        norms[f"{number}.attention"] = f"{layer}.attention.output.LayerNorm"
        norms[f"{number}.down"] = f"{layer}.output.LayerNorm"
    for name, source in norms.items():
        tensors[f"{name}.norm"], tensors[f"{name}.norm.bias"] = state[f"{source}.weight"], state[f"{source}.bias"]
    return tensors


@torch.inference_mode()
def encode_with_student(student: ResidualGRU, teacher: Teacher, texts: Sequence[str]) -> Vectors:
    """Encode texts one by one in PyTorch, the reference for the exported step."""
    rows = []
    for text in texts:
        ids = torch.tensor([teacher.tokenizer(text, add_special_tokens=False)["input_ids"]])
        rows.append(student(ids, torch.tensor([ids.shape[1]])))
    return _numpy(torch.cat(rows))


def _finish(out: Path, folder: Path, config: ModelConfig, reference: Vectors, min_cosine: float, card: str) -> Encoder:
    """Write what every folder has, check it, and put it in its place."""
    (folder / "README.md").write_text(card, encoding="utf-8")
    golden = Golden(GOLDEN_TEXTS, reference, min_cosine)
    (folder / "golden.json").write_text(golden.to_json(), encoding="utf-8")
    write_config(folder, config)
    encoder = load(folder)
    print(
        f"int8 against float32 PyTorch, {len(reference)} golden texts: cosine {golden.agreement(encoder):.5f} at worst"
    )
    # The golden vectors that ship are what this graph gives, so that they catch a processor and not the quantisation.
    shipped = Golden(GOLDEN_TEXTS, encoder.encode(GOLDEN_TEXTS), 0.9995)
    (folder / "golden.json").write_text(shipped.to_json(), encoding="utf-8")
    write_config(folder, config)
    load(folder)
    out.mkdir(parents=True, exist_ok=True)
    for path in out.iterdir():
        path.unlink()
    for path in sorted(folder.iterdir()):
        shutil.copy(path, out / path.name)
        print(f"{path.stat().st_size / 1e6:8.2f} MB {out / path.name}")
    return load(out)


def _save_tokenizer(teacher: Teacher, folder: Path) -> None:
    tokenizer = teacher.tokenizer.backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def export_student(run: Path, recipe: Recipe, out: Path, figures: Sequence[Path]) -> None:
    """Write the model folder of a finished run."""
    teacher = Teacher(recipe.teacher.path())
    state = load_file(run / "student.safetensors")
    student = ResidualGRU(
        state["table.weight"], state["log_weights.weight"].squeeze(1), hidden=recipe.student.hidden
    ).eval()
    student.load_state_dict(state)
    reference = encode_with_student(student, teacher, GOLDEN_TEXTS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        weights = WeightsFile(folder / "weights.safetensors", _student_tensors(student))
        sizes: Any = {"dim": student.dim, "hidden": student.hidden, "normalize": student.similarity == "cosine"}
        for variant, int8 in (("", True), ("-float32", False)):
            write_fold(folder / f"fold{variant}.onnx", weights, dim=student.dim, hidden=student.hidden, int8=int8)
            write_step(folder / f"step{variant}.onnx", weights, **sizes, int8=int8)
        _save_tokenizer(teacher, folder)
        info = teacher_info(recipe, teacher)
        before, after = teacher.special_ids()
        config = ModelConfig(
            name=recipe.name,
            family="recurrent",
            role="query",
            dim=student.dim,
            similarity=student.similarity,
            teacher=info,
            max_tokens=teacher.max_length - len(before) - len(after),
            prefix_ids=(),
            suffix_ids=(),
            shape={"hidden": student.hidden, "state": student.dim + 1 + 2 * student.hidden},
            files={},
        )
        _finish(out, folder, config, reference, 0.995, student_card(recipe, run, figures))


def export_teacher(recipe: Recipe, name: str, out: Path, figures: Sequence[Path]) -> None:
    """Write the teacher itself as a passage encoder."""
    teacher = Teacher(recipe.teacher.path())
    settings = teacher.model.config
    if settings.model_type != "bert":
        raise ValueError(f"teachers of type {settings.model_type!r} cannot be exported; known is bert")
    reference = teacher.encode(GOLDEN_TEXTS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        weights = WeightsFile(folder / "weights.safetensors", _teacher_tensors(teacher))
        options: Any = {
            "layers": settings.num_hidden_layers,
            "heads": settings.num_attention_heads,
            "pooling": teacher.pooling,
            "normalize": teacher.normalize,
            "epsilon": settings.layer_norm_eps,
        }
        write_encoder(folder / "encoder.onnx", weights, **options, int8=True)
        write_encoder(folder / "encoder-float32.onnx", weights, **options, int8=False)
        _save_tokenizer(teacher, folder)
        before, after = teacher.special_ids()
        config = ModelConfig(
            name=name,
            family="transformer",
            role="passage",
            dim=teacher.dim,
            similarity="cosine" if teacher.normalize else "dot",
            teacher=teacher_info(recipe, teacher),
            max_tokens=teacher.max_length - len(before) - len(after),
            prefix_ids=tuple(before),
            suffix_ids=tuple(after),
            shape={"layers": settings.num_hidden_layers},
            files={},
        )
        _finish(out, folder, config, reference, 0.99, teacher_card(name, teacher, recipe, figures))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    student = commands.add_parser("student", help="a finished run as a model folder")
    student.add_argument("recipe", type=Path)
    student.add_argument("run", type=Path, help="folder of the run")
    student.add_argument("out", type=Path)
    teacher = commands.add_parser("teacher", help="the teacher of a recipe as passage encoder")
    teacher.add_argument("recipe", type=Path)
    teacher.add_argument("out", type=Path)
    for command in (student, teacher):
        command.add_argument(
            "--figures", type=Path, nargs="*", default=[], help="JSON of typeahead evaluate and bench, for the card"
        )
    options = parser.parse_args(arguments)
    recipe = read_recipe(options.recipe)
    if options.command == "student":
        export_student(options.run, recipe, options.out, options.figures)
    else:
        export_teacher(recipe, options.out.name, options.out, options.figures)


if __name__ == "__main__":
    main()
