"""What the figures of the documents come from: one command for each table, ``python -m benchmarks.NAME``."""

from typeahead.telemetry import silence_libraries

silence_libraries()
