"""Peers: each computes what its rival in another library computes, and what cannot be had is named."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.encoders.transformer import TransformerEncoder
from typeahead.errors import MissingExtra, ModelError, ModelNotFound
from typeahead.evaluate.data.datasets import Passage
from typeahead.evaluate.peers import Peer, load_peer, load_peers, onnx_teacher, static
from typeahead.evaluate.peers.base import TypeaheadStages
from typeahead.models.folder import find, read_config
from typeahead.models.golden import cosines

TEXTS = [
    "boil egg",
    "rain",
    "walk home read file line",
    "",
    "zebra ! 東京",
    "egg " * 100,
    "Boil EGG",
    "slow big cat dog",
]
QUERIES = ["how", "how to boil an egg", "東京の天気", "unaffable ??", "what is the capital of france"]


@pytest.fixture(scope="module")
def graph(teacher_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny teacher's graph, exported."""
    pytest.importorskip("onnxscript", reason="exporting to ONNX needs onnxscript")
    path = tmp_path_factory.mktemp("graphs") / "tiny.onnx"
    onnx_teacher.OnnxTeacher(teacher_folder, threads=1, graph_cache=path)
    return path


@pytest.fixture(scope="module")
def sentence(teacher_folder: Path) -> Peer:
    pytest.importorskip("sentence_transformers", reason="the peer needs sentence-transformers")
    return load_peer(f"teacher=st:{teacher_folder}", threads=1)


@pytest.fixture(scope="module")
def table(teacher_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny teacher's static table."""
    pytest.importorskip("model2vec", reason="the peer needs model2vec")
    pytest.importorskip("sentence_transformers", reason="the table is made by sentence-transformers")
    return static.table_of(teacher_folder, tmp_path_factory.mktemp("tables") / "tiny", threads=1)


def pooled_by(mode: str, teacher: Path, graph: Path, folder: Path) -> Path:
    """A copy of the teacher that pools by ``mode`` and brings its graph along."""
    shutil.copytree(teacher, folder)
    (folder / "onnx").mkdir()
    shutil.copy(graph, folder / "onnx" / "model.onnx")
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, f"pooling_mode_{mode}": True})
    )
    return folder


def test_onnx_runtime_and_sentence_transformers_agree(teacher_folder: Path, graph: Path, sentence: Peer) -> None:
    ours = onnx_teacher.OnnxTeacher(teacher_folder, threads=1, graph_cache=graph)
    assert ours.dim == sentence.encoder.dim == 32
    assert cosines(ours.encode(TEXTS), sentence.encode(TEXTS)).min() >= 0.9999
    assert ours.encode([]).shape == sentence.encode([]).shape == (0, 32)


@pytest.mark.parametrize("mode", ["cls_token", "mean_tokens", "max_tokens", "lasttoken"])
def test_pooling_is_the_folders_own(mode: str, teacher_folder: Path, graph: Path, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="the peer needs sentence-transformers")
    folder = pooled_by(mode, teacher_folder, graph, tmp_path / "teacher")
    ours = load_peer(f"onnx:{folder}", threads=1, cache=tmp_path / "cache")
    assert cosines(ours.encode(TEXTS), load_peer(f"st:{folder}", threads=1).encode(TEXTS)).min() >= 0.9999
    assert not (tmp_path / "cache").exists(), "a graph that the folder brings along is not exported"


def test_a_graph_is_exported_once(teacher_folder: Path, graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"exported again: {arguments}")

    monkeypatch.setattr(onnx_teacher, "_export", refuse)
    assert onnx_teacher.OnnxTeacher(teacher_folder, threads=1, graph_cache=graph).encode(["egg"]).shape == (1, 32)


def test_a_graph_that_is_off_pytorch_is_refused_and_not_kept(
    teacher_folder: Path, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter leaves the graph of another model, whose last layer is not this one's."""
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "teacher"
    shutil.copytree(teacher_folder, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.layer.1.output.LayerNorm.bias"] += 0.1
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    monkeypatch.setattr("torch.onnx.export", lambda _model, _inputs, path, **_options: shutil.copy(graph, path))
    with pytest.raises(ModelError, match=r"0\.1 off PyTorch"):
        load_peer(f"onnx:{folder}", threads=1, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("modules.json", [{"type": "a.Transformer"}, {"type": "a.Dense"}], "Dense"),
        ("modules.json", [], "no modules.json"),
        ("1_Pooling/config.json", {"pooling_mode_weightedmean_tokens": True}, "weightedmean"),
        ("1_Pooling/config.json", {"pooling_mode": ["cls", "mean"]}, "cls.*mean"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "do_lower_case"),
    ],
)
def test_what_onnx_runtime_cannot_do_is_named(
    teacher_folder: Path, tmp_path: Path, file: str, content: object, message: str
) -> None:
    folder = tmp_path / "teacher"
    shutil.copytree(teacher_folder, folder)
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=message):
        load_peer(f"onnx:{folder}", threads=1, cache=tmp_path)


