"""Measurements: retrieval quality against the teacher, and latency by replayed keystrokes.

:mod:`~typeahead.evaluate.retrieval` scores encoders on a collection, :mod:`~typeahead.evaluate.latency` replays what
people typed, :mod:`~typeahead.evaluate.peers` holds what both are compared with.
"""
