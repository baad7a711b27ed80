"""Words of documents and queries: what is one, what it is folded to, and how its parts are found."""

from __future__ import annotations

import sqlite3
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.texts import texts
from typeahead.text.analysis import Word, analyse, fold, forms, readable
from typeahead.text.analysis.folding import fold_any
from typeahead.text.analysis.shapes import shape_of


def found(text: str) -> list[str]:
    """The forms of each word, as a line."""
    return [" ".join(word.forms) for word in analyse(text).words]


NAMES = {
    "os.path.join": "ospathjoin os path join",
    "node:fs": "nodefs node fs",
    "std::vector": "stdvector std vector",
    "v1.2.3": "v123 v1 1 2 3",
    "ZX.81-04/B": "zx8104b zx 81 04 b",
    "AB-1234": "ab1234 ab 1234",
    "img_data_ttl": "imgdatattl img data ttl",
    "state-of-the-art": "stateoftheart state of the art",
    "a.b@example.org": "abexampleorg a b example org",
    "--flag-name": "flagname flag name",
    "/usr/bin/env": "usrbinenv usr bin env",
    "__init__.py": "initpy init py",
    "pkg/__init__.py": "pkginitpy pkg init py",
    "R&D": "rd r d",
    "C:\\temp": "ctemp c temp",
    "Bose–Einstein": "boseeinstein bose einstein",
    "paral·lel": "parallel paral lel",
    "1,000": "1000 1 000",
    "e-mail": "email e mail",
    "U.S.A.": "usa",
    "n/a": "na n a",
    "node.js": "nodejs node js",
}
CAPITALS = {
    "useEffect": "useeffect use effect",
    "HTTPServer": "httpserver http server",
    "getURLFor": "geturlfor get url for",
    "URLs": "urls url",
    "React.useEffect": "reactuseeffect react useeffect use effect",
    "ÉtatÉté": "etatete etat ete",
    "E\u0301tatE\u0301te\u0301": "etatete etat ete",
    "Boil": "boil",
    "BOIL": "boil",
    # A letter alone says nothing.
    "iPhone": "iphone phone",
}
NUMBERS = {
    "4711KX20": "4711kx20 4711 kx 20",
    "sqlite3": "sqlite3 sqlite 3",
    "utf8": "utf8 utf 8",
    "v2": "v2 2",
    # A letter alone stays with its digits.
    "x86_64": "x8664 x86 64",
    "h264": "h264",
    "k8s": "k8s",
    "H₂O": "h2o",
    "½": "12 1 2",
    "9fceb02d0ae598e9": "9fceb02d0ae598e9",
    "٣٤": "٣٤",
}
APOSTROPHES = {
    "don't": "dont",
    "don’t": "dont",
    "dog's": "dogs dog",
    "they’re": "theyre they",
    "O'Brien": "obrien brien",
    "O'Brien's": "obriens obrien brien",
    "l'amour": "lamour amour",
    "rock'n'roll": "rocknroll rock roll",
    "п’ять": "пять ять",
    "dogs'": "dogs",
}
SIGNS = {
    "C++": "c++ c",
    "g++": "g++ g",
    "C++17": "c++17 c++ c 17",
    "C#": "c# c",
    "F#": "f# f",
    "Ｃ＃": "c# c",
    "C#/F#": "c#f# c# c f# f",
    ".NET": ".net net",
    "ASP.NET": "aspnet asp net",
    ".gitignore": ".gitignore gitignore",
    "page#": "page",
    "page#part": "pagepart page part",
    "&&": "&&",
    "[": "[",
    "[[": "[[",
    "%": "%",
    "->": "->",
    "...": "...",
    "…": "...",
    "≠": "≠",
    "(%)": "%",
    "“%”": "%",
    "&&,": "&&",
    "()": "()",
    "_": "_",
}
EMOJI = {
    "👩\u200d👧\u200d👦": "👩👧👦",
    "👍🏽": "👍🏽",
    "❤️": "❤",
    "🇩🇪": "🇩🇪",
}
UNSPACED = {
    "東": "東",
    "東京": "東京 東 京",
    "ｶﾞｽ": "ガス ガ ス",
    "ガス": "ガス ガ ス",
    "สวั": "สวั ส วั",
}
LETTERS = {
    "café": "cafe",
    "CAFÉ": "cafe",
    "Łódź": "lodz",
    "Ǿre": "ore",
    "Đà": "da",
    "İstanbul": "istanbul",
    "ışık": "isik",
    "Ærø": "aero",
    "œuf": "oeuf",
    "STRAẞE": "strasse",
    "Straße": "strasse",
    "Þórður": "thordur",
    "ﬁnd": "find",
    "ＡＢＣ": "abc",
    "soft\u00adhyphen": "softhyphen",
    "می\u200cخواهم": "میخواهم",
    "Ёлка": "елка",
    "за́мок": "замок",
    "Йод": "йод",
    "їжак": "їжак",
    "Άλφας": "αλφασ",
    "ᾳ": "α",
    "שָׁלוֹם": "שלום",
    "مُحَمَّد": "محمد",
    "مـحمد": "محمد",
    "أحمد": "احمد",
    "हिन्दी": "हिन्दी",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pair
        for table in (NAMES, CAPITALS, NUMBERS, APOSTROPHES, SIGNS, EMOJI, UNSPACED, LETTERS)
        for pair in table.items()
    ],
)
def test_a_word_has_these_forms(text: str, expected: str) -> None:
    assert found(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Boil an EGG, please.", ["boil", "an", "egg", "please"]),
        ("https://example.org/a?x=1", ["https", "exampleorga example org a", "x", "1"]),
        ("f(x,100)", ["f", "x", "100"]),
        ("--flag=value", ["flag", "value"]),
        ("if a && b", ["if", "a", "&&", "b"]),
        ("hello😀", ["hello", "😀"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("Brand™", ["brand"]),
        ("東京都", ["東京 東", "京都 京 都"]),
        ("食べる", ["食", "べる べ る"]),
        ("Python入門", ["python", "入門 入 門"]),
        ("東京、天気", ["東京 東 京", "天気 天 気"]),
        ("---------", []),
        ("\ud800 \x00", []),
        ("", []),
    ],
)
def test_a_text_has_these_words(text: str, expected: list[str]) -> None:
    assert found(text) == expected


def test_dashes_and_bullets_are_words_only_of_a_text_without_others() -> None:
    assert found("-") == ["-"]
    assert found("• one — two - three") == ["one", "two", "three"]


@pytest.mark.parametrize("text", ["egg", "egg.", "os.path.", "foo-", "foo_", "foo::", "don'", "C++", "&&", "東京", "é"])
def test_a_text_is_open_if_more_letters_would_belong_to_its_last_word(text: str) -> None:
    assert analyse(text).open


@pytest.mark.parametrize(
    "text",
    ["", " ", "egg ", "foo)", "foo?", "foo!", "foo,", 'foo"', "foo”", "'foo'", "foo...", "foo -", "foo。", "東。"],
)
def test_a_text_is_closed_behind_white_space_and_closing_punctuation(text: str) -> None:
    assert not analyse(text).open


def test_a_word_stands_where_the_text_has_it() -> None:
    text = "Über  «os.path» 東京"
    assert [text[word.start : word.end] for word in analyse(text).words] == ["Über", "os.path", "東京"]


def test_a_chain_that_is_too_long_becomes_its_parts() -> None:
    path = "/".join(["folder"] * 30)
    assert analyse(path).words == tuple(Word(at, at + 6, ("folder",)) for at in range(0, len(path), 7))
    assert found("x" * 100) == ["x" * 64]


@pytest.mark.parametrize("typed", ["ㅎ 하 한 한ㄱ 한구 한국", "ㄱ 가 갑 값 값ㅇ", "ㄴ 나 난 나누", "고 과 관"])
def test_each_state_of_a_hangul_word_in_an_input_method_is_a_beginning_of_the_next(typed: str) -> None:
    for earlier, later in pairwise(typed.split()):
        assert fold(later).startswith(fold(earlier))
    assert fold("한") != fold("하")


@pytest.mark.parametrize("word", ["한국어", "값어치", "괜찮아", "읽기", "가까이", "강아지", "뷁", "東京", "egg", "й"])
def test_a_folded_word_can_be_written_as_people_know_it(word: str) -> None:
    assert readable(fold(word)) == word


@given(st.text(st.sampled_from("한국각값읽과의ㄱㅏㅘㄳᄒ ᅡᆫaé")))
def test_what_is_readable_folds_to_what_it_was_made_of(text: str) -> None:
    assert fold(readable(fold(text))) == fold(text)


def test_a_typed_character_is_found_in_every_place_of_a_run() -> None:
    (typed,) = analyse("京").words
    for run in ("京都府", "東京都", "北東京"):
        assert any(typed.forms[0] in word.forms for word in analyse(run).words)


ODD = st.text(
    st.one_of(st.characters(), st.sampled_from("aB1'._-+#,\u0301\u0316\u200d\u0640\u0627\u0653\ud800한한漢ーあ👩🏽"))
)


@given(st.one_of(texts, ODD))
@example("a\u200d\u0301")
@example("\u0627\u0640\u0653")
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.one_of(texts, ODD, st.text("ёйїґђєЖЯβώשبञがガー東한국각값éß")))
def test_the_short_cuts_fold_as_the_long_way_does(text: str) -> None:
    assert fold(text) == fold_any(text)


