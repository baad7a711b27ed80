"""Passages as weights of the vocabulary's tokens, by a language model's head (SPLADE, LightRetriever section 3.2).

A passage's weight of token j is ln(1 + ReLU(max over its tokens of the head's logit j)). Tokens that the passage holds
have weights, and so do others that mean the same. A query is the counts of its own tokens, or their set. Its score with
a passage is the sum of counts times weights.

The head comes from the teacher's files, if they have one for masked or causal language modelling. Otherwise the table
of input embeddings serves as the head, after a layer that starts as the identity. Its biases start so that few tokens
are active (:meth:`SparseHead.calibrate`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM
from transformers.activations import ACT2FN

from training.teacher.torch_teacher import TorchTeacher

#: The head's file, beside those of the passage encoder.
HEAD = "sparse_head.safetensors"
#: Standard deviations above the mean from which a token of a new head is active.
_SPREAD = 3.0


class MaxLogits(torch.autograd.Function):
    """The largest logit of each token over a passage's kept positions, without all the logits in memory.

    A batch of 64 passages of 128 tokens, over a vocabulary of 30,000, has a gigabyte of logits, and gradients reach
    only the largest. So logits are computed passage by passage, and the backward pass follows only the largest.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, keep: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """``hidden`` (n, length, width), ``keep`` bool (n, length), ``weight`` (v, width), ``bias`` (v,) to (n, v)."""
        largest = hidden.new_empty(len(hidden), len(weight))
        places = torch.empty(len(hidden), len(weight), dtype=torch.int32, device=hidden.device)
        for row in range(len(hidden)):
            kept = keep[row].nonzero()[:, 0]
            value, place = (hidden[row, kept] @ weight.T).max(0)
            largest[row], places[row] = value + bias, kept[place].int()
        ctx.save_for_backward(hidden, weight, places)
        return largest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor | None, Tensor | None]:
        """The gradients of hidden, weight and bias."""
        (gradient,) = gradients
        hidden, weight, places = ctx.saved_tensors
        of_hidden = torch.zeros_like(hidden)
        of_weight = torch.zeros_like(weight) if ctx.needs_input_grad[2] else None
        for row in range(len(hidden)):
            # Most gradients are zero after a ReLU.
            columns = gradient[row].nonzero()[:, 0]
            place, value = places[row, columns].long(), gradient[row, columns, None]
            of_hidden[row].index_add_(0, place, value * weight[columns])
            if of_weight is not None:
                of_weight.index_add_(0, columns, value * hidden[row, place])
        return of_hidden, None, of_weight, gradient.sum(0) if ctx.needs_input_grad[3] else None


