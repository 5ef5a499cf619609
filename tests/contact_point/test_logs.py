"""The log as JSON: one object a line, through the same discretion as any other (Article 9)."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from annex.parameters import Party
from contact_point import main, service
from contact_point.logs import JsonLines

if TYPE_CHECKING:
    from .parties import Parties

MARKER = bytes(range(0x80, 0x80 + 40))
ROOT = str(Path(__file__).parents[2])


def line(message: str, *args: object, error: Exception | None = None, name: str = "contact_point.peer") -> str:
    """Return what a record is written as."""
    about = None if error is None else (type(error), error, error.__traceback__)
    return JsonLines().format(logging.LogRecord(name, logging.WARNING, "", 0, message, args, about))


def test_a_line_is_one_object_with_its_time_in_utc() -> None:
    record = logging.LogRecord("contact_point", logging.INFO, "", 0, "%s holds %d persons\nand more", ("JP", 3), None)
    record.created = 1795383240.5004
    text = JsonLines().format(record)
    assert "\n" not in text
    assert json.loads(text) == {
        "time": "2026-11-22T21:34:00.500Z",
        "level": "INFO",
        "logger": "contact_point",
        "message": "JP holds 3 persons\nand more",
    }


def test_the_trace_and_the_exchange_of_a_message_are_members_of_their_own(parties: Parties) -> None:
    number = service.new_number(parties.of(Party.US), main.clock())
    found = json.loads(line("trace %s: exchange %s is damaged", "0123456789abcdef", number))
    assert (found["trace"], found["exchange"]) == ("0123456789abcdef", number)
    assert not {"trace", "exchange"} & json.loads(line("trace of nothing, %s0", number)).keys()


def test_what_was_raised_is_told_without_content() -> None:
    try:
        int(MARKER)
    except ValueError as error:
        found = json.loads(line("failed: %s", error, error=error))
    assert found["message"] == "failed: ValueError"
    assert found["error"].endswith("\nValueError")
    assert f'File "{__file__}"' in found["error"]


@pytest.mark.parametrize("given", [MARKER, MARKER.hex() * 2, [MARKER], {"probe": MARKER}])
def test_9_content_does_not_come_into_a_line_where_nothing_was_hardened(given: object) -> None:
    said = line("got %s", given)
    assert MARKER.hex() not in said
    assert "\\x80\\x81" not in said
    assert repr(MARKER)[1:-1] not in json.loads(said)["message"]


def test_what_a_library_hangs_on_a_record_is_not_written() -> None:
    record = logging.LogRecord("httpcore", logging.INFO, "", 0, "sent", (), None)
    record.body = MARKER.hex()
    record.taskName = "a name"
    assert set(json.loads(JsonLines().format(record))) == {"time", "level", "logger", "message"}


def run(form: str, script: str) -> list[str]:
    """Return the lines that a hardened process with a log of this form writes to standard error."""
    begin = "import logging, threading\nfrom contact_point import hardening, logs\nhardening.harden()\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{begin}logs.configure({form!r})\n{script}"],
        env=os.environ | {"PYTHONPATH": ROOT},
        capture_output=True,
        check=False,
        timeout=120,
    )
    return done.stderr.decode().splitlines()


ENDED = """
def fail():
    raise ValueError("4111 of somebody")
logging.getLogger("contact_point.due").info("begun")
thread = threading.Thread(target=fail, name="duties")
thread.start()
thread.join()
raise RuntimeError("and nobody caught it")
"""


def test_what_nobody_caught_is_a_line_too() -> None:
    found: list[dict[str, Any]] = [json.loads(each) for each in run("json", ENDED)]
    assert [each["message"] for each in found] == ["begun", "ValueError", "RuntimeError"]
    assert [each["level"] for each in found] == ["INFO", "CRITICAL", "CRITICAL"]
    assert found[1]["error"].startswith("in the thread duties:\nTraceback:\n")
    assert "somebody" not in str(found)


def test_text_is_for_a_person() -> None:
    said = run("text", ENDED)
    assert said[0].endswith(" contact_point.due INFO begun")
    assert said[1] == "in the thread duties:"
    assert said[-1] == "RuntimeError"
