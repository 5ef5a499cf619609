"""Articles 3(1) and 3(2): making an installation, and entering the other Party's contact point by its note."""

from __future__ import annotations

import json
import re
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import main
from contact_point.arrangements import fingerprint, read_signature, sign
from contact_point.certificates import CertificateAuthority
from contact_point.demonstration import designate
from contact_point.installation import Plan, create, renew_signing_key
from contact_point.keys import KeySlots, SigningKey, VerifyingKey
from contact_point.settings import FormerKey, Keys, Settings, SettingsError, read, read_card, read_notified, remember
from contact_point.store import StoreError
from contact_point.tls import Pin, client_context, server_context

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NOTE = "Note verbale No. 77 of 20 November 2026\n"


def plan(party: Party, arrangement: Path | None = None) -> Plan:
    port = 8443 if party is Party.JP else 8444
    return Plan(party, f"contact point of {party.country}", "127.0.0.1", port, arrangement=arrangement)


@pytest.fixture
def jp(tmp_path: Path) -> Settings:
    return create(tmp_path / "jp", plan(Party.JP), NOW)


@pytest.fixture
def us(tmp_path: Path) -> Settings:
    return create(tmp_path / "us", plan(Party.US), NOW)


def test_an_installation_is_made_whole_in_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    made = create(tmp_path / "new" / "jp", plan(Party.JP), NOW)
    folder = made.folder
    assert read(folder.root) == made
    assert (
        CertificateAuthority.load(folder.authority).cert_pem.decode()
        == read_card(folder.card.read_text()).authority_pem
    )
    assert KeySlots.open(folder.exchange_slots).live() == KeySlots.open(folder.gallery_slots).live() == frozenset()
    assert not folder.database.exists()  # the store makes it


def test_an_installation_is_made_in_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "jp").mkdir(mode=0o755)
    assert create(tmp_path / "jp", plan(Party.JP), NOW).party is Party.JP


def test_the_card_is_the_public_side_of_what_the_installation_keeps(jp: Settings) -> None:
    card = read_card(jp.folder.card.read_text(encoding="utf-8"))
    assert (card.party, card.name, card.uri, card.address) == (Party.JP, jp.name, jp.uri, jp.address)
    assert card.signing_key_pem == SigningKey.load(jp.folder.signing_key).public_pem.decode()
    assert Pin(card.uri, frozenset(card.tls_keys)).keys
    assert VerifyingKey.from_pem(card.signing_key_pem.encode()).key_id


def test_a_folder_that_holds_an_installation_is_refused(jp: Settings) -> None:
    key = jp.folder.signing_key.read_bytes()
    with pytest.raises(SettingsError, match="holds an installation already: choose an empty folder, or use the one"):
        create(jp.folder.root, plan(Party.US), NOW)
    assert (jp.folder.signing_key.read_bytes(), read(jp.folder.root).party) == (key, Party.JP)


