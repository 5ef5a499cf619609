"""Wrapping keys in a PKCS #11 token (SoftHSM): rotation, sudden death at each step, forks, threads, processes, failures."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pkcs11 import Attribute, AttributeSensitive, KeyType

from annex.parameters import Party
from contact_point import installation, keys, main, settings
from contact_point.keys import (
    DestructionError,
    KeyDestroyedError,
    KeySlots,
    KeySlotsError,
    Token,
    TokenError,
    TokenWrapping,
    new_key,
)

from . import slot_files
from .tokens import PIN, softhsm

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

NOW = datetime(2026, 11, 22, 17, 7, 9, tzinfo=UTC)
DAY = timedelta(hours=24)

path = slot_files.path


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    with softhsm(tmp_path_factory.mktemp("softhsm")) as made:
        yield made


@pytest.fixture
def wrapping(token: Token) -> TokenWrapping:
    return TokenWrapping(token)


@pytest.fixture
def slots(path: Path, wrapping: TokenWrapping) -> KeySlots:
    return KeySlots.create(path, capacity=64, wrapping=wrapping, now=NOW)


def names(path: Path) -> list[bytes]:
    """Return the names of the wrapping keys in a ``.kek`` file."""
    kek = path.with_suffix(".kek").read_bytes()
    return [kek[sector + 8 : sector + 40] for sector in (0, 512) if any(kek[sector : sector + 8])]


def objects(connection: Any, path: Path) -> list[Any]:
    """Return the token's keys of one slot file."""
    return list(connection.session.get_objects(keys.tokens._template(names(path)[0])))


def objects_by_name(wrapping: TokenWrapping, path: Path) -> list[bytes]:
    return [bytes(found[Attribute.ID]) for found in wrapping._do(lambda connection: objects(connection, path))]


def test_keys_come_back_through_the_token(slots: KeySlots, path: Path, wrapping: TokenWrapping) -> None:
    stored = [new_key() for _ in range(5)]
    numbers = slots.put(stored)
    assert [slots.get(number) for number in numbers] == stored
    again = KeySlots.open(path, wrapping=wrapping)
    assert [again.get(number) for number in numbers] == stored
    assert again.rotated_at() == NOW
    on_disk = path.read_bytes() + path.with_suffix(".kek").read_bytes()
    assert not any(key in on_disk for key in stored)


