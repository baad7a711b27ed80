"""What every model folder has, whatever the family: configuration, tokenizer, golden vectors, card; and its check."""

from __future__ import annotations

from pathlib import Path

from training.exporting.replacing import files_of_model, replace
from training.exporting.ways import least_agreement
from training.recipe import Recipe
from training.teacher.about import revision_of
from training.teacher.torch_teacher import TorchTeacher
from typeahead.core.encoder import Encoder, Vectors
from typeahead.encoders.loading import load
from typeahead.errors import ModelError
from typeahead.models.config import CONFIG, ModelConfig, TeacherInfo
from typeahead.models.folder import open_config, write_config
from typeahead.models.golden import GOLDEN_TEXTS, Golden


def teacher_info(recipe: Recipe, teacher: TorchTeacher) -> TeacherInfo:
    """What a model folder states of its teacher."""
    return TeacherInfo(
        name=recipe.teacher.called,
        revision=revision_of(teacher),
        pooling=teacher.pooling,
        max_tokens=teacher.max_length,
        normalized=teacher.normalize,
    )


def passages_beside(out: Path, teacher: TeacherInfo) -> str:
    """The name of a passage encoder of ``teacher`` in a folder beside ``out``, or ""."""
    for path in sorted(out.absolute().parent.glob(f"*/{CONFIG}")):
        try:
            config, _ = open_config(path.parent)
        except ModelError:
            continue
        if config.role != "query" and config.teacher.revision == teacher.revision:
            return config.name
    return ""


def save_tokenizer(teacher: TorchTeacher, folder: Path, prompt: str) -> None:
    """Write the tokenizer of texts that stand after ``prompt``, without truncation and padding."""
    teacher.reading(prompt).tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def finish(out: Path, folder: Path, config: ModelConfig, reference: Vectors, min_cosine: float, card: str) -> Encoder:
    """Complete a folder that holds weights, graphs and tokenizer, check it, and copy it to ``out``.

    Args:
        out: nothing, an empty folder, or a model folder, which is replaced once the check has passed.
        folder: where the files are so far.
        config: without the hashes of the files.
        reference: PyTorch's vectors of the golden texts, float32 (n, dim).
        min_cosine: the least cosine to them that passes.
        card: the text of ``README.md``.

    Raises:
        ValueError: ``out`` holds something else than a model.
    """
    (folder / "README.md").write_text(card, encoding="utf-8")
    golden = Golden(GOLDEN_TEXTS, reference, min_cosine)
    (folder / "golden.json").write_text(golden.to_json(), encoding="utf-8")
    write_config(folder, config)
    encoder = load(folder)
    worst = golden.agreement(encoder.encode(golden.texts))
    print(f"int8 against float32 PyTorch, {len(reference)} golden texts: agreement {worst:.5f} at worst")
    # The golden vectors that ship are this graph's own, so they test the processor and not the quantisation.
    least = least_agreement(encoder, folder, golden)
    shipped = Golden(GOLDEN_TEXTS, encoder.encode(GOLDEN_TEXTS), least)
    (folder / "golden.json").write_text(shipped.to_json(), encoding="utf-8")
    write_config(folder, config)
    load(folder)
    replace(folder, out, files_of_model)
    # Last, because whoever reads this may leave.
    for path in sorted(out.iterdir()):
        print(f"{path.stat().st_size / 1e6:8.2f} MB {path}")
    return load(out)
