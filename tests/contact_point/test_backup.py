"""A backup, and the contact point that is restored from it: what is had back, and what never is (Articles 8, 11)."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from annex.parameters import Party
from contact_point import backup, disposal, due, main, querying, restoration, settings
from contact_point.installation import Plan
from contact_point.keys import KeysError, SealError, SignatureError, SigningKey, recovery
from contact_point.settings import SettingsError
from pcsc.errors import RecordError
from pcsc.messages import Conclusion

from .restorations import ANEW, KEY, made, play, wanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contact_point.restoration import Found

    from .parties import Finger, Parties


@pytest.fixture
def played(parties: Parties, fingers: tuple[Finger, ...]) -> tuple[str, str]:
    """Return an exchange of JP that matches, and is open, and one of US that is requested."""
    return play(parties, fingers)


def test_11_one_set_up_again_under_the_old_uri_is_refused(
    parties: Parties, played: tuple[str, str], tmp_path: Path
) -> None:
    made(parties.jp, tmp_path / "backup")

    def plan(found: Found) -> Plan:
        return Plan(found.header.party, found.name, found.host, found.port, uri=found.header.uri)

    with pytest.raises(SettingsError, match=r"^Art\. 11: urn:pcsc:ncp:jp is the contact point that was lost"):
        restoration.restore(wanted(parties.jp, tmp_path / "backup", tmp_path / "again", plan=plan), main.clock())
    assert not (tmp_path / "again").exists()


def test_nonces_of_before_stay_used(parties: Parties, played: tuple[str, str], tmp_path: Path) -> None:
    made(parties.jp, tmp_path / "backup")
    with parties.jp.store.reading() as tx:
        before = tx.nonces()
    restoration.restore(wanted(parties.jp, tmp_path / "backup", tmp_path / "again"), main.clock())
    with main.opened(tmp_path / "again") as again, again.store.reading() as tx:
        assert before
        assert set(before) <= set(tx.nonces())


def test_11_3_beyond_its_term_a_backup_is_not_restored(
    parties: Parties, played: tuple[str, str], tmp_path: Path
) -> None:
    now = main.clock()
    with (tmp_path / "backup").open("wb") as file:
        written = backup.write(parties.jp, file, KEY.public_key(), now, days=3)
    assert written.holds_until == now + timedelta(days=3)
    ask = wanted(parties.jp, tmp_path / "backup", tmp_path / "again")
    with pytest.raises(RecordError, match=r"the backup was to be destroyed by .*\(Art\. 11\(3\)\)"):
        restoration.restore(ask, now + timedelta(days=3))
    with pytest.raises(RecordError, match=r"set the clock, since the terms of records depend on it \(Art\. 11\(3\)\)$"):
        restoration.restore(ask, now - timedelta(hours=1))
    assert sorted(tmp_path.glob("again*")) == []


def test_11_3_a_term_that_ends_first_ends_the_backup(parties: Parties, played: tuple[str, str], tmp_path: Path) -> None:
    with parties.answering(Party.US):
        querying.examine(parties.jp, played[0], Conclusion.EXCLUSION, "examiner", main.clock())
        querying.determine(parties.jp, played[0], will_request=False, now=main.clock())
    with parties.jp.store.transaction() as tx:
        end = min(
            at for row in tx.due_before(datetime(9000, 1, 1, tzinfo=UTC)) if row.what == due.EXPIRE for at in [row.at]
        )
    nearly = end - due.LEEWAY - timedelta(hours=1)
    written = backup.write(parties.jp, BytesIO(), KEY.public_key(), nearly)
    assert written.holds_until == nearly + timedelta(hours=1)


def test_a_backup_that_was_changed_anywhere_is_refused_before_anything_is_written(
    parties: Parties, played: tuple[str, str], tmp_path: Path
) -> None:
    made(parties.jp, tmp_path / "backup")
    whole = (tmp_path / "backup").read_bytes()
    head = whole.index(b"\n")
    places = [*range(0, head, 23), *range(head, head + 24), *range(head + 24, len(whole) - 120, len(whole) // 40)]
    places += [*range(len(whole) - 120, len(whole), 3)]
    changed = tmp_path / "changed"
    for at in places:
        changed.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises((KeysError, RecordError, SettingsError)):
            restoration.check(wanted(parties.jp, changed, tmp_path / "again"), main.clock())
    for cut in (whole[:-1], whole[: head + 1], whole[: len(whole) // 2], whole + b"\0", b""):
        changed.write_bytes(cut)
        with pytest.raises((KeysError, RecordError)):
            restoration.check(wanted(parties.jp, changed, tmp_path / "again"), main.clock())
    restoration.check(wanted(parties.jp, tmp_path / "backup", tmp_path / "again"), main.clock())
    assert sorted(tmp_path.glob("again*")) == []


def test_a_backup_is_for_one_recovery_key_and_of_one_contact_point(
    parties: Parties, played: tuple[str, str], tmp_path: Path
) -> None:
    made(parties.jp, tmp_path / "backup")
    ask = wanted(parties.jp, tmp_path / "backup", tmp_path / "again")
    with pytest.raises(SealError, match=r"^the file is sealed for the recovery key"):
        restoration.check(replace(ask, key=ec.generate_private_key(ec.SECP384R1())), main.clock())
    us = settings.read_card(parties.us.settings.folder.card.read_text(encoding="utf-8"))
    with pytest.raises(
        SettingsError, match=r"^the backup is of urn:pcsc:ncp:jp, and the card is that of urn:pcsc:ncp:us"
    ):
        restoration.check(replace(ask, card=us), main.clock())
    forged = replace(ask.card, signing_key_pem=us.signing_key_pem)
    with pytest.raises((SignatureError, RecordError), match=r"not signed (with the key|by the contact point)"):
        restoration.check(replace(ask, card=forged), main.clock())


def test_a_backup_is_sealed_in_pieces_of_any_length_that_come_back_the_same() -> None:
    signing = SigningKey(ec.generate_private_key(ec.SECP384R1()))
    for parts in ([], [b"a"], [b"a" * recovery.FRAME], [b"b" * (2 * recovery.FRAME + 1)], [b"c" * 1000] * 500):
        file = BytesIO()
        recovery.write(file, {"format": "a test"}, parts, to=KEY.public_key(), signing=signing)
        assert b"".join(recovery.read(file, key=KEY, by=signing.verifying)) == b"".join(parts)
        end = len(file.getvalue())
        file.seek(0, os.SEEK_END)
        assert file.tell() == end


def test_a_folder_that_is_not_empty_is_left_alone(parties: Parties, played: tuple[str, str], tmp_path: Path) -> None:
    made(parties.jp, tmp_path / "backup")
    root = parties.us.settings.folder.root
    before = sorted(path.name for path in root.iterdir())
    with pytest.raises(SettingsError, match=r"is not empty: a contact point is restored into an empty folder"):
        restoration.restore(wanted(parties.jp, tmp_path / "backup", root), main.clock())
    assert sorted(path.name for path in root.iterdir()) == before


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Write both halves of the recovery key, as openssl does, and return their folder."""
    best, form = (
        serialization.BestAvailableEncryption(b"a long passphrase"),
        serialization.PublicFormat.SubjectPublicKeyInfo,
    )
    private = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, best)
    (tmp_path / "recovery.pem").write_bytes(private)
    (tmp_path / "public.pem").write_bytes(KEY.public_key().public_bytes(serialization.Encoding.PEM, form))
    (tmp_path / "passphrase").write_text("a long passphrase\n")
    return tmp_path


