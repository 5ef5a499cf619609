"""Keys of prints at rest: sealing, and slots that are overwritten in place."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_point import keys
from contact_point.keys import (
    DestructionError,
    KeyDestroyedError,
    KeySlots,
    KeySlotsError,
    SealError,
    new_key,
    seal,
    unseal,
)

from . import slot_files
from .slot_files import on_disk, wrapped

if TYPE_CHECKING:
    from pathlib import Path

PLACE = "exchange-1/probe/JP"


path, slots = slot_files.path, slot_files.slots


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
    with pytest.raises(KeySlotsError, match="is not a file of key slots, format 2; nothing was changed in it"):
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
