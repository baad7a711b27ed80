"""Single operations on the way of a keystroke, by pytest-benchmark: ``python -m pytest benchmarks/micro``."""