@given(st.text(st.sampled_from("aBcsC1209 .,:/-_+#'&%()[]\\\n\x00")))
def test_ascii_has_the_same_words_in_a_text_of_other_characters(text: str) -> None:
    assert forms("e " + text) == forms("é " + text)


@given(st.one_of(texts, ODD))
def test_composed_and_decomposed_text_has_the_same_words(text: str) -> None:
    composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    assert fold(composed) == fold(decomposed)
    assert forms(composed) == forms(decomposed)


@given(st.one_of(texts, ODD))
def test_any_text_has_words_that_can_be_written(text: str) -> None:
    words = analyse(text).words
    assert [word.forms for word in words] == forms(text)
    assert [word.start for word in words] == sorted(word.start for word in words)
    for word in words:
        assert 0 <= word.start < word.end <= len(text)
        assert len(set(word.forms)) == len(word.forms) > 0
        for form in word.forms:
            assert 0 < len(form) <= 64
            assert form.encode()
            assert not any(character.isspace() for character in form)
            assert fold(form) == form


@pytest.mark.parametrize("space", [character for character in map(chr, range(0x10000)) if character.isspace()])
def test_no_word_reaches_across_white_space(space: str) -> None:
    text = f"os.path{space}join{space}.net{space}C++,{space}(don't)"
    assert forms(text) == [word.forms for word in analyse(text).words] == forms("os.path join .net C++, (don't)")