def test_stages_give_what_encode_gives(
    teacher_folder: Path, graph: Path, sentence: Peer, table: Path, student: RecurrentEncoder
) -> None:
    onnx = onnx_teacher.OnnxTeacher(teacher_folder, threads=1, graph_cache=graph)
    for peer in (sentence, Peer("", "", "", onnx), load_peer(f"static:{table}", threads=1)):
        stages = peer.stages()
        np.testing.assert_allclose(stages.encode_tokens(stages.tokenize(TEXTS)), peer.encode(TEXTS), atol=1e-5)
    assert isinstance(load_peer("minilm-gru", threads=1).stages(), TypeaheadStages)
    stages = TypeaheadStages(student, find("minilm-gru"))
    np.testing.assert_array_equal(stages.encode_tokens(stages.tokenize(QUERIES * 2)), student.encode(QUERIES * 2))


def test_stages_of_a_passage_encoder_give_what_it_gives(passage_encoder: TransformerEncoder) -> None:
    stages = TypeaheadStages(passage_encoder, find("minilm-doc"))
    np.testing.assert_array_equal(stages.encode_tokens(stages.tokenize(QUERIES)), passage_encoder.encode(QUERIES))
    assert passage_encoder.encode(["egg"]).any(), "the encoder itself keeps its tokenizer"


def test_the_torch_peer_equals_the_student(student: RecurrentEncoder) -> None:
    pytest.importorskip("torch", reason="the peer needs PyTorch")
    folder = find("minilm-gru")
    peer = load_peer("torch=torch:minilm-gru", threads=1)
    assert (peer.label, peer.spec, peer.incremental) == ("torch", "torch:minilm-gru", True)
    precise = RecurrentEncoder(read_config(folder), folder, variant="-float32")
    assert cosines(peer.encode(QUERIES), precise.encode(QUERIES)).min() > 0.9999
    assert cosines(peer.encode(QUERIES), student.encode(QUERIES)).min() > 0.999
    with pytest.raises(ModelError, match="only a recurrent student"):
        load_peer("torch:minilm-doc", threads=1)


def test_a_table_holds_the_teachers_output_for_single_tokens_less_their_mean(sentence: Peer, table: Path) -> None:
    peer = load_peer(f"static:{table}", threads=1)
    words = ["boil", "egg", "home"]
    singles = static.single_token_vectors(sentence.encoder, Tokenizer.from_file(str(table / "tokenizer.json")))
    ids = [token for (token,) in peer.encoder.tokenize(words)]
    np.testing.assert_allclose(singles[ids], sentence.encode(words), atol=1e-5)
    centred = (singles - singles.mean(0))[ids]
    np.testing.assert_allclose(cosines(peer.encode(words), centred), 1, atol=1e-5)
    mean = (centred * static.sif_weights(len(singles))[ids][:, None]).sum(0)
    np.testing.assert_allclose(peer.encode([" ".join(words)])[0], mean / np.linalg.norm(mean), atol=1e-5)
    assert not peer.encode(["東"]).any()
    assert peer.encode([]).shape == (0, 32)


def test_frequent_tokens_weigh_less() -> None:
    weights = static.sif_weights(1000)
    assert (np.diff(weights) > 0).all()
    share = (1 / 2) / (1 / np.arange(2, 1002)).sum()
    assert weights[0] == pytest.approx(1e-4 / (1e-4 + share))


