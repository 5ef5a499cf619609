"""What tests of files of keys begin with; a module takes them as ``path, slots = slot_files.path, slot_files.slots``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contact_point.keys import SLOT_BYTES, KeySlots

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a file of keys is made."""
    return tmp_path / "prints.slots"


@pytest.fixture
def slots(path: Path) -> KeySlots:
    """Return a small file of keys, empty."""
    return KeySlots.create(path, capacity=64)


def wrapped(path: Path, slot: int) -> bytes:
    """Return the 40 bytes that hold a key in the slot file."""
    start = (slot & 0xFFFFFF) * SLOT_BYTES + 8
    return path.read_bytes()[start : start + 40]


def on_disk(path: Path) -> bytes:
    """Return all that is in the two files."""
    return path.read_bytes() + path.with_suffix(".kek").read_bytes()
