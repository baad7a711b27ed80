"""What a FAISS index stores: under which labels, how exactly, and whether its order is still the teacher's.

Only known types are accepted, since FAISS may end the process if a type lacks an operation. A wrapper is treated like
its inner index, except for

    IndexIDMap, IndexIDMap2     relabel vectors
    IndexPreTransform           transforms vectors and queries, and must preserve inner products or distances
    IndexRefine                 rescores candidates with its own vectors, which are the ones that count

Inverted lists (IVF) keep the label of each vector, but no order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.adopt.lengths import EXACT

Labels = NDArray[np.int64]

_FLAT = {"IndexFlat", "IndexFlatIP", "IndexFlatL2"}
_EXACT = {"IndexHNSWFlat", "IndexNSGFlat", "IndexFlatIPPanorama", "IndexFlatL2Panorama", "IndexHNSWFlatPanorama"}
_SCALAR = {"IndexScalarQuantizer", "IndexHNSWSQ", "IndexNSGSQ"}
_CODED = {
    *("IndexPQ", "IndexPQFastScan", "IndexHNSWPQ", "IndexNSGPQ", "IndexRaBitQ"),
    *("IndexResidualQuantizer", "IndexLocalSearchQuantizer"),
}
_IVF_EXACT = {"IndexIVFFlat", "IndexIVFFlatPanorama"}
_IVF_SCALAR = {"IndexIVFScalarQuantizer"}
_IVF_CODED = {
    *("IndexIVFPQ", "IndexIVFPQR", "IndexIVFPQFastScan", "IndexIVFRaBitQ"),
    *("IndexIVFResidualQuantizer", "IndexIVFLocalSearchQuantizer"),
}
#: Types of lists stored in the same file.
_LISTS = {"ArrayInvertedLists", "ArrayInvertedListsPanorama", "BlockInvertedLists"}
_POSITIONAL = _FLAT | _EXACT | _SCALAR | _CODED
_IVF = _IVF_EXACT | _IVF_SCALAR | _IVF_CODED
#: Largest deviation of decoded vectors' lengths from 1 for some scalar quantizers, by name.
_SCALAR_TOLERANCE = {"QT_fp16": EXACT, "QT_bf16": EXACT, "QT_8bit": 0.05, "QT_6bit": 0.05}
#: With coarser codes, the length only shows that a vector is not 0 and not far too long.
_COARSE = 1.0
#: Maximum depth of nested wrappers.
_DEEPEST = 6
_ORTHONORMAL = 1e-3


@dataclass(frozen=True)
class Stored:
    """The vectors of an index, in its own order."""

    #: Label of each vector, as returned by searches.
    labels: Labels
    #: True if the user assigned the labels, False if FAISS or the user did, None if they are positions.
    given: bool | None
    #: Whether that order is the order in which vectors were added.
    in_order: bool
    #: Largest allowed deviation of a vector's length from 1.
    tolerance: float
    #: Decodes vectors float32 (m, dim) at positions (m,) in that order; ``None`` if FAISS cannot reconstruct them.
    decode: Callable[[NDArray[np.int64]], Vectors] | None
    #: Whether these are the vectors exactly as added, compared one by one.
    flat: bool = False
    #: The inverted lists, if any.
    ivf: Any = None


def look_into(faiss: Any, index: Any, *, cosine: bool) -> Stored:
    """Walk through ``index`` and collect its labels; raises ``ValueError`` with the reason if it cannot be adopted."""
    return _Walk(faiss, index.metric_type, cosine).enter(index, 0)


class _Walk:
    def __init__(self, faiss: Any, metric: int, cosine: bool) -> None:
        self._faiss, self._metric, self._cosine = faiss, metric, cosine

    def enter(self, index: Any, depth: int) -> Stored:
        name = type(index).__name__
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} FAISS indexes are nested: adopt the vectors as an array")
        if index.metric_type != self._metric:
            raise ValueError(f"its {name} uses another metric than the index around it: the file is damaged")
        if name in ("IndexIDMap", "IndexIDMap2"):
            return self._relabelled(index, depth)
        if name == "IndexPreTransform":
            return self._transformed(index, depth)
        if name in ("IndexRefine", "IndexRefineFlat"):
            return self._refined(index, depth)
        if name in _IVF:
            return self._lists(index, name)
        if name in _POSITIONAL:
            return self._positional(index, name)
        raise ValueError(f"FAISS's type {name} cannot be checked: adopt the vectors themselves as an array")

    def _inner(self, index: Any, field: str, depth: int) -> tuple[Any, Stored]:
        inner = self._faiss.downcast_index(getattr(index, field))
        if inner is None or inner.ntotal != index.ntotal:
            raise ValueError(f"its {type(index).__name__} and the index inside it disagree: the file is damaged")
        return inner, self.enter(inner, depth + 1)

    def _relabelled(self, index: Any, depth: int) -> Stored:
        inner, stored = self._inner(index, "index", depth)
        labels: Labels = self._faiss.vector_to_array(index.id_map)
        if inner.d != index.d or len(labels) != index.ntotal:
            raise ValueError(f"its {type(index).__name__} has {len(labels)} labels for {index.ntotal} vectors")
        order = np.argsort(stored.labels, kind="stable")
        if not np.array_equal(stored.labels[order], np.arange(len(labels))):
            raise ValueError(
                f"the labels of its {type(index).__name__} do not match the {type(inner).__name__} inside it; this "
                "happens when vectors are removed from such an index: rebuild it"
            )
        decode = stored.decode
        return replace(
            stored,
            labels=labels,
            given=True,
            in_order=True,
            decode=None if decode is None else lambda positions: decode(order[positions]),
        )

    def _transformed(self, index: Any, depth: int) -> Stored:
        faiss = self._faiss
        inner, stored = self._inner(index, "index", depth)
        chain = [faiss.downcast_VectorTransform(index.chain.at(place)) for place in range(index.chain.size())]
        dims = [(transform.d_in, transform.d_out) for transform in chain]
        if [index.d, *(out for _, out in dims)] != [*(into for into, _ in dims), inner.d]:
            raise ValueError("the dimensions of its transforms do not match: the file is damaged")
        for transform in chain:
            self._check_transform(transform)
        narrower = any(out < into for into, out in dims)
        decode = stored.decode

        def reverse(positions: NDArray[np.int64]) -> Vectors:
            assert decode is not None
            vectors = decode(positions)
            for transform in reversed(chain):
                vectors = transform.reverse_transform(np.ascontiguousarray(vectors))
            return vectors

        return replace(
            stored,
            tolerance=_COARSE if narrower else stored.tolerance,
            decode=None if decode is None else reverse,
            # What the reduction to fewer dimensions lost cannot be restored, so the vectors stay as they are.
            flat=stored.flat and not narrower,
        )

    def _check_transform(self, transform: Any) -> None:
        faiss, name = self._faiss, type(transform).__name__
        moved = False
        if name in ("LinearTransform", "RandomRotationMatrix", "PCAMatrix", "OPQMatrix"):
            matrix = faiss.vector_to_array(transform.A).astype(np.float64)
            if matrix.size != transform.d_in * transform.d_out:
                raise ValueError(f"the matrix of its {name} has the wrong size: the file is damaged")
            matrix = matrix.reshape(transform.d_out, transform.d_in)
            product = matrix @ matrix.T if transform.d_out <= transform.d_in else matrix.T @ matrix
            if not np.abs(product - np.eye(len(product))).max() < _ORTHONORMAL:
                raise ValueError(
                    f"its {name} does more than rotate the space (it whitens or scales), so its order is not the "
                    "teacher's: adopt the vectors themselves as an array"
                )
            moved = bool(transform.have_bias) and bool(np.any(faiss.vector_to_array(transform.b)))
        elif name == "CenteringTransform":
            moved = bool(np.any(faiss.vector_to_array(transform.mean)))
        elif name == "NormalizationTransform":
            if not self._cosine:
                raise ValueError("it divides vectors by their lengths, but dot products depend on them")
        elif name != "RemapDimensionsTransform" or transform.d_out < transform.d_in:
            raise ValueError(f"its transform {name} may change the teacher's order: adopt the vectors as an array")
        if moved and self._metric == faiss.METRIC_INNER_PRODUCT:
            raise ValueError(
                f"its {name} subtracts a mean, after which inner products are no longer the teacher's: adopt the "
                "vectors themselves as an array"
            )

    def _refined(self, index: Any, depth: int) -> Stored:
        _, base = self._inner(index, "base_index", depth)
        inner, refined = self._inner(index, "refine_index", depth)
        if inner.d != index.d or refined.given is not None:
            raise ValueError(f"it is refined by a {type(inner).__name__}: adopt the vectors themselves as an array")
        # IndexRefine uses the labels of the base index as positions in the other.
        if not np.array_equal(np.sort(base.labels), refined.labels):
            raise ValueError("the labels of its IndexRefine are not positions of its vectors: rebuild it")
        decode = refined.decode
        return replace(
            base,
            tolerance=refined.tolerance,
            decode=None if decode is None else lambda positions: decode(base.labels[positions]),
            flat=False,
        )

    def _positional(self, index: Any, name: str) -> Stored:
        quantizer = index
        if "HNSW" in name or "NSG" in name:
            quantizer = self._faiss.downcast_index(index.storage)
            if quantizer is None or (quantizer.ntotal, quantizer.d) != (index.ntotal, index.d):
                raise ValueError(f"its {name} lacks its vectors: the file is damaged")
        labels = np.arange(index.ntotal)
        tolerance = EXACT if name in _FLAT | _EXACT else self._coarseness(quantizer, scalar=name in _SCALAR)
        return Stored(labels, None, True, tolerance, index.reconstruct_batch, flat=name in _FLAT)

    def _coarseness(self, index: Any, *, scalar: bool) -> float:
        if not scalar:
            return _COARSE
        kinds = {getattr(self._faiss.ScalarQuantizer, kind, None): off for kind, off in _SCALAR_TOLERANCE.items()}
        return kinds.get(index.sq.qtype, _COARSE)

    def _lists(self, index: Any, name: str) -> Stored:
        faiss = self._faiss
        quantizer = faiss.downcast_index(index.quantizer)
        if quantizer is None or (quantizer.ntotal, quantizer.d) != (index.nlist, index.d):
            raise ValueError(f"its {name} does not have one centroid per list: the file is damaged")
        if type(quantizer).__name__ in _IVF:
            self._lists(quantizer, type(quantizer).__name__)
        elif type(quantizer).__name__ not in _POSITIONAL | {"MultiIndexQuantizer"}:
            raise ValueError(f"its lists are found by a {type(quantizer).__name__}, which cannot be checked")
        lists = faiss.downcast_InvertedLists(index.invlists)
        if type(lists).__name__ not in _LISTS:
            raise ValueError(f"its lists are {type(lists).__name__}, which may be in another file: copy them in")
        # Packed lists count the bytes of whole blocks.
        packed = type(lists).__name__ == "BlockInvertedLists"
        if lists is None or lists.nlist != index.nlist or (not packed and lists.code_size != index.code_size):
            raise ValueError(f"its {name} and its inverted lists disagree: the file is damaged")
        sizes = [lists.list_size(number) for number in range(lists.nlist)]
        if sum(sizes) != index.ntotal:
            raise ValueError(f"its lists have {sum(sizes)} vectors, not {index.ntotal}: the file is damaged")
        labels = np.concatenate([np.empty(0, np.int64), *(_ids(faiss, lists, number) for number in range(len(sizes)))])
        tolerance = EXACT if name in _IVF_EXACT else self._coarseness(index, scalar=name in _IVF_SCALAR)
        decode = None
        # FAISS 1.15 crashes when it reconstructs a vector from packed lists loaded from a file.
        if not packed:

            def decode(positions: NDArray[np.int64]) -> Vectors:
                if index.direct_map.type != faiss.DirectMap.Hashtable:
                    index.set_direct_map_type(faiss.DirectMap.Hashtable)
                vectors: Vectors = index.reconstruct_batch(labels[positions])
                return vectors

        return Stored(labels, False, False, tolerance, decode, ivf=index)


def _ids(faiss: Any, lists: Any, number: int) -> Labels:
    """Return the labels in one inverted list."""
    size = lists.list_size(number)
    copied: Labels = np.empty(size, np.int64)
    if size:
        copied[:] = faiss.rev_swig_ptr(lists.get_ids(number), size)
    return copied


def own_lists(faiss: Any, index: Any) -> bool:
    """Copy inverted lists in another file into ``index``; return whether there were any."""
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is None or not hasattr(faiss, "OnDiskInvertedLists"):
        return False
    lists = faiss.downcast_InvertedLists(ivf.invlists)
    if not isinstance(lists, faiss.OnDiskInvertedLists):
        return False
    copied = faiss.ArrayInvertedLists(lists.nlist, lists.code_size)
    for number in range(lists.nlist):
        if size := lists.list_size(number):
            copied.add_entries(number, size, lists.get_ids(number), lists.get_codes(number))
    ivf.replace_invlists(copied, True)
    copied.this.disown()
    return True
