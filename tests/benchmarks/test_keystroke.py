"""The keystroke in process, and the bare product beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import typeahead
from benchmarks.keystroke import measure, rounds_of, step_against_product, step_sizes, type_all
from benchmarks.native import compiled, has_compiler
from benchmarks.typed import synthetic_traces
from typeahead.core.engine import Engine
from typeahead.errors import TypeaheadError


@pytest.fixture(scope="module")
def encoder() -> Any:
    return typeahead.load("minilm-gru")


def test_everybody_types_traces_of_their_own() -> None:
    traces = synthetic_traces(6, seed=0)
    typed = rounds_of(traces, 3, 300)
    assert [len(texts) for texts in typed] == [100] * 3
    assert [texts[0] for texts in typed] == [trace[0].text for trace in traces[:3]]
    end = len(traces[0])
    assert typed[0][end] == traces[3][0].text


def test_what_was_typed_before_takes_no_step(encoder: Any) -> None:
    engine = Engine(encoder)
    typed = rounds_of(synthetic_traces(4, seed=0), 4, 200)
    scopes = [engine.scope() for _ in typed]
    first, again = type_all(engine, typed, scopes=scopes), type_all(engine, typed, scopes=scopes)
    assert first.keys == again.keys == 200
    assert first.steps > 0
    assert again.steps == 0
    assert min(first.tokenize, first.advance, first.read_out) > 0


def test_stages_add_up_to_the_keystroke() -> None:
    row = measure("minilm-gru", synthetic_traces(4, seed=0), 4, 200)
    assert row["keystrokes/s"] == pytest.approx(1e6 / row["µs a key"])
    stages = row["tokenize µs"] + row["look up µs"] + row["step µs"] + row["read out µs"]
    # Looking up is timed on a second pass; should that take longer than the first, the step is not negative.
    assert stages >= 0.999 * row["µs a key"]


def test_a_step_and_its_products_are_timed_in_one_run(encoder: Any) -> None:
    assert step_sizes(encoder) == ((384, 1152), (768, 384))
    facts = step_against_product(encoder, 2)
    assert facts["step_alone,_one_session,_p50_µs"] > 0
    if "bare_product" in facts:
        assert facts["bare_product"].startswith("skipped: ")
    else:
        assert facts["step_/_product"] > 0


@pytest.mark.skipif(not has_compiler(), reason="there is no C compiler")
def test_c_that_does_not_compile_is_told_with_the_compilers_first_error(tmp_path: Path) -> None:
    source = tmp_path / "broken.c"
    source.write_text("#error no such thing here\n")
    with pytest.raises(TypeaheadError, match=r"cannot compile broken\.c: .*no such thing here"):
        compiled(source)
