"""Turns trained weights into folders that others load.

::

    python -m training.exporting.export student RECIPE RUN OUT                 a model folder of typeahead
    python -m training.exporting.export teacher RECIPE OUT                     the same, of a BERT teacher as passage
    encoder python -m training.exporting.export sentence-transformers RECIPE RUN OUT   a folder of that library
    (training.exporting.sentence_transformers)

A model folder: quantised weights and the graphs of its family (:mod:`training.exporting.graphs`), golden vectors and
the card. It is checked against PyTorch, and how far int8 is from float32 is printed. Nothing is written to ``OUT``
unless the check passed.
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
from safetensors.numpy import save_file
from torch import Tensor

from training.exporting.card import student_card, teacher_card
from training.exporting.graphs import quantize_columns, quantize_rows
from training.exporting.graphs_causal import CausalSizes, causal_tensors, write_causal
from training.exporting.graphs_recurrent import RecurrentSizes, write_recurrent
from training.exporting.graphs_transformer import EncoderSizes, student_tensors, teacher_tensors, write_transformer
from training.exporting.smoothing import input_peaks, random_ids
from training.recipe import Recipe, read_recipe
from training.students import Causal, PaperRNN, ResidualGRU, Static, Student, TruncatedTransformer, load_student
from training.teacher.torch_teacher import TorchTeacher
from typeahead.core.encoder import Encoder, Vectors
from typeahead.encoders.loading import load
from typeahead.models.config import ModelConfig, TeacherInfo
from typeahead.models.folder import write_config
from typeahead.models.golden import GOLDEN_TEXTS, Golden
from typeahead.storage.sums import file_sha256


def _numpy(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().float().numpy()
    return array


def teacher_info(recipe: Recipe, teacher: TorchTeacher) -> TeacherInfo:
    """What a model folder says of its teacher."""
    weights = Path(recipe.teacher.path()) / "model.safetensors"
    return TeacherInfo(
        name=recipe.teacher.id.rsplit("/", 1)[-1],
        revision=file_sha256(weights) if weights.is_file() else "",
        pooling=teacher.pooling,
        max_tokens=teacher.max_length,
        normalized=teacher.normalize,
    )


def precise_teacher(recipe: Recipe) -> TorchTeacher:
    """The recipe's teacher in float32, whatever it is run in for training: its weights are what ships."""
    return TorchTeacher(recipe.teacher.path(), **recipe.teacher.given())


def max_tokens_of(teacher: TorchTeacher, prompt: str | None = None) -> int:
    """Tokens of a text that the teacher reads, its special ones and the prompt's (a query's) not counted."""
    before, after = teacher.special_ids(prompt)
    return teacher.max_length - len(before) - len(after)


@torch.inference_mode()
def encode_with_student(student: Student, teacher: TorchTeacher, texts: Sequence[str]) -> Vectors:
    """Encode texts one by one in PyTorch, cut where the teacher cuts: the reference for the exported step."""
    rows = []
    for text in texts:
        ids = torch.tensor([teacher.tokenizer(text, add_special_tokens=False)["input_ids"][: max_tokens_of(teacher)]])
        rows.append(student(ids, torch.tensor([ids.shape[1]])))
    return _numpy(torch.cat(rows))


def _finish(out: Path, folder: Path, config: ModelConfig, reference: Vectors, min_cosine: float, card: str) -> Encoder:
    """Write what every folder has, check it, and put it in its place."""
    (folder / "README.md").write_text(card, encoding="utf-8")
    golden = Golden(GOLDEN_TEXTS, reference, min_cosine)
    (folder / "golden.json").write_text(golden.to_json(), encoding="utf-8")
    write_config(folder, config)
    encoder = load(folder)
    worst = golden.agreement(encoder.encode(golden.texts))
    print(f"int8 against float32 PyTorch, {len(reference)} golden texts: cosine {worst:.5f} at worst")
    # The golden vectors that ship are what this graph gives, so that they catch a processor and not the quantisation.
    shipped = Golden(GOLDEN_TEXTS, encoder.encode(GOLDEN_TEXTS), 0.9995)
    (folder / "golden.json").write_text(shipped.to_json(), encoding="utf-8")
    write_config(folder, config)
    load(folder)
    out.mkdir(parents=True, exist_ok=True)
    for path in out.iterdir():
        path.unlink()
    for path in sorted(folder.iterdir()):
        # Not its mode: safetensors writes files that the owner alone may read.
        shutil.copyfile(path, out / path.name)
    # After all of it is there: whoever reads this may go away.
    for path in sorted(out.iterdir()):
        print(f"{path.stat().st_size / 1e6:8.2f} MB {path}")
    return load(out)


