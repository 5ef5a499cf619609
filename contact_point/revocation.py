"""Whether a certificate was taken back: the revocation lists of the other Party's authorities (RFC 5280, 5; Articles 3 and 9).

A list is a file that the other contact point gives, as it gives its card; nothing is fetched, so nobody learns who asks about
whom. It counts when its authority signed it, until the time it says. From the first list of an authority that was entered on,
there must always be one that counts: without it no certificate of that authority is trusted. Until the first, the pins of the
designation do the work alone, and :meth:`Revocations.remarks` says so.

Numbers of lists only grow. The highest that was taken in is remembered beside them, so an older list never takes the place of
a newer one, and a list that was deleted is missed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import TypeAdapter, ValidationError

from contact_point.certificates import (
    CLOCK_SKEW,
    CertificateError,
    issuer_of,
    list_number,
    load_certificate,
    load_lists,
    spki_sha256,
)
from contact_point.tls import NotContactPointError, RevokedError, UnknownStandingError
from contact_point.writing import put

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

RENEW: Final = (
    "the other Party's authority publishes the next one (`pcsc keys revocations`), and this contact point enters it "
    "(`pcsc keys enter FILE`)"
)


_NUMBERS: Final = TypeAdapter(dict[str, int])


@dataclass(frozen=True, slots=True)
class Revocations:
    """What the authorities of the other Party took back. Immutable; :func:`read` makes it."""

    authorities: tuple[x509.Certificate, ...]
    lists: Mapping[str, x509.CertificateRevocationList]
    """By the digest of the authority's key."""
    numbers: Mapping[str, int]
    """The highest number that was taken in of each authority's lists, by the digest of its key."""
    fault: str = ""
    """Why what lies there cannot be used, where it cannot."""

    def check(self, certificate_der: bytes, now: datetime) -> None:
        """Refuse a certificate that was taken back, or of which nobody can tell. Microseconds, but for the first time.

        Raises:
            NotContactPointError: none of the authorities issued it.
            RevokedError: its authority took it back.
            UnknownStandingError: a list of its authority was entered, and there is none now that counts.

        """
        authority = _issuer(certificate_der, self.authorities)
        digest = _digest(authority)
        published = self.lists.get(digest)
        if published is None:
            if self.fault or digest in self.numbers:
                raise UnknownStandingError(
                    f"Art. 9: {self.fault or 'the revocation list that was entered is missing'}, so nobody can tell whether "
                    f"this certificate of {_name(authority)} was revoked; {RENEW}"
                )
            return
        _in_time(published, authority, now)
        serial = load_certificate(certificate_der).serial_number
        entry = published.get_revoked_certificate_by_serial_number(serial)
        if entry is not None:
            raise RevokedError(
                f"Art. 3(3), 9: {_name(authority)} revoked the certificate with serial number {serial:x} on "
                f"{entry.revocation_date_utc:%Y-%m-%d}; the other Party must present one that stands"
            )

    def remarks(self) -> list[str]:
        """Return what an operator should know: where no list was ever entered, and what cannot be used."""
        if self.fault:
            return [f"Art. 9: {self.fault}: nobody is answered and nothing is sent until that is mended; {RENEW}"]
        known = self.lists.keys() | self.numbers.keys()
        return [
            f"Art. 9: no revocation list of {_name(each)} was entered: a certificate that it revokes is trusted until its "
            f"key leaves the card; ask the other contact point for the list, and enter it with `pcsc keys enter FILE`"
            for each in self.authorities
            if _digest(each) not in known
        ]


def read(path: Path, numbers: Path, authorities: tuple[x509.Certificate, ...], now: datetime) -> Revocations:
    """Return the lists in the file at ``path``, each of which one of ``authorities`` signed.

    ``numbers`` is the file that remembers the highest numbers.

    Raises:
        UnknownStandingError: a list is missing that was there, cannot be read, is not signed by one of the authorities, is not
            a complete list, is not in time, or is older than one that was entered before.

    """
    remembered = _remembered(numbers)
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        pem = b""
    except OSError as error:
        raise UnknownStandingError(f"Art. 9: {path.name} cannot be read: {error.strerror}; {RENEW}") from None
    lists = _verified(pem, path, authorities, now) if pem or path.exists() else {}
    for digest, published in lists.items():
        if list_number(published) < remembered.get(digest, 0):
            raise UnknownStandingError(
                f"Art. 9: {path.name} holds list number {list_number(published)}, and number {remembered[digest]} was entered "
                f"before: an older list does not take the place of a newer one; {RENEW}"
            )
    missing = [each for each in authorities if _digest(each) in remembered.keys() - lists.keys()]
    if missing:
        raise UnknownStandingError(
            f"Art. 9: {path.name} holds no revocation list of {_name(missing[0])}, of which one was entered before; {RENEW}"
        )
    return Revocations(authorities, lists, remembered)


