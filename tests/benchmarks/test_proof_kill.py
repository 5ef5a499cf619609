"""The kill proof: it kills where it says, finds what is broken on purpose, and finds nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from annex.parameters import Party
from benchmarks.proof import _traced, kill
from benchmarks.proof._databases import on_server
from benchmarks.proof._life import ACTS, Journal, before, mark_of, path_to
from benchmarks.proof._rehearsal import _differing
from benchmarks.proof._tls import ACTS as OVER_TLS

LAPSE = ("query", "query/lapse")


@pytest.fixture(scope="module")
def strace() -> None:
    """Skip where no process can be traced."""
    if reason := _traced.missing():
        pytest.skip(f"needs strace, and that it may take hold of a process: {reason}")


def quiet(_text: str) -> None:
    pass


# --- what is found


def test_a_life_that_is_killed_at_its_calls_loses_nothing_and_says_nothing_twice(strace: None) -> None:
    counts, violations = kill.prove(12, quiet, acts=LAPSE, on_server=0)
    assert violations == []
    assert counts["SQLite kills"] == counts["SQLite different calls hit"] == 12
    assert counts["SQLite not reached"] == 0


def test_without_recovery_keys_are_found_that_belong_to_nothing(strace: None) -> None:
    _, violations = kill.prove(12, quiet, fault="no recovery", acts=("query",), on_server=0)
    assert any("keys live that belong to nothing" in each for each in violations)
    assert all(each.startswith("query, killed at ") for each in violations)


@pytest.mark.long
def test_a_row_that_goes_before_its_key_is_found(strace: None) -> None:
    _, violations = kill.prove(12, quiet, fault="row first", acts=LAPSE, at_file="exchange.slots", on_server=0)
    assert any("has its key and no row: the row went first" in each for each in violations)


@pytest.mark.long
def test_the_same_holds_where_the_database_is_on_a_server(strace: None) -> None:
    if on_server() is None:
        pytest.skip("needs PostgreSQL: install requirements/test.lock, or put initdb and postgres on the PATH")
    counts, violations = kill.prove(6, quiet, acts=("query",), on_server=1)
    assert violations == []
    assert counts["PostgreSQL kills"] == 6
    assert "sendto" in str(counts["PostgreSQL kills by call"])


@pytest.mark.long
def test_kills_in_every_act_and_of_one_of_two_processes(strace: None) -> None:
    counts, violations = kill.prove(200, quiet)
    assert violations == []
    assert counts["SQLite kills over TLS"]
    assert counts["SQLite kills of the recovery"]


def test_nothing_is_called_shown_where_nothing_could_be_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert kill.prove(1, quiet) == ({"kills": 0}, ["nothing could be killed: strace is not installed"])


# --- where is killed


def test_an_act_follows_those_in_its_name() -> None:
    assert path_to("query/picture/examine") == ["query", "query/picture", "query/picture/examine"]
    assert before("query/picture") == "query"
    assert before("query") == ""
    assert all(each in ACTS for act in ACTS for each in path_to(act))
    assert set(OVER_TLS) <= set(ACTS)


LOG = """\
openat(AT_FDCWD</>, "/w/JP/a", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 3</w/JP/a>
openat(AT_FDCWD</>, "/w/JP/old", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 4</w/JP/old>
openat(AT_FDCWD</>, "/w/JP/old", O_RDONLY|O_CLOEXEC) = 5</w/JP/old>
pwrite64(3</w/JP/a>, ""..., 4, 0)       = 4
write(7<pipe:[1]>, ""..., 4)            = 4
pwrite64(3</w/JP/a>, ""..., 4, 4)       = 4
12 pwrite64(3</w/JP/a>, ""..., 4, 8 <unfinished ...>
12 <... pwrite64 resumed>)             = 4
fdatasync(3</w/JP/a>)                   = 0
unlink("/w/JP/a")                       = 0
pwrite64(9</elsewhere>, ""..., 4, 4)    = ?
+++ killed by SIGKILL +++
"""


def test_the_calls_of_a_log_are_counted_as_strace_counts_them(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG)
    found = _traced.mutating(_traced.calls(tmp_path / "log", Path("/w")), {"/w/JP/old"})
    assert [(each.what, each.occurrence) for each in found] == [
        ("openat a", 1),
        ("pwrite64 a", 1),
        ("pwrite64 a", 2),
        ("pwrite64 a", 1),  # of another thread, which strace counts apart
        ("fdatasync a", 1),
        ("unlink a", 1),
    ]


def test_the_bytes_of_a_call_are_told_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(
        'pwrite64(3<\\x2f\\x77\\x2f\\x61>, "\\x00\\x41\\x22", 3, 0) = 3\npwrite64(3</w/a>, "\\x00"..., 3, 0) = 3\n'
    )
    whole, cut = _traced.calls(tmp_path / "log", Path("/w"))
    assert (whole.path, _traced.written(whole)) == ("/w/a", b'\0A"')
    with pytest.raises(_traced.TraceError, match="strace told no whole bytes of pwrite64 a"):
        _traced.written(cut)


def test_a_killed_call_was_not_made(strace: None, tmp_path: Path) -> None:
    """What the whole proof rests on: everything before the call is there, and the call is not."""
    path = tmp_path / "file"
    program = "import os, sys; input(); f = os.open(sys.argv[1], 66, 384); [os.pwrite(f, b'x', i) for i in range(9)]"
    with (
        subprocess.Popen([sys.executable, "-c", program, path], stdin=subprocess.PIPE) as child,
        _traced.held(child.pid, tmp_path / "log", kill=("pwrite64", 4)),
    ):
        child.communicate(b"\n")
    assert child.returncode == -9
    assert path.read_bytes() == b"xxx"


def test_every_edge_comes_first_then_what_lies_between_then_all_of_them_again() -> None:
    runs = ["pwrite64 wal"] * 5 + ["fdatasync wal"]
    calls = [_traced.Call(name.split()[0], 1, f"/w/{name.split()[1]}", "") for name in runs]
    numbers = [each.number for each in kill._aims({"one": calls, "two": calls[:1]}, 10)]
    assert numbers == [0, 4, 5, 0, 1, 2, 3, 0, 4, 5]


def test_edges_are_all_but_the_middle_of_a_run_of_writes() -> None:
    names = [
        "openat wal",
        "pwrite64 wal",
        "pwrite64 wal",
        "pwrite64 wal",
        "fdatasync wal",
        "fdatasync wal",
        "pwrite64 db",
    ]
    calls = [_traced.Call(name.split()[0], 1, f"/w/{name.split()[1]}", "") for name in names]
    assert kill._edges(calls) == {0, 1, 3, 4, 5, 6}


# --- what is compared


def test_what_differs_is_named() -> None:
    expected = {"JP": {"held": ["a", "b"], "states": ["x"]}, "again": ["1", "2"]}
    got = {"JP": {"held": ["b", "b"], "states": ["x"]}, "again": ["2", "1"]}
    assert list(_differing(expected, got, "")) == ["JP held: missing ['a'], too many ['b']", "again: another order"]
    assert list(_differing(expected, json.loads(json.dumps(expected)), "")) == []


def test_a_journal_tells_what_passed_and_forgets_from_the_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.note(Party.US, b"question")
    journal.note(Party.US, b"question", b"answer")
    again = Journal(tmp_path / "journal")
    assert again.passed() == [("US", b"question", None), ("US", b"question", b"answer")]
    again.keep(1)
    journal.note(Party.JP, b"another")
    assert again.passed() == [("US", b"question", None), ("JP", b"another", None)]
    assert mark_of(tmp_path / "journal").name == "journal.mark"
