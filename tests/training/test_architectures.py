"""Which teachers can be used for what: decided from ``config.json`` alone, without PyTorch."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from training.architectures import (
    ARCHITECTURES,
    architecture_of,
    check_code,
    check_family,
    check_passages,
    positions_of,
    trunk_settings,
)
from training.families import FAMILIES

MPNET: dict[str, Any] = {
    "model_type": "mpnet",
    "vocab_size": 30527,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 514,
    "layer_norm_eps": 1e-05,
    "pad_token_id": 1,
}
BERT = MPNET | {"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}
DISTILBERT: dict[str, Any] = {
    "model_type": "distilbert",
    "vocab_size": 30522,
    "dim": 768,
    "n_layers": 6,
    "n_heads": 12,
    "hidden_dim": 3072,
    "max_position_embeddings": 512,
    "activation": "gelu",
}
#: As the hub has it, before transformers listed the kind of each layer.
MODERNBERT = MPNET | {
    "model_type": "modernbert",
    "num_hidden_layers": 4,
    "intermediate_size": 1152,
    "max_position_embeddings": 8192,
    "hidden_activation": "gelu",
    "norm_eps": 1e-05,
    "local_attention": 128,
    "global_attn_every_n_layers": 3,
    "global_rope_theta": 160000.0,
    "local_rope_theta": 10000.0,
}
DEBERTA = {"model_type": "deberta-v2", "hidden_size": 768}
#: Model type, the class on the hub, and what the trunk would need.
REMOTE = [
    ("nomic_bert", "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel", "SwiGLU"),
    ("bert", "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel", "ALiBi"),
    ("new", "Alibaba-NLP/new-impl--modeling.NewModel", "scaled frequencies"),
    ("other", "somebody/else--modeling.OtherModel", ""),
]


def remote(kind: str, code: str) -> dict[str, Any]:
    return BERT | {"model_type": kind, "auto_map": {"AutoModel": code, "AutoConfig": code}}


def test_a_description_is_chosen_by_the_model_type() -> None:
    for kind, name in (("bert", "BERT"), ("roberta", "RoBERTa"), ("xlm-roberta", "XLM-R"), ("mpnet", "MPNet")):
        assert name in architecture_of(MPNET | {"model_type": kind}).name
    for one in (DISTILBERT, MODERNBERT):
        assert architecture_of(one).model_types == (one["model_type"],)
    kinds = [kind for one in ARCHITECTURES for kind in one.model_types]
    assert len(kinds) == len(set(kinds))


def test_a_trunk_has_the_teachers_sizes() -> None:
    assert trunk_settings(MPNET) == {
        "vocabulary": 30527,
        "width": 768,
        "layers": 12,
        "heads": 12,
        "inner": 3072,
        "positions": 512,
        "epsilon": 1e-05,
        "activation": "gelu",
        "relative": True,
    }
    assert trunk_settings(MPNET, [0, 11])["layers"] == 2
    assert "relative" not in trunk_settings(BERT)


def test_modernberts_layers_are_read_from_files_of_any_version() -> None:
    old = trunk_settings(MODERNBERT)
    assert old["windows"] == [0, 64, 64, 0]
    assert old["rotary"] == [160000.0, 10000.0, 10000.0, 160000.0]
    kinds = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
    bases = {"full_attention": 160000.0, "sliding_attention": 10000.0}
    new = {name: value for name, value in MODERNBERT.items() if "global" not in name and "rope" not in name}
    new["layer_types"] = kinds
    new["rope_parameters"] = {kind: {"rope_type": "default", "rope_theta": base} for kind, base in bases.items()}
    assert trunk_settings(new) == old
    picked = trunk_settings(MODERNBERT, [2, 3])
    assert (picked["windows"], picked["rotary"], picked["first_norm"]) == ([64, 0], [10000.0, 160000.0], True)
    assert not trunk_settings(MODERNBERT, [0, 3])["first_norm"]
    new["rope_parameters"]["full_attention"]["rope_type"] = "yarn"
    with pytest.raises(ValueError, match="scaled"):
        trunk_settings(new)


def test_a_teacher_reads_as_many_tokens_as_it_has_positions() -> None:
    assert positions_of(BERT) == positions_of(MPNET) == 512
    assert positions_of(BERT | {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}) == 512
    assert positions_of(DEBERTA) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_any_family_goes_with_a_teacher_that_is_described(family: str) -> None:
    check_family(family, MPNET)
    check_passages(MPNET)


@pytest.mark.parametrize("family", FAMILIES)
def test_only_families_without_the_teachers_layers_go_with_any_other(family: str) -> None:
    if FAMILIES[family].layers:
        with pytest.raises(ValueError, match=r"'deberta-v2'; layers can be taken from BERT, .* static or residual-gru"):
            check_family(family, DEBERTA)
    else:
        check_family(family, DEBERTA)
    with pytest.raises(ValueError, match="'deberta-v2'"):
        check_passages(DEBERTA)


@pytest.mark.parametrize(("kind", "code", "needed"), REMOTE)
def test_code_on_the_hub_is_never_run_and_the_message_says_what_would_be_needed(
    kind: str, code: str, needed: str
) -> None:
    for check in (check_code, check_passages, architecture_of, lambda config: check_family("static", config)):
        with pytest.raises(ValueError, match=f"model type {kind!r}") as caught:
            check(remote(kind, code))
        message = str(caught.value)
        assert code in message
        assert needed in message
        assert "\n" not in message


def test_code_for_other_tasks_on_the_hub_is_no_hindrance() -> None:
    check_family("causal", BERT | {"auto_map": {"AutoModelForSequenceClassification": "x--y.Z"}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "swish"}, "'swish' is not one of gelu"),
        ({"position_embedding_type": "relative_key"}, "'relative_key'"),
        ({"is_decoder": True}, "decoder"),
        ({"hidden_size": 770}, "770 is not a multiple of its 12"),
        ({"num_hidden_layers": None}, "no valid num_hidden_layers"),
    ],
)
def test_a_teacher_that_no_trunk_computes_is_refused_with_the_reason(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        architecture_of(BERT | changes)
    check_family("static", BERT | changes)


@pytest.mark.parametrize("picked", [[], [12], [-1]])
def test_layers_that_the_teacher_has_not_are_named(picked: list[int]) -> None:
    with pytest.raises(ValueError, match="the teacher has 12"):
        trunk_settings(MPNET, picked)


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, training.architectures; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "transformers", "numpy"} & set(loaded)
