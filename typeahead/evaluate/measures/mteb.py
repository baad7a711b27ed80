"""Runs retrieval tasks of MTEB with two encoders: a student for the queries, its teacher for the documents.

mteb (2.x) says of each text whether it is a query or a document, so :class:`MtebModel` sends it to the right encoder.
Its retrieval metrics come from pytrec_eval; the siblings :mod:`~typeahead.evaluate.measures.retrieval` and
:mod:`~typeahead.evaluate.measures.metrics` need no mteb and compare per query.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import MissingExtra, TypeaheadError
from typeahead.evaluate.peers import Peer

if TYPE_CHECKING:
    from typeahead.evaluate.data.datasets import Dataset

#: The scores of a task that are kept, by mteb's names.
SCORES = ("ndcg_at_10", "mrr_at_10", "recall_at_5", "recall_at_20", "recall_at_100", "recall_at_1000")


def _mteb() -> Any:
    try:
        import mteb
    except ImportError as error:
        raise MissingExtra("mteb", "mteb") from error
    return mteb


class MtebModel:
    """mteb's ``EncoderProtocol`` over two encoders of one embedding space.

    Queries go to ``query_encoder``, documents to ``passage_encoder``. Tasks such as similarity do not distinguish them;
    their texts go to the query encoder.
    """

    def __init__(self, query_encoder: Peer, passage_encoder: Peer) -> None:
        for peer in (query_encoder, passage_encoder):
            if peer.encoder is None:
                raise TypeaheadError(f"{peer.label} retrieves passages and has no embeddings: mteb needs encoders")
        _mteb()
        from mteb.models import ModelMeta

        self._query = query_encoder
        self._passage = passage_encoder.for_passages()
        config = getattr(query_encoder.encoder, "config", None)
        self._cosine = config is None or config.similarity == "cosine"
        self.mteb_model_meta = ModelMeta(
            loader=None,
            name=f"typeahead/{_name(query_encoder.label)}--{_name(passage_encoder.label)}",
            revision=hashlib.sha256(f"{query_encoder.key}\n{passage_encoder.key}".encode()).hexdigest(),
            release_date=None,
            languages=None,
            n_parameters=None,
            memory_usage_mb=None,
            max_tokens=float(config.max_tokens) if config else None,
            embed_dim=query_encoder.encoder.dim,
            license=None,
            open_weights=True,
            public_training_code=None,
            public_training_data=None,
            framework=["ONNX"] if config else [],
            similarity_fn_name="cosine" if self._cosine else "dot",
            use_instructions=False,
            training_datasets=None,
        )

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **options: Any,
    ) -> Vectors:
        """Encode batches of mteb's data loader, each with its "text", to float32 (n, dim).

        Warns of queries without a token: their similarity to every document is 0, while typeahead finds nothing.
        """
        del task_metadata, hf_split, hf_subset, options
        document = prompt_type is not None and prompt_type == "document"
        peer = self._passage if document else self._query
        vectors = [peer.encode(batch["text"]) for batch in inputs]
        found = np.concatenate(vectors) if vectors else np.zeros((0, peer.encoder.dim), np.float32)
        if not np.isfinite(found).all():
            raise TypeaheadError(f"{peer.label} gave a vector that is not finite")
        if not document and (empty := int((~found.any(axis=1)).sum())):
            warnings.warn(f"{empty} texts without a token: mteb ranks all documents the same for them", stacklevel=2)
        return found

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Vectors:
        """Cosine, or the inner product for a teacher of dot products, of all pairs: float32 (n, m)."""
        result: Vectors = self._rows(embeddings1) @ self._rows(embeddings2).T
        return result

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Vectors:
        """The same of each row of one to the same row of the other: float32 (n,)."""
        result: Vectors = np.einsum("nd,nd->n", self._rows(embeddings1), self._rows(embeddings2))
        return result

    def _rows(self, embeddings: Any) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = np.atleast_2d(np.asarray(embeddings, np.float32))
        if self._cosine:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
        return rows


def _name(label: str) -> str:
    """A label as a part of a model's name, which has one slash."""
    return "".join(character if character.isalnum() or character in "-_." else "-" for character in label)


def task_of(dataset: Dataset) -> Any:
    """A retrieval task of mteb over a local collection: nothing comes from the hub.

    All its passages are read into memory.
    """
    _mteb()
    from datasets import Dataset as Table
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    class LocalRetrieval(AbsTaskRetrieval):  # type: ignore[misc,unused-ignore]
        metadata = TaskMetadata(
            dataset={"path": f"local/{dataset.name}", "revision": "local"},
            name=_name(dataset.name),
            description=f"{dataset.name}, read from disk.",
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
            is_public=False,
        )

        data_loaded: bool = False

        def load_data(self, num_proc: int | None = None, **options: Any) -> None:
            """Take the collection as mteb holds it."""
            del num_proc, options
            if self.data_loaded:
                return
            corpus = [{"id": passage.id, "title": "", "text": passage.text} for passage in dataset.passages()]
            queries = [{"id": key, "text": text} for key, text in dataset.queries.items()]
            split = {
                "corpus": Table.from_list(corpus),
                "queries": Table.from_list(queries),
                "relevant_docs": {query: dict(grades) for query, grades in dataset.qrels.items()},
                "top_ranked": None,
            }
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return LocalRetrieval()


@contextmanager
def _without_bars() -> Iterator[None]:
    """Silence the library that mteb reads with: it draws its bars in pipes, too."""
    import datasets

    if datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


def run_tasks(
    model: MtebModel, tasks: Sequence[Any], *, batch_size: int = 1024, predictions: Any = None
) -> list[dict[str, Any]]:
    """Run tasks, mteb's names or task objects, and give a row for each of their splits and subsets.

    Scores are fractions, rounded to five places by mteb. Nothing is read from or written to mteb's cache of results;
    ``predictions`` is a folder for the rankings. Raises :class:`~typeahead.errors.TypeaheadError` for a name that mteb
    does not know.
    """
    mteb = _mteb()
    named = [task for task in tasks if isinstance(task, str)]
    try:
        found = list(mteb.get_tasks(tasks=named)) if named else []
    except KeyError as error:
        raise TypeaheadError(f"neither folders nor tasks that mteb knows: {error.args[0]}") from error
    with _without_bars():
        result = mteb.evaluate(
            model,
            [*found, *(task for task in tasks if not isinstance(task, str))],
            cache=None,
            co2_tracker=False,
            prediction_folder=predictions,
            show_progress_bar=False,
            encode_kwargs={"batch_size": batch_size, "show_progress_bar": False},
        )
    return [
        {"task": done.task_name, "split": split, "subset": scores["hf_subset"]}
        | {name: float(scores[name]) for name in ("main_score", *SCORES) if name in scores}
        for done in result.task_results
        for split, subsets in done.scores.items()
        for scores in subsets
    ]
