"""Names of files: nothing that somebody calls an encoder leads out of the folder, and none is given twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from typeahead.evaluate.filenames import FileNames, safe_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("minilm-gru", "minilm-gru"),
        ("st:/models/../teacher", "st-models-..-teacher"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("пошук", "пошук"),
        ("a\0b\nc", "a-b-c"),
    ],
)
def test_a_name_is_a_file_in_its_folder(text: str, name: str) -> None:
    assert safe_name(text) == name
    assert Path(name).name == name


@pytest.mark.parametrize("letter", ["x", "я", "字", "𠀀"])
def test_long_names_fit_a_file_system(tmp_path: Path, letter: str) -> None:
    name = FileNames().of(letter * 500, letter * 500)
    (tmp_path / f"{name}.msmarco.tsv").write_text("a file")
    assert set(name) == {letter, "."}


def test_a_name_is_given_once() -> None:
    names = FileNames()
    assert [names.of("d", label) for label in ("a b", "a-b", "A b", "c")] == ["d.a-b", "d.a-b-2", "d.A-b-3", "d.c"]
