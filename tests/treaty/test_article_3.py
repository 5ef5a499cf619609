"""Article 3: each Party designates its contact points (1), notifies them through diplomatic channels (2); they communicate
directly with one another (3) and in conformity with the agreement (4).
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from annex.parameters import Party
from contact_point.certificates import CertificateAuthority, spki_sha256
from contact_point.installation import Plan, create, designate
from contact_point.settings import Designation, Settings, SettingsError, read, read_card, write_card
from contact_point.tls import NotContactPointError, Pin, identify
from pcsc.errors import TreatyError

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
    with pytest.raises(SettingsError, match="this is a contact point of JP and the card is of JP"):
        designate(jp, write_card(card(jp)), NOTE, NOW)


def test_3_2_a_contact_point_is_known_by_the_note_that_notified_it(parties: dict[Party, Settings]) -> None:
    jp, us = parties[Party.JP], parties[Party.US]
    assert read(jp.folder.root).other is None
    designate(jp, write_card(card(us)), NOTE, NOW)
    assert (read(jp.folder.root).other, jp.folder.note.read_text(encoding="utf-8")) == (card(us), f"{NOTE}\n")


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