@given(st.text(st.sampled_from("aBC20 .,:;!?/-_+#'\"&%()[]\\\n\x00é"), max_size=12))
def test_punctuation_round_a_word_changes_nothing_that_analysing_the_text_would_not(text: str) -> None:
    assert forms(text) == [word.forms for word in analyse(text).words]


@given(st.one_of(texts, ODD))
def test_a_shape_is_as_long_as_its_text(text: str) -> None:
    assert len(shape_of(text)) == len(text)


def test_every_character_is_folded_once_for_all() -> None:
    for character in map(chr, range(0x20000)):
        folded = fold(character)
        assert fold(folded) == folded == fold_any(character)
        decomposed = unicodedata.normalize("NFD", character)
        assert decomposed == character or forms(decomposed) == forms(character)


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("a.b", 1),
        ("aB", 1),
        ("a'", 1),
        ("\u0301\u0316", 0),
        ("a\u0301\u0316", 1),
        ("% ", 1),
        ("%", 0),
        ("漢", 1),
        ("_", 0),
    ],
)
def test_a_long_text_of_one_kind_takes_linear_time(unit: str, words: int) -> None:
    """Quadratic time would be minutes for each."""
    assert (len(forms(unit * (400_000 // len(unit)))) > 0) == (words > 0)


def sqlite_words(text: str) -> list[str]:
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE VIRTUAL TABLE texts USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2');"
        "CREATE VIRTUAL TABLE texts_words USING fts5vocab('texts', 'instance');"
    )
    connection.execute("INSERT INTO texts(rowid, text) VALUES(1, ?)", (text,))
    words = [word for (word,) in connection.execute("SELECT term FROM texts_words ORDER BY offset")]
    connection.close()
    return words


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog",
        "Élève où le garçon a mangé une crème brûlée à Noël",
        "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich".replace("ß", "ss"),
        "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío, añoraba",
        "Příliš žluťoučký kůň úpěl ďábelské ódy",
        "Pchnąć w tę chatkę osiem skrzyń fig",
        "Tiếng Việt có dấu thanh trên mọi nguyên âm",
        "Съешь же этих мягких французских булок да выпей чаю",
    ],
)
def test_plain_words_are_those_of_sqlite(text: str) -> None:
    assert found(text) == sqlite_words(text)
