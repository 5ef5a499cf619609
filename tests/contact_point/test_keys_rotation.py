"""One wrapping key after the other, several processes at once, and sudden death."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contact_point import keys
from contact_point.keys import (
    IN_FILE,
    KeyDestroyedError,
    KeySlots,
    KeySlotsError,
    Token,
    TokenWrapping,
    Wrapper,
    new_key,
)

from . import slot_files
from .slot_files import on_disk, wrapped

if TYPE_CHECKING:
    from collections.abc import Collection

NOW = datetime(2026, 11, 22, 17, 7, 9, tzinfo=UTC)
DAY = timedelta(hours=24)


path, slots = slot_files.path, slot_files.slots


# Rotation


def test_rotation_keeps_live_keys_and_makes_older_copies_useless(slots: KeySlots, path: Path, tmp_path: Path) -> None:
    stored = [new_key() for _ in range(5)]
    numbers = slots.put(stored)
    slots.destroy(numbers[:2])
    old_file, old_kek = path.read_bytes(), path.with_suffix(".kek").read_bytes()
    traces = [wrapped(path, number) for number in numbers[2:]]
    old_wrapping_key = old_kek[8:40]
    assert old_wrapping_key in on_disk(path)
    assert slots.rotate() == 3
    assert [slots.get(number) for number in numbers[2:]] == stored[2:]
    assert old_wrapping_key not in on_disk(path)
    assert not any(trace in on_disk(path) for trace in traces)
    path.write_bytes(old_file)  # somebody's backup
    with pytest.raises(KeyDestroyedError, match="wrapped by a wrapping key that exists no more"):
        slots.get(numbers[4])


def test_rotation_can_be_repeated(slots: KeySlots, path: Path) -> None:
    key = new_key()
    (number,) = slots.put([key])
    seen = set()
    for _ in range(4):
        assert slots.rotate() == 1
        assert slots.get(number) == key
        seen.add(path.with_suffix(".kek").read_bytes())
    assert len(seen) == 4


def test_a_rotation_of_many_keys_keeps_every_one(path: Path) -> None:
    slots = KeySlots.create(path, capacity=700)
    stored = [new_key() for _ in range(600)]
    numbers = slots.put(stored)
    slots.destroy(numbers[100:110])
    assert slots.rotate() == 590
    kept = [pair for i, pair in enumerate(zip(numbers, stored, strict=True)) if not 100 <= i < 110]
    assert [slots.get(number) for number, _ in kept] == [key for _, key in kept]


def test_the_time_of_the_last_rotation_outlives_the_process(path: Path) -> None:
    slots = KeySlots.create(path, capacity=8, now=NOW)
    assert slots.rotated_at() == KeySlots.open(path).rotated_at() == NOW
    assert slots.rotate_if_due(NOW + DAY - timedelta(seconds=1), DAY) is False
    assert slots.rotated_at() == NOW
    assert slots.rotate_if_due(NOW + DAY, DAY) is True
    assert KeySlots.open(path).rotated_at() == NOW + DAY
    slots.rotate(NOW + 3 * DAY + timedelta(microseconds=1))
    assert slots.rotated_at() == NOW + 3 * DAY


def test_a_wrapping_key_of_unknown_or_later_time_is_due(path: Path) -> None:
    slots = KeySlots.create(path, capacity=8)
    assert slots.rotated_at() is None
    assert slots.rotate_if_due(NOW, DAY) is True
    assert slots.rotate_if_due(NOW - timedelta(hours=1), DAY) is True  # a clock was wrong, then or now
    assert slots.rotated_at() == NOW - timedelta(hours=1)
    slots.rotate()
    assert slots.rotated_at() is None


def test_a_rotation_that_was_cut_short_is_finished_before_it_is_due_again(path: Path) -> None:
    slots = KeySlots.create(path, capacity=8, now=NOW - DAY)
    key = new_key()
    (number,) = slots.put([key])
    slots._begin_rotation(NOW)  # and the process died
    (during,) = slots.put([key])
    assert [slots.get(number), slots.get(during)] == [key, key]
    assert slots.rotate_if_due(NOW, DAY) is False
    assert slots.rotated_at() == NOW
    assert path.with_suffix(".kek").read_bytes()[:512] == bytes(512)
    assert [slots.get(number), slots.get(during)] == [key, key]


def test_of_several_who_find_it_due_one_rotates(path: Path) -> None:
    KeySlots.create(path, capacity=8, now=NOW - DAY).put([new_key()])
    with ThreadPoolExecutor(4) as pool:
        rotated = list(pool.map(lambda _: KeySlots(path).rotate_if_due(NOW, DAY), range(8)))
    assert sum(rotated) == 1


class Slow:
    """Wrapping keys in the file that keep everybody waiting, as a token may."""

    kind = "file"

    def __init__(self) -> None:
        self.asked, self.answers = threading.Event(), threading.Event()

    def make(self, before: bytes | None) -> bytes:
        return IN_FILE.make(before)

    def opened(self, name: bytes) -> Wrapper:
        self.asked.set()
        assert self.answers.wait(60)
        return IN_FILE.opened(name)

    def destroy_all_but(self, names: Collection[bytes]) -> None:
        IN_FILE.destroy_all_but(names)


@pytest.mark.parametrize("act", ["get", "put", "rotate", "rotate_if_due"])
def test_a_token_that_hangs_keeps_no_key_alive(path: Path, act: str) -> None:
    slots = KeySlots.create(path, capacity=8, now=NOW)
    kept, doomed = slots.put([key := new_key(), new_key()])
    slow = Slow()
    waiting = KeySlots(path, slow)
    acts = {
        "get": lambda: waiting.get(kept),
        "put": lambda: waiting.put([key]),
        "rotate": lambda: waiting.rotate(NOW),
        "rotate_if_due": lambda: waiting.rotate_if_due(NOW + DAY, DAY),
    }
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(acts[act])
        assert slow.asked.wait(60)
        assert slots.destroy([doomed]) == 1
        assert slots.live() == {kept}
        assert slots.get(kept) == key
        assert KeySlots.open(path).live() == {kept}  # nor does it keep a command from starting
        slow.answers.set()
        assert done.result()
    assert slots.get(kept) == key


def test_a_key_that_is_destroyed_while_it_is_wrapped_anew_stays_destroyed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = KeySlots.create(path, capacity=8)
    kept, doomed = slots.put([key := new_key(), new_key()])
    wrap = keys.wrapping._FileKey.wrap

    def destroying(self: keys.wrapping._FileKey, each: bytes, tag: int) -> bytes:
        slots.destroy([doomed])
        return wrap(self, each, tag)

    monkeypatch.setattr(keys.wrapping._FileKey, "wrap", destroying)
    assert slots.rotate() == 1
    assert slots.live() == {kept}
    assert slots.get(kept) == key


def test_a_key_that_is_stored_while_a_rotation_passes_is_under_the_newest(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = KeySlots.create(path, capacity=8)
    wrap = keys.wrapping._FileKey.wrap
    rotated: list[int] = []

    def overtaken(self: keys.wrapping._FileKey, each: bytes, tag: int) -> bytes:
        wrapped = wrap(self, each, tag)
        if not rotated:
            rotated.append(slots.rotate())
        return wrapped

    monkeypatch.setattr(keys.wrapping._FileKey, "wrap", overtaken)
    (number,) = slots.put([key := new_key()])
    assert rotated == [0]
    assert slots.get(number) == key


class Overtaken:
    """Wrapping keys in the file, of which the first that is asked for is replaced at that very moment."""

    kind = "file"

    def __init__(self, path: Path) -> None:
        self.path, self.gone = path, b""

    def make(self, before: bytes | None) -> bytes:
        return IN_FILE.make(before)

    def opened(self, name: bytes) -> Wrapper | None:
        if not self.gone:
            self.gone = name
            KeySlots(self.path).rotate()
        return None if name == self.gone else IN_FILE.opened(name)

    def destroy_all_but(self, names: Collection[bytes]) -> None:
        IN_FILE.destroy_all_but(names)


def test_a_wrapping_key_that_goes_while_a_key_is_stored_or_read_is_followed_by_the_next(path: Path) -> None:
    (number,) = KeySlots.create(path, capacity=8).put([key := new_key()])
    assert KeySlots(path, Overtaken(path)).get(number) == key
    (stored,) = KeySlots(path, Overtaken(path)).put([key])
    assert KeySlots(path).get(stored) == key


def test_a_key_whose_wrapping_key_goes_while_it_is_read_is_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = KeySlots.create(path, capacity=8)
    (number,) = slots.put([key := new_key()])
    unwrap = keys.wrapping._FileKey.unwrap
    rotated: list[int] = []

    def overtaken(self: keys.wrapping._FileKey, wrapped: bytes, tag: int) -> bytes | None:
        if rotated:
            return unwrap(self, wrapped, tag)
        rotated.append(0)
        slots.rotate()
        return None  # as a token says that has destroyed it

    monkeypatch.setattr(keys.wrapping._FileKey, "unwrap", overtaken)
    assert slots.get(number) == key


def test_a_rotation_that_the_disk_refuses_loses_nothing(
    slots: KeySlots, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = [new_key() for _ in range(5)]
    numbers = slots.put(stored)
    pwrite = os.pwrite

    def failing(file: int, content: bytes, offset: int) -> int:
        if offset == (numbers[3] & 0xFFFFFF) * keys.SLOT_BYTES:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pwrite(file, content, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", failing)
        with pytest.raises(KeySlotsError, match=r"cannot wrap the keys anew in .*: Input/output error; try again"):
            slots.rotate(NOW)
    assert [slots.get(number) for number in numbers] == stored
    assert KeySlots.open(path).rotate(NOW) == 5
    assert [slots.get(number) for number in numbers] == stored


def test_the_files_of_a_token_and_those_of_none_are_not_taken_for_each_other(slots: KeySlots, path: Path) -> None:
    slots.put([new_key()])
    before = on_disk(path)
    token = TokenWrapping(Token(Path("/no/module.so"), "pcsc", pin_variable="PCSC_TEST_PIN"))
    with pytest.raises(
        KeySlotsError,
        match=r"prints\.kek says that the wrapping key of prints\.slots is in a file, and the settings of the installation "
        r"say in a token: restore the settings",
    ):
        KeySlots.open(path, wrapping=token)
    assert on_disk(path) == before


# Several processes, and sudden death

ROOT = str(Path(keys.__file__).parents[2])


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    )


ALLOCATE = """
import sys
from pathlib import Path
from contact_point.keys import KeySlots
slots = KeySlots.open(Path(sys.argv[1]))
for turn in range(40):
    mine = [bytes([int(sys.argv[2]), turn]) * 16 for _ in range(3)]
    numbers = slots.put(mine)
    if turn % 4 == 3:
        slots.destroy(numbers)
    elif turn % 10 == 0:
        slots.rotate()
    if turn % 4 != 3:
        for number, key in zip(numbers, mine):
            print(number, key.hex())
