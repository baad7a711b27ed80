"""Building: resumed after a kill, replaced at once, refused where it must be."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.index.hashing import HashingEncoder, config, documents
from typeahead.core.encoder import Vectors
from typeahead.errors import IndexFolderError, IndexNotFound, ModelError, SourceError, TypeaheadError
from typeahead.index import Document, Guard, Index, Manifest, build_index, open_index
from typeahead.index.build import recorded
from typeahead.index.staging import Staging
from typeahead.search.terms import Term
from typeahead.text.document import Passage


def hits_of(index: Index, count: int, k: int = 5) -> list[list[str]]:
    """What each document finds when its own passage is the query."""
    queries = HashingEncoder(config(dim=index.manifest.dim)).encode([document.passage for document in documents(count)])
    return [[hit.id for hit in hits] for hits in index.search(queries, k)]


def test_every_document_is_found_by_its_own_passage(tmp_path: Path) -> None:
    manifest = build_index(documents(300), tmp_path / "index", HashingEncoder(), batch=64, source="here")
    with open_index(tmp_path / "index") as index:
        assert manifest == index.manifest
        assert (
            manifest.count,
            manifest.dim,
            manifest.backend,
            manifest.similarity,
            manifest.source,
        ) == (300, 16, "exact", "cosine", "here")
        assert [f"d{i}" for i in range(300)] == [hits[0] for hits in hits_of(index, 300)]
        (best, *_), *_ = index.search(HashingEncoder().encode(["title 7 text of 7"]), 1)
        assert (best.title, best.text, best.url) == ("title 7", "text of 7", "https://example.org/7")
        assert best.score == pytest.approx(1)


def test_what_is_encoded_is_title_space_text_stripped(tmp_path: Path) -> None:
    encoder = HashingEncoder()
    build_index([Document("1", "A", "b"), Document("2", "A"), Document("3", "", "b"), Document("4")], tmp_path, encoder)
    assert encoder.encoded == ["A b", "A", "b", ""]


def test_an_index_of_nothing_finds_nothing(tmp_path: Path) -> None:
    build_index([], tmp_path / "index", HashingEncoder(), guard=Guard(allow_empty=True))
    with open_index(tmp_path / "index") as index:
        assert len(index) == 0
        assert index.search(np.ones((1, 16), np.float32), 3) == [[]]


def test_progress_tells_of_every_batch(tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    build_index(documents(10), tmp_path, HashingEncoder(), batch=4, progress=lambda *step: told.append(step))
    assert [("encode", done, 10) for done in (0, 4, 8, 10)] == [step for step in told if step[0] == "encode"]


def test_a_killed_build_goes_on_without_encoding_finished_batches_again(tmp_path: Path) -> None:
    out = tmp_path / "index"
    code = (
        "import pathlib, sys; from tests.index.hashing import kill_in_the_middle; "
        "kill_in_the_middle(pathlib.Path(sys.argv[1]), 100, 8, 40)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(out)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "dying\n"), killed.stderr
    with pytest.raises(IndexNotFound, match="unfinished"):
        open_index(out)
    encoder = HashingEncoder()
    build_index(iter(documents(100)), out, encoder, batch=8)
    assert [document.passage for document in documents(100)[40:]] == encoder.encoded
    with open_index(out) as index:
        build_index(documents(100), tmp_path / "whole", HashingEncoder())
        with open_index(tmp_path / "whole") as whole:
            assert hits_of(whole, 100) == hits_of(index, 100)


class _StopError(Exception):
    pass


def interrupted(out: Path, count: int, after: int) -> None:
    def progress(stage: str, done: int, total: int | None) -> None:
        del total
        if stage == "encode" and done >= after:
            raise _StopError

    with pytest.raises(_StopError):
        build_index(documents(count), out, HashingEncoder(), batch=8, progress=progress)


def test_vectors_without_documents_are_cut_off(tmp_path: Path) -> None:
    """A kill between the two leaves the vectors of one batch more."""
    interrupted(tmp_path, 40, 16)
    with (tmp_path / "generation-1" / "vectors.npy").open("ab") as file:
        file.write(b"\1" * 1001)
    encoder = HashingEncoder()
    build_index(documents(40), tmp_path, encoder, batch=8)
    assert len(encoder.encoded) == 24
    with open_index(tmp_path) as index:
        assert [f"d{i}" for i in range(40)] == [hits[0] for hits in hits_of(index, 40)]


def test_documents_without_vectors_are_encoded_again(tmp_path: Path) -> None:
    """As after a power failure that lost the end of the file."""
    interrupted(tmp_path, 40, 16)
    path = tmp_path / "generation-1" / "vectors.npy"
    with path.open("r+b") as file:
        file.truncate(128 + 64 * 10 + 3)
    encoder = HashingEncoder()
    build_index(documents(40), tmp_path, encoder, batch=8)
    assert len(encoder.encoded) == 30
    with open_index(tmp_path) as index:
        assert [f"d{i}" for i in range(40)] == [hits[0] for hits in hits_of(index, 40)]


def test_a_changed_document_is_encoded_again_with_those_after_it(tmp_path: Path) -> None:
    interrupted(tmp_path, 40, 32)
    changed = documents(40)
    changed[20] = Document("d20", "another")
    encoder = HashingEncoder()
    build_index(changed, tmp_path, encoder, batch=8)
    assert [document.passage for document in changed[20:]] == encoder.encoded
    with open_index(tmp_path) as index:
        assert index.search(HashingEncoder().encode(["another"]), 1)[0][0].id == "d20"


def test_a_shorter_source_drops_what_is_too_much(tmp_path: Path) -> None:
    interrupted(tmp_path, 40, 32)
    encoder = HashingEncoder()
    assert build_index(documents(10), tmp_path, encoder).count == 10
    assert encoder.encoded == []


@pytest.mark.parametrize("other", [config(revision="r2"), config(teacher="another")])
def test_batches_of_another_encoder_are_not_kept(tmp_path: Path, other: object) -> None:
    interrupted(tmp_path, 40, 32)
    encoder = HashingEncoder(other)  # type: ignore[arg-type]
    build_index(documents(40), tmp_path, encoder)
    assert len(encoder.encoded) == 40


def test_without_resume_everything_is_encoded(tmp_path: Path) -> None:
    interrupted(tmp_path, 40, 32)
    encoder = HashingEncoder()
    build_index(documents(40), tmp_path, encoder, resume=False)
    assert len(encoder.encoded) == 40


def test_an_open_index_keeps_working_while_and_after_it_is_replaced(tmp_path: Path) -> None:
    build_index(documents(50), tmp_path, HashingEncoder())
    seen: list[int] = []
    with open_index(tmp_path) as old:
        before = hits_of(old, 50)

        def progress(stage: str, done: int, total: int | None) -> None:
            del stage, done, total
            # Until the last moment a reader finds the old index.
            with open_index(tmp_path) as current:
                seen.append(len(current))

        build_index(documents(60, start=10), tmp_path, HashingEncoder(), batch=16, progress=progress)
        assert set(seen) == {50}
        assert before == hits_of(old, 50)
    with open_index(tmp_path) as new:
        assert hits_of(new, 60)[59][0] == "d59"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build.lock", "generation-2", "manifest.json"]


def test_a_reader_that_was_overtaken_opens_the_newer_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_index(documents(50), tmp_path, HashingEncoder())
    read = Manifest.read
    stale = [read(tmp_path)]
    build_index(documents(60), tmp_path, HashingEncoder())
    monkeypatch.setattr(Manifest, "read", lambda folder: stale.pop() if stale else read(folder))
    with open_index(tmp_path) as index:
        assert len(index) == 60


def test_a_reader_that_is_overtaken_after_its_checks_opens_the_newer_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are there when they are checked, and deleted when they are opened."""
    build_index(documents(50), tmp_path, HashingEncoder())
    verify = Manifest.verify_files
    checked: list[str] = []

    def overtaken(manifest: Manifest, folder: Path) -> None:
        verify(manifest, folder)
        checked.append(manifest.generation)
        if len(checked) == 1:
            build_index(documents(60), tmp_path, HashingEncoder())

    monkeypatch.setattr(Manifest, "verify_files", overtaken)
    with open_index(tmp_path) as index:
        assert len(index) == 60
    assert checked == ["generation-1", "generation-2"]


