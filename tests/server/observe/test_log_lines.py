"""Lines of the log: as text, and as JSON."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from datetime import datetime
from typing import Any

from tests.conftest import ROOT
from typeahead.server.observe.log_lines import JsonLines, TextLines, about


def record(message: str = "it took %d ms", *arguments: Any, **attributes: Any) -> logging.LogRecord:
    made = logging.LogRecord("typeahead.somewhere", logging.WARNING, "x.py", 1, message, arguments or (5,), None)
    vars(made).update(attributes)
    return made


def raised() -> Any:
    try:
        raise ValueError("no\nsuch thing")
    except ValueError:
        return sys.exc_info()


def test_a_line_of_text_has_time_level_logger_and_requests() -> None:
    line = TextLines().format(record())
    time, _, rest = line.partition(" WARNING ")
    assert datetime.fromisoformat(time.replace(",", "."))
    assert rest == "typeahead.somewhere: it took 5 ms"
    assert TextLines().format(record(**about(["a", "", "b", "a"]))).endswith("it took 5 ms [a b]")


def test_a_json_line_has_them_as_fields_and_stays_one_line() -> None:
    made = record("über\n%s", "x", exc_info=raised(), fields={"status": 200, "message": "no"}, **about(["a"]))
    line = JsonLines().format(made)
    assert "\n" not in line
    fields = json.loads(line)
    assert datetime.fromisoformat(fields.pop("time")).utcoffset() is not None
    assert "ValueError: no\nsuch thing" in fields.pop("exception")
    assert fields == {
        "level": "warning",
        "logger": "typeahead.somewhere",
        "process": made.process,
        "message": "über\nx",
        "request_id": "a",
        "status": 200,
    }


def test_several_requests_are_a_list_of_bounded_length() -> None:
    fields = json.loads(JsonLines().format(record(**about(str(number) for number in range(99)))))
    assert fields["request_ids"] == [str(number) for number in range(16)]
    assert "request_id" not in fields


def test_everything_that_a_server_writes_has_the_form_that_was_asked_for() -> None:
    program = """
import logging, warnings
from typeahead.server.observe.log_lines import write_log
write_log("json")
write_log("text")
logging.getLogger("typeahead.x").info("ours")
logging.getLogger("uvicorn.error").warning("a library's")
warnings.warn("Python's", RuntimeWarning)
"""
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    written = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["logger"] for line in written] == ["typeahead.x", "uvicorn.error", "py.warnings"]
