"""From a text to its words: what an index pays for each sentence, and a search box for each key."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from typeahead.text.analysis import analyse, forms

#: Some twenty words each. Japanese puts no spaces between them.
SENTENCES = {
    "plain": "The planner will choose the best of the available paths by comparing the estimated cost of each one.",
    "code": "If os.path.join is used with useEffect, don't call std::vector, because AB-1234 (see C++) returns %s and "
    "v1.2.3 fails there.",
    "french": "Élève à l'école, le garçon a mangé une crème brûlée déjà préparée par sa mère à Noël chez nous ici.",
    "russian": "Всё это было написано на русском языке, чтобы проверить скорость работы анализатора слов и ещё кое что "
    "важное для нас.",
    "japanese": "東京都庁は日本の首都である東京にある建物で、展望室からは富士山を見ることができます。",
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_the_words_of_a_sentence_for_an_index(benchmark: BenchmarkFixture, kind: str) -> None:
    assert benchmark(forms, SENTENCES[kind])


@pytest.mark.parametrize("kind", SENTENCES)
def test_the_words_of_a_sentence_with_their_places(benchmark: BenchmarkFixture, kind: str) -> None:
    assert benchmark(analyse, SENTENCES[kind]).words


def test_the_words_of_a_query(benchmark: BenchmarkFixture) -> None:
    assert benchmark(analyse, "how to boil an eg").open
