"""A Party's private certificate authority and the certificates of its contact points (Articles 3 and 9).

Each Party certifies its own contact points and trusts the other Party's authority for nothing else. A certificate names
a contact point by a URI in its subjectAltName and serves both ends of a connection, since either contact point calls
the other. All keys are ECDSA on P-384; the profile is that of RFC 5280, so that OpenSSL's strict verification passes.

An authority may lie anywhere, on a machine without a network too: a contact point asks by a :func:`request`, the authority
signs it, and what it takes back stands in its certificate revocation list (RFC 5280, 5), which is also the authority's
only memory of it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far another clock may lag behind ours and still find a new certificate valid."""

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
LEAF_LIFETIME: Final = timedelta(days=730)

LIST_LIFETIME: Final = timedelta(days=90)
"""How long a revocation list counts. The other contact point answers nobody with one that has ended."""


class CertificateError(Exception):
    """A certificate or an authority cannot be made or read."""


@dataclass(frozen=True, slots=True)
class LeafCertificate:
    """The certificate of one contact point with its private key, both PEM."""

    cert_pem: bytes
    key_pem: bytes = field(repr=False)

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return x509.load_pem_x509_certificate(self.cert_pem).public_bytes(serialization.Encoding.DER)

    def save(self, certificate: Path, key: Path) -> None:
        """Write both to new files, the key with mode 0600.

        Raises:
            CertificateError: a file exists already or cannot be written.

        """
        _write(key, self.key_pem, 0o600)
        _write(certificate, self.cert_pem, 0o644)


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """One Party's authority; made by :meth:`create`, kept by :meth:`save` and :meth:`load`."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, name: str, now: datetime, lifetime: timedelta = AUTHORITY_LIFETIME) -> Self:
        """Make an authority with a fresh key, valid from five minutes before ``now`` for ``lifetime`` after it.

        Raises:
            CertificateError: the name is not 1 to 64 characters, or the time has no zone.

        """
        key = ec.generate_private_key(ec.SECP384R1())
        subject = _name(name)
        builder = (
            _builder(subject, key.public_key(), now, lifetime, issuer=subject, issuer_key=key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
        )
        return cls(builder.sign(key, hashes.SHA384()), key)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read an authority from ``authority.pem`` and ``authority.key``.

        Raises:
            CertificateError: a file is missing or is not what its name says, or the key is not the certificate's.

        """
        try:
            certificate = x509.load_pem_x509_certificate((folder / "authority.pem").read_bytes())
            key = serialization.load_pem_private_key((folder / "authority.key").read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise CertificateError(
                f"an authority is authority.pem and authority.key, both PEM, in {folder.name}: {error}"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise CertificateError(f"authority.key in {folder.name} is not the key of authority.pem beside it")
        return cls(certificate, key)

    @property
    def cert_pem(self) -> bytes:
        """The authority's certificate, for the other Party to trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def save(self, folder: Path) -> None:
        """Write ``authority.pem`` and ``authority.key`` (mode 0600) into an existing folder.

        Raises:
            CertificateError: one of them exists already or cannot be written.

        """
        _write(folder / "authority.key", _key_pem(self.key), 0o600)
        _write(folder / "authority.pem", self.cert_pem, 0o644)

    def issue(
        self, uri: str, hosts: Sequence[str], now: datetime, lifetime: timedelta = LEAF_LIFETIME
    ) -> LeafCertificate:
        """Certify a fresh key for the contact point ``uri``, reachable under ``hosts`` (DNS names, IP addresses).

        Valid from five minutes before ``now`` for ``lifetime`` after it, at either end of a connection.

        Raises:
            CertificateError: the URI has no scheme, a host is no ASCII name or address, or the time has no zone.

        """
        asked = request(uri, hosts)
        return LeafCertificate(self.sign(asked.pem, now, lifetime), asked.key_pem)

    def sign(self, request_pem: bytes, now: datetime, lifetime: timedelta = LEAF_LIFETIME) -> bytes:
        """Certify the key of a contact point's :func:`request`, and return the certificate in PEM.

        Only the key, the URI and the hosts are taken from it. Valid as :meth:`issue` says.

        Raises:
            CertificateError: it is no request, its signature is wrong, its key is not on P-384, or it does not name exactly
                one URI; or the time has no zone.

        """
        key, names = _asked(request_pem)
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        issuer, issuer_key = self.certificate.subject, self.key.public_key()
        both_ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            _builder(_name(uri[-64:]), key, now, lifetime, issuer=issuer, issuer_key=issuer_key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(both_ends), critical=False)
            .add_extension(names, critical=False)
        )
        return builder.sign(self.key, hashes.SHA384()).public_bytes(serialization.Encoding.PEM)

    def list_revoked(
        self,
        before: x509.CertificateRevocationList | None,
        serials: Sequence[int],
        now: datetime,
        lifetime: timedelta = LIST_LIFETIME,
    ) -> x509.CertificateRevocationList:
        """Return the revocation list that follows ``before``, with more serial numbers: number and entries go on.

        It counts from five minutes before ``now`` for ``lifetime`` after it.

        Raises:
            CertificateError: ``before`` is not of this authority, or the time has no zone.

        """
        if before is not None and not before.is_signature_valid(self.key.public_key()):
            raise CertificateError("the list to go on from is not signed by this authority; name the authority's own")
        if now.tzinfo is None or lifetime <= timedelta():
            raise CertificateError(f"a list needs a time with a zone and a lifetime above zero; got {now}, {lifetime}")
        known = [] if before is None else list(before)
        number = 1 if before is None else list_number(before) + 1
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - CLOCK_SKEW)
            .next_update(now + lifetime)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        new = [each for each in dict.fromkeys(serials) if each not in {one.serial_number for one in known}]
        for entry in (*known, *(_revoked(serial, now) for serial in new)):
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA384())


@dataclass(frozen=True, slots=True)
class Request:
    """A contact point's request for a certificate (PKCS #10, RFC 2986) and the private key that stays with it, both PEM."""

    pem: bytes
    key_pem: bytes = field(repr=False)

    def save(self, request: Path, key: Path) -> None:
        """Write both to new files, the key with mode 0600.

        Raises:
            CertificateError: a file exists already or cannot be written.

        """
        _write(key, self.key_pem, 0o600)
        _write(request, self.pem, 0o644)


def request(uri: str, hosts: Sequence[str]) -> Request:
    """Make a fresh key and ask for a certificate of it for the contact point ``uri``, reachable under ``hosts``.

    Raises:
        CertificateError: the URI has no scheme, or a host is no ASCII name or address.

    """
    names = x509.SubjectAlternativeName([_uri(uri), *(_host(host) for host in hosts)])
    key = ec.generate_private_key(ec.SECP384R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(uri[-64:]))
    asked = builder.add_extension(names, critical=False).sign(key, hashes.SHA384())
    return Request(asked.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def _asked(request_pem: bytes) -> tuple[ec.EllipticCurvePublicKey, x509.SubjectAlternativeName]:
    """Return the key and the names that a request asks to certify."""
    try:
        asked = x509.load_pem_x509_csr(request_pem)
        signed, key = asked.is_signature_valid, asked.public_key()
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise CertificateError(
            f"expected a contact point's request in PEM, as `pcsc keys request` makes it: {error}"
        ) from error
    if not signed or not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise CertificateError("a request is signed by the key it is for, which is on P-384 (decision 3); this is not")
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise CertificateError(
            f"Art. 3(1): a request is for one contact point and names one URI; this one names {uris}"
        )
    return key, names


def _revoked(serial: int, now: datetime) -> x509.RevokedCertificate:
    return x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()


def list_number(revoked: x509.CertificateRevocationList) -> int:
    """Return the number of a revocation list (RFC 5280, 5.2.3), which grows from list to list.

    Raises:
        CertificateError: it has none.

    """
    try:
        return revoked.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise CertificateError("the revocation list has no number, so nobody can tell it from an older one") from error


def load_lists(pem: bytes) -> tuple[x509.CertificateRevocationList, ...]:
    """Read the revocation lists in a PEM file, of which there is at least one. Nothing is verified.

    Raises:
        CertificateError: it holds none, or one cannot be read.

    """
    begins, ends = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"
    parts = pem.split(begins)[1:]
    if not parts or not all(ends in each for each in parts):
        raise CertificateError("expected certificate revocation lists in PEM: there is none, or the last is cut off")
    try:
        return tuple(x509.load_pem_x509_crl(begins + each) for each in parts)
    except ValueError as error:
        raise CertificateError(f"expected certificate revocation lists in PEM: {error}") from error


def load_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Read the certificates in a PEM file, of which there is at least one.

    Raises:
        CertificateError: it holds none, or one cannot be read.

    """
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise CertificateError(f"expected certificates in PEM: {error}") from error


def load_certificate(der: bytes) -> x509.Certificate:
    """Read a certificate in DER.

    Raises:
        CertificateError: the bytes are none.

    """
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"these {len(der)} bytes are not an X.509 certificate in DER") from error


def issuer_of(certificate: x509.Certificate, authorities: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """Return which of these authorities signed a certificate, if one did. A millisecond for each that is tried."""
    for each in authorities:
        try:
            certificate.verify_directly_issued_by(each)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return each
    return None


def spki_sha256(cert_der: bytes) -> str:
    """Return SHA-256 over a certificate's SubjectPublicKeyInfo in hexadecimal: what a pin of its key holds.

    Raises:
        CertificateError: the bytes are no certificate, or its key is of a kind not known here.

    """
    try:
        spki = (
            load_certificate(cert_der)
            .public_key()
            .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError("the certificate's public key cannot be read") from error
    return hashlib.sha256(spki).hexdigest()


def san_uris(cert_der: bytes) -> tuple[str, ...]:
    """Return the URIs of a certificate's subjectAltName (RFC 5280, 4.2.1.6) in order; none where it has none.

    Raises:
        CertificateError: the bytes are no certificate, or its extensions cannot be read.

    """
    try:
        names = load_certificate(cert_der).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise CertificateError("the certificate's extensions cannot be read") from error
    return tuple(names.get_values_for_type(x509.UniformResourceIdentifier))


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
    *,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    """Return what an authority's and a leaf's certificate have in common."""
    if now.tzinfo is None or lifetime <= timedelta():
        raise CertificateError(
            f"a certificate needs a time with a zone and a lifetime above zero; got {now}, {lifetime}"
        )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    if not 1 <= len(common_name) <= 64:
        raise CertificateError(f"a common name has 1 to 64 characters (RFC 5280, appendix A.1); got {common_name!r}")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _uri(uri: str) -> x509.UniformResourceIdentifier:
    try:
        if not urlsplit(uri).scheme:
            raise CertificateError(f"a contact point is named by a URI such as urn:pcsc:ncp:jp; got {uri!r}")
        return x509.UniformResourceIdentifier(uri)
    except ValueError as error:
        raise CertificateError(f"a contact point is named by an ASCII URI; got {uri!r}") from error


def _host(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise CertificateError(f"a host is an ASCII DNS name or an IP address; got {host!r}") from error


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(file, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(file)
    except OSError as error:
        raise CertificateError(f"cannot write {path.name}: {error.strerror}; keys are never overwritten") from error
