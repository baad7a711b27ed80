"""Measurements: retrieval quality against the teacher, quality while one types, latency and throughput.

- :mod:`~typeahead.evaluate.measures.retrieval` scores encoders on a collection: ``datasets`` and ``passages`` give it
  queries,
  judgements and vectors, ``search``, ``runs`` and ``metrics`` are its steps, ``comparison`` sets one against another.
- :mod:`~typeahead.evaluate.measures.prefixes` defines what is scored at each key, ``typists`` and ``lexical`` are who
  types,
  ``prefix_report`` sums up.
- :mod:`~typeahead.evaluate.measures.query_latency` times one query, ``throughput`` many;
  :mod:`~typeahead.evaluate.measures.latency` and
  ``websocket`` replay recorded ``traces``.
- :mod:`~typeahead.evaluate.peers` is what all are compared with, :mod:`~typeahead.evaluate.measures.mteb` hands both to
  MTEB.
- :mod:`~typeahead.evaluate.report.results` keeps figures as JSON, ``report``, ``tables`` and ``plots`` make a page of
  them.
"""
