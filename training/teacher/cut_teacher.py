"""A teacher that reads a student's vocabulary: the same layers, and of its table the rows that the student has."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from training.teacher.torch_teacher import TorchTeacher
from training.vocabulary import Vocabulary


class CutTeacher(TorchTeacher):
    """``teacher`` with another vocabulary. It shares all weights but the table of word embeddings.

    Students start from it, and their texts are tokenised by it. It can also be exported as a passage encoder. Its
    vectors are near the teacher's, not equal: a word that is spelt with other pieces has other inputs. The vectors that
    students learn are therefore the teacher's own.

    Raises:
        ValueError: the vocabulary was cut from another tokenizer, or reads a prompt in another way.
    """

    def __init__(self, teacher: TorchTeacher, vocabulary: Vocabulary, name: str = "the vocabulary") -> None:
        self.__dict__.update(copy.copy(teacher).__dict__)
        self._own, self.cut_to = vocabulary, len(vocabulary.rows)
        tokens = vocabulary.tokenizer
        known = teacher.tokenizer.get_vocab()
        if any(known.get(piece) != int(vocabulary.rows[number]) for piece, number in tokens.get_vocab().items()):
            raise ValueError(f"{name} was cut from another tokenizer than that of {teacher.name}: cut that one")
        special = {key: value for key, value in teacher.tokenizer.special_tokens_map.items() if isinstance(value, str)}
        self.tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=tokens, model_max_length=teacher.tokenizer.model_max_length, **special
        )
        if self.tokenizer.pad_token_id != teacher.tokenizer.pad_token_id:
            # RoBERTa and MPNet tell the positions of a text by the id of padding.
            raise ValueError(f"{name} has another id for padding than {teacher.name}: cut it again")
        self.model = self._cut(teacher.model)
        self._token_vectors = None
        # What a subclass or a later version derives from the tokenizer is derived anew.
        if "_readings" in self.__dict__:
            self.__dict__.update({"_readings": {}, "_plain": None, "vocabulary": len(vocabulary.rows)})
        for prompt in {teacher.query_prompt, teacher.passage_prompt}:
            own = [[int(vocabulary.rows[number]) for number in side] for side in self.special_ids(prompt)]
            if own != list(map(list, teacher.special_ids(prompt))):
                raise ValueError(f"{name} has other tokens for the prompt {prompt!r} than {teacher.name}: cut it again")

    def _cut(self, model: Any) -> Any:
        """The model with the table of the vocabulary's rows. All other weights are shared."""
        before = model.get_input_embeddings()
        rows = torch.from_numpy(self._own.rows.astype("int64")).to(before.weight.device)
        table = nn.Embedding(len(rows), before.embedding_dim, padding_idx=before.padding_idx, device="meta")
        table.weight = nn.Parameter(before.weight.detach()[rows])
        shared: dict[int, Any] = {id(one): one for one in (*model.parameters(), *model.buffers())}
        cut = copy.deepcopy(model, {**shared, id(before): table})
        cut.config.vocab_size = len(rows)
        return cut

    def precise_model(self) -> Any:
        """See :meth:`TorchTeacher.precise_model`."""
        if self.dtype == "float32" and self.device.type == "cpu":
            return self.model
        return self._cut(super().precise_model())

    def token_vectors(self, folder: Path | None = None) -> Tensor:
        """See :meth:`TorchTeacher.token_vectors`. They are kept in a folder of the vocabulary."""
        if folder is not None:
            folder = folder / f"vocabulary-{self._own.digest()}"
            folder.mkdir(parents=True, exist_ok=True)
        return super().token_vectors(folder)


def with_vocabulary(teacher: TorchTeacher, folder: str) -> TorchTeacher:
    """The teacher with the vocabulary in a folder; the teacher itself if ``folder`` is empty.

    Raises:
        ValueError: the folder has no vocabulary, or not one of this teacher.
    """
    return CutTeacher(teacher, Vocabulary.read(Path(folder)), folder) if folder else teacher
