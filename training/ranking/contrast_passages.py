"""The passage side of contrastive training: an encoder that is trained, or vectors that never change.

A frozen encoder's vectors are kept in the cache that distillation also uses, so each passage is encoded once for all
epochs and rounds. A hash of the weights shows, at every checkpoint and at the end, that the encoder has not changed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from training.data import Group, Passage
from training.ranking.encoding import PassageEncoder, encode, passage_ids
from training.ranking.gradcache import Side
from training.ranking.recipe import ContrastRecipe
from training.ranking.round_folders import PASSAGES
from training.recipe import Recipe
from training.teacher.about import NOT_STATED, About, about, local_file
from training.teacher.torch_teacher import TorchTeacher
from training.teacher.vectors import VectorCache

#: Groups whose passages are encoded at a time to fill the cache.
_PART = 1000
#: The files of a sentence-transformers folder besides weights and tokenizer.
_SETTINGS = (
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)


class Passages:
    """The passage encoder in one round."""

    def __init__(self, teacher: TorchTeacher, one: ContrastRecipe, cache: Path) -> None:
        self.teacher, self.trained = teacher, one.passages == "trained"
        self.encoder = PassageEncoder(teacher)
        self._length = one.passage_tokens
        self.encoder.requires_grad_(self.trained)
        self.encoder.eval()
        if not self.trained:
            self._cache = VectorCache(cache, teacher)
            self._sha256 = teacher.weights_sha256()

    def side(self, passages: Sequence[Passage], chunk: int, device: torch.device) -> Side:
        """The passages of a step, to be encoded and trained on."""
        ids = passage_ids(self.teacher, [passage.whole() for passage in passages], self._length)
        return Side(self.encoder, ids, chunk, device, self.encoder.filler)

    def prepare(self, groups: Iterable[Group], accelerator: Accelerator) -> None:
        """If the encoder is frozen, fill the cache with the passages of all groups. Each process does its share."""
        if self.trained:
            return
        shared = islice(groups, accelerator.process_index, None, accelerator.num_processes)
        while part := list(islice(shared, _PART)):
            texts = {passage.whole() for group in part for passage in (*group.positives, *group.negatives)}
            self._fill([text for text in texts if isinstance(text, str)])
        accelerator.wait_for_everyone()
        self._cache.refresh()

    def _fill(self, texts: Sequence[str]) -> None:
        self._cache.fill(sorted(texts), prompt=self.teacher.passage_prompt, label="passages")

    def vectors(self, passages: Sequence[Passage]) -> Tensor:
        """A frozen encoder's vectors, float32 (n, dim). Passages given as token ids are encoded each time."""
        texts = [passage.whole() for passage in passages]
        if all(isinstance(text, str) for text in texts):
            plain = [str(text) for text in texts]
            self._fill(plain)
            found = torch.from_numpy(self._cache.get(plain, prompt=self.teacher.passage_prompt)).float()
            return nn.functional.normalize(found, dim=1) if self.teacher.similarity == "cosine" else found
        return torch.from_numpy(encode(self.encoder, passage_ids(self.teacher, texts), self.teacher.device))

    def encode(self, passages: Sequence[Passage]) -> Tensor:
        """Vectors float32 (n, dim), by the encoder in its present state."""
        if not self.trained:
            return self.vectors(passages)
        ids = passage_ids(self.teacher, [passage.whole() for passage in passages], self._length)
        return torch.from_numpy(encode(self.encoder, ids, self.teacher.device))

    def check(self) -> None:
        """``RuntimeError`` if a frozen encoder has changed: an index of its vectors would be useless."""
        if not self.trained and self.teacher.weights_sha256() != self._sha256:
            raise RuntimeError(
                f"the frozen passage encoder {self.teacher.name} has changed while the student was trained"
            )

    def save(self, folder: Path, recipe: Recipe) -> None:
        """Write a trained encoder as a folder like the teacher's, and a recipe with that folder as its teacher."""
        if self.trained:
            save_passage_encoder(self.teacher, folder, recipe)


def save_passage_encoder(teacher: TorchTeacher, folder: Path, recipe: Recipe) -> Path:
    """Write a trained teacher and a recipe that uses it into a round's folder. Returns the teacher's folder."""
    final, partial = folder / PASSAGES, folder / f"{PASSAGES}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    # Without a pooler: it was not trained, and in coCondenser's format it is random from the start.
    state = {name: value for name, value in teacher.model.state_dict().items() if not name.startswith("pooler.")}
    teacher.model.save_pretrained(partial, state_dict=state)
    teacher.tokenizer.save_pretrained(partial)
    for name in _SETTINGS:
        if (source := local_file(teacher.path, name)) is not None:
            (partial / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source, partial / name)
    name = f"{recipe.teacher.called}-{recipe.name}-{folder.name}"
    (partial / "README.md").write_text(_card(name, about(recipe.teacher)), encoding="utf-8")
    shutil.rmtree(final, ignore_errors=True)
    partial.replace(final)
    (folder / "recipe.toml").write_text(with_teacher(recipe.path, final, name), encoding="utf-8")
    return final


def _card(name: str, base: About) -> str:
    """The card of a trained encoder. Its front matter says what is known of the teacher that it was trained from."""
    stated = {
        "base_model": base.hub_id or base.name,
        "license": "" if base.licence == NOT_STATED else base.licence,
        "language": list(base.languages),
    }
    # A JSON value is also a YAML value.
    front = "".join(f"{key}: {json.dumps(value)}\n" for key, value in stated.items() if value)
    return f"---\n{front}---\n\n# {name}\n\n{base.name}, trained further as an encoder of passages.\n"


def with_teacher(path: Path, teacher: Path, name: str) -> str:
    """A recipe that differs from another only in its teacher: a folder, and the name that people know it by."""
    # A JSON string is also a TOML string.
    base, folder, name = (json.dumps(value) for value in (str(path.resolve()), str(teacher.resolve()), name))
    return f'base = {base}\n\n[teacher]\nid = {folder}\nname = {name}\npackage = ""\n'