class Prediction(nn.Module):
    """What a language model computes before the product with its table: a layer, an activation, a normalisation."""

    def __init__(self, dense: nn.Linear, activation: str, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.dense, self.activation, self.norm = dense, activation, norm
        self._function = ACT2FN[activation]

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (…, width) to the same shape."""
        moved: Tensor = self.norm(self._function(self.dense(hidden)))
        return moved


class SparseHead(nn.Module):
    """``transform``, then the product with ``weight`` (vocabulary, width), plus ``bias`` (vocabulary,).

    ``tied`` says whether the weight is the model's own table of input embeddings.
    """

    def __init__(self, transform: nn.Module, weight: nn.Parameter, bias: Tensor, *, tied: bool) -> None:
        super().__init__()
        self.transform = transform
        self.weight = weight
        self.bias = nn.Parameter(bias)
        self.tied = tied
        #: Whether it has never been trained, so :meth:`calibrate` is needed.
        self.fresh = False
        #: The type of products when no gradient is wanted.
        self.dtype = torch.float32

    @classmethod
    def of(cls, teacher: TorchTeacher) -> SparseHead:
        """The head in a teacher's folder, or else its language model's, or else one tied to its input embeddings.

        Raises:
            ValueError: the head's form is not known, or its table is not as wide as the model's outputs.
        """
        words = teacher.model.get_input_embeddings().weight
        kind = _language_model(teacher.path)
        if (path := Path(teacher.path) / HEAD).is_file():
            head = cls._read(path, words)
        elif kind is not None:
            model = kind.from_pretrained(teacher.path, dtype=torch.float32)
            output = model.get_output_embeddings()
            tied = output.weight is model.get_input_embeddings().weight
            bias = torch.zeros(len(output.weight)) if output.bias is None else output.bias.detach().clone()
            head = cls(_transform(model, output), words if tied else output.weight, bias, tied=tied)
        else:
            identity = nn.Linear(teacher.dim, teacher.dim)
            nn.init.eye_(identity.weight)
            nn.init.zeros_(identity.bias)
            head = cls(identity, words, torch.zeros(len(words)), tied=True)
            head.fresh = True
        if head.weight.shape[1] != teacher.dim:
            raise ValueError(f"{teacher.name}: the head's table has {head.weight.shape[1]} columns, not {teacher.dim}")
        return head.to(teacher.device)

    def forward(self, hidden: Tensor, keep: Tensor) -> Tensor:
        """Token weights float32 (n, vocabulary) of outputs (n, length, width) at the positions ``keep`` (n, length)."""
        moved = self.transform(hidden).float()
        if not torch.is_grad_enabled():
            # Half the time, because the places of the largest are not needed.
            table = self.weight.to(self.dtype).T
            rows = [(own[kept].to(self.dtype) @ table).amax(0) for own, kept in zip(moved, keep, strict=True)]
            return (torch.stack(rows).float() + self.bias).relu().log1p()
        largest: Tensor = MaxLogits.apply(moved, keep, self.weight.float(), self.bias)  # type: ignore[no-untyped-call]
        return largest.relu().log1p()

    @torch.no_grad()
    def calibrate(self, hidden: Tensor) -> None:
        """Set the biases from some passages' outputs (n, width), so that few tokens are active."""
        logits = self.transform(hidden).float() @ self.weight.float().T
        self.bias.copy_(-(logits.mean(0) + _SPREAD * logits.std(0)))
        self.fresh = False

    def save(self, path: Path) -> None:
        """Write the head, without a table that is the model's own."""
        state = {name: tensor for name, tensor in self.state_dict().items() if not (self.tied and name == "weight")}
        said: dict[str, Any] = {"tied": self.tied, "transform": type(self.transform).__name__.lower()}
        if isinstance(self.transform, Prediction):
            said |= {"activation": self.transform.activation, "epsilon": self.transform.norm.eps}
        partial = path.with_suffix(".partial")
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        save_file(tensors, partial, metadata={"head": json.dumps(said)})
        partial.replace(path)

    @classmethod
    def _read(cls, path: Path, words: nn.Parameter) -> SparseHead:
        with safe_open(path, framework="pt") as file:
            said = json.loads(file.metadata()["head"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        width = state["weight"].shape[1] if "weight" in state else words.shape[1]
        transform: nn.Module = nn.Identity()
        if said["transform"] == "linear":
            transform = nn.Linear(width, width)
        elif said["transform"] == "prediction":
            transform = Prediction(nn.Linear(width, width), said["activation"], nn.LayerNorm(width, said["epsilon"]))
        head = cls(
            transform,
            words if said["tied"] else nn.Parameter(state["weight"]),
            torch.zeros_like(state["bias"]),
            tied=said["tied"],
        )
        head.load_state_dict(state | ({"weight": words.detach()} if said["tied"] else {}))
        return head


def _language_model(path: str) -> Any:
    """The class that loads a model with its head, or None if the files have no head."""
    names: Sequence[str] = AutoConfig.from_pretrained(path).architectures or ()
    if any(name.endswith("ForMaskedLM") for name in names):
        return AutoModelForMaskedLM
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names):
        return AutoModelForCausalLM
    return None


def _transform(model: Any, output: nn.Module) -> nn.Module:
    """The part of a model's head before the product with its table."""
    head = getattr(model, "lm_head", None)
    if head is output:
        return nn.Identity()
    if (predictions := getattr(getattr(model, "cls", None), "predictions", None)) is not None:
        # BERT.
        parts = predictions.transform
        return Prediction(parts.dense, model.config.hidden_act, parts.LayerNorm)
    if head is not None and hasattr(head, "dense") and hasattr(head, "layer_norm"):
        # RoBERTa, XLM-RoBERTa, MPNet.
        return Prediction(head.dense, "gelu", head.layer_norm)
    if hasattr(model, "vocab_transform"):
        # DistilBERT.
        return Prediction(model.vocab_transform, model.config.activation, model.vocab_layer_norm)
    raise ValueError(f"the form of the head of {type(model).__name__} is not known")


def flops(weights: Tensor) -> Tensor:
    """The FLOPS regulariser of a batch's passages, float32 (n, vocabulary): Σⱼ (mean of |wⱼ|)² (equation 8).

    It estimates how many products a search computes, so it pushes down tokens that many passages have.
    """
    return weights.abs().mean(0).square().sum()


def keep_largest(weights: Tensor, count: int) -> Tensor:
    """Set all but the ``count`` largest weights of each row to zero; 0 keeps all."""
    if not count or count >= weights.shape[1]:
        return weights
    values, columns = weights.topk(count, dim=1)
    return torch.zeros_like(weights).scatter(1, columns, values)
