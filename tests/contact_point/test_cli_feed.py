"""`pcsc feed` and `pcsc enrol-list --dry-run`, as an operator or a program uses them, beside a service that answers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from annex.eligibility import Disposition
from annex.parameters import Party
from contact_point import cli, main, querying
from pcsc.exchange import State

from .feeding import HEADER, enrol, line, make
from .parties import justification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contact_point.service import Installation

    from .parties import Finger, Parties

    Run = Callable[..., tuple[int, str]]

ROOT: Final = str(Path(__file__).parents[2])
TODAY: Final = f"{main.clock():%Y-%m-%d}"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """Return an installation of Japan."""
    make(tmp_path / "jp")
    with main.opened(tmp_path / "jp") as opened:
        yield opened


def written(here: Installation, *lines: str) -> Path:
    path = here.settings.folder.root.parent / "feed.csv"
    path.write_text("\n".join([HEADER, *lines, ""]))
    return path


def at(here: Installation) -> tuple[str, str]:
    return ("--dir", str(here.settings.folder.root))


def act(run: Run, *arguments: object, code: int = 0) -> Any:
    ended, said = run(*arguments, "--json")
    assert ended == code, said
    return json.loads(said)


def test_a_feed_is_checked_tried_and_applied_and_explained(run: Run, here: Installation) -> None:
    enrol(here, "[b]one", "two")
    path = written(here, line(1, "[b]one", "acquitted", TODAY), line(2, "two", "died", TODAY))
    assert act(run, "feed", "check", path, *at(here))["counts"]["events"] == 2
    tried = act(run, "feed", "diff", path, *at(here))
    assert [(each["subject"], each["what"]) for each in tried["diff"]["changes"]] == [
        ("[b]one", "leaves"),
        ("two", "leaves"),
        ("two", "leaves"),
    ]
    assert (tried["removed"], tried["diff"]["searches"]) == (["two"], ["tenprint", "latent"])
    code, said = run("feed", "diff", path, *at(here))
    assert code == 0
    assert (
        "[b]one leaves (query about an identified individual): from Annex II 1(1)(b)(iii), An adult was arrested"
        in said
    )
    assert "an identified individual, on" in said
    assert said.endswith(f"Erased: two\nThe plan's code: {tried['code']}\n")

    done = act(run, "feed", "apply", path, "--by", "A. Officer", "--plan", tried["code"], *at(here))
    assert (done["feed"], done["diff"]) == (1, tried["diff"])
    (listed,) = act(run, "feed", "applied", *at(here))
    assert (listed["by"], listed["sha256"], listed["counts"]) == ("A. Officer", tried["sha256"], tried["counts"])
    code, said = run("feed", "apply", path, "--by", "A. Officer", "--unseen", *at(here))
    assert (code, said.splitlines()[-1]) == (0, "Nothing is new, so nothing was applied.")

    told = act(run, "feed", "explain", "[b]one", *at(here))
    assert [each["in_view"] for each in told["views"]] == [False, True]
    code, said = run("feed", "explain", "[b]one", *at(here))
    assert code == 0
    assert (
        "not in view of a query about an identified individual: Annex II 1(1): The only case ended in a final" in said
    )
    assert f"feed 1, by A. Officer, SHA-256 {tried['sha256']}:\n    {TODAY} acquitted, NPA 1\n" in said
    early = act(run, "feed", "explain", "[b]one", "--at", "2019-02-01", *at(here))
    assert {each["clause"] for each in early["views"]} == {"Art. 4(2)"}
    assert run("feed", "explain", "two", *at(here))[0] == cli.FAILED


def test_a_feed_with_faults_is_refused_or_applied_without_them(run: Run, here: Installation, tmp_path: Path) -> None:
    enrol(here, "one")
    path = written(here, line(1, "one", "acquitted", TODAY), line(2, "three", "acquitted", TODAY))
    told = act(run, "feed", "check", path, *at(here), code=cli.FAILED)
    assert told["refused"] == [
        {
            "line": 3,
            "reason": "subject: nobody is enrolled under this name: enrol the person first, or correct the name",
        }
    ]
    assert act(run, "feed", "diff", path, *at(here), code=cli.FAILED)["refused"] == told["refused"]
    given = ("feed", "apply", path, "--by", "A. Officer", "--unseen", *at(here))
    code, said = run(*given)
    assert (code, "line 3: subject: nobody is enrolled" in said) == (cli.FAILED, True)
    rejects = tmp_path / "rejects.csv"
    assert act(run, *given, "--skip-invalid", rejects)["feed"] == 1
    assert rejects.stat().st_mode & 0o777 == 0o600
    assert [each.split(",")[:2] for each in rejects.read_text().splitlines()][1] == [
        "3",
        '"subject: nobody is enrolled under this name: enrol the person first',
    ]
    code, said = run(*given, "--skip-invalid", rejects)
    assert (code, "rejects.csv: File exists" in said) == (cli.FAILED, True)


@pytest.mark.parametrize("both", [(), ("--plan", "x", "--unseen")])
def test_either_a_plan_was_looked_at_or_it_is_said_that_none_was(
    run: Run, here: Installation, both: tuple[str, ...]
) -> None:
    code, said = run("feed", "apply", written(here), "--by", "A. Officer", *both, *at(here))
    assert (code, "say --plan with the code of `pcsc feed diff`, or --unseen" in " ".join(said.split())) == (2, True)


# Beside a service that answers


@contextmanager
def serving(here: Installation) -> Iterator[None]:
    """Let a contact point answer from a process of its own, from when it says that it is ready."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind("")
        address = "@" + bytes(notified.getsockname()).decode().removeprefix("\0")
        environment = os.environ | {"PYTHONPATH": ROOT, "NOTIFY_SOCKET": address}
        with subprocess.Popen(
            [sys.executable, "-m", "contact_point", "serve", *at(here)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            env=environment,
        ) as process:
            try:
                notified.settimeout(120)
                assert notified.recv(100).startswith(b"READY=1")
                yield
            finally:
                process.terminate()


@pytest.mark.long
def test_4_2_a_feed_that_another_process_applies_decides_the_next_query_of_a_running_service(
    run: Run, parties: Parties, fingers: tuple[Finger, ...], tmp_path: Path
) -> None:
    for name, finger in zip(("one", "two"), fingers, strict=False):
        parties.enrol(Party.JP, name, finger, Disposition.PENDING)

    def asked(at: int, *, identified: bool = True) -> str:
        said = justification(Party.US, identified=identified)
        exchange = querying.open_query(parties.us, [fingers[at].later_print], said, main.clock())
        answered.append(exchange.control_number)
        return exchange.state

    answered: list[str] = []
    lines = [
        line(1, "one", "acquitted", TODAY, case="K-1", arrested_on="2015-04-01"),
        line(2, "two", "erased", TODAY),
    ]
    path = tmp_path / "feed.csv"
    path.write_text("\n".join([HEADER, *lines]))
    applying = [sys.executable, "-m", "contact_point", "feed", "apply", str(path), "--by", "A. Officer", "--unseen"]
    with serving(parties.jp):
        assert [asked(0), asked(1)] == [State.MATCH, State.MATCH]
        done = subprocess.run([*applying, *at(parties.jp)], check=True, capture_output=True, text=True)
        assert done.stdout.endswith("Applied as feed 1.\n")
        assert [line for line in done.stdout.splitlines() if "pcsc correct" in line] == [
            f"The prints of {name} matched in exchanges: 1. If that was wrong: pcsc correct --subject {name}"
            for name in ("one", "two")
        ]
        assert [asked(0), asked(1), asked(1, identified=False)] == [State.NO_MATCH] * 3
        assert asked(0, identified=False) == State.MATCH  # Annex II 1(2)
    assert len(parties.jp.store._gallery.live()) == 1

    code, before = run("why", answered[0], *at(parties.jp))
    assert (code, "feeds of dispositions" in before) == (0, False)
    code, after = run("why", answered[2], *at(parties.jp))
    assert (code, "Of the feeds of dispositions, number 1 was the last" in after) == (0, True)
    assert "第1号" in run("why", answered[2], "--lang", "ja", *at(parties.jp))[1]
    assert "feeds of dispositions" not in run("why", answered[2], "--for-other-party", *at(parties.jp))[1]
