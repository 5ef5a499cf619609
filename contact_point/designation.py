"""Which contact points there are: each entered from a diplomatic note by one person, confirmed by another (Article 3(1), 3(2)).

One mistaken or bribed hand must not be able to name who receives prints. So a card that :func:`enter` took in does nothing
until :func:`confirm` was called by somebody else, who compares its fingerprint with what the note says. Our own card is
entered in the same way: what we notified is what we then answer as. Until both are in effect nothing is sent and nobody is
answered; a designation in effect stays so until the one that replaces it is confirmed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contact_point import arrangements
from contact_point.arrangements import DocumentError, Signatory, Signature
from contact_point.certificates import CertificateError, load_certificates
from contact_point.keys import KeysError, VerifyingKey
from contact_point.settings import (
    Designation,
    FormerKey,
    Notified,
    Settings,
    SettingsError,
    Signed,
    read_card,
    read_notified,
    remember,
    same_person,
    write_card,
    write_notified,
)
from contact_point.tls import Pin, TlsError
from contact_point.writing import put

if TYPE_CHECKING:
    from datetime import datetime


def enter(settings: Settings, card: str, note: str, *, by: str, now: datetime) -> Notified:
    """Enter a contact point, as notified through diplomatic channels by ``note``; it waits for :func:`confirm`.

    Raises:
        SettingsError: the card is not one, is another one of our own Party, cannot be used, is of a contact point that signed
            another arrangement than we hold, or no note or nobody is named.

    """
    designated = read_card(card)
    if not note.strip():
        raise SettingsError(
            "Art. 3(2): a contact point is notified through diplomatic channels; name the note that did, with its date"
        )
    _named(by)
    if designated.party is settings.party:
        _check_own(settings, designated)
        waiting = settings.folder.own_entered
    else:
        _check(designated)
        _signatory(settings, designated)
        waiting = settings.folder.other_entered
    notified = Notified(designated, note.strip(), Signed(by.strip(), now))
    write_notified(waiting, notified)
    return notified


def waiting(settings: Settings) -> list[Notified]:
    """Return the designations that wait for a second person: of our own contact point, and of the other one.

    Raises:
        SettingsError: one cannot be read.

    """
    folder = settings.folder
    found = (read_notified(folder.own_entered), read_notified(folder.other_entered))
    return [each for each in found if each is not None]


def confirm(settings: Settings, *, by: str, now: datetime, fingerprint: str = "") -> list[Notified]:
    """Put what waits into effect, as a second person who compared it with the note; with ``fingerprint``, that card alone.

    An interruption leaves what was not put into effect waiting.

    Raises:
        SettingsError: nothing waits, it was entered by the same person, ``fingerprint`` is of no card that waits, or the card
            can no longer be used.

    """
    _named(by)
    found = [each for each in waiting(settings) if each.fingerprint.startswith(fingerprint.lower())]
    if not found:
        raise SettingsError(
            "Art. 3(2): no designation waits for confirmation"
            + (f" whose card has the fingerprint {fingerprint}: it is not what was entered" if fingerprint else "")
            + "; enter a card with `pcsc designate CARD --note NOTE --by NAME`"
        )
    for each in found:
        if same_person(each.entered.by, by):
            raise SettingsError(
                f"Art. 3(2): a designation is entered by two persons, and {each.entered.by} entered this one: let another "
                "person compare the card with the note and confirm it"
            )
    return [_put_into_effect(settings, each, Signed(by.strip(), now)) for each in found]


def _put_into_effect(settings: Settings, notified: Notified, signed: Signed) -> Notified:
    folder, card = settings.folder, notified.card
    effective = Notified(card, notified.note, notified.entered, signed)
    if card.party is settings.party:
        write_notified(folder.own_designation, effective)
        folder.own_entered.unlink()
        return effective
    _check(card)
    before = read_notified(folder.other_designation)
    who = (card.uri, card.signing_key_pem)
    if before is not None and (before.card.uri, before.card.signing_key_pem) != who:  # what it signed stays signed
        remember(folder, FormerKey(before.card.uri, before.card.signing_key_pem, signed.at, card.party))
    arrangements.attach(folder.arrangements, card.arrangement.version, _signatory(settings, card))
    put(folder.other_authority, card.authority_pem.encode())
    put(folder.other, write_card(card).encode())
    write_notified(folder.other_designation, effective)
    folder.other_entered.unlink()
    return effective


def _named(by: str) -> None:
    if not by.strip():
        raise SettingsError("Art. 3(2): a designation is entered by two persons; say with --by who you are")


def _check_own(settings: Settings, card: Designation) -> None:
    """Refuse a card of our Party that is not this contact point's."""
    if card != read_card(settings.folder.card.read_text(encoding="utf-8")):
        raise SettingsError(
            f"Art. 3(2): this is a contact point of {settings.party} and the card is of {card.party}, but is not the one in "
            f"{settings.folder.card}: the other Party's card is needed, or our own as it is there"
        )


def _check(other: Designation) -> None:
    """Refuse a card with which the other contact point could not be reached, or not be told from anybody else."""
    if not other.address.startswith("https://"):
        raise SettingsError(f"Art. 9: the card's address begins with https://; got {other.address!r}")
    try:
        Pin(other.uri, frozenset(other.tls_keys))
        load_certificates(other.authority_pem.encode())
        VerifyingKey.from_pem(other.signing_key_pem.encode())
    except (TlsError, CertificateError, KeysError, ValueError) as error:
        raise SettingsError(f"the card cannot be used: {error}; ask the other contact point for a whole one") from None


_ANEW = (
    "make the installation of whoever holds another document than the agreed one anew with that "
    "(`pcsc init --arrangement FILE`)"
)


def _signatory(settings: Settings, other: Designation) -> Signatory:
    """Return the other Party's signature of an arrangement that we hold: Article 4(7) is of one document, not of two."""
    ours, theirs, signed = settings.party, other.party, other.arrangement
    held = [each.version for each in settings.arrangements.versions]
    if signed.version not in held:
        raise SettingsError(
            f"Art. 4(7): expected a card of {theirs} that signs {' or '.join(held)}, which {ours} holds; got one that signs "
            f"{signed.version}: an arrangement is one document that both hold; "
            + (_ANEW if settings.other is None else "enter theirs first with `pcsc arrangement enter`")
        )
    path = arrangements.document_path(settings.folder.arrangements, signed.version)
    document = path.read_bytes()
    here = arrangements.fingerprint(document)
    if here != signed.sha256:
        raise SettingsError(
            f"Art. 4(7): {ours} and {theirs} both hold an arrangement {signed.version}, but not the same document: its "
            f"SHA-256 is {here} here and {signed.sha256} on the card; compare the two files, and {_ANEW}"
        )
    key = VerifyingKey.from_pem(other.signing_key_pem.encode())
    signatory = Signatory(theirs, key, Signature("ECDSA-P384-SHA384", key.key_id, signed.signature))
    try:
        signatory.check(document, path)
    except DocumentError as error:
        raise SettingsError(f"the card cannot be used: {error}; ask the other contact point for a whole one") from None
    return signatory