def test_a_second_builder_is_refused_while_the_first_is_at_work(tmp_path: Path) -> None:
    out = tmp_path / "index"
    with Staging(out, {}, resume=True), pytest.raises(IndexFolderError, match="another process is building"):
        build_index(documents(3), out, HashingEncoder())
    build_index(documents(3), out, HashingEncoder())


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(IndexFolderError, match=r"thesis\.txt"):
        build_index(documents(3), tmp_path, HashingEncoder())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("")
    with pytest.raises(IndexFolderError, match="is a file"):
        build_index(documents(3), tmp_path / "index", HashingEncoder())


def test_a_damaged_index_can_be_built_again(tmp_path: Path) -> None:
    build_index(documents(30), tmp_path, HashingEncoder())
    (tmp_path / "manifest.json").write_text("{")
    build_index(documents(30), tmp_path, HashingEncoder())
    with open_index(tmp_path) as index:
        assert len(index) == 30


def test_two_documents_of_one_id_are_named_by_number(tmp_path: Path) -> None:
    twice = [*documents(5), Document("d2")]
    with pytest.raises(SourceError, match="documents 3 and 6 have the same id 'd2'"):
        build_index(twice, tmp_path, HashingEncoder(), batch=2)


@pytest.mark.parametrize(
    ("document", "message"),
    [(Document(""), "document 1 has an empty id"), (Document("x", "\ud800"), "'x'.*lone surrogate")],
)
def test_a_document_that_cannot_be_stored_is_named(tmp_path: Path, document: Document, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        build_index([document], tmp_path, HashingEncoder())


def test_a_vector_that_is_not_finite_names_its_document(tmp_path: Path) -> None:
    class Broken(HashingEncoder):
        def encode(self, texts: object) -> Vectors:
            vectors = super().encode(texts)  # type: ignore[arg-type]
            vectors[1, 3] = np.nan
            return vectors

    with pytest.raises(ModelError, match="'d1'"):
        build_index(documents(3), tmp_path, Broken())


def test_a_teacher_that_compares_by_dot_product_keeps_its_lengths(tmp_path: Path) -> None:
    encoder = HashingEncoder(config(similarity="dot"))
    build_index(documents(100), tmp_path, encoder)
    vectors = encoder.encode([document.passage for document in documents(100)])
    query = 3 * vectors[:1]
    with open_index(tmp_path) as index:
        (hits,) = index.search(query, 4)
    scores = vectors.astype(np.float64) @ query[0]
    order = np.argsort(-scores)[:4]
    assert [f"d{row}" for row in order] == [hit.id for hit in hits]
    assert [hit.score for hit in hits] == pytest.approx(scores[order])


def test_a_graph_finds_what_the_exact_search_finds(tmp_path: Path) -> None:
    build_index(documents(1000), tmp_path / "graph", HashingEncoder(), backend="hnsw", batch=1000)
    build_index(documents(1000), tmp_path / "exact", HashingEncoder(), backend="exact", batch=1000)
    with open_index(tmp_path / "graph") as graph, open_index(tmp_path / "exact") as exact:
        assert (graph.manifest.backend, exact.manifest.backend) == ("hnsw", "exact")
        queries = HashingEncoder().encode([str(i) for i in range(100)])
        found, expected = graph.search(queries, 8), exact.search(queries, 8)
    same = sum(len({hit.id for hit in a} & {hit.id for hit in b}) for a, b in zip(found, expected, strict=True))
    assert same >= 0.98 * 800
    assert expected[0] == found[0]


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_graph_over_few_vectors_works(tmp_path: Path, count: int) -> None:
    build_index(documents(count), tmp_path, HashingEncoder(), backend="hnsw", guard=Guard(allow_empty=True))
    with open_index(tmp_path) as index:
        assert count == len(index.search(np.ones((1, 16), np.float32), 20)[0])


def divide(document: Document) -> tuple[Passage, ...]:
    """One passage for each sentence."""
    return tuple(
        Passage(text, ("Part", str(number)), f"part-{number}")
        for number, text in enumerate(re.findall(r"[^.]*\.\s*|[^.]+$", document.text) or [""])
    )


def long_documents(count: int) -> list[Document]:
    """Documents with 1, 2, 3, 1, 2, … sentences."""
    return [
        Document(
            f"d{i}",
            f"title {i}",
            " ".join(f"Sentence {j} of {i}." for j in range(i % 3 + 1)),
            f"https://example.org/{i}",
            {"third": i % 3, "tags": ["a", f"t{i}"]},
        )
        for i in range(count)
    ]


def test_divided_documents_come_back_whole_and_are_found_by_each_passage(tmp_path: Path) -> None:
    written = long_documents(20)
    encoder = HashingEncoder()
    manifest = build_index(written, tmp_path, encoder, divide=divide, passage_limit=7, batch=4)
    passages = [(document, passage) for document in written for passage in divide(document)]
    assert (manifest.count, manifest.passages, manifest.passage_limit) == (20, len(passages), 7)
    assert encoder.encoded == [document.encoded(passage) for document, passage in passages]
    assert encoder.encoded[1] == "title 1 Part 0 Sentence 0 of 1."
    with open_index(tmp_path) as index:
        part = index.part
        assert part.documents(range(20)) == written
        assert [part.divided(row) for row in range(20)] == [(document, divide(document)) for document in written]
        assert part.passages.starts is not None
        assert part.passages.starts[:4].tolist() == [0, 1, 3, 6]
        assert part.rows(["d7", "none", "d3"]) == {"d7": 7, "d3": 3}
        shown = part.shown([5, 1, 5])
        assert [(one.id, one.text, one.url) for one in shown] == [
            ("d2", "Sentence 2 of 2.", "https://example.org/2#part-2"),
            ("d1", "Sentence 0 of 1. ", "https://example.org/1#part-0"),
            ("d2", "Sentence 2 of 2.", "https://example.org/2#part-2"),
        ]
        assert part.columns.counts("third", None) == {0: 7, 1: 7, 2: 6}
        queries = HashingEncoder().encode([document.encoded(passage) for document, passage in passages])
        for (document, passage), hits in zip(passages, index.search(queries, 20), strict=True):
            assert (hits[0].id, hits[0].text) == (document.id, passage.text)
            assert len({hit.id for hit in hits}) == len(hits) == 20
        # A document is as near as its best passage.
        scores = index.similarities(queries[4], np.arange(20))
        assert scores is not None
        ranked = index.rank(queries[4:5], 20)[0]
        assert [score for _, score in ranked] == [scores[row] for row, _ in ranked]


def test_an_index_whose_documents_turn_out_short_is_as_if_none_were_divided(tmp_path: Path) -> None:
    build_index(documents(9), tmp_path / "divided", HashingEncoder(), divide=divide, passage_limit=7)
    build_index(documents(9), tmp_path / "whole", HashingEncoder())
    with open_index(tmp_path / "divided") as index, open_index(tmp_path / "whole") as whole:
        assert index.part.passages.starts is None
        assert sorted(index.manifest.files) == sorted(whole.manifest.files)
        assert index.manifest.files["forms.safetensors"] == whole.manifest.files["forms.safetensors"]


def test_the_words_of_passages_are_counted_each_with_the_title(tmp_path: Path) -> None:
    build_index(long_documents(5), tmp_path, HashingEncoder(), divide=divide, passage_limit=7)
    terms = [Term({"title": 1.0}), Term({"sentence": 1.0}), Term({"2": 1.0})]
    with open_index(tmp_path) as index:
        found = index.lexical.passage_evidence(np.array([3, 5, 0]), terms)
        whole = index.lexical.evidence([2], terms)
    # Both are of document 2, with the fields title and text; document 0 is not divided.
    assert found.frequencies.tolist() == [[[1, 0, 1], [0, 1, 1]], [[1, 0, 1], [0, 1, 2]], [[0, 0, 0], [0, 0, 0]]]
    assert found.lengths.tolist() == [[2, 4], [2, 4], [0, 0]]
    assert whole.frequencies.tolist() == [[[1, 0, 1], [0, 3, 4]]]


def test_a_killed_build_of_divided_documents_goes_on_after_the_last_batch(tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int | None) -> None:
        del total
        if stage == "encode" and done >= 10:
            raise _StopError

    written, options = long_documents(30), {"divide": divide, "passage_limit": 7}
    with pytest.raises(_StopError):
        build_index(written, tmp_path / "index", HashingEncoder(), batch=4, progress=stop, **options)  # type: ignore[arg-type]
    # A kill between the two leaves vectors of a document that is not there.
    with (tmp_path / "index" / "generation-1" / "vectors.npy").open("ab") as file:
        file.write(b"\1" * 1001)
    encoder = HashingEncoder()
    build_index(written, tmp_path / "index", encoder, batch=4, **options)  # type: ignore[arg-type]
    passages = [document.encoded(passage) for document in written for passage in divide(document)]
    assert 0 < len(encoder.encoded) < len(passages)
    assert encoder.encoded == passages[-len(encoder.encoded) :]
    build_index(written, tmp_path / "whole", HashingEncoder(), **options)  # type: ignore[arg-type]
    for name in ("vectors.npy", "passages.safetensors", "fields.safetensors"):
        files = [tmp_path / which / "generation-1" / name for which in ("index", "whole")]
        assert files[0].read_bytes() == files[1].read_bytes(), name


def test_a_build_with_other_passages_is_not_resumed(tmp_path: Path) -> None:
    interrupted(tmp_path, 40, 32)
    encoder = HashingEncoder()
    build_index(documents(40), tmp_path, encoder, divide=divide, passage_limit=7)
    assert len(encoder.encoded) == 40


def test_passages_that_do_not_make_up_the_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'d0' do not make up its text"):
        build_index(documents(1), tmp_path, HashingEncoder(), divide=lambda _: (Passage("x"),), passage_limit=7)


@pytest.mark.parametrize("resumed", [False, True])
def test_a_field_with_values_of_two_kinds_names_document_field_and_kinds(tmp_path: Path, resumed: bool) -> None:
    written = [Document("a", fields={"year": 2019}), Document("b", fields={"year": "2019"})]
    if resumed:
        with pytest.raises(SourceError):
            build_index([written[0], Document("")], tmp_path, HashingEncoder(), batch=1)
    with pytest.raises(SourceError, match=r"document 'b': field 'year' is '2019'.*'text'.*'number'"):
        build_index(written, tmp_path, HashingEncoder(), batch=1)


def test_versions_grow_with_each_replacement_and_the_encoder_is_recorded(tmp_path: Path) -> None:
    versions = [build_index(documents(3), tmp_path, HashingEncoder(), encoder_address="here").version for _ in range(3)]
    assert versions == [1, 2, 3]
    manifest = Manifest.read(tmp_path)
    assert (manifest.version, manifest.sequence) == (3, 0)
    assert manifest.encoder == recorded(HashingEncoder(), "here")
    assert (manifest.encoder.name, manifest.encoder.address) == ("hashing", "here")


def test_memory_does_not_grow_with_the_documents(tmp_path: Path) -> None:
    def large(count: int) -> Iterator[Document]:
        for i in range(count):
            yield Document(str(i), "", "word " * 4000)

    build_index(large(1), tmp_path / "first", _Forgetful())  # imports what it needs
    tracemalloc.start()
    build_index(large(400), tmp_path / "second", _Forgetful(), batch=10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20, "8 MB of text went through"


class _Forgetful(HashingEncoder):
    def encode(self, texts: object) -> Vectors:
        vectors = super().encode(texts)  # type: ignore[arg-type]
        self.encoded.clear()
        return vectors


def test_a_back_end_that_does_not_exist_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="annoy"):
        build_index(documents(1), tmp_path / "index", HashingEncoder(), backend="annoy")
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_of_nothing_is_refused_before_anything_is_made(tmp_path: Path, batch: int) -> None:
    with pytest.raises(TypeaheadError, match=f"batch is {batch}; it must be at least 1"):
        build_index(documents(1), tmp_path / "index", HashingEncoder(), batch=batch)
    assert not (tmp_path / "index").exists()
