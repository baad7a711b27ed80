from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from typeahead.search.lexical import LexicalArm

from tests.server.fakes import BruteForceIndex, MeanEncoder
from tests.server.running import PATIENCE
from tests.test_imports import modules_after
from typeahead.search.fusion import Fusion


def test_it_knows_no_server() -> None:
    loaded = modules_after("import typeahead.search.lexical")
    assert not {name for name in loaded if name.startswith("typeahead.server")}


@pytest.mark.parametrize("searching", [False, True])
def test_a_search_waits_for_no_words_of_a_query_that_nobody_wants_any_more(searching: bool) -> None:
    index = BruteForceIndex()
    index.words_gate.clear()
    arm = LexicalArm(index, Fusion("linear", 0.5), wait_ms=1000 * PATIENCE)
    arm.start()
    try:
        # The first is being looked up, the second waits for that.
        words = [arm.ask("bread", scope=0) for _ in range(2)]
        vectors = MeanEncoder().encode(["bread"] * 2)
        with ThreadPoolExecutor() as pool:
            if searching:
                found = pool.submit(arm.search, words, vectors, 3)
                index.await_search()
            for one in words:
                arm.drop(one)
            if not searching:
                found = pool.submit(arm.search, words, vectors, 3)
            # Sooner than it would wait for words.
            assert [len(hits) for hits in found.result(PATIENCE / 2)] == [3, 3]
        assert (arm.found, arm.late) == (0, 0)
    finally:
        index.words_gate.set()
        arm.stop(PATIENCE)
