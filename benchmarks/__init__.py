"""Measurements behind the figures in the documents: one command for each table, ``python -m benchmarks.NAME``."""

from typeahead.telemetry import silence_libraries

silence_libraries()
