"""Article 9: "organizational, technical, and other necessary measures, such as the use of appropriate technology and
encryption where appropriate, are taken to protect the information".
"""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from annex.parameters import Party
from contact_point import tls
from contact_point.demonstration import designate
from contact_point.installation import Plan, create
from contact_point.keys import KeyDestroyedError, KeySlots, SealError, new_key, seal, unseal
from contact_point.settings import Settings, SettingsError, read_card, write_card

if TYPE_CHECKING:
    from pathlib import Path

NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)
PRINT: Final = b"<a print as it was received>"


@pytest.fixture
def jp(tmp_path: Path) -> Settings:
    return create(tmp_path / "jp", Plan(Party.JP, "contact point of Japan", "127.0.0.1", 18443), NOW)


def test_9_information_rests_encrypted_and_bound_to_its_place() -> None:
    key = new_key()
    sealed = seal(key, PRINT, bound_to="exchange/1/probe/")
    assert PRINT not in sealed
    assert seal(key, PRINT, bound_to="exchange/1/probe/") != sealed  # the same print twice does not show as the same
    assert unseal(key, sealed, bound_to="exchange/1/probe/") == PRINT
    with pytest.raises(SealError):
        unseal(key, sealed, bound_to="exchange/2/probe/")
    with pytest.raises(SealError):
        unseal(new_key(), sealed, bound_to="exchange/1/probe/")


def test_9_what_was_deleted_cannot_be_read_by_anybody_again(tmp_path: Path) -> None:
    slots = KeySlots.create(tmp_path / "exchange.slots")
    key = new_key()
    (slot,) = slots.put([key])
    assert key not in (tmp_path / "exchange.slots").read_bytes()  # wrapped, also where it lies
    before = (tmp_path / "exchange.slots").read_bytes()
    slots.destroy([slot])
    assert (tmp_path / "exchange.slots").read_bytes() != before
    with pytest.raises(KeyDestroyedError):
        slots.get(slot)


def test_9_nobody_else_on_the_machine_reads_what_protects_it(jp: Settings) -> None:
    folder = jp.folder
    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o700
    for secret in (folder.certificate_key, folder.signing_key, folder.exchange_slots, folder.gallery_slots):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600, secret


def test_9_nothing_crosses_in_the_clear_or_under_an_old_protocol(jp: Settings) -> None:
    folder = jp.folder
    context = tls.server_context(
        certificate=folder.certificate, key=folder.certificate_key, peer_authority=folder.authority / "authority.pem"
    )
    assert (context.minimum_version, context.verify_mode) == (ssl.TLSVersion.TLSv1_3, ssl.CERT_REQUIRED)


def test_9_a_contact_point_without_https_is_not_designated(jp: Settings, tmp_path: Path) -> None:
    us = create(tmp_path / "us", Plan(Party.US, "contact point of the US", "127.0.0.1", 18444), NOW)
    card = read_card(us.folder.card.read_text(encoding="utf-8"))
    plain = write_card(card).replace("https://", "http://")
    with pytest.raises(SettingsError, match=r"^Art\. 9: the card's address begins with https://; got 'http://127"):
        designate(jp, plain, "note verbale of 20 November 2026", NOW)