"""


def test_processes_that_put_destroy_and_rotate_at_once_never_collide(path: Path) -> None:
    slots = KeySlots.create(path, capacity=100)
    children = [python(ALLOCATE, path, child) for child in (1, 2, 3)]
    lines = [line for child in children for line in child.communicate(timeout=120)[0].splitlines()]
    assert [child.returncode for child in children] == [0, 0, 0]
    expected = {int(number): bytes.fromhex(key) for number, key in map(str.split, lines)}
    assert len(expected) == len(lines) == 3 * 30 * 3
    assert len({number & 0xFFFFFF for number in expected}) == len(expected)
    assert slots.live() == frozenset(expected)
    assert {number: slots.get(number) for number in expected} == expected


def test_threads_that_share_the_slots_never_collide(slots: KeySlots) -> None:
    batches = [[new_key() for _ in range(3)] for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(slots.put, batches))
        assert list(pool.map(lambda batch: [slots.get(number) for number in batch], numbers)) == batches
        assert sum(pool.map(slots.destroy, numbers)) == 120
    assert slots.live() == frozenset()


# Runs an act again and again in a copy of the files, each time killed at the next system call that changes something.
KILL_AT_EACH_CALL = """
import os, shutil, signal, sys
from pathlib import Path
from contact_point import keys
from contact_point.keys import KeySlots, new_key
keys.slots._AT_ONCE = 2
base, act = Path(sys.argv[1]), sys.argv[2]
numbers = [int(number) for number in sys.argv[3:]]
for call in range(1, 1000):
    folder = base.parent / f"killed-at-{call}"
    shutil.copytree(base, folder)
    child = os.fork()
    if child == 0:
        made = 0
        def deadly(real):
            def counted(*arguments):
                global made
                made += 1
                if made == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments)
            return counted
        for name in ("pwrite", "fdatasync", "fsync", "ftruncate"):
            setattr(os, name, deadly(getattr(os, name)))
        slots = KeySlots.open(folder / "prints.slots")
        if act == "put":
            slots.put([new_key() for _ in range(4)])
        elif act == "destroy":
            slots.destroy(numbers)
        else:
            slots.rotate()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        print(call - 1)
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
"""


@pytest.mark.parametrize(("act", "calls"), [("put", 7), ("destroy", 3), ("rotate", 10)])
def test_death_at_any_system_call_leaves_whole_keys_and_a_finishable_act(tmp_path: Path, act: str, calls: int) -> None:
    base = tmp_path / "base"
    base.mkdir()
    slots = KeySlots.create(base / "prints.slots", capacity=3)
    stored = dict(zip(numbers := slots.put([new_key() for _ in range(3)]), map(slots.get, numbers), strict=True))
    old_wrapping_key = (base / "prints.kek").read_bytes()[8:40]
    doomed = numbers[:2] if act == "destroy" else []
    child = python(KILL_AT_EACH_CALL, base, act, *doomed)
    assert child.communicate(timeout=120)[0].split() == [str(calls)]
    for call in range(1, calls + 1):
        killed = KeySlots.open(tmp_path / f"killed-at-{call}" / "prints.slots")
        kept = set(numbers) - set(doomed)
        assert {number: killed.get(number) for number in kept} == {number: stored[number] for number in kept}
        assert all(len(killed.get(number)) == 32 for number in killed.live())
        killed.destroy(doomed)
        killed.rotate()
        killed.destroy(killed.live() - kept)
        assert killed.live() == kept
        assert {number: killed.get(number) for number in kept} == {number: stored[number] for number in kept}
        assert old_wrapping_key not in on_disk(tmp_path / f"killed-at-{call}" / "prints.slots")


CHURN = """
import sys
from pathlib import Path
from contact_point.keys import KeySlots, new_key
slots = KeySlots.open(Path(sys.argv[1]))
while True:
    numbers = slots.put([new_key() for _ in range(20)])
    print(*numbers, flush=True)
    slots.destroy(numbers[::2])
    print("destroyed", flush=True)
    slots.rotate()
"""


@pytest.mark.parametrize("lines", [1, 2, 5, 8])
def test_kill_9_amid_work_loses_no_stored_key_and_revives_no_destroyed_one(
    slots: KeySlots, path: Path, lines: int
) -> None:
    child = python(CHURN, path)
    assert child.stdout is not None
    said = [child.stdout.readline().split() for _ in range(lines)]
    child.send_signal(signal.SIGKILL)
    said += [line.split() for line in child.stdout]
    child.wait()
    child.stdout.close()
    batches = [[int(number) for number in line] for line in said if line[0] != "destroyed"]
    destroyed = [number for batch in batches[: said.count(["destroyed"])] for number in batch[::2]]
    kept = [number for batch in batches for number in batch[1::2]]
    live = KeySlots.open(path).live()
    assert live >= set(kept)
    assert not live & set(destroyed)
    assert all(len(slots.get(number)) == 32 for number in live)
