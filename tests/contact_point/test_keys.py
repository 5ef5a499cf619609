"""Keys of prints at rest: sealing, slots that are overwritten in place, rotation, sudden death; the signing key."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from http_message_signatures import algorithms
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_point import keys
from contact_point.keys import (
    DestructionError,
    KeyDestroyedError,
    KeySlots,
    KeySlotsError,
    SealError,
    SignatureError,
    SigningKey,
    SigningKeyError,
    VerifyingKey,
    erasure_warning,
    new_key,
    seal,
    unseal,
)

PLACE = "exchange-1/probe/JP"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prints.slots"


@pytest.fixture
def slots(path: Path) -> KeySlots:
    return KeySlots.create(path, capacity=64)


def wrapped(path: Path, slot: int) -> bytes:
    """Return the 40 bytes that hold a key in the slot file."""
    start = (slot & 0xFFFFFF) * keys.SLOT_BYTES + 8
    return path.read_bytes()[start : start + 40]


def on_disk(path: Path) -> bytes:
    return path.read_bytes() + path.with_suffix(".kek").read_bytes()


# Sealing


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=5000), st.text(max_size=40))
def test_what_is_sealed_opens_with_its_key_in_its_place(plaintext: bytes, place: str) -> None:
    key = new_key()
    sealed = seal(key, plaintext, bound_to=place)
    assert unseal(key, sealed, bound_to=place) == plaintext
    assert len(sealed) == len(plaintext) + 28


def test_sealed_bytes_open_under_no_other_key_and_in_no_other_place() -> None:
    key = new_key()
    sealed = seal(key, b"minutiae", bound_to=PLACE)
    with pytest.raises(SealError, match=r"^Art\. 9: 36 sealed bytes do not open as 'exchange-1/probe/JP'"):
        unseal(new_key(), sealed, bound_to=PLACE)
    with pytest.raises(SealError, match=r"do not open as 'exchange-2/probe/JP'.*moved from another place"):
        unseal(key, sealed, bound_to="exchange-2/probe/JP")


def test_every_changed_bit_and_every_cut_is_noticed() -> None:
    key = new_key()
    sealed = seal(key, b"minutiae", bound_to=PLACE)
    changed = [
        sealed[:i] + bytes([sealed[i] ^ 1 << bit]) + sealed[i + 1 :] for i in range(len(sealed)) for bit in range(8)
    ]
    for wrong in [*changed, *(sealed[:length] for length in range(len(sealed))), sealed + b"\0"]:
        with pytest.raises(SealError, match="the bytes were changed"):
            unseal(key, wrong, bound_to=PLACE)


def test_the_same_print_never_seals_to_the_same_bytes() -> None:
    key = new_key()
    assert len({seal(key, b"minutiae", bound_to=PLACE)[:12] for _ in range(1000)}) == 1000


def test_a_data_key_has_32_bytes(slots: KeySlots) -> None:
    assert len(new_key()) == 32
    with pytest.raises(SealError, match=r"a data key has 32 bytes \(AES-256\); got 16"):
        seal(bytes(16), b"", bound_to=PLACE)
    with pytest.raises(KeySlotsError, match=r"a data key has 32 bytes \(AES-256\); got 16"):
        slots.put([new_key(), bytes(16)])
    assert slots.live() == frozenset()


# Slots


def test_keys_come_back_from_their_slots_also_after_opening_anew(slots: KeySlots, path: Path) -> None:
    stored = [new_key() for _ in range(5)]
    numbers = slots.put(stored)
    assert [slots.get(number) for number in numbers] == stored
    again = KeySlots.open(path)
    assert [again.get(number) for number in numbers] == stored
    assert again.live() == frozenset(numbers)


def test_both_files_are_preallocated_and_only_the_owners(slots: KeySlots, path: Path) -> None:
    size = path.stat().st_size
    slots.put([new_key() for _ in range(64)])
    assert size == path.stat().st_size == 65 * keys.SLOT_BYTES
    for file in (path, path.with_suffix(".kek")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_destroyed_key_is_nowhere_in_either_file(slots: KeySlots, path: Path) -> None:
    doomed, kept = new_key(), new_key()
    doomed_slot, kept_slot = slots.put([doomed, kept])
    traces = {number: wrapped(path, number) for number in (doomed_slot, kept_slot)}
    assert all(trace in on_disk(path) for trace in traces.values())  # the search finds what is there
    assert slots.destroy([doomed_slot]) == 1
    assert traces[doomed_slot] not in on_disk(path)
    assert not any(traces[doomed_slot][start : start + 8] in on_disk(path) for start in range(0, 40, 8))
    assert traces[kept_slot] in on_disk(path)
    assert doomed not in on_disk(path)
    assert kept not in on_disk(path)
    assert slots.get(kept_slot) == kept


def test_a_destroyed_key_is_refused_with_the_article(slots: KeySlots) -> None:
    (number,) = slots.put([new_key()])
    slots.destroy([number])
    with pytest.raises(KeyDestroyedError, match=rf"^Art\. 8: the key in slot {number} of prints\.slots was destroyed"):
        slots.get(number)


def test_destroying_again_is_harmless_and_counts_nothing(slots: KeySlots) -> None:
    numbers = slots.put([new_key(), new_key()])
    assert slots.destroy(numbers[:1]) == 1
    assert slots.destroy(numbers) == 1
    assert slots.destroy(numbers) == 0
    assert slots.destroy([]) == 0
    assert slots.live() == frozenset()


def test_a_number_kept_too_long_reaches_nobody_elses_key(path: Path) -> None:
    slots = KeySlots.create(path, capacity=1)
    (old,) = slots.put([new_key()])
    slots.destroy([old])
    key = new_key()
    (new,) = slots.put([key])
    assert old & 0xFFFFFF == new & 0xFFFFFF  # the same place
    with pytest.raises(KeyDestroyedError, match=rf"slot {old} of"):
        slots.get(old)
    assert slots.destroy([old]) == 0
    assert slots.get(new) == key


@pytest.mark.parametrize("number", [0, 1, -1, 2**63 - 1, 65, 1 << 24, (0x7063736320 << 24)])
def test_a_number_never_given_holds_nothing(slots: KeySlots, path: Path, number: int) -> None:
    before = path.read_bytes()
    assert slots.destroy([number]) == 0
    with pytest.raises(KeyDestroyedError):
        slots.get(number)
    assert path.read_bytes() == before


def test_numbers_fit_a_signed_64_bit_column(slots: KeySlots) -> None:
    assert all(0 < number < 2**63 for number in slots.put([new_key() for _ in range(64)]))


def test_a_full_file_grows_by_a_whole_extent(slots: KeySlots, path: Path) -> None:
    stored = [new_key() for _ in range(70)]
    numbers = slots.put(stored)
    assert path.stat().st_size == (1 + 64 + keys.EXTENT) * keys.SLOT_BYTES
    assert [slots.get(number) for number in numbers] == stored
    assert slots.live() == frozenset(numbers)


def test_a_freed_place_is_not_the_next_one_used(slots: KeySlots) -> None:
    (first,) = slots.put([new_key()])
    slots.destroy([first])
    (second,) = slots.put([new_key()])
    assert second & 0xFFFFFF != first & 0xFFFFFF


def test_a_key_moved_to_another_slot_opens_no_other_row(slots: KeySlots, path: Path) -> None:
    mine, other = new_key(), new_key()
    row = seal(mine, b"minutiae", bound_to=PLACE)
    mine_slot, other_slot = slots.put([mine, other])
    content = bytearray(path.read_bytes())
    here, there = ((number & 0xFFFFFF) * keys.SLOT_BYTES + 8 for number in (mine_slot, other_slot))
    content[here : here + 40], content[there : there + 40] = content[there : there + 40], content[here : here + 40]
    path.write_bytes(content)
    with pytest.raises(SealError, match="do not open as"):
        unseal(slots.get(mine_slot), row, bound_to=PLACE)


def test_a_damaged_slot_opens_nothing_and_can_be_destroyed(slots: KeySlots, path: Path) -> None:
    (number,) = slots.put([new_key()])
    content = bytearray(path.read_bytes())
    content[(number & 0xFFFFFF) * keys.SLOT_BYTES + 20] ^= 1
    path.write_bytes(content)
    with pytest.raises(KeyDestroyedError, match="wrapped by a wrapping key that exists no more, or was damaged"):
        slots.get(number)
    assert slots.destroy(slots.live()) == 1


def test_nothing_is_ever_overwritten_at_creation(slots: KeySlots, path: Path) -> None:
    before = on_disk(path)
    with pytest.raises(KeySlotsError, match=r"cannot create prints\.kek: File exists; keys are never overwritten"):
        KeySlots.create(path)
    assert on_disk(path) == before
    path.with_suffix(".kek").unlink()
    with pytest.raises(KeySlotsError, match=r"cannot create prints\.slots: File exists"):
        KeySlots.create(path)
    assert not path.with_suffix(".kek").exists()


def test_opening_says_what_is_wrong(slots: KeySlots, path: Path, tmp_path: Path) -> None:
    with pytest.raises(KeySlotsError, match=r"cannot open absent\.slots: No such file"):
        KeySlots.open(tmp_path / "absent.slots")
    path.chmod(0o640)
    with pytest.raises(KeySlotsError, match=r"^Art\. 9: prints\.slots has mode 0640"):
        KeySlots.open(path)
    path.chmod(0o600)
    kek = path.with_suffix(".kek").read_bytes()
    path.with_suffix(".kek").write_bytes(bytes(1024))
    with pytest.raises(KeySlotsError, match=r"prints\.kek holds no whole wrapping key"):
        KeySlots.open(path)
    path.with_suffix(".kek").write_bytes(kek)
    path.write_bytes(b"somebody's thesis")
    with pytest.raises(KeySlotsError, match="is not a file of key slots, format 1; nothing was changed in it"):
        KeySlots.open(path)
    assert path.read_bytes() == b"somebody's thesis"


@pytest.mark.parametrize(("name", "capacity"), [("prints.kek", 8), ("prints.slots", 0), ("prints.slots", 2**24)])
def test_impossible_slots_are_refused(tmp_path: Path, name: str, capacity: int) -> None:
    with pytest.raises(KeySlotsError, match=r"a path with a suffix other than \.kek and 1 to 16777215 slots"):
        KeySlots.create(tmp_path / name, capacity=capacity)


def test_a_disk_that_keeps_the_old_bytes_is_noticed(
    slots: KeySlots, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (number,) = slots.put([new_key()])
    monkeypatch.setattr(os, "pwrite", lambda _file, content, _offset: len(content))
    with pytest.raises(DestructionError, match=r"^Art\. 8: prints\.slots may still hold destroyed keys \(other bytes"):
        slots.destroy([number])


def test_one_slot_that_cannot_be_overwritten_does_not_save_the_others(
    slots: KeySlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = slots.put([new_key() for _ in range(3)])
    stuck = (numbers[1] & 0xFFFFFF) * keys.SLOT_BYTES
    pwrite = os.pwrite

    def failing(file: int, content: bytes, offset: int) -> int:
        if offset == stuck:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pwrite(file, content, offset)

    monkeypatch.setattr(os, "pwrite", failing)
    with pytest.raises(DestructionError, match=r"Input/output error.*the deletion is not done"):
        slots.destroy(numbers)
    assert slots.live() == {numbers[1]}


@pytest.mark.parametrize("failing", ["pwrite", "fsync"])
def test_a_full_disk_refuses_new_keys_and_still_destroys(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    slots = KeySlots.create(path, capacity=1)
    numbers = slots.put([new_key()])
    pwrite, size = os.pwrite, path.stat().st_size

    def full(file: int, content: bytes = b"", offset: int = 0) -> int:
        if failing == "pwrite" and offset + len(content) <= size:
            return pwrite(file, content, offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(KeySlotsError, match=r"cannot grow prints\.slots in .*: No space left on device; try again"):
        slots.put([new_key()])
    assert path.stat().st_size == size
    assert slots.destroy(numbers) == 1


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


# Several processes, and sudden death

ROOT = str(Path(keys.__file__).parent.parent)


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
from contact_point.keys import KeySlots, new_key
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


@pytest.mark.parametrize(("act", "calls"), [("put", 7), ("destroy", 3), ("rotate", 8)])
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


# Where overwriting erases

MOUNTS = r"""
22 1 254:0 / / rw,relatime - ext4 /dev/vda1 rw,discard
23 22 254:1 / /srv/plain rw - xfs /dev/vdb rw,attr2
24 22 0:40 / /srv/copy\040on\040write rw - btrfs /dev/vdc rw,space_cache=v2
25 22 254:3 / /srv/journal rw - ext4 /dev/vdd rw,data=journal
26 22 0:41 / /srv/layers rw - overlay overlay rw,lowerdir=/a,upperdir=/b
27 22 0:42 / /srv/layers/memory rw shared:7 - tmpfs tmpfs rw
28 22 0:43 / /srv/remote rw - nfs4 far:/export rw
"""


@pytest.mark.parametrize("folder", ["/var/lib/pcsc", "/srv/plain", "/srv/plainer", "/srv/layers/memory"])
def test_no_warning_where_overwriting_in_place_erases(folder: str) -> None:
    assert erasure_warning(Path(folder, "prints.slots"), mountinfo=MOUNTS, ext4_options="rw\ndata=ordered\n") is None


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/srv/copy on write/a", "btrfs"), ("/srv/layers", "overlay"), ("/srv/remote", "nfs4")],
)
def test_a_warning_where_it_is_not_known_to(folder: str, kind: str) -> None:
    warning = erasure_warning(Path(folder, "prints.slots"), mountinfo=MOUNTS, ext4_options="")
    assert warning == (
        f"The file system {kind} is not known to overwrite in place, so destroyed keys in prints.slots may stay readable "
        "on the disk until the wrapping key is rotated (Art. 8, 9): move the key slots to ext4 (data=ordered) or XFS."
    )


@pytest.mark.parametrize(("folder", "options"), [("/srv/journal", ""), ("/var/lib", "rw\ndata=journal\n")])
def test_a_warning_where_ext4_journals_data(folder: str, options: str) -> None:
    warning = erasure_warning(Path(folder, "prints.slots"), mountinfo=MOUNTS, ext4_options=options)
    assert str(warning).startswith(
        "The file system ext4 with data=journal copies what is written into its journal, so "
    )


def test_a_file_on_no_known_mount_is_an_error() -> None:
    with pytest.raises(KeySlotsError, match=r"cannot tell how prints\.slots is stored"):
        erasure_warning(Path("/var/lib/prints.slots"), mountinfo="")


def test_the_kernel_is_asked_by_default(path: Path) -> None:
    warning = erasure_warning(path)
    assert warning is None or warning.endswith(".")


# The signing key


def test_a_signing_key_is_the_same_after_loading(tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "signing.pem")
    assert SigningKey.load(tmp_path / "signing.pem").public_pem == key.public_pem
    assert stat.S_IMODE((tmp_path / "signing.pem").stat().st_mode) == 0o600
    assert key.key_id == VerifyingKey.from_pem(key.public_pem).key_id
    assert "PRIVATE" not in repr(key)
    with pytest.raises(SigningKeyError, match=r"cannot create signing\.pem: File exists; keys are never overwritten"):
        SigningKey.create(tmp_path / "signing.pem")


def test_a_signature_is_of_these_bytes_under_this_key(tmp_path: Path) -> None:
    key, other = (SigningKey.create(tmp_path / name) for name in ("mine.pem", "other.pem"))
    signature = key.sign(b"checkpoint")
    verifying = VerifyingKey.from_pem(key.public_pem)
    verifying.verify(signature, b"checkpoint")
    for wrong_key, wrong_signature, data in (
        (verifying, signature, b"checkpoint!"),
        (verifying, signature[:-1], b"checkpoint"),
        (verifying, b"", b"checkpoint"),
        (other.verifying, signature, b"checkpoint"),
    ):
        with pytest.raises(
            SignatureError, match=rf"the signature is not of these .* bytes under key {wrong_key.key_id}"
        ):
            wrong_key.verify(wrong_signature, data)


def test_message_signatures_take_the_key_as_it_is(tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "signing.pem")
    signature = algorithms.ECDSA_P384_SHA384(private_key=key.private).sign(b"message")
    algorithms.ECDSA_P384_SHA384(public_key=key.verifying.public).verify(signature, b"message")


def test_loading_a_signing_key_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    with pytest.raises(
        SigningKeyError, match=r"signing\.pem must be an unencrypted private key in PEM: .*No such file"
    ):
        SigningKey.load(path)
    path.write_bytes(b"not a key")
    with pytest.raises(SigningKeyError, match=r"signing\.pem must be an unencrypted private key in PEM"):
        SigningKey.load(path)
    path.unlink()
    SigningKey.create(path)
    path.chmod(0o644)
    with pytest.raises(SigningKeyError, match=r"^Art\. 9: signing\.pem has mode 0644"):
        SigningKey.load(path)
    p_256 = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(p_256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(SigningKeyError, match=r"ECDSA on P-384 \(FIPS 186-5\); signing\.pem is another kind"):
        SigningKey.load(path)
    with pytest.raises(SigningKeyError, match="this public key is another kind"):
        VerifyingKey.from_pem(p_256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(SigningKeyError, match="these bytes are none"):
        VerifyingKey.from_pem(b"not a key")
