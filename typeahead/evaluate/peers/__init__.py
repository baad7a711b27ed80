"""What typeahead is compared with: peers named on the command line, each where its package is installed.

:func:`load_peer` takes an encoder's name as the ``evaluate`` commands do and gives a :class:`Peer`. What may stand
there is in :mod:`~typeahead.evaluate.peers.names`; a package that is missing raises
:class:`~typeahead.errors.MissingExtra`, which :func:`load_peers` collects, so that a table names a peer it lacks. Each
module here imports its packages when one of its encoders is made, and nothing else of typeahead imports PyTorch.
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