def enter(
    path: Path, numbers: Path, authorities: tuple[x509.Certificate, ...], pem: bytes, now: datetime
) -> Revocations:
    """Enter lists, beside those there are of other authorities, and return what then counts.

    Raises:
        UnknownStandingError: with them the lists could not be used; what was there stays.
        CertificateError: ``pem`` holds no list, or one that cannot be read.

    """
    new = load_lists(pem)
    signers = {_signer(each, authorities) for each in new}
    if signers == {None}:
        raise UnknownStandingError(
            f"Art. 9: the file holds no revocation list that an authority on the other Party's card signed; {RENEW}"
        )
    try:
        before = load_lists(path.read_bytes())
    except (FileNotFoundError, CertificateError):
        before = ()
    kept = [each for each in before if _signer(each, authorities) not in {*signers, None}]
    candidate = path.with_name(f".{path.name}.candidate")
    put(candidate, b"".join(each.public_bytes(Encoding.PEM) for each in (*new, *kept)))
    try:
        found = read(candidate, numbers, authorities, now)
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)
    remember(numbers, found)
    return found


def remember(path: Path, found: Revocations) -> None:
    """Write down the numbers of the lists that were taken in; nothing is written where none is new."""
    newer = {digest: list_number(published) for digest, published in found.lists.items()}
    if newer.items() <= found.numbers.items():
        return
    put(path, json.dumps(dict(found.numbers) | newer).encode() + b"\n")


def unusable(authorities: tuple[x509.Certificate, ...], error: UnknownStandingError) -> Revocations:
    """Return lists with which no certificate is trusted: what stands when a contact point starts with broken ones."""
    said = str(error).removeprefix("Art. 9: ").removesuffix(f"; {RENEW}")
    return Revocations(authorities, {}, {}, fault=said)


def ends(found: Revocations) -> list[tuple[str, datetime]]:
    """Return the name of each authority of which a list was entered, and when its list ends."""
    named = {_digest(each): _name(each) for each in found.authorities}
    return [(named[digest], each.next_update_utc) for digest, each in found.lists.items() if each.next_update_utc]


def _remembered(path: Path) -> dict[str, int]:
    try:
        return _NUMBERS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        raise UnknownStandingError(
            f"Art. 9: {path.name} cannot be read, so nobody can tell whether a revocation list is the newest: delete it, and "
            "enter the newest list again with `pcsc keys enter FILE`"
        ) from None


def _verified(
    pem: bytes, path: Path, authorities: tuple[x509.Certificate, ...], now: datetime
) -> dict[str, x509.CertificateRevocationList]:
    """Return the lists of a file by their authorities; of two of one authority, the newer one.

    A list of an authority that left the card may stay; a file without any of those on the card cannot be meant.
    """
    try:
        found: dict[str, x509.CertificateRevocationList] = {}
        for each in sorted(load_lists(pem), key=list_number):
            authority = _signer(each, authorities)
            if authority is not None:
                _complete(each)
                _in_time(each, authority, now)
                found[_digest(authority)] = each
    except CertificateError as error:
        raise UnknownStandingError(f"Art. 9: {path.name} cannot be used: {error}; {RENEW}") from None
    if not found:
        raise UnknownStandingError(
            f"Art. 9: {path.name} holds no revocation list that an authority on the other Party's card signed; {RENEW}"
        )
    return found


def _signer(
    published: x509.CertificateRevocationList, authorities: tuple[x509.Certificate, ...]
) -> x509.Certificate | None:
    for each in authorities:
        if each.subject == published.issuer and published.is_signature_valid(each.public_key()):  # type: ignore[arg-type]
            return each
    return None


def _complete(published: x509.CertificateRevocationList) -> None:
    """Refuse a list of a part, or of changes: what it leaves out would look as if it stood (RFC 5280, 5.2)."""
    critical = [each.oid.dotted_string for each in published.extensions if each.critical]
    if critical:
        raise CertificateError(f"a complete list has no critical extension; this one has {', '.join(critical)}")


def _in_time(published: x509.CertificateRevocationList, authority: x509.Certificate, now: datetime) -> None:
    begins, until = published.last_update_utc, published.next_update_utc
    if until is None or not begins - CLOCK_SKEW <= now <= until:
        raise UnknownStandingError(
            f"Art. 9: the revocation list of {_name(authority)} counts from {begins:%Y-%m-%d %H:%M} to "
            f"{'no time' if until is None else format(until, '%Y-%m-%d %H:%M')} UTC, not at {now:%Y-%m-%d %H:%M}, so nobody "
            f"can tell whether a certificate was revoked; {RENEW}"
        )


@lru_cache(maxsize=64)
def _issuer(certificate_der: bytes, authorities: tuple[x509.Certificate, ...]) -> x509.Certificate:
    """Return which authority issued a certificate."""
    try:
        certificate = load_certificate(certificate_der)
    except CertificateError as error:
        raise NotContactPointError(f"Art. 1(1), 3(3): the other end is no contact point: {error}") from error
    found = issuer_of(certificate, authorities)
    if found is not None:
        return found
    raise NotContactPointError(
        "Art. 1(1), 3(3): the certificate was not issued by the authority on the other Party's card; only its contact point is "
        "answered"
    )


@lru_cache(maxsize=16)
def _digest(authority: x509.Certificate) -> str:
    return spki_sha256(authority.public_bytes(Encoding.DER))


def _name(authority: x509.Certificate) -> str:
    return authority.subject.rfc4514_string()