def test_a_folder_with_anything_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="is not empty: an installation is made in an empty folder; choose another"):
        create(tmp_path, plan(Party.JP), NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_9_nobody_but_the_owner_looks_into_an_installation(tmp_path: Path) -> None:
    (tmp_path / "jp").mkdir(mode=0o755)
    folder = create(tmp_path / "jp", plan(Party.JP), NOW).folder
    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o700
    secret = {
        path.name
        for path in folder.root.rglob("*")
        if path.is_file() and (b"PRIVATE KEY" in path.read_bytes() or path.suffix in {".slots", ".kek"})
    }
    assert secret == {
        "authority.key", "key.pem", "signing.pem", "exchange.slots", "exchange.kek", "gallery.slots", "gallery.kek",
        "record.slots", "record.kek",
    }  # fmt: skip
    for name in secret:
        (path,) = folder.root.rglob(name)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, name


def test_two_installations_share_no_key(jp: Settings, us: Settings) -> None:
    cards = [read_card(each.folder.card.read_text(encoding="utf-8")) for each in (jp, us)]
    assert not set(cards[0].tls_keys) & set(cards[1].tls_keys)
    assert cards[0].signing_key_pem != cards[1].signing_key_pem
    assert cards[0].authority_pem != cards[1].authority_pem


def test_3_2_a_contact_point_is_entered_by_its_card_and_the_note_that_notified_it(jp: Settings, us: Settings) -> None:
    other = designate(jp, us.folder.card.read_text(encoding="utf-8"), NOTE, NOW)
    assert (other.party, other.uri) == (Party.US, "urn:pcsc:ncp:us")
    assert read(jp.folder.root).other == other
    kept = read_notified(jp.folder.other_designation)
    assert kept is not None
    assert kept.note == NOTE.strip()


def test_3_2_both_ends_of_a_connection_can_be_set_up_from_what_was_entered(jp: Settings, us: Settings) -> None:
    other = designate(jp, us.folder.card.read_text(encoding="utf-8"), NOTE, NOW)
    certificate, key, authority = jp.folder.certificate, jp.folder.certificate_key, jp.folder.other_authority
    assert authority.read_bytes() == CertificateAuthority.load(us.folder.authority).cert_pem
    assert server_context(certificate=certificate, key=key, peer_authority=authority)
    pin = Pin(other.uri, frozenset(other.tls_keys))
    assert client_context(certificate=certificate, key=key, peer_authority=authority, pin=pin)


@pytest.mark.parametrize("note", ["", "  \n"])
def test_3_2_a_contact_point_that_no_note_notified_is_not_entered(jp: Settings, us: Settings, note: str) -> None:
    with pytest.raises(SettingsError, match=r"^Art\. 3\(2\): .*name the note that did, with its date"):
        designate(jp, us.folder.card.read_text(encoding="utf-8"), note, NOW)
    assert read(jp.folder.root).other is None


def test_3_2_a_contact_point_of_our_own_party_is_not_the_other_one(jp: Settings) -> None:
    with pytest.raises(
        SettingsError,
        match=r"^Art\. 3\(2\): this is a contact point of JP and the card is of JP, but is not the one in",
    ):
        designate(jp, jp.folder.card.read_text(encoding="utf-8").replace("8443", "8445"), NOTE)
    assert read(jp.folder.root).other is None


def test_3_2_what_is_no_card_is_not_entered(jp: Settings) -> None:
    with pytest.raises(SettingsError, match="this is not the card of a contact point"):
        designate(jp, "{}", NOTE, NOW)
    assert not jp.folder.other.exists()


# Article 4(7): one arrangement between both


def agreed(tmp_path: Path, change: tuple[str, str]) -> Path:
    """Return the model with one thing changed, as the Parties may agree."""
    model = files("contact_point").joinpath("models/arrangement.toml").read_text(encoding="utf-8")
    assert change[0] in model
    path = tmp_path / "agreed.toml"
    path.write_text(model.replace(*change), encoding="utf-8")
    return path


def test_4_7_an_installation_signs_the_arrangement_it_begins_with_and_its_card_says_so(jp: Settings) -> None:
    card = read_card(jp.folder.card.read_text(encoding="utf-8"))
    document = jp.folder.arrangements / "model-1.toml"
    assert document.read_bytes() == files("contact_point").joinpath("models/arrangement.toml").read_bytes()
    assert (card.arrangement.version, card.arrangement.sha256) == ("model-1", fingerprint(document.read_bytes()))
    assert read_signature(jp.folder.arrangements / "model-1.JP.sig").signature == card.arrangement.signature
    assert {path.name for path in jp.folder.arrangements.iterdir()} == {
        "model-1.toml", "model-1.JP.sig", f"{SigningKey.load(jp.folder.signing_key).key_id}.JP.pem",
    }  # fmt: skip


def test_4_7_designating_the_other_contact_point_puts_its_signature_beside_ours(jp: Settings, us: Settings) -> None:
    designate(jp, us.folder.card.read_text(encoding="utf-8"), NOTE, NOW)
    theirs = jp.folder.arrangements / "model-1.US.sig"
    assert read_signature(theirs) == read_signature(us.folder.arrangements / "model-1.US.sig")
    assert read(jp.folder.root).arrangements == jp.arrangements


def test_4_7_two_installations_may_begin_with_a_document_of_their_own(tmp_path: Path) -> None:
    document = agreed(tmp_path, ("model-1", "2026-a"))
    here, there = (create(tmp_path / party, plan(party, document), NOW) for party in Party)
    designate(here, there.folder.card.read_text(encoding="utf-8"), NOTE, NOW)
    assert [each.version for each in read(here.folder.root).arrangements.versions] == ["2026-a"]


def test_4_7_an_installation_does_not_begin_with_what_is_no_arrangement(tmp_path: Path) -> None:
    document = agreed(tmp_path, ("record_months = 24", "record_months = 6"))
    with pytest.raises(
        SettingsError, match=r"agreed\.toml, line \d+: the arrangement's record_months: expected a whole"
    ):
        create(tmp_path / "jp", plan(Party.JP, document), NOW)
    with pytest.raises(
        SettingsError, match=r"none\.toml: No such file or directory; name the document of the arrangement"
    ):
        create(tmp_path / "jp", plan(Party.JP, tmp_path / "none.toml"), NOW)
    assert not (tmp_path / "jp").exists()


def refused(jp: Settings, card: str, says: str) -> None:
    """Assert that a card is refused, and that nothing of it is kept."""
    before = sorted(jp.folder.root.rglob("*"))
    with pytest.raises(SettingsError, match=says):
        designate(jp, card, NOTE, NOW)
    assert sorted(jp.folder.root.rglob("*")) == before


def test_4_7_a_contact_point_that_holds_another_version_is_not_entered(jp: Settings, tmp_path: Path) -> None:
    there = create(tmp_path / "us", plan(Party.US, agreed(tmp_path, ("model-1", "2026-a"))), NOW)
    refused(
        jp,
        there.folder.card.read_text(encoding="utf-8"),
        r"^Art\. 4\(7\): expected a card of US that signs model-1, which JP holds; got one that signs 2026-a: an arrangement "
        r"is one document that both hold; make the installation of whoever .*`pcsc init --arrangement FILE`",
    )


def test_4_7_a_contact_point_already_entered_that_is_ahead_is_caught_up_with(
    jp: Settings, us: Settings, tmp_path: Path
) -> None:
    designate(jp, us.folder.card.read_text(encoding="utf-8"), NOTE, NOW)
    there = create(tmp_path / "new", plan(Party.US, agreed(tmp_path, ("model-1", "2026-a"))), NOW)
    refused(
        read(jp.folder.root),
        there.folder.card.read_text(encoding="utf-8"),
        "enter theirs first with `pcsc arrangement enter`",
    )


def test_4_7_a_contact_point_that_holds_another_document_of_the_same_name_is_not_entered(
    jp: Settings, tmp_path: Path
) -> None:
    there = create(tmp_path / "us", plan(Party.US, agreed(tmp_path, ("tenprint = 100", "tenprint = 999"))), NOW)
    hashes = [fingerprint((each.folder.arrangements / "model-1.toml").read_bytes()) for each in (jp, there)]
    refused(
        jp,
        there.folder.card.read_text(encoding="utf-8"),
        r"^Art\. 4\(7\): JP and US both hold an arrangement model-1, but not the same document: its SHA-256 is "
        rf"{hashes[0]} here and {hashes[1]} on the card; compare the two files",
    )


@pytest.mark.parametrize("signature", ["", "MGUC", "é", None])
def test_4_7_a_card_without_a_signature_of_the_very_bytes_is_not_entered(
    jp: Settings, us: Settings, signature: str | None
) -> None:
    card = json.loads(us.folder.card.read_text(encoding="utf-8"))
    if signature is None:  # a sound signature, of other bytes
        signature = sign(b"other", Party.US, SigningKey.load(us.folder.signing_key)).signature.signature
    card["arrangement"]["signature"] = signature
    document = re.escape(str(jp.folder.arrangements / "model-1.toml"))
    refused(
        jp,
        json.dumps(card),
        rf"^the card cannot be used: {document}: expected the signature of US over these .*; ask the other contact point for",
    )


def test_8_9_keys_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    made = create(tmp_path / "jp", replace(plan(Party.JP), keys=Keys(tmp_path / "keys", rotate_hours=6)), NOW)
    assert {path.parent for path in made.folder.slots} == {tmp_path / "keys"}
    assert not list((tmp_path / "jp").glob("*.slots"))
    assert read(tmp_path / "jp").keys == Keys(tmp_path / "keys", rotate_hours=6)
    with main.opened(tmp_path / "jp") as here, here.store.transaction() as tx:
        assert tx.exchanges() == []


def test_a_database_does_not_take_the_keys_of_another(tmp_path: Path) -> None:
    here, there = (create(tmp_path / name, plan(Party.JP), NOW).folder for name in ("here", "there"))
    for folder in (here, there):
        with main.opened(folder.root):
            pass
    here.database.replace(there.database)
    with (
        pytest.raises(StoreError, match="do not belong together: it knows 0 of 3 files of keys"),
        main.opened(there.root),
    ):
        pass


# Article 9: another signing key


def test_9_a_new_signing_key_is_on_the_card_with_its_signature_of_the_arrangement_and_the_old_one_is_remembered(
    jp: Settings, us: Settings
) -> None:
    designate(jp, us.folder.card.read_text(encoding="utf-8"), NOTE, NOW)
    old, later = SigningKey.load(us.folder.signing_key), NOW + timedelta(days=400)
    with us.folder.signing_key.open("rb") as before:
        card = renew_signing_key(us, later)
        before.seek(0)
        assert not any(before.read()), "the old private key was overwritten"
    new = SigningKey.load(us.folder.signing_key)
    assert new.key_id != old.key_id
    assert card == read_card(us.folder.card.read_text(encoding="utf-8"))
    assert card.signing_key_pem == new.public_pem.decode()
    was = FormerKey(us.uri, old.public_pem.decode(), later, Party.US)
    assert read(us.folder.root).former == (was,)
    assert not list(us.folder.root.glob("*.new"))
    # The other side enters the card, and remembers too.
    until = later + timedelta(hours=1)
    designate(read(jp.folder.root), us.folder.card.read_text(encoding="utf-8"), NOTE, until)
    found = read(jp.folder.root)
    assert found.former == (replace(was, until=until),)
    assert found.other == card
    # The same card again changes nothing; another key is one more.
    designate(found, us.folder.card.read_text(encoding="utf-8"), NOTE, until + timedelta(days=1))
    assert read(jp.folder.root).former == found.former
    renew_signing_key(read(us.folder.root), until)
    assert [each.until for each in read(us.folder.root).former] == [later, until]


def test_9_a_renewal_that_was_cut_short_is_done_again(us: Settings) -> None:
    SigningKey.create(us.folder.signing_key.with_suffix(".new"))
    key = SigningKey.load(us.folder.signing_key).public_pem.decode()
    remember(us.folder, FormerKey(us.uri, key, NOW, us.party))
    renew_signing_key(us, NOW + timedelta(days=1))
    assert read(us.folder.root).former == (FormerKey(us.uri, key, NOW + timedelta(days=1), us.party),)


def test_9_a_file_of_former_keys_that_is_damaged_is_told(us: Settings) -> None:
    us.folder.former_keys.write_text("[{}]", encoding="utf-8")
    with pytest.raises(
        SettingsError, match=r"former-keys\.json: .*restore the file: what was signed under a former key is"
    ):
        read(us.folder.root)