def save_tokenizer(teacher: TorchTeacher, folder: Path) -> None:
    """Write the teacher's tokenizer, which neither cuts nor fills up."""
    tokenizer = teacher.tokenizer.backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def _state(module: torch.nn.Module) -> dict[str, np.ndarray]:
    """A state dict as float32 arrays."""
    return {name: _numpy(tensor) for name, tensor in module.state_dict().items()}


def _recurrent_sizes(student: ResidualGRU | PaperRNN) -> RecurrentSizes:
    """Which parts a fold with a state of one size has."""
    normalize = student.similarity == "cosine"
    if isinstance(student, ResidualGRU):
        return RecurrentSizes(student.dim, normalize, mean=True, hidden=student.hidden, layers=student.layers)
    settings = student.settings
    sizes = {name: settings[name] for name in ("hidden", "layers", "feed_forward")}
    return RecurrentSizes(
        student.dim, normalize, mean=False, **sizes, projected=isinstance(student.projection, torch.nn.Linear)
    )


def _write_recurrent(folder: Path, student: ResidualGRU | PaperRNN) -> dict[str, Any]:
    """Write weights and graphs; return what the configuration says of this family."""
    sizes = _recurrent_sizes(student)
    write_recurrent(folder, _state(student), sizes)
    return {"family": "recurrent", "prefix_ids": (), "suffix_ids": (), "shape": sizes.shape()}


def _write_static(folder: Path, student: Static) -> dict[str, Any]:
    """Write table, each row times its weight, and layer in int8; return what the configuration says of this family."""
    weight = student.log_weights.weight.detach().exp()
    rows, scale = quantize_rows(_numpy(student.table.weight.detach() * weight))
    tensors = {
        # The encoder reads rows round 0, the graphs' products round 128.
        "table": (rows.astype(np.int16) - 128).astype(np.int8),
        "table.scale": scale,
        "weight": _numpy(weight[:, 0]),
    }
    if student.hidden:
        for name, layer in (("inner", student.inner), ("outer", student.outer)):
            tensors[name], tensors[f"{name}.scale"] = quantize_columns(_numpy(layer.weight.T))
            tensors[f"{name}.bias"] = _numpy(layer.bias)
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / "weights.safetensors")
    return {"family": "static", "prefix_ids": (), "suffix_ids": (), "shape": {}}


def _write_causal(folder: Path, student: Causal, max_tokens: int) -> dict[str, Any]:
    """Write weights and graphs; return what the configuration says of this family."""
    trunk = student.trunk.settings
    sizes = CausalSizes(
        layers=trunk["layers"],
        heads=trunk["heads"],
        width=trunk["width"],
        dim=student.dim,
        epsilon=trunk["epsilon"],
        normalize=student.similarity == "cosine",
        ahead=student.guess is not None,
        feed_forward_bits=trunk["feed_forward_bits"],
    )
    tensors = causal_tensors(
        _state(student),
        layers=sizes.layers,
        positions=len(student.start_ids) + max_tokens,
        feed_forward_bits=sizes.feed_forward_bits,
    )
    write_causal(folder, tensors, sizes)
    start = tuple(student.start_ids)
    return {"family": "causal", "prefix_ids": start, "suffix_ids": (), "shape": sizes.shape()}


def _write_transformer(
    folder: Path, student: TruncatedTransformer, teacher: TorchTeacher, max_tokens: int
) -> dict[str, Any]:
    """Write weights and graphs; return what the configuration says of this family."""
    before, after = student.prefix_ids, student.suffix_ids
    trunk = student.trunk.settings
    sizes = EncoderSizes(
        layers=trunk["layers"],
        heads=trunk["heads"],
        epsilon=trunk["epsilon"],
        pooling=student.pooling,
        normalize=student.similarity == "cosine",
        residual=(len(before), len(after)) if student.residual else None,
    )
    ids = random_ids(teacher, before, after)
    readers = {
        f"{number}.{name}": student.trunk.get_submodule(f"layers.{number}.{name}")
        for number in range(sizes.layers)
        for name in ("qkv", "up")
    }
    peaks = input_peaks(lambda: student.trunk(ids), readers)
    tensors = student_tensors(_state(student), peaks, sizes, positions=len(before) + max_tokens + len(after))
    write_transformer(folder, tensors, sizes)
    return {"family": "transformer", "prefix_ids": before, "suffix_ids": after, "shape": {"layers": sizes.layers}}


