"""What is wrong is said within a second, before PyTorch is imported, all of it at once, with what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub", reason="training needs huggingface_hub")
pytest.importorskip("torch", reason="the checks look for PyTorch, without importing it")

from training.guided import checks
from training.guided.checks import check, check_disk
from training.guided.facts import read_facts
from training.guided.request import Request
from typeahead.cli import main
from typeahead.errors import TrainingError


def write(folder: Path, name: str, value: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture
def teacher(teacher_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny teacher, to be spoilt."""
    import shutil

    folder = tmp_path / "my-teacher"
    shutil.copytree(teacher_folder, folder)
    return folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.txt"
    path.write_text("boil egg\n")
    return path


def request(teacher: Path | str, log: Path, **more: Any) -> Request:
    return Request(**{"teacher": str(teacher), "out": log.parent / "out", "queries": (str(log),), **more})


def problem(asked: Request) -> str:
    with pytest.raises(TrainingError) as raised:
        check(asked)
    return str(raised.value)


def test_a_teacher_is_described_by_its_files(teacher: Path, log: Path) -> None:
    facts = read_facts(f"{teacher}/", {})
    assert (facts.name, facts.layers, facts.dim, facts.stated) == ("my-teacher", 2, 32, True)
    assert facts.rows == facts.tokens > 0
    assert facts.layer_weights == 2 * (4 * 32**2 + 2 * 32 * 64)
    checked = check(request(teacher, log))
    assert checked.families == ("static", "gru", "causal")
    assert not checked.no_passages


def test_checks_import_no_pytorch(teacher: Path, log: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from training.guided.checks import check; "
        "from training.guided.request import Request; "
        f"check(Request(teacher={str(teacher)!r}, out=Path('out'), queries=({str(log)!r},))); "
        "print([name for name in ('torch', 'transformers', 'accelerate') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("call", ["main(['train', '--teacher', 'x', '--out', 'y'])", "typeahead.distill('x', 'y')"])
@pytest.mark.parametrize("missing", ["huggingface_hub", "torch", "onnx"])
def test_without_the_extra_the_command_that_installs_it_is_named(call: str, missing: str) -> None:
    code = f"""
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == {missing!r} else find(name, package)
sys.modules[{missing!r}] = None
import typeahead
from typeahead.cli import main
sys.exit({call})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{missing} is not installed: pip install" in done.stderr.splitlines()[-1]


def test_a_tracker_that_is_not_there_is_refused(teacher: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--track paper is not one of aim" in problem(request(teacher, log, trackers=("paper",)))
    monkeypatch.setitem(checks._TRACKERS, "wandb", ("no_such_package",))
    assert "pip install no_such_package" in problem(request(teacher, log, trackers=("wandb",)))


def test_a_plan_is_printed_without_any_work(
    teacher: Path, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--teacher", str(teacher), "--queries", str(log), "--out", str(tmp_path / "out"), "--plan"]
    assert main([*arguments, "--run", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "my-teacher, bert, 2 layers of 32" in said
    assert "1 row, 1 distinct" in said
    assert "in all" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"model_type": "nomic_bert", "auto_map": {"AutoModel": "nomic-ai/nomic-bert--modeling.NomicBertModel"}},
            "no code",
        ),
        ({"model_type": "new", "auto_map": {"AutoModel": "Alibaba-NLP/new-impl--modeling.NewModel"}}, "no code"),
    ],
)
def test_code_from_a_hub_is_refused(teacher: Path, log: Path, config: dict[str, Any], said: str) -> None:
    write(teacher, "config.json", json.loads((teacher / "config.json").read_text()) | config)
    assert said in problem(request(teacher, log))


def test_a_family_that_needs_the_layers_is_refused_for_an_architecture_without_a_record(
    teacher: Path, log: Path
) -> None:
    write(teacher, "config.json", json.loads((teacher / "config.json").read_text()) | {"model_type": "electra"})
    assert "'electra'" in problem(request(teacher, log, family="causal"))
    checked = check(request(teacher, log))
    assert checked.families == ("static", "gru")
    assert "'electra'" in checked.no_passages


def test_a_teacher_that_does_not_state_its_pooling_is_asked_about(teacher: Path, log: Path) -> None:
    (teacher / "modules.json").unlink()
    assert "--pooling mean, cls or last, and --similarity" in problem(request(teacher, log))
    check(request(teacher, log, settings={"pooling": "mean", "similarity": "cosine"}))


@pytest.mark.parametrize("name", ["multilingual-e5-small", "bge-small-en-v1.5"])
def test_prompts_of_e5_and_bge_are_asked_for_unless_the_files_state_them(teacher: Path, log: Path, name: str) -> None:
    folder = teacher.rename(teacher.with_name(name))
    assert "--query-prompt" in problem(request(folder, log))
    check(request(folder, log, settings={"query_prompt": "", "passage_prompt": ""}))
    write(folder, "config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": "passage: "}})
    checked = check(request(folder, log))
    assert checked.facts.settings.query_prompt == "query: "


def test_everything_that_is_wrong_is_said_at_once(teacher: Path, log: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("dear")
    (teacher / "modules.json").unlink()
    said = problem(request(teacher, log, queries=("nowhere.csv",), minutes=-1.0, family="causal"))
    for part in ("--minutes -1.0", "nowhere.csv: there is no such file", "holds files of something else", "--pooling"):
        assert part in said
    assert len(said.splitlines()) >= 4


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "not a JSON object"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 9), "damaged"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-9]),
            "truncated",
        ),
    ],
)
def test_a_spoilt_folder_is_refused_with_the_reason(teacher: Path, log: Path, spoil: Any, said: str) -> None:
    spoil(teacher)
    assert said in problem(request(teacher, log))


@pytest.mark.parametrize("name", ["no/such/folder/here", "white space", "../nowhere"])
def test_a_name_that_is_neither_folder_nor_id_is_refused(log: Path, name: str) -> None:
    assert "no such folder" in problem(request(name, log))


def test_a_model_of_typeahead_is_no_teacher(log: Path) -> None:
    folder = Path(__file__).parents[3] / "models" / "minilm-gru"
    assert "--start" in problem(request(folder, log))


def test_a_start_must_have_the_same_teacher(teacher: Path, log: Path) -> None:
    assert "384 dimensions" in problem(request(teacher, log, start="minilm-causal"))
    assert "no model 'nothing'" in problem(request(teacher, log, start="nothing"))


def test_a_full_disk_is_seen_before_the_work(tmp_path: Path) -> None:
    check_disk(tmp_path / "run", 1)
    with pytest.raises(TrainingError, match="choose another disk with --run"):
        check_disk(tmp_path / "run", 1e18)


def test_the_command_fails_in_lines_and_not_in_a_traceback(
    teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--teacher", str(teacher), "--out", str(tmp_path / "out")]) == 1
    assert "name a log of queries with --queries" in capsys.readouterr().err