def test_a_table_is_made_once_for_each_teacher(
    teacher_folder: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def make(_folder: Path, path: Path, _threads: int) -> None:
        made.append(path)
        shutil.copytree(table, path)

    monkeypatch.setattr(static, "_make_table", make)
    first = load_peer(f"table:{teacher_folder}", threads=1, cache=tmp_path / "cache")
    again = load_peer(f"LABEL=table:{teacher_folder}", threads=1, cache=tmp_path / "cache")
    assert len(made) == 1
    assert (first.key, again.label) == (again.key, "LABEL")
    other = tmp_path / "other"
    shutil.copytree(teacher_folder, other)
    (other / "sentence_bert_config.json").write_text('{"max_seq_length": 16}')
    assert load_peer(f"table:{other}", threads=1, cache=tmp_path / "cache").key != first.key
    assert len(made) == 2


PASSAGES = [
    Passage("p1", "Boil the eggs in boiling water. Eggs!"),
    Passage("p2", "The weather in Tokyo"),
    Passage("p3", "Weather: Tokyo, the"),
    Passage("p4", ""),
]


def test_bm25_is_lucenes_formula() -> None:
    pytest.importorskip("bm25s", reason="the peer needs bm25s")
    retriever: Any = load_peer("bm25", threads=1).retriever
    retriever.index(iter(PASSAGES))
    ((hit,),) = retriever.search(["how many EGGS"], 10)
    # p1 without stop words: boil eggs boiling water eggs; two of its five words are "eggs". 9 words in 4 passages.
    idf = math.log(1 + (4 - 1 + 0.5) / (1 + 0.5))
    assert hit == ("p1", pytest.approx(idf * 2 / (2 + 1.5 * (1 - 0.75 + 0.75 * 5 / (9 / 4))), rel=1e-5))


def test_bm25_breaks_ties_by_order_and_finds_nothing_where_no_word_matches() -> None:
    pytest.importorskip("bm25s", reason="the peer needs bm25s")
    retriever: Any = load_peer("bm25", threads=1).retriever
    assert retriever.search(["eggs"], 3) == [[]], "nothing is indexed yet"
    retriever.index(PASSAGES)
    tied, none, empty, cut = retriever.search(["tokyo weather", "the of", "", "zebra"], 3)
    assert [passage for passage, _ in tied] == ["p2", "p3"]
    assert tied[0][1] == tied[1][1]
    assert none == empty == cut == []
    assert [passage for passage, _ in retriever.search(["tokyo"], 1)[0]] == ["p2"]
    retriever.index([Passage("other", "eggs")])
    assert [passage for passage, _ in retriever.search(["eggs tokyo"], 3)[0]] == ["other"]
    retriever.index([])
    assert retriever.search(["eggs"], 3) == [[]]


def test_names_say_what_is_loaded(teacher_folder: Path, sentence: Peer, student: RecurrentEncoder) -> None:
    peer = load_peer("minilm-gru", threads=1)
    assert (peer.label, peer.incremental, peer.folder) == ("minilm-gru", True, find("minilm-gru"))
    np.testing.assert_array_equal(peer.encode(QUERIES), student.encode(QUERIES))
    assert not load_peer("passages=minilm-doc", threads=1).incremental
    assert (sentence.label, sentence.spec) == ("teacher", f"st:{teacher_folder}")
    for name, message in [
        ("sst:folder", "may stand st, onnx, torch, static, table"),
        ("static:/no/such/folder", "no folder of that name"),
        ("minilm-bru", "no model 'minilm-bru'"),
    ]:
        with pytest.raises(ModelNotFound, match=message):
            load_peer(name, threads=1)


def changed(teacher: Path, graph: Path, folder: Path, **described: Any) -> Path:
    """A copy of the teacher, with a graph and these entries in ``config_sentence_transformers.json``."""
    shutil.copytree(teacher, folder)
    (folder / "onnx").mkdir()
    shutil.copy(graph, folder / "onnx" / "model.onnx")
    (folder / "config_sentence_transformers.json").write_text(json.dumps(described))
    return folder


@pytest.mark.parametrize("kind", ["st", "onnx"])
def test_queries_and_passages_get_the_prompts_of_their_own(
    kind: str, teacher_folder: Path, graph: Path, sentence: Peer, tmp_path: Path
) -> None:
    prompts = {"query": "read: ", "document": "file: "}
    folder = changed(teacher_folder, graph, tmp_path / "teacher", prompts=prompts, default_prompt_name=None)
    peer = load_peer(f"{kind}:{folder}", threads=1)
    passages = peer.for_passages()
    for side, prompt in ((peer, "read: "), (passages, "file: ")):
        expected = sentence.encode([prompt + text for text in TEXTS])
        np.testing.assert_allclose(side.encode(TEXTS), expected, atol=1e-5)
        stages = side.stages()
        np.testing.assert_allclose(stages.encode_tokens(stages.tokenize(TEXTS)), expected, atol=1e-5)
    assert passages.key != peer.key, "vectors of passages are kept by their key"
    assert passages.label == peer.label
    one = changed(teacher_folder, graph, tmp_path / "same", prompts=prompts | {"document": "read: "})
    same = load_peer(f"{kind}:{one}", threads=1)
    assert same.for_passages() is same
    assert sentence.for_passages() is sentence


@pytest.mark.parametrize("kind", ["st", "onnx"])
def test_a_teacher_that_compares_by_cosine_gives_vectors_of_length_one(
    kind: str, teacher_folder: Path, graph: Path, sentence: Peer, tmp_path: Path
) -> None:
    folder = changed(teacher_folder, graph, tmp_path / "teacher", similarity_fn_name="cosine")
    modules = json.loads((folder / "modules.json").read_text())[:2]
    (folder / "modules.json").write_text(json.dumps(modules))
    peer = load_peer(f"{kind}:{folder}", threads=1)
    np.testing.assert_allclose(peer.encode(TEXTS), sentence.encode(TEXTS), atol=1e-5)
    (folder / "config_sentence_transformers.json").write_text("{}")
    assert np.linalg.norm(load_peer(f"{kind}:{folder}", threads=1).encode(["boil"])) > 1.5


def test_a_folder_that_model2vec_cannot_load_is_named(teacher_folder: Path) -> None:
    pytest.importorskip("model2vec", reason="the peer needs model2vec")
    with pytest.raises(ModelError, match=f"model2vec cannot load {teacher_folder}"):
        load_peer(f"static:{teacher_folder}", threads=1)


def test_a_teacher_that_is_neither_here_nor_on_the_hub_is_named() -> None:
    pytest.importorskip("sentence_transformers", reason="the peer needs sentence-transformers")
    with pytest.raises(ModelNotFound, match="nobody/no-such-model"):
        load_peer("st:nobody/no-such-model", threads=1)


@pytest.mark.parametrize(
    ("package", "spec"),
    [
        ("bm25s", "bm25"),
        ("model2vec", "static:{folder}"),
        ("model2vec", "table:{folder}"),
        ("sentence_transformers", "st:{folder}"),
        ("torch", "torch:minilm-gru"),
        ("onnxscript", "onnx:{folder}"),
    ],
)
def test_a_missing_package_is_named_and_the_others_are_loaded(
    package: str, spec: str, teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    spec = spec.format(folder=teacher_folder)
    with pytest.raises(MissingExtra, match=r"pip install .*\[peers\]"):
        load_peer(spec, threads=1, cache=tmp_path)
    peers, missing = load_peers([f"LABEL={spec}", "minilm-gru"], threads=1, cache=tmp_path)
    assert [peer.label for peer in peers] == ["minilm-gru"]
    (entry,) = missing
    assert entry["query_encoder"] == "LABEL"
    assert "pip install" in entry["missing"]


def test_a_retriever_has_no_embeddings() -> None:
    peer = Peer("bm25", "bm25", "")
    with pytest.raises(TypeError, match="no embeddings"):
        peer.encode(["eggs"])


class Plain:
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 2), np.float32)


