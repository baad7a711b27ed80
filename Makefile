# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer; both keep to .venv.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8765
BIN := .venv/bin

.PHONY: demo test lint clean

demo: .venv/demo.stamp
	$(BIN)/typeahead demo --host $(HOST) --port $(PORT)

test: .venv/test.stamp
	$(BIN)/python -m pytest

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("typeahead needs Python 3.11 or newer; set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv

.venv/demo.stamp: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all]'
	touch $@

# The training tests need PyTorch, which is large: they are skipped where it is not installed.
.venv/test.stamp: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

clean:
	rm -rf .venv .typeahead dist .mypy_cache .ruff_cache .pytest_cache
