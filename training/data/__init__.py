"""What training reads: texts for stage 1, and queries with judged passages for stage 2, as streams.

:mod:`typeahead.text` reads the lines, the records and the layouts of collections, for the index and the evaluation
too. Here are the formats of training alone and their objects: ``texts`` reads texts, ``msmarco``, ``beir`` and
``tevatron`` the formats of retrieval data, ``judged`` any of those as one, and ``collection`` gives passages by id. A
line that cannot be used is left out, counted, and named in the log by file and line number; an empty line is skipped.
"""

from typing import TYPE_CHECKING

from training.data.beir import read_beir_corpus, read_beir_queries
from training.data.collection import Collection
from training.data.judged import GroupFile, read_groups, read_judgements, write_groups
from training.data.msmarco import read_collection, read_id_triples, read_queries, read_triples
from training.data.records import Group, Passage, Query, Text
from training.data.tevatron import read_tevatron
from training.data.texts import KINDS, Example, is_development, read_examples, split
from typeahead.moved import moved_names

__all__ = [
    "KINDS",
    "Collection",
    "Example",
    "Group",
    "GroupFile",
    "Passage",
    "Query",
    "Text",
    "is_development",
    "read_beir_corpus",
    "read_beir_queries",
    "read_collection",
    "read_examples",
    "read_groups",
    "read_id_triples",
    "read_judgements",
    "read_queries",
    "read_tevatron",
    "read_triples",
    "split",
    "write_groups",
]

if not TYPE_CHECKING:
    __getattr__ = moved_names(
        __name__,
        {
            "read_qrels": "training.data.judged:read_judgements",
            "read_beir_qrels": "training.data.judged:read_judgements",
            "BadLines": "typeahead.text.bad_lines:BadLines",
            "Judgement": "typeahead.text.judgements:Judgement",
        },
    )