def _write_student(folder: Path, student: Student, teacher: TorchTeacher, max_tokens: int) -> dict[str, Any]:
    """Write weights and graphs; return what the configuration says of the family."""
    if isinstance(student, Causal):
        return _write_causal(folder, student, max_tokens)
    if isinstance(student, TruncatedTransformer):
        return _write_transformer(folder, student, teacher, max_tokens)
    if isinstance(student, ResidualGRU | PaperRNN):
        return _write_recurrent(folder, student)
    if isinstance(student, Static):
        return _write_static(folder, student)
    raise ValueError(f"a student of family {student.family!r} cannot be exported")


def export_student(run: Path, recipe: Recipe, out: Path, figures: Sequence[Path]) -> None:
    """Write the model folder of a finished run. ``ValueError`` for a student that no graph is known for."""
    teacher = precise_teacher(recipe)
    student = load_student(run)
    reference = encode_with_student(student, teacher, GOLDEN_TEXTS)
    max_tokens = max_tokens_of(teacher)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        described = _write_student(folder, student, teacher, max_tokens)
        # A server that has an encoder of whole texts gives it what is longer.
        described["shape"] |= {"trained_tokens": recipe.student.max_tokens}
        save_tokenizer(teacher, folder)
        config = ModelConfig(
            name=recipe.name,
            role="query",
            dim=student.dim,
            similarity=student.similarity,
            teacher=teacher_info(recipe, teacher),
            max_tokens=max_tokens,
            files={},
            **described,
        )
        least = 0.99 if described["family"] == "transformer" else 0.995
        _finish(out, folder, config, reference, least, student_card(recipe, run, figures))


def export_teacher(recipe: Recipe, name: str, out: Path, figures: Sequence[Path]) -> None:
    """Write the teacher itself as a passage encoder."""
    teacher = precise_teacher(recipe)
    settings = teacher.model.config
    if settings.model_type != "bert":
        raise ValueError(f"teachers of type {settings.model_type!r} cannot be exported; known is bert")
    reference = teacher.encode(GOLDEN_TEXTS, prompt=teacher.passage_prompt)
    sizes = EncoderSizes(
        layers=settings.num_hidden_layers,
        heads=settings.num_attention_heads,
        epsilon=settings.layer_norm_eps,
        pooling=teacher.pooling,
        normalize=teacher.normalize,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        before, after = teacher.special_ids(teacher.passage_prompt)
        ids = random_ids(teacher, before, after)
        readers = {
            f"{number}.{name}": reader
            for number, layer in enumerate(teacher.model.encoder.layer)
            for name, reader in (("qkv", layer.attention.self.query), ("up", layer.intermediate.dense))
        }
        peaks = input_peaks(lambda: teacher.model(input_ids=ids), readers)
        tensors = teacher_tensors(_state(teacher.model), peaks, layers=sizes.layers, positions=teacher.max_length)
        write_transformer(folder, tensors, sizes)
        save_tokenizer(teacher, folder)
        config = ModelConfig(
            name=name,
            family="transformer",
            role="passage",
            dim=teacher.dim,
            similarity="cosine" if teacher.normalize else "dot",
            teacher=teacher_info(recipe, teacher),
            max_tokens=max_tokens_of(teacher, teacher.passage_prompt),
            prefix_ids=tuple(before),
            suffix_ids=tuple(after),
            shape={"layers": settings.num_hidden_layers},
            files={},
        )
        _finish(out, folder, config, reference, 0.99, teacher_card(name, teacher, recipe, figures))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.exporting.export", description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    student = commands.add_parser("student", help="a finished run as a model folder")
    library = commands.add_parser("sentence-transformers", help="a finished run as a folder of that library")
    for command in (student, library):
        command.add_argument("recipe", type=Path)
        command.add_argument("run", type=Path, help="folder of the run")
        command.add_argument("out", type=Path)
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
    elif options.command == "sentence-transformers":
        # Imported here: the others do without that library.
        from training.exporting.sentence_transformers import export_sentences

        source = precise_teacher(recipe)
        reference = encode_with_student(load_student(options.run), source, GOLDEN_TEXTS)
        export_sentences(options.run, recipe, source, options.out, GOLDEN_TEXTS, reference, max_tokens_of(source))
    else:
        export_teacher(recipe, options.out.name, options.out, options.figures)


if __name__ == "__main__":
    main()
