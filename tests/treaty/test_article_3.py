"""Article 3: each Party designates its contact points (1), notifies them through diplomatic channels (2); they communicate
directly with one another (3) and in conformity with the agreement (4).
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from annex.parameters import Party
from contact_point import designation, main, reachability
from contact_point.certificates import CertificateAuthority, spki_sha256
from contact_point.demonstration import designate
from contact_point.installation import Plan, create
from contact_point.settings import (
    Designation,
    Settings,
    SettingsError,
    read,
    read_card,
    read_notified,
    write_card,
    write_notified,
)
from contact_point.tls import NotContactPointError, Pin, identify
from pcsc.errors import OutOfOrderError, TreatyError

if TYPE_CHECKING:
    from pathlib import Path

NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)
NOTE: Final = "note verbale of 20 November 2026"


@pytest.fixture
def parties(tmp_path: Path) -> dict[Party, Settings]:
    """Return two installations that nobody has designated anybody in yet."""
    return {
        party: create(tmp_path / party, Plan(party, f"contact point of {party}", "127.0.0.1", port), NOW)
        for party, port in ((Party.JP, 18443), (Party.US, 18444))
    }


def card(settings: Settings) -> Designation:
    """Return the card of an installation."""
    return read_card(settings.folder.card.read_text(encoding="utf-8"))


def certificate(settings: Settings) -> bytes:
    """Return the certificate that an installation shows."""
    return ssl.PEM_cert_to_DER_cert(settings.folder.certificate.read_text(encoding="ascii"))


def pin(designation: Designation) -> Pin:
    return Pin(designation.uri, frozenset(designation.tls_keys))


def test_3_1_each_party_has_a_contact_point_of_its_own(parties: dict[Party, Settings]) -> None:
    cards = {party: card(settings) for party, settings in parties.items()}
    assert [(party, made.party, made.uri) for party, made in cards.items()] == [
        (Party.JP, Party.JP, "urn:pcsc:ncp:jp"),
        (Party.US, Party.US, "urn:pcsc:ncp:us"),
    ]
    for party, made in cards.items():
        assert identify(certificate(parties[party]), [pin(made)], NOW + timedelta(days=1)) == pin(made)


def test_3_1_one_of_several_contact_points_is_told_from_the_others(parties: dict[Party, Settings]) -> None:
    us = pin(card(parties[Party.US]))
    immigration = Pin("urn:pcsc:ncp:us:immigration", frozenset({"ab" * 32}))
    assert identify(certificate(parties[Party.US]), [immigration, us], NOW + timedelta(days=1)) == us


def test_3_1_a_party_designates_its_own_contact_points_and_not_the_other_partys(parties: dict[Party, Settings]) -> None:
    jp = parties[Party.JP]
    another = replace(card(jp), address="https://127.0.0.1:18445")
    with pytest.raises(
        SettingsError, match="this is a contact point of JP and the card is of JP, but is not the one in"
    ):
        designate(jp, write_card(another), NOTE)


def test_3_2_a_contact_point_is_known_by_the_note_that_notified_it(parties: dict[Party, Settings]) -> None:
    jp, us = parties[Party.JP], parties[Party.US]
    assert read(jp.folder.root).other is None
    designate(jp, write_card(card(us)), NOTE)
    entered = read_notified(jp.folder.other_designation)
    assert entered is not None
    assert (read(jp.folder.root).other, entered.note) == (card(us), NOTE)


def test_3_2_a_contact_point_is_usable_only_after_two_persons_entered_it(parties: dict[Party, Settings]) -> None:
    """The other one, and our own: until both are in effect nothing is sent and nobody is answered."""
    jp, us = parties[Party.JP], parties[Party.US]

    def lacks(what: str) -> None:
        with main.opened(jp.folder.root) as here:
            assert (here.settings.other, here.other) == (None, None)
            for act in (lambda: main.server(here), lambda: reachability.reach(here, NOW)):
                with pytest.raises((SettingsError, OutOfOrderError), match=rf"Art\. 3\(2\): {what}"):
                    act()

    lacks("no contact point of the other Party is designated here")
    entered = designation.enter(jp, write_card(card(us)), NOTE, by="A. Officer", now=NOW)
    lacks(
        "the designation of the contact point of the other Party was entered by A. Officer and waits for a second person"
    )
    assert not jp.folder.other.exists()
    assert not jp.folder.other_authority.exists()
    for same in ("A. Officer", " a.  OFFICER "):
        with pytest.raises(
            SettingsError, match=r"^Art\. 3\(2\): a designation is entered by two persons, and A\. Officer"
        ):
            designation.confirm(jp, by=same, now=NOW)
    with pytest.raises(SettingsError, match=r"no designation waits .* fingerprint abcd: it is not what was entered"):
        designation.confirm(jp, by="B. Officer", now=NOW, fingerprint="abcd")
    designation.confirm(jp, by="B. Officer", now=NOW, fingerprint=entered.fingerprint)
    lacks("no own contact point is designated here")
    designation.enter(jp, write_card(card(jp)), NOTE, by="A. Officer", now=NOW)
    lacks("the designation of the own contact point was entered by A. Officer")
    designation.confirm(jp, by="B. Officer", now=NOW)
    assert (read(jp.folder.root).other, read(jp.folder.root).lacking) == (card(us), "")
    with pytest.raises(SettingsError, match=r"^Art\. 3\(2\): no designation waits for confirmation"):
        designation.confirm(jp, by="B. Officer", now=NOW)


def test_3_2_the_fingerprint_to_compare_is_that_of_the_card_as_a_file(parties: dict[Party, Settings]) -> None:
    jp, us = parties[Party.JP], parties[Party.US]
    entered = designation.enter(jp, us.folder.card.read_text(encoding="utf-8"), NOTE, by="A. Officer", now=NOW)
    assert entered.fingerprint == hashlib.sha256(us.folder.card.read_bytes()).hexdigest()


def test_3_2_a_designation_stays_until_the_next_one_is_confirmed(parties: dict[Party, Settings]) -> None:
    jp, us = parties[Party.JP], parties[Party.US]
    designate(jp, write_card(card(us)), NOTE)
    moved = replace(card(us), address="https://127.0.0.1:18999")
    designation.enter(jp, write_card(moved), "another note", by="A. Officer", now=NOW)
    assert read(jp.folder.root).other == card(us)
    designation.confirm(jp, by="B. Officer", now=NOW)
    assert read(jp.folder.root).other == moved


def test_3_2_who_wrote_both_names_into_the_file_is_one_person(parties: dict[Party, Settings]) -> None:
    jp = parties[Party.JP]
    designate(jp, write_card(card(parties[Party.US])), NOTE)
    kept = read_notified(jp.folder.other_designation)
    assert kept is not None
    write_notified(jp.folder.other_designation, replace(kept, confirmed=kept.entered))
    assert read(jp.folder.root).other is None


def test_3_2_nobody_enters_a_designation_without_a_name(parties: dict[Party, Settings]) -> None:
    jp = parties[Party.JP]
    with pytest.raises(
        SettingsError, match=r"^Art\. 3\(2\): a designation is entered by two persons; say with --by who"
    ):
        designation.enter(jp, write_card(card(parties[Party.US])), NOTE, by=" ", now=NOW)
    with pytest.raises(
        SettingsError, match=r"^Art\. 3\(2\): a designation is entered by two persons; say with --by who"
    ):
        designation.confirm(jp, by="", now=NOW)


@pytest.mark.parametrize("note", ["", " \n"])
def test_3_2_a_valid_card_without_a_note_designates_nobody(parties: dict[Party, Settings], note: str) -> None:
    jp = parties[Party.JP]
    with pytest.raises(SettingsError, match=r"^Art\. 3\(2\): a contact point is notified through diplomatic channels"):
        designate(jp, write_card(card(parties[Party.US])), note, NOW)
    assert read(jp.folder.root).other is None


def test_3_2_a_key_that_was_not_notified_is_not_the_contact_points(parties: dict[Party, Settings]) -> None:
    us = parties[Party.US]
    authority = CertificateAuthority.load(us.folder.authority)  # its own authority, its own URI, another key
    fresh = authority.issue(us.uri, ["127.0.0.1"], NOW)
    with pytest.raises(
        NotContactPointError, match=r"is not one the other Party notified for urn:pcsc:ncp:us \(Art\. 3\(2\)\)"
    ):
        identify(fresh.der, [pin(card(us))], NOW + timedelta(days=1))
    next_key = replace(card(us), tls_keys=(*card(us).tls_keys, spki_sha256(fresh.der)))
    assert identify(fresh.der, [pin(next_key)], NOW + timedelta(days=1)) == pin(next_key)


def test_3_3_nobody_speaks_in_the_place_of_a_contact_point(parties: dict[Party, Settings]) -> None:
    us = parties[Party.US]
    gateway = CertificateAuthority.load(us.folder.authority).issue("urn:pcsc:gateway", ["127.0.0.1"], NOW)
    with pytest.raises(NotContactPointError, match="urn:pcsc:gateway is not a national contact point notified by"):
        identify(gateway.der, [pin(card(us))], NOW + timedelta(days=1))


def test_3_3_there_is_no_address_but_the_one_on_the_card(parties: dict[Party, Settings]) -> None:
    jp, us = parties[Party.JP], parties[Party.US]
    designate(jp, write_card(card(us)), NOTE, NOW)
    other = read(jp.folder.root).other
    assert other is not None
    assert other.address == us.address == "https://127.0.0.1:18444"


def _rules(error: type[TreatyError] = TreatyError) -> list[type[TreatyError]]:
    return [rule for each in error.__subclasses__() for rule in (each, *_rules(each))]


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule.__name__)
def test_3_4_an_act_out_of_conformity_is_refused_under_its_clause(rule: type[TreatyError]) -> None:
    """Every rule names the article, and a code of it that travels to the other contact point."""
    number, _, name = rule.code.partition(".")
    assert rule.article.replace("(", "-").replace(")", "").startswith(number)
    assert name.isupper()
