"""Notes are signed, cosigned over the same text, and verified by the key that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from contact_point import notes
from contact_point.keys import SignatureError, SigningKey
from pcsc import checkpoints
from pcsc.checkpoints import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

TEXT: Final = (
    "urn:pcsc:ncp:jp/record/2026-11\n1204\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "before none\nat 2026-11-22T17:07:09Z\n"
)
JP: Final = "urn:pcsc:ncp:jp"
US: Final = "urn:pcsc:ncp:us"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[SigningKey, SigningKey]:
    return SigningKey.create(tmp_path / "jp.pem"), SigningKey.create(tmp_path / "us.pem")


def test_9_a_note_is_verified_by_the_key_that_signed_it_and_by_no_other(keys: tuple[SigningKey, SigningKey]) -> None:
    ours, theirs = keys
    note = notes.sign(TEXT, JP, ours)
    assert notes.verify(note, JP, ours.verifying) == TEXT
    with pytest.raises(
        SignatureError, match=r"expected a note with a signature of urn:pcsc:ncp:us under key .* of urn:pcsc:ncp:jp"
    ):
        notes.verify(note, US, theirs.verifying)
    with pytest.raises(SignatureError, match=r"Art\. 9: expected a note with a signature of urn:pcsc:ncp:jp under key"):
        notes.verify(note, JP, theirs.verifying)


def test_a_cosignature_is_over_the_same_text_and_stands_after_the_first(keys: tuple[SigningKey, SigningKey]) -> None:
    ours, theirs = keys
    note = notes.cosign(notes.sign(TEXT, JP, ours), US, theirs)
    assert notes.verify(note, JP, ours.verifying) == notes.verify(note, US, theirs.verifying) == TEXT
    assert [each.name for each in checkpoints.parse_note(note).signatures] == [JP, US]
    assert notes.cosign(note, US, theirs) == note


def test_9_a_text_that_was_changed_is_not_what_was_signed(keys: tuple[SigningKey, SigningKey]) -> None:
    ours, _ = keys
    note = notes.sign(TEXT, JP, ours).replace("1204", "1203")
    with pytest.raises(SignatureError, match=r"Art\. 9: the signature is not of these \d+ bytes"):
        notes.verify(note, JP, ours.verifying)


def test_what_is_no_note_is_refused(keys: tuple[SigningKey, SigningKey]) -> None:
    with pytest.raises(CheckpointError, match="a note is a text, an empty line"):
        notes.verify(TEXT, JP, keys[0].verifying)
