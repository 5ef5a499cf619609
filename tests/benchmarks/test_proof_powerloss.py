"""The power loss proof: the disk it rebuilds is one that a power loss may leave, and it finds what is broken on purpose."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.proof import _disk, _traced, powerloss
from benchmarks.proof._disk import SECTOR, Act, Disk, Loss

LAPSE = ("query", "query/lapse")


@pytest.fixture(scope="module")
def strace() -> None:
    """Skip where no process can be traced."""
    if reason := _traced.missing():
        pytest.skip(f"needs strace, and that it may take hold of a process: {reason}")


def quiet(_text: str) -> None:
    pass


# --- what is found


def test_a_power_loss_loses_nothing_that_was_told_or_recorded(strace: None) -> None:
    counts, violations = powerloss.prove(24, quiet, acts=LAPSE)
    assert violations == []
    assert counts["states"] == counts["different moments"] == 24
    assert {counts[f"states {loss}"] for loss in Loss} == {6}


def test_keys_that_are_not_made_durable_are_found(strace: None) -> None:
    _, violations = powerloss.prove(24, quiet, fault="keys unsynced", acts=("query",))
    assert any("KeyDestroyedError" in each for each in violations)


@pytest.mark.long
def test_answers_that_are_not_made_durable_are_found(strace: None) -> None:
    _, violations = powerloss.prove(36, quiet, fault="database unsynced", acts=("query",))
    assert any("in their record only" in each or "could not go on" in each for each in violations)


@pytest.mark.long
def test_power_losses_in_every_act(strace: None) -> None:
    counts, violations = powerloss.prove(300, quiet)
    assert violations == []
    assert counts["different moments"] == 300


def test_nothing_is_called_shown_where_nothing_could_be_rebuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert powerloss.prove(1, quiet) == ({"states": 0}, ["nothing could be rebuilt: strace is not installed"])


# --- the disk


def chance(seed: int = 1) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same losses every time


def write(at: int, data: bytes, path: str = "a") -> Act:
    return Act("write", path, at, data)


def done(*acts: Act) -> Disk:
    disk = Disk({"a": b"old"})
    for act in acts:
        disk.do(act)
    return disk


SYNCHRONISED = Act("synchronise", "a")


def test_what_was_synchronised_is_there_whatever_is_lost() -> None:
    disk = done(write(0, b"new and longer"), SYNCHRONISED)
    assert {disk.files(loss, chance())["a"] for loss in Loss} == {b"new and longer"}


def test_what_was_not_is_there_or_not() -> None:
    disk = done(write(0, b"NEW"), write(3, b"er"))
    assert disk.files(Loss.NOTHING, chance())["a"] == b"NEWer"
    assert disk.files(Loss.ALL, chance())["a"] == b"old"
    some = {disk.files(Loss.SOME, chance(seed))["a"] for seed in range(40)}
    assert some == {b"old", b"NEW", b"older", b"NEWer"}


def test_a_hole_that_a_lost_write_leaves_is_zeros() -> None:
    disk = done(write(3, b"lost"), write(7, b"kept"))
    assert b"old\0\0\0\0kept" in {disk.files(Loss.SOME, chance(seed))["a"] for seed in range(40)}


def test_a_write_is_torn_at_sectors_alone() -> None:
    disk = Disk({"a": bytes(4 * SECTOR)})
    disk.do(write(100, b"x" * (2 * SECTOR)))
    parts = [(100, SECTOR), (SECTOR, 2 * SECTOR), (2 * SECTOR, 2 * SECTOR + 100)]
    seen = set()
    for seed in range(60):
        content = disk.files(Loss.SECTORS, chance(seed))["a"]
        seen.add(tuple(set(content[start:end]) == {ord("x")} for start, end in parts))
        assert all(len(set(content[start:end])) == 1 for start, end in parts)
        assert not any(content[:100])
        assert not any(content[2 * SECTOR + 100 :])
    assert len(seen) == 8


def test_a_truncation_is_one_of_the_acts_that_may_be_lost() -> None:
    disk = done(Act("truncate", "a", 1), write(1, b"X"))
    found = {disk.files(Loss.SOME, chance(seed))["a"] for seed in range(40)}
    assert found == {b"old", b"o", b"oXd", b"oX"}


def test_names_keep_their_order_and_the_last_of_them_may_be_lost() -> None:
    disk = done(Act("make", "b"), write(0, b"in b", "b"), Act("synchronise", "b"), Act("remove", "a"), Act("make", "c"))
    assert disk.files(Loss.ALL, chance()) == {"a": b"old"}
    assert disk.files(Loss.NOTHING, chance()) == {"b": b"in b", "c": b""}
    found = {tuple(disk.files(Loss.SOME, chance(seed))) for seed in range(40)}
    assert found == {("a",), ("a", "b"), ("b",), ("b", "c")}
    disk.do(Act("synchronise", "."))  # their folder
    assert disk.files(Loss.ALL, chance()) == {"b": b"in b", "c": b""}


def test_a_file_that_is_made_again_is_another_one() -> None:
    disk = done(Act("remove", "a"), Act("make", "a"), write(0, b"second"))
    found = {disk.files(Loss.SOME, chance(seed)).get("a") for seed in range(60)}
    assert found == {b"old", None, b"", b"second"}


ACTS = st.lists(
    st.one_of(
        st.builds(write, st.integers(0, 1500), st.binary(min_size=1, max_size=1200)),
        st.builds(lambda size: Act("truncate", "a", size), st.integers(0, 1500)),
        st.just(SYNCHRONISED),
    ),
    max_size=12,
)


@given(ACTS, st.sampled_from(list(Loss)), st.integers(0, 3))
def test_every_sector_is_as_some_of_the_acts_since_the_last_synchronisation_left_it(
    acts: list[Act], loss: Loss, seed: int
) -> None:
    """The slow twin: the file after each prefix, byte by byte; a byte is never one that nobody wrote there."""
    disk = Disk({"a": b"old"})
    content, since = bytearray(b"old"), [bytearray(b"old")]
    for act in acts:
        disk.do(act)
        if act.kind == "write":
            content += bytes(max(0, act.at + len(act.data) - len(content)))
            for at, byte in enumerate(act.data):
                content[act.at + at] = byte
        elif act.kind == "truncate":
            content = bytearray(content[: act.at] + bytes(max(0, act.at - len(content))))
        since = [bytearray(content)] if act is SYNCHRONISED else [*since, bytearray(content)]
    found = disk.files(loss, chance(seed))["a"]
    if loss is Loss.NOTHING:
        assert found == content
    if loss is Loss.ALL:
        assert found == since[0]
    for at, byte in enumerate(found):
        assert byte in {0, *(each[at] for each in since if at < len(each))}


def test_a_log_tells_what_happens_to_a_disk(tmp_path: Path) -> None:
    log, start = tmp_path / "log", tmp_path / "start"
    (start / "JP").mkdir(parents=True)
    (start / "JP" / "db").write_bytes(b"old")
    log.write_text(
        'openat(AT_FDCWD</>, "/w/JP/db", O_RDWR|O_CREAT, 0644) = 3</w/JP/db>\n'
        'openat(AT_FDCWD</>, "/w/JP/new", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 4</w/JP/new>\n'
        'write(4</w/JP/new>, "\\x41\\x42", 2) = 2\n'
        'write(4</w/JP/new>, "\\x43", 1) = 1\n'
        'unlink("/w/journal.mark") = -1 ENOENT (No such file or directory)\n'
        'pwrite64(3</w/JP/db>, "\\x58", 1, 7) = 1\n'
        'pwrite64(5</w/JP/db-shm>, "\\x58", 1, 7) = 1\n'
        "ftruncate(3</w/JP/db>, 2) = 0\n"
        "fdatasync(3</w/JP/db>) = 0\n"
        "fsync(6</w/JP>) = 0\n"
        'unlink("/w/JP/new") = 0\n'
        'unlink("/w/JP/never") = -1 ENOENT (No such file or directory)\n'
        'openat(AT_FDCWD</>, "/w/JP/db", O_WRONLY|O_TRUNC) = 3</w/JP/db>\n'
    )
    found = list(_disk.acts(log, Path("/w"), Path("/w/journal.mark"), start))
    assert found == [
        Act("make", "JP/new"),
        Act("write", "JP/new", 0, b"AB"),
        Act("write", "JP/new", 2, b"C"),
        Act("note", ""),
        Act("write", "JP/db", 7, b"X"),
        Act("truncate", "JP/db", 2),
        Act("synchronise", "JP/db"),
        Act("synchronise", "JP"),
        Act("remove", "JP/new"),
        Act("truncate", "JP/db", 0),
    ]


def test_a_call_of_which_it_is_not_known_what_it_does_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('rename("/w/JP/a", "/w/JP/b") = 0\n')
    with pytest.raises(_traced.TraceError, match="rename a: what this call does to a disk is not known"):
        list(_disk.acts(tmp_path / "log", Path("/w"), Path("/w/mark"), tmp_path))
