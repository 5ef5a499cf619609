"""Keys of TLS and what certifies them, from the first to the last (Articles 3(2) and 9): what `pcsc keys` does.

A key is followed by another in four steps, and no step stops the service: :func:`ask` makes the next key and a request, the
authority signs it, :func:`enter_next` takes in the certificate and writes a card with both keys, and once that card was
notified and is in effect on both sides (:mod:`contact_point.designation`), :func:`use_next` puts the next in the place of the
current one. The authority, wherever it lies, publishes what it took back (:func:`publish`), and the other contact point enters
that (:func:`enter_lists`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization

from contact_point import certificates, revocation
from contact_point.certificates import (
    LEAF_LIFETIME,
    LIST_LIFETIME,
    CertificateAuthority,
    CertificateError,
    issuer_of,
    load_certificates,
    load_lists,
    spki_sha256,
)
from contact_point.settings import Designation, Settings, SettingsError, read_card, read_notified, write_card
from contact_point.tls import read_certificate
from contact_point.writing import put

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from cryptography import x509

    from contact_point.revocation import Revocations
    from contact_point.settings import Folder


def ask(settings: Settings) -> Path:
    """Make the next key, and return the request for its certificate, for our authority to sign.

    Raises:
        CertificateError: a next key was made already.

    """
    folder = settings.folder
    if folder.next_key.exists():
        raise CertificateError(
            f"{folder.next_key} is there: a next key was made already. Let the authority sign {folder.next_request.name} and "
            "enter the certificate with `pcsc keys next`, or delete both to make another"
        )
    certificates.request(settings.uri, [settings.host]).save(folder.next_request, folder.next_key)
    return folder.next_request


def sign(request: Path, authority: Path, now: datetime, lifetime: timedelta = LEAF_LIFETIME) -> bytes:
    """Return the certificate that the authority in a folder gives for a request, in PEM.

    Raises:
        CertificateError: there is no authority, it has ended, or the request cannot be signed.

    """
    issuer = CertificateAuthority.load(authority)
    until = issuer.certificate.not_valid_after_utc
    if now + lifetime > until:
        raise CertificateError(
            f"a certificate of {lifetime.days} days would outlive its authority, which ends on {until:%Y-%m-%d}: sign for "
            "fewer days, or make another authority with `pcsc keys authority FOLDER`"
        )
    return issuer.sign(request.read_bytes(), now, lifetime)


def enter_next(settings: Settings, certificate_pem: bytes, now: datetime, authority_pem: bytes = b"") -> Designation:
    """Take in the certificate of the next key, and return the card that names both keys, for our Party to notify.

    ``authority_pem`` is the certificate of another authority than that on the card, where that issued it: the card then
    names both.

    Raises:
        CertificateError: it is not of the next key, not of this contact point, not valid now, or of no such authority.

    """
    folder = settings.folder
    card = read_card(folder.card.read_text(encoding="utf-8"))
    (certificate,) = _one(certificate_pem)
    der = certificate.public_bytes(serialization.Encoding.DER)
    shown = read_certificate(der)
    if shown.uri != settings.uri or not shown.not_before <= now <= shown.not_after:
        raise CertificateError(
            f"expected a certificate of {settings.uri} that is valid on {now:%Y-%m-%d}; got one of {shown.uri}, valid from "
            f"{shown.not_before:%Y-%m-%d} to {shown.not_after:%Y-%m-%d}"
        )
    _check_key(certificate, folder.next_key)
    known = card.authority_pem
    if authority_pem and authority_pem.decode() not in known:
        known += authority_pem.decode()
    _issuer(certificate, known)
    current = spki_sha256(_der(folder.certificate))
    put(folder.next_certificate, certificate_pem)
    card = replace(card, tls_keys=(current, shown.key), authority_pem=known)
    put(folder.card, write_card(card).encode())
    return card


def use_next(settings: Settings) -> Designation:
    """Put the next certificate and key in the place of the current ones; return the card without the old key, to be notified.

    A service that runs takes them up by itself. Interrupted, it is done to its end when it is called again: the key goes
    first, and until the certificate follows a running service stays with what it had.

    Raises:
        SettingsError: the card with the next key is not in effect here: the other Party would refuse us.
        CertificateError: there is no next certificate.

    """
    folder = settings.folder
    if not folder.next_certificate.is_file():
        raise CertificateError(
            "there is no next certificate: make its key with `pcsc keys request`, and enter what the authority signed with "
            "`pcsc keys next CERTIFICATE`"
        )
    der = _der(folder.next_certificate)
    key = spki_sha256(der)
    notified = read_notified(folder.own_designation)
    if notified is None or not notified.in_effect or key not in notified.card.tls_keys:
        raise SettingsError(
            f"Art. 3(2): the next key, {key[:16]}, is not one that our Party notified, so the other contact point would refuse "
            f"it: let two persons designate {folder.card} once the other Party confirmed that it entered it"
        )
    if folder.next_key.exists():
        folder.next_key.replace(folder.certificate_key)
    folder.next_certificate.replace(folder.certificate)
    folder.next_request.unlink(missing_ok=True)
    card = read_card(folder.card.read_text(encoding="utf-8"))
    issuer = _issuer(load_certificates(folder.certificate.read_bytes())[0], card.authority_pem)
    authority_pem = issuer.public_bytes(serialization.Encoding.PEM).decode()
    card = replace(card, tls_keys=(key,), authority_pem=authority_pem)
    put(folder.card, write_card(card).encode())
    return card


def publish(authority: Path, revoked: Sequence[int], now: datetime, lifetime: timedelta = LIST_LIFETIME) -> Path:
    """Write the next revocation list of the authority in a folder, with more serial numbers, and return where it lies.

    Raises:
        CertificateError: there is no authority, or its last list cannot be read: what it took back must not be forgotten.

    """
    path = authority / "revoked.pem"
    before = load_lists(path.read_bytes())[-1] if path.exists() else None
    following = CertificateAuthority.load(authority).list_revoked(before, revoked, now, lifetime)
    put(path, following.public_bytes(serialization.Encoding.PEM))
    return path


def enter_lists(folder: Folder, pem: bytes, now: datetime) -> Revocations:
    """Enter revocation lists of the other Party's authorities; those of authorities that they are not of stay.

    Raises:
        UnknownStandingError: one cannot be used or is older than what was entered before, or none is of an authority on the
            other Party's card.
        CertificateError: the other Party's authority was not entered.

    """
    try:
        authorities = load_certificates(folder.other_authority.read_bytes())
    except FileNotFoundError:
        raise CertificateError(
            "Art. 3(2): the other contact point is not designated, so no authority is known whose list could be entered"
        ) from None
    return revocation.enter(folder.other_revoked, folder.other_revoked_numbers, authorities, pem, now)


def _one(pem: bytes) -> tuple[x509.Certificate]:
    found = load_certificates(pem)
    if len(found) != 1:
        raise CertificateError(f"expected one certificate in PEM; got {len(found)}")
    return (found[0],)


def _der(path: Path) -> bytes:
    return _one(path.read_bytes())[0].public_bytes(serialization.Encoding.DER)


def _check_key(certificate: x509.Certificate, path: Path) -> None:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        raise CertificateError("there is no next key yet: make it with `pcsc keys request`") from None
    if key.public_key() != certificate.public_key():
        raise CertificateError(
            f"the certificate is not of the key in {path.name}: enter the one that the authority signed for the request "
            "beside it"
        )


def _issuer(certificate: x509.Certificate, authority_pem: str) -> x509.Certificate:
    found = issuer_of(certificate, load_certificates(authority_pem.encode()))
    if found is not None:
        return found
    raise CertificateError(
        "no authority on our card issued the certificate, so the other contact point would refuse it: have the authority sign "
        "it that is on the card, or name the new one's certificate with --authority-certificate"
    )