def test_an_encoder_without_stages_is_refused_where_they_are_asked_for() -> None:
    with pytest.raises(TypeError, match="tokenization"):
        Peer("plain", "", "", Plain()).stages()


@pytest.mark.parametrize("spec", ["=minilm-gru", "label=", " =minilm-gru", ""])
def test_a_label_or_a_name_that_is_blank_is_refused(spec: str) -> None:
    with pytest.raises(ModelNotFound, match="an encoder is NAME, or LABEL=NAME"):
        load_peer(spec, threads=1)


def test_the_weights_of_a_teacher_without_a_commit_stand_for_it(teacher_folder: Path, sentence: Peer) -> None:
    same = load_peer(f"st:{teacher_folder}", threads=1).encoder
    digest = sentence.encoder.weights_digest()
    assert same.weights_digest() == digest
    with same._torch.no_grad():
        next(same.model.parameters()).view(-1)[0] += 1
    assert same.weights_digest() != digest


def test_the_engine_steps_a_torch_peer_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="the peer needs PyTorch")
    from typeahead.evaluate.peers import TorchStepEncoder
    from typeahead.paths import models_folder

    encoder = TorchStepEncoder(models_folder() / "minilm-gru", threads=1)
    stepped: list[int] = []
    advance = encoder._advance

    def counted(states: Any, tokens: Any) -> Any:
        stepped.append(len(tokens))
        return advance(states, tokens)

    monkeypatch.setattr(encoder, "_advance", counted)
    session = encoder.session()
    session.update("how to boil")
    assert len(stepped) == len(session.tokens) == 3
