"""The encoders and retrievers that typeahead is compared with, by their names on the command line.

:func:`load_peer` takes a name, as the ``evaluate`` commands do, and gives a :class:`Peer`;
:mod:`~typeahead.evaluate.peers.names` lists the names. A missing package raises
:class:`~typeahead.errors.MissingExtra`; :func:`load_peers` collects these, so a table can name the peers that it lacks.
Each module here imports its packages only when it makes an encoder. Nothing else in typeahead imports PyTorch.
"""

from __future__ import annotations

from typeahead.evaluate.peers.base import Peer, Retriever, StagedEncoder
from typeahead.evaluate.peers.names import KINDS, load_peer, load_peers
from typeahead.evaluate.peers.sentence import SentenceTransformerTeacher
from typeahead.evaluate.peers.torch_step import TorchStepEncoder

__all__ = [
    "KINDS",
    "Peer",
    "Retriever",
    "SentenceTransformerTeacher",
    "StagedEncoder",
    "TorchStepEncoder",
    "load_peer",
    "load_peers",
]
