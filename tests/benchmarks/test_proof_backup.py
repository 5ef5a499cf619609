"""The proof about backups: nothing opens, and where nothing was destroyed or rotated it says what does."""

from __future__ import annotations

import pytest

from benchmarks.proof import backup


def silent(_text: str) -> None:
    """Hear of the progress."""


def test_an_older_backup_with_todays_keys_opens_nothing_that_was_deleted() -> None:
    counts, violations = backup.prove(6, silent)
    assert violations == []
    assert counts == {
        "prints deleted": 6,
        "opened with today's slots": 0,
        "opened with the older slots and today's wrapping key": 0,
        "opened with any key of today": 0,
        "control: opened before the deletion": 6,
        "control: still held, opened with today's slots": 2 * backup.HELD,
        "opened with the older slots until the wrapping key was rotated": 6,
    }


@pytest.mark.parametrize(
    ("rotate", "destroy", "violation"),
    [
        (False, True, "4 of 4 deleted prints open from an older backup with the older slots and today's wrapping key"),
        (True, False, "4 of 4 deleted prints open from an older backup with today's slots"),
        (True, False, "4 of 4 deleted prints open from an older backup with some key of today"),
    ],
)
def test_a_contact_point_that_does_not_rotate_or_destroy_its_keys_is_found(
    violation: str, *, rotate: bool, destroy: bool
) -> None:
    assert violation in backup.prove(4, silent, rotate=rotate, destroy=destroy).violations