def test_by_command_a_backup_is_entered_as_a_copy_with_its_end_and_restored_elsewhere(
    parties: Parties, played: tuple[str, str], keys: Path, run: Callable[..., tuple[int, str]]
) -> None:
    jp, root = parties.jp.settings.folder, keys / "again"
    code, said = run("backup", keys / "backup", "--for", keys / "public.pem", "--dir", jp.root, "--gallery")
    assert code == 0, said
    assert "2 exchanges, " in said
    assert "It must be destroyed by" in said
    assert "(Art. 11(3)): here that is done then" in said
    with parties.jp.store.transaction() as tx:
        (copy,) = tx.copies()
        assert tx.planned("")[due.COPIES] == copy.holds_until
    assert copy.path == str((keys / "backup").resolve())
    assert copy.holds_until - copy.made_at == timedelta(days=7)

    options = ("--key", keys / "recovery.pem", "--card", jp.card, "--uri", ANEW, "--port", "8499", "--json")
    code, said = run("restore", keys / "backup", "--dir", root, *options)
    assert (code, "its passphrase with --passphrase-file" in said) == (1, True)
    (keys / "names").write_text("person\nsomebody new\n")
    more = ("--passphrase-file", keys / "passphrase", "--still-enrolled", keys / "names")
    code, said = run("restore", keys / "backup", "--dir", root, *options, *more)
    assert code == 0, said
    told = json.loads(said)
    assert (told["exchanges"], told["persons"], told["ended"], told["uri"]) == (2, 1, 2, ANEW)
    found = settings.read(root)
    assert (found.uri, found.port, found.other) == (ANEW, 8499, None)
    with main.opened(root) as again, again.store.transaction() as tx:
        assert [(each.path, each.holds_until) for each in tx.copies()] == [(copy.path, copy.holds_until)]

    assert disposal.end_copies(parties.jp, copy.holds_until) == [keys / "backup"]
    assert not (keys / "backup").exists()


def test_a_recovery_key_is_on_p_384(parties: Parties, keys: Path, run: Callable[..., tuple[int, str]]) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (keys / "public.pem").write_bytes(pem)
    code, said = run("backup", keys / "backup", "--for", keys / "public.pem", "--dir", parties.jp.settings.folder.root)
    assert code == 1
    assert "a recovery key is a public key on P-384 in PEM, and this is none" in said
    assert not (keys / "backup").exists()