def test_the_wrapping_key_was_made_in_the_token_and_cannot_leave_it(
    slots: KeySlots, path: Path, wrapping: TokenWrapping
) -> None:
    (key,) = wrapping._do(lambda connection: objects(connection, path))
    assert not key[Attribute.EXTRACTABLE]
    kept = ("SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "LOCAL", "PRIVATE", "TOKEN")
    assert all(key[Attribute[name]] for name in kept)
    assert not any(key[Attribute[name]] for name in ("WRAP", "UNWRAP", "SIGN", "DERIVE", "MODIFIABLE"))
    with pytest.raises(AttributeSensitive):
        key[Attribute.VALUE]


def test_after_a_rotation_no_older_copy_of_both_files_opens_anything(
    slots: KeySlots, path: Path, wrapping: TokenWrapping, tmp_path: Path
) -> None:
    stored = [new_key() for _ in range(5)]
    numbers = slots.put(stored)
    copy = tmp_path / "copy" / path.name
    shutil.copytree(tmp_path, copy.parent)
    older = KeySlots.open(copy, wrapping=wrapping)
    assert [older.get(number) for number in numbers] == stored  # the bound is one epoch
    assert slots.rotate(NOW + DAY) == 5
    assert [slots.get(number) for number in numbers] == stored
    for opened in (older, KeySlots.open(copy, wrapping=wrapping)):
        for number in numbers:
            with pytest.raises(KeyDestroyedError, match="wrapped by a wrapping key that exists no more"):
                opened.get(number)
        for act in (lambda each=opened: each.put([new_key()]), lambda each=opened: each.rotate(NOW)):
            with pytest.raises(
                KeySlotsError, match=r"wrapping key of prints\.slots, generation 1, exists no more: .*an older copy"
            ):
                act()
    assert older.destroy(numbers) == 5  # the copy's own; what must be destroyed always can be
    assert [slots.get(number) for number in numbers] == stored  # and the copy did no harm
    assert objects_by_name(wrapping, path) == names(path)


def test_each_slot_file_has_keys_of_its_own_in_one_token(tmp_path: Path, wrapping: TokenWrapping) -> None:
    one, other = (KeySlots.create(tmp_path / f"{name}.slots", capacity=4, wrapping=wrapping) for name in "ab")
    (number,) = other.put([key := new_key()])
    for _ in range(3):
        one.rotate()
    assert other.get(number) == key
    assert [len(objects_by_name(wrapping, tmp_path / f"{name}.slots")) for name in "ab"] == [1, 1]


def test_a_key_moved_to_another_slot_does_not_open_there(slots: KeySlots, path: Path) -> None:
    here, there = slots.put([new_key(), new_key()])
    content = bytearray(path.read_bytes())
    start, target = ((number & 0xFFFFFF) * keys.SLOT_BYTES + 8 for number in (here, there))
    content[target : target + 56] = content[start : start + 56]
    path.write_bytes(content)
    with pytest.raises(KeyDestroyedError, match="was damaged"):
        slots.get(there)


def test_every_damaged_slot_is_told_from_a_token_that_fails(slots: KeySlots, path: Path) -> None:
    numbers = slots.put([key := new_key(), new_key()])
    content = bytearray(path.read_bytes())
    content[(numbers[1] & 0xFFFFFF) * keys.SLOT_BYTES + 30] ^= 1
    path.write_bytes(content)
    with pytest.raises(KeyDestroyedError, match="was damaged"):
        slots.get(numbers[1])
    assert slots.rotate() == 2  # the damaged one stays until it is destroyed
    assert slots.get(numbers[0]) == key
    assert slots.destroy(slots.live()) == 2


def test_the_files_of_a_token_are_not_opened_without_it(slots: KeySlots, path: Path) -> None:
    with pytest.raises(KeySlotsError, match=r"is in a token, and the settings of the installation say in a file"):
        KeySlots.open(path)


def test_the_token_is_checked_and_software_named(wrapping: TokenWrapping) -> None:
    (remark,) = wrapping.check()
    assert remark == (
        "The token pcsc test is SoftHSM, which keeps its keys in files: what it destroys may stay on the disk, so it is for "
        "trying out and protects no print (Art. 8, 9)."
    )


# When the token is not there


def absent(token: Token) -> TokenWrapping:
    return TokenWrapping(Token(token.module, "no such token", token.pin_file))


def test_without_the_token_what_must_be_destroyed_is(slots: KeySlots, path: Path, token: Token) -> None:
    numbers = slots.put([new_key() for _ in range(3)])
    without = KeySlots.open(path, wrapping=absent(token))
    assert without.live() == set(numbers)
    assert without.destroy(numbers[:2]) == 2
    for act in (lambda: without.get(numbers[2]), lambda: without.put([new_key()]), lambda: without.rotate(NOW)):
        with pytest.raises(
            TokenError, match=r"the token no such token \(libsofthsm2\.so\) cannot be used: NoSuchToken"
        ):
            act()
    assert slots.live() == {numbers[2]}
    assert len(slots.get(numbers[2])) == 32


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    wrapping = TokenWrapping(Token(tmp_path / "absent.so", "pcsc", pin_variable="PCSC_TEST_PIN"))
    with pytest.raises(TokenError, match=r"the token pcsc \(absent\.so\) cannot be used: .*absent\.so"):
        wrapping.check()
    with pytest.raises(TokenError, match=r"absent\.so"):
        KeySlots.create(tmp_path / "prints.slots", wrapping=wrapping)
    assert not list(tmp_path.iterdir())


# Holds the locks on the token's own files until it is told to end: SoftHSM waits for them without a limit.
_LOCKING = """
import fcntl, sys
files = [open(name, "r+b") for name in sys.argv[1:]]
for file in files:
    fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def hanging(folder: Path) -> Iterator[None]:
    """Let every call into the token in ``folder`` hang while the block runs."""
    files = [str(each) for each in folder.rglob("*") if each.is_file()]
    command = [sys.executable, "-c", _LOCKING, *files]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        yield
        holder.communicate()


def test_8_a_token_that_hangs_is_given_up_and_keeps_no_key_alive(
    slots: KeySlots, path: Path, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys.tokens, "PATIENCE", 0.5)
    first, second = slots.put([new_key(), key := new_key()])
    assert token.pin_file is not None
    with hanging(token.pin_file.parent / "tokens"):
        with pytest.raises(
            TokenError, match=r"^the token pcsc test \(libsofthsm2\.so\) did not answer within 0\.5 seconds"
        ):
            slots.get(first)
        monkeypatch.setattr(keys.tokens, "PATIENCE", 3600.0)
        for call in (lambda: slots.get(second), lambda: slots.put([new_key()]), slots.rotate):
            with pytest.raises(TokenError, match="did not answer"):  # at once: nobody waits behind a call that hangs
                call()
        assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0  # children are still made
        assert os.waitpid(_child(), 0)[1] == 0
        assert slots.destroy([first]) == 1
        assert not any(path.read_bytes()[64 * (first & 0xFFFFFF) :][:64])
    monkeypatch.setattr(keys.tokens, "PATIENCE", 10.0)
    for _ in range(100):  # until the call that hung has returned
        if not keys.tokens._HANGING.is_set():
            break
        time.sleep(0.05)
    assert slots.get(second) == key


def _child() -> int:
    """Fork a child that ends at once."""
    child = os.fork()
    if not child:
        os._exit(0 if not keys.tokens._HANGING.is_set() else 1)
    return child


# The library tries to end a search in the session that is gone, when it forgets it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_session_that_was_lost_is_opened_again(slots: KeySlots, wrapping: TokenWrapping) -> None:
    (number,) = slots.put([key := new_key()])
    wrapping._do(lambda connection: connection.session.close())
    assert slots.get(number) == key
    wrapping._do(lambda connection: connection.library.reinitialize())
    slots.rotate()
    assert slots.get(number) == key


def test_a_key_that_could_be_taken_out_is_not_used(slots: KeySlots, path: Path, wrapping: TokenWrapping) -> None:
    (number,) = slots.put([new_key()])
    (name,) = names(path)

    def exchange(connection: Any) -> None:
        (kept,) = objects(connection, path)
        kept.destroy()
        connection.keys.clear()
        connection.session.generate_key(
            KeyType.AES, 256, id=name, label=keys.tokens._LABEL + name[:16].hex(), store=True,
            template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
        )  # fmt: skip

    wrapping._do(exchange)
    with pytest.raises(
        TokenError,
        match=r"^Art\. 9: a wrapping key in the token pcsc test was not generated there, or can or could be taken",
    ):
        slots.get(number)


def test_a_key_that_one_search_misses_is_not_taken_for_gone(
    slots: KeySlots, wrapping: TokenWrapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = [new_key() for _ in range(3)]
    numbers = slots.put(stored)
    slots._begin_rotation(NOW)
    find, missed = keys.tokens._key, []

    def missing(connection: Any, name: bytes) -> Any:
        if len(missed) in {0, 3, 7}:
            missed.append(name)
            return None
        missed.append(name)
        return find(connection, name)

    monkeypatch.setattr(keys.tokens, "_key", missing)
    assert KeySlots.open(slots._path, wrapping=wrapping).rotate(NOW) == 3
    assert [slots.get(number) for number in numbers] == stored


def test_two_keys_of_one_name_are_not_told_apart(slots: KeySlots, path: Path, wrapping: TokenWrapping) -> None:
    (number,) = slots.put([new_key()])
    (name,) = names(path)

    def double(connection: Any) -> None:
        connection.keys.clear()
        connection.session.generate_key(
            KeyType.AES, 256, id=name, label=keys.tokens._LABEL + name[:16].hex(), store=True
        )

    wrapping._do(double)
    with pytest.raises(TokenError, match="the token pcsc test holds 2 wrapping keys of one name"):
        slots.get(number)


def test_an_old_key_that_the_token_keeps_is_noticed_and_destroyed_later(
    slots: KeySlots, path: Path, wrapping: TokenWrapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    (number,) = slots.put([key := new_key()])

    def unwilling(connection: Any, kept: Collection[bytes]) -> int:
        return len({bytes(found[Attribute.ID]) for found in objects(connection, path)} - set(kept))

    with monkeypatch.context() as patch:
        patch.setattr(keys.tokens, "_destroy", unwilling)
        with pytest.raises(
            DestructionError,
            match=r"^Art\. 8: the token pcsc test still holds 1 older wrapping keys after their destruction",
        ):
            slots.rotate(NOW + DAY)
    assert len(objects_by_name(wrapping, path)) == 2
    assert slots.rotate_if_due(NOW + DAY, DAY) is False
    assert objects_by_name(wrapping, path) == names(path)
    assert slots.get(number) == key


# The PIN


def test_the_pin_is_in_a_file_of_the_owner_alone(token: Token, tmp_path: Path) -> None:
    assert token.pin() == PIN
    assert PIN not in repr(token)
    file = tmp_path / "pin"
    named = Token(token.module, token.label, pin_file=file)
    with pytest.raises(TokenError, match=r"cannot read the PIN of the token pcsc test from .*pin: No such file"):
        named.pin()
    file.write_bytes(b"\n")
    file.chmod(0o600)
    with pytest.raises(TokenError, match=r"is expected in the file .*pin, one line of 1 to 255 bytes; it holds 0$"):
        named.pin()
    file.write_bytes(b"x" * 400)
    with pytest.raises(TokenError, match=r"it holds 258$"):
        named.pin()
    file.write_bytes(b"\xff")
    with pytest.raises(TokenError, match="it is not UTF-8"):
        named.pin()
    file.chmod(0o640)
    file.write_text(PIN)
    with pytest.raises(TokenError, match=r"^Art\. 9: pin, which holds the PIN of the token pcsc test, has mode 0640"):
        named.pin()


def test_the_pin_may_be_in_a_named_variable(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    named = Token(token.module, token.label, pin_variable="PCSC_TEST_PIN")
    monkeypatch.delenv("PCSC_TEST_PIN", raising=False)
    with pytest.raises(TokenError, match=r"expected in the environment variable PCSC_TEST_PIN, .*; it holds 0$"):
        TokenWrapping(named).check()
    monkeypatch.setenv("PCSC_TEST_PIN", PIN)
    assert named.pin() == PIN
    assert TokenWrapping(named).check()


@pytest.mark.parametrize("both", [(None, None), (Path("pin"), "PIN")])
def test_one_place_of_the_pin_is_named(both: tuple[Path | None, str | None]) -> None:
    with pytest.raises(TokenError, match="in a file or in an environment variable: the settings name one of them"):
        Token(Path("module.so"), "pcsc", *both)


# In processes of their own: SoftHSM counts and remembers for each.

ROOT = str(Path(keys.__file__).parents[2])


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    )


def said(script: str, *arguments: object) -> list[str]:
    child = python(script, *arguments)
    lines = child.communicate(timeout=120)[0].splitlines()
    assert child.returncode == 0
    return lines


START = """
import os, shutil, signal, sys
from pathlib import Path
from contact_point import keys
from contact_point.keys import KeyDestroyedError, KeySlots, KeysError, Token, TokenWrapping, new_key
wrapping = TokenWrapping(Token(Path(sys.argv[1]), "pcsc test", pin_file=Path(sys.argv[2])))
path = Path(sys.argv[3])
"""

WRONG_PIN = """
import pkcs11
tried = 0
connect = keys.tokens._library
def counting(module):
    global tried
    tried += 1
    return connect(module)
keys.tokens._library = counting
for turn in range(3):
    try:
        wrapping.check()
    except KeysError as error:
        print(tried, error)
"""


def test_a_pin_that_was_refused_is_not_tried_again(token: Token, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("0000-0000")
    pin.chmod(0o600)
    lines = said(START + WRONG_PIN, token.module, pin, tmp_path)
    refusal = (
        "1 the token pcsc test refused the PIN; it is not tried again, for a token locks itself after a few attempts: "
        "correct the PIN, then start anew"
    )
    assert lines == [refusal] * 3
    assert "Somebody gave the token pcsc test a wrong PIN since the last login: find out who." in said(
        START + "print(*wrapping.check(), sep='\\n')", token.module, token.pin_file, tmp_path
    )


FORKS = """
slots = KeySlots.open(path, wrapping=wrapping)
(number,) = slots.put([bytes(range(32))])
for turn in range(3):
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        assert slots.get(number) == bytes(range(32))
        slots.rotate()
        if grandchild:
            assert os.waitpid(grandchild, 0)[1] == 0
        os._exit(0)
    assert slots.get(number) == bytes(range(32))
    slots.rotate()
    assert os.waitpid(child, 0)[1] == 0
    assert slots.get(number) == bytes(range(32))
print("done")
"""


def test_a_forked_child_and_its_parent_both_go_on(slots: KeySlots, path: Path, token: Token) -> None:
    assert said(START + FORKS, token.module, token.pin_file, path) == ["done"]
    assert len(slots.live()) == 1


ALLOCATE = """
slots = KeySlots.open(path, wrapping=wrapping)
for turn in range(12):
    mine = [bytes([int(sys.argv[4]), turn]) * 16 for _ in range(3)]
    numbers = slots.put(mine)
    if turn % 4 == 3:
        slots.destroy(numbers)
    elif turn % 3 == 0:
        slots.rotate()
    if turn % 4 != 3:
        for number, key in zip(numbers, mine):
            print(number, key.hex())
"""


def test_processes_that_put_destroy_and_rotate_at_once_never_collide(
    path: Path, token: Token, wrapping: TokenWrapping
) -> None:
    slots = KeySlots.create(path, capacity=100, wrapping=wrapping)
    children = [python(START + ALLOCATE, token.module, token.pin_file, path, child) for child in (1, 2, 3)]
    lines = [line for child in children for line in child.communicate(timeout=120)[0].splitlines()]
    assert [child.returncode for child in children] == [0, 0, 0]
    expected = {int(number): bytes.fromhex(key) for number, key in map(str.split, lines)}
    assert len(expected) == 3 * 9 * 3
    assert {number: slots.get(number) for number in expected} == expected
    assert slots.live() == frozenset(expected)
    assert objects_by_name(wrapping, path) == names(path)


def test_threads_share_the_session(slots: KeySlots) -> None:
    batches = [[new_key() for _ in range(3)] for _ in range(20)]
    with ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(slots.put, batches))
        rotations = [pool.submit(slots.rotate) for _ in range(3)]
        assert list(pool.map(lambda batch: [slots.get(number) for number in batch], numbers)) == batches
        assert all(rotation.result() for rotation in rotations)
        assert sum(pool.map(slots.destroy, numbers)) == 60


# Runs a rotation again and again in copies of the files and of the token, each time killed before the next step that changes
# something in either; another process then looks at what was left.
KILL_AT_EACH_STEP = """
base, numbers = path.parent.parent, [int(number) for number in sys.argv[4:]]
keys.slots._AT_ONCE = 2
def configured(folder):
    text = (folder / "softhsm2.conf").read_text().replace(str(base), str(folder))
    (folder / "softhsm2.conf").write_text(text)
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    return KeySlots(folder / "slots" / path.name, wrapping)
def rotate(folder, deadly_call):
    made = 0
    def deadly(real, name):
        def counted(*arguments):
            nonlocal made
            made += 1
            if made == deadly_call:
                print(name, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments)
        return counted
    slots = configured(folder)
    for module, name in ((os, "pwrite"), (os, "fdatasync"), (keys.tokens, "_generate"), (keys.tokens, "_destroy")):
        setattr(module, name, deadly(getattr(module, name), name))
    slots.rotate()
    print("survived", flush=True)
def look(folder, older, call):
    slots = configured(folder)
    expected = {number: bytes([place]) * 32 for place, number in enumerate(numbers)}
    assert {number: slots.get(number) for number in slots.live()} == expected, "a key was lost"
    slots = KeySlots.open(slots._path, wrapping=wrapping)  # finishes it
    assert {number: slots.get(number) for number in slots.live()} == expected, "a key was lost at open"
    slots.destroy(numbers[:2])
    slots.rotate()
    assert {number: slots.get(number) for number in slots.live()} == dict(list(expected.items())[2:])
    kek = slots._kek.read_bytes()
    (name,) = [kek[sector + 8 : sector + 40] for sector in (0, 512) if any(kek[sector : sector + 512])]
    template = keys.tokens._template(name)
    assert wrapping._do(lambda c: len(list(c.session.get_objects(template)))) == 1, "an old key is left"
    copy = KeySlots.open(older, wrapping=wrapping)
    try:
        copy.get(numbers[call % 5])
    except KeyDestroyedError:
        return
    raise AssertionError("the older copy opens")
for call in range(1, 100):
    folder = base.parent / f"killed-at-{call}"
    shutil.copytree(base, folder)
    child = os.fork()
    if child == 0:
        rotate(folder, call)
        os._exit(0)
    rotated = os.waitpid(child, 0)[1]
    child = os.fork()
    if child == 0:
        look(folder, base / "slots" / path.name, call)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, call
    if rotated == 0:
        break
"""


def test_death_at_any_step_of_a_rotation_loses_no_key_and_leaves_no_old_one(tmp_path: Path, token: Token) -> None:
    base = tmp_path / "base"
    made = Path(os.environ["SOFTHSM2_CONF"]).parent
    shutil.copytree(made, base)
    (base / "softhsm2.conf").write_text((made / "softhsm2.conf").read_text().replace(str(made), str(base)))
    (base / "slots").mkdir()
    path = base / "slots" / "prints.slots"
    script = """
os.environ["SOFTHSM2_CONF"] = str(path.parent.parent / "softhsm2.conf")
print(*KeySlots.create(path, capacity=8, wrapping=wrapping).put([bytes([place]) * 32 for place in range(5)]))
"""
    numbers = said(START + script, token.module, token.pin_file, path)[0].split()
    steps = said(START + KILL_AT_EACH_STEP, token.module, token.pin_file, path, *numbers)
    # Nothing to destroy at first; the new key, its sector; twice two keys and then one; the old key, its sector.
    turns = [["pwrite"] * size + ["fdatasync"] for size in (2, 2, 1)]
    assert steps == [
        *("_destroy", "_generate", "pwrite", "fdatasync", "fdatasync"),
        *chain.from_iterable(turns),
        *("_destroy", "pwrite", "fdatasync", "survived"),
    ]


def test_9_an_installation_keeps_its_wrapping_keys_in_the_token_that_its_settings_name(
    token: Token, tmp_path: Path
) -> None:
    named = settings.Keys(token=token)
    plan = installation.Plan(Party.JP, "contact point of Japan", "127.0.0.1", 8443, keys=named)
    made = installation.create(tmp_path / "jp", plan, NOW)
    assert settings.read(tmp_path / "jp").keys == named
    with main.opened(tmp_path / "jp") as here, here.store.transaction() as tx:
        assert tx.exchanges() == []
    wrapping = installation.wrapping(tmp_path / "jp", made.keys)
    assert [KeySlots.open(path, wrapping=wrapping).rotate(NOW) for path in made.folder.slots] == [0, 0, 0]
    with pytest.raises(KeySlotsError):
        KeySlots.open(made.folder.exchange_slots).rotate(NOW)
