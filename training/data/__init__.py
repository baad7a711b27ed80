"""What training reads: texts for stage 1, and queries with judged passages for stage 2, as streams.

``texts`` reads texts alone, ``msmarco``, ``beir`` and ``tevatron`` the formats that retrieval data comes in, ``judged``
any of those as one, and ``collection`` gives passages by id. In every format a line that cannot be used is counted and
named by file and line number, never silently skipped. A file whose name ends in ``.gz`` is unpacked while it is read.
"""

from training.data.beir import read_beir_corpus, read_beir_qrels, read_beir_queries
from training.data.collection import Collection
from training.data.judged import GroupFile, read_groups, write_groups
from training.data.lines import BadLines, read_lines
from training.data.msmarco import read_collection, read_id_triples, read_qrels, read_queries, read_triples
from training.data.records import Group, Judgement, Passage, Query, Text
from training.data.tevatron import read_tevatron
from training.data.texts import KINDS, Example, is_development, read_examples, split

__all__ = [
    "KINDS",
    "BadLines",
    "Collection",
    "Example",
    "Group",
    "GroupFile",
    "Judgement",
    "Passage",
    "Query",
    "Text",
    "is_development",
    "read_beir_corpus",
    "read_beir_qrels",
    "read_beir_queries",
    "read_collection",
    "read_examples",
    "read_groups",
    "read_id_triples",
    "read_lines",
    "read_qrels",
    "read_queries",
    "read_tevatron",
    "read_triples",
    "split",
    "write_groups",
]
