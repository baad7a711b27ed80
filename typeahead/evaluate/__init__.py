"""Measurements: retrieval quality against the teacher, quality during typing, latency and throughput.

- ``data``: collections of queries, judgements and passages, and recorded typing.
- ``vectors``: vectors of all passages of a collection, kept on disk and searched.
- ``peers``: the encoders and retrievers that typeahead is compared with.
- ``measures``: :mod:`~typeahead.evaluate.measures.retrieval` scores finished queries and
  :mod:`~typeahead.evaluate.measures.prefixes` each keystroke; :mod:`~typeahead.evaluate.measures.hybrid` fuses vectors
  and words; :mod:`~typeahead.evaluate.measures.query_latency`, ``throughput`` and ``latency`` take times;
  :mod:`~typeahead.evaluate.measures.mteb` runs tasks of MTEB.
- ``report``: figures as JSON, and tables, curves and a page of them.
"""
