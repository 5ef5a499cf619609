"""Signatures apart from what they sign: a CMS SignedData (RFC 5652) of one signer, read, checked and made.

The shape is the one that containers of US identity cards have (NIST SP 800-76-2, clause 9; :mod:`contact_point.cbeff`):
the content lies elsewhere, the one signer is named by issuer and serial number, and what is signed is a set of attributes,
the content's digest among them. What the other attributes mean, and which keys and certificates will do, the caller knows.

:func:`read` takes one apart and believes nothing: strict DER of this one shape, a fixed number of levels deep, in linear
cost. :class:`SignedData` answers what it can be asked, :func:`leads_to` whether a chain of certificates ends at a trusted
one, :func:`write` makes one. Revocation is not looked up. Everything is pure and safe to call from many threads.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import verification

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CERTIFICATES: Final = 8
MAX_ATTRIBUTES: Final = 32
MAX_CHAIN: Final = 8

_SEQUENCE, _SET, _INTEGER, _OCTETS, _OID, _NULL = 0x30, 0x31, 0x02, 0x04, 0x06, 0x05
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_CONTEXT_0, _CONTEXT_1 = 0xA0, 0xA1

DATA: Final = "1.2.840.113549.1.7.1"
"""The type of content that is plain data."""
_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
"""Attributes of every signer (RFC 5652, 11)."""

_RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"
_RSASSA_PSS: Final = "1.2.840.113549.1.1.10"
_DIGESTS: Final[dict[str, hashes.HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_DIGEST_OIDS: Final = {algorithm.name: oid for oid, algorithm in _DIGESTS.items()}
_RSA_SIGNATURES: Final[dict[str, str | None]] = {
    _RSA_ENCRYPTION: None,  # with whatever digest the signer names
    _RSASSA_PSS: None,
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
}
_ECDSA_SIGNATURES: Final = {
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
}
_KEY_ALGORITHMS: Final = frozenset({_RSA_ENCRYPTION, "1.2.840.10045.2.1"})
_ECDSA_OIDS: Final = {name: oid for oid, name in _ECDSA_SIGNATURES.items()}


class CmsError(ValueError):
    """The bytes are not a SignedData that is read here."""


class MalformedError(CmsError):
    """The bytes were cut, or are no DER of a SignedData."""


class UnsupportedError(CmsError):
    """A sound SignedData of another shape."""


class LimitError(CmsError):
    """More certificates or attributes than a signature may have."""


@dataclass(frozen=True, slots=True)
class SignedData:
    """A CMS SignedData with one signer, apart from what it signs; object identifiers are dotted.

    ``issuer`` is the DER of the name that issued the signer's certificate, ``serial`` the certificate's number.
    ``attributes`` are the signed attributes, type to DER of the value; ``signed`` is what the signature is over.
    """

    content_type: str
    digest_algorithm: str
    signature_algorithm: str
    issuer: bytes = field(repr=False)
    serial: int
    attributes: Mapping[str, bytes] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    certificates: tuple[x509.Certificate, ...] = ()

    @property
    def digest(self) -> hashes.HashAlgorithm | None:
        """The digest that the signer names, None where it is none of SHA-256, -384 and -512."""
        return _DIGESTS.get(self.digest_algorithm)

    @property
    def algorithms_agree(self) -> bool:
        """Whether the signature is RSA or ECDSA with the digest that the signer names."""
        own = {**_RSA_SIGNATURES, **_ECDSA_SIGNATURES}.get(self.signature_algorithm, "")
        return self.digest is not None and own in {None, self.digest.name}

    def octets(self, attribute: str) -> bytes | None:
        """Return a signed attribute's value that is an OCTET STRING, None where it is not there or something else."""
        value = self.attributes.get(attribute)
        if value is None or value[:1] != bytes([_OCTETS]):
            return None
        return _Der(value, "an attribute").take(_OCTETS)

    def is_over(self, content: bytes) -> bool:
        """Tell whether the digest that was signed is the content's."""
        if self.digest is None:
            return False
        return hmac.compare_digest(_digest(content, self.digest), self.octets(MESSAGE_DIGEST) or b"")

    def names(self, certificate: x509.Certificate) -> bool:
        """Tell whether this is the signer's certificate, by issuer and number."""
        try:
            identity = _identity(certificate.tbs_certificate_bytes)
        except MalformedError:
            return False
        return (identity.serial, identity.issuer) == (self.serial, self.issuer)

    def is_by(self, key: object) -> bool:
        """Tell whether the signature over the signed attributes was made by the private half of this public key."""
        name = self.signature_algorithm
        if self.digest is None:
            return False
        try:
            if isinstance(key, rsa.RSAPublicKey) and name in _RSA_SIGNATURES:
                pss = padding.PSS(padding.MGF1(self.digest), padding.PSS.DIGEST_LENGTH)
                form = pss if name == _RSASSA_PSS else padding.PKCS1v15()
                key.verify(self.signature, self.signed, form, self.digest)
            elif isinstance(key, ec.EllipticCurvePublicKey) and name in _ECDSA_SIGNATURES:
                key.verify(self.signature, self.signed, ec.ECDSA(self.digest))
            else:
                return False
        except (InvalidSignature, ValueError):
            return False
        return True


def read(block: bytes) -> SignedData:
    """Take a signature block apart: ContentInfo, SignedData, one SignerInfo (RFC 5652, 3 and 5).

    Raises:
        MalformedError: the bytes are not one whole SignedData.
        UnsupportedError: it carries its content or revocation lists, has several signers, or one named in another way.
        LimitError: more than 8 certificates or 32 attributes.

    """
    outer = _Der(block, "the signature block")
    info = outer.into(_SEQUENCE, "ContentInfo")
    outer.close()
    kind = _dotted(info.take(_OID))
    if kind != _SIGNED_DATA:
        raise UnsupportedError(f"a signature block is a CMS SignedData, {_SIGNED_DATA} (SP 800-76-2, 9); got {kind}")
    explicit = info.into(_CONTEXT_0, "ContentInfo's content")
    info.close()
    body = explicit.into(_SEQUENCE, "SignedData")
    explicit.close()
    version = _number(body.take(_INTEGER))
    if not 1 <= version <= 5:
        raise MalformedError(f"a SignedData has version 1 to 5 (RFC 5652, 5.1); got {version}")
    digest_algorithms = _digest_algorithms(body.into(_SET, "DigestAlgorithmIdentifiers"))
    content = body.into(_SEQUENCE, "EncapsulatedContentInfo")
    content_type = _dotted(content.take(_OID))
    if content.tag is not None:
        raise UnsupportedError("the signature carries content of its own; PIV leaves it out (SP 800-76-2, 9)")
    certificates = _certificates(body.into(_CONTEXT_0, "CertificateSet")) if body.tag == _CONTEXT_0 else ()
    if body.tag == _CONTEXT_1:
        raise UnsupportedError("the signature carries revocation lists; PIV leaves them out (SP 800-76-2, 9)")
    infos = body.into(_SET, "SignerInfos")
    body.close()
    signer = infos.into(_SEQUENCE, "SignerInfo")
    if infos.tag is not None:
        raise UnsupportedError("a signature block has one signer (SP 800-76-2, 9); more are there")
    signed = _signer_info(signer, content_type, certificates)
    if signed.digest_algorithm not in digest_algorithms:
        raise MalformedError(
            f"the signer's digest algorithm is among those of the SignedData (RFC 5652, 5.3); {signed.digest_algorithm} is not"
        )
    return signed


def write(
    content: bytes,
    content_type: str,
    attributes: Mapping[str, bytes],
    *,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    certificate: x509.Certificate,
    embed: bool,
) -> bytes:
    """Sign content by ``key``, whose certificate is put inside where ``embed`` says so; return the DER of a ContentInfo.

    ``attributes`` are signed beside the content's type and digest: each type with the DER of its value. An RSA key signs
    PKCS #1 v1.5 with SHA-256, an elliptic curve of 384 bits ECDSA with SHA-384, any other with SHA-256. The SignedData has
    version 1 where its content is plain data, and 3 where not (RFC 5652, 5.1).
    """
    digest = hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size == 384 else hashes.SHA256()
    values = {
        CONTENT_TYPE: oid(content_type),
        MESSAGE_DIGEST: octets(_digest(content, digest)),
        **attributes,
    }
    encoded = b"".join(sorted(tlv(_SEQUENCE, oid(kind), tlv(_SET, value)) for kind, value in values.items()))
    algorithm, signature = _signature(tlv(_SET, encoded), key, digest)
    digest_algorithm = tlv(_SEQUENCE, oid(_DIGEST_OIDS[digest.name]), tlv(_NULL))
    serial = certificate.serial_number
    number = tlv(_INTEGER, serial.to_bytes(serial.bit_length() // 8 + 1, signed=True))
    signer = tlv(
        _SEQUENCE,
        tlv(_INTEGER, b"\x01"),
        tlv(_SEQUENCE, certificate.issuer.public_bytes(), number),
        digest_algorithm,
        tlv(_CONTEXT_0, encoded),
        algorithm,
        tlv(_OCTETS, signature),
    )
    inside = tlv(_CONTEXT_0, certificate.public_bytes(serialization.Encoding.DER)) if embed else b""
    body = tlv(
        _SEQUENCE,
        tlv(_INTEGER, b"\x01" if content_type == DATA else b"\x03"),
        tlv(_SET, digest_algorithm),
        tlv(_SEQUENCE, oid(content_type)),
        inside,
        tlv(_SET, signer),
    )
    return tlv(_SEQUENCE, oid(_SIGNED_DATA), tlv(_CONTEXT_0, body))


def _signature(
    signed: bytes, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, digest: hashes.SHA256 | hashes.SHA384
) -> tuple[bytes, bytes]:
    """Return the DER of the signature's algorithm, and the signature."""
    if isinstance(key, rsa.RSAPrivateKey):
        return tlv(_SEQUENCE, oid(_RSA_ENCRYPTION), tlv(_NULL)), key.sign(signed, padding.PKCS1v15(), digest)
    return tlv(_SEQUENCE, oid(_ECDSA_OIDS[digest.name])), key.sign(signed, ec.ECDSA(digest))


def _digest(content: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    hasher = hashes.Hash(algorithm)
    hasher.update(content)
    return hasher.finalize()


# --- certificates


def subject_of(certificate: x509.Certificate) -> bytes:
    """Return the DER of the name of a certificate that was found by :meth:`SignedData.names`."""
    return _identity(certificate.tbs_certificate_bytes).subject


def public_key_of(certificate: x509.Certificate) -> object:
    """Return the key of a certificate that was found by :meth:`SignedData.names`; None where it is no RSA or ECDSA key."""
    if _identity(certificate.tbs_certificate_bytes).key_algorithm not in _KEY_ALGORITHMS:
        return None
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def leads_to(
    trusted: Sequence[x509.Certificate],
    certificate: x509.Certificate,
    known: Sequence[x509.Certificate],
    at: dt.datetime,
) -> bool:
    """Tell whether a chain of certificates out of ``known``, all valid at a time, ends at a trusted one.

    ``trusted`` is not empty, ``at`` has a zone, and the chain is at most :data:`MAX_CHAIN` deep. Each certificate that signs
    another is an authority and says that it signs certificates (RFC 5280, 6.1.4 (k) and (n)). One signature check a link.
    """
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(trusted)))
        .time(at.astimezone(dt.UTC).replace(tzinfo=None))
        .max_chain_depth(MAX_CHAIN)
        .extension_policies(ca_policy=_authorities(), ee_policy=verification.ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        verifier.verify(certificate, [each for each in known if each != certificate])
    except (verification.VerificationError, ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False
    return True


def _authorities() -> verification.ExtensionPolicy:
    """Return what is asked of a certificate that signs others (RFC 5280, 6.1.4 (k) and (n))."""
    agnostic = verification.Criticality.AGNOSTIC
    return (
        verification.ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, agnostic, _is_authority)
        .require_present(x509.KeyUsage, agnostic, _signs_certificates)
    )


def _is_authority(_policy: verification.Policy, _cert: x509.Certificate, value: x509.BasicConstraints) -> None:
    if not value.ca:
        raise ValueError("not an authority")


def _signs_certificates(_policy: verification.Policy, _cert: x509.Certificate, value: x509.KeyUsage) -> None:
    if not value.key_cert_sign:
        raise ValueError("not for signing certificates")


# --- DER, read


class _Der:
    """Elements of one level of DER, taken from front to back."""

    __slots__ = ("at", "data", "what")

    def __init__(self, data: bytes, what: str) -> None:
        self.data = data
        self.what = what
        self.at = 0

    @property
    def tag(self) -> int | None:
        """The next element's tag, None at the end."""
        return self.data[self.at] if self.at < len(self.data) else None

    def take(self, tag: int) -> bytes:
        """Step over an element and return its value."""
        begin, end = self._next(tag)
        self.at = end
        return self.data[begin:end]

    def whole(self, tag: int) -> bytes:
        """Step over an element and return all of it."""
        start = self.at
        self.take(tag)
        return self.data[start : self.at]

    def into(self, tag: int, what: str) -> _Der:
        """Step over an element and return its value as the next level."""
        return _Der(self.take(tag), what)

    def close(self) -> None:
        """Refuse what is left."""
        if self.at < len(self.data):
            raise MalformedError(
                f"{self.what} ends before its bytes do; {len(self.data) - self.at} more follow (RFC 5652)"
            )

    def _next(self, tag: int) -> tuple[int, int]:
        """Return where the value of the next element begins and ends; lengths are definite and as short as can be."""
        left = len(self.data) - self.at
        if left < 2 or self.data[self.at] != tag:
            came = f"tag {self.data[self.at]:02x}" if left else "nothing"
            raise MalformedError(f"{self.what} goes on with an element of tag {tag:02x} (RFC 5652); {came} came")
        first = self.data[self.at + 1]
        begin = self.at + 2
        size = first
        if first >= 0x80:
            count = first - 0x80
            size = int.from_bytes(self.data[begin : begin + count])
            begin += count
            if not 1 <= count <= 2 or size < (0x80, 0x100)[count - 1]:
                raise MalformedError(f"{self.what} has a length that is not DER, or over 65535 (X.690, 10.1)")
        if begin + size > len(self.data):
            raise MalformedError(f"{self.what} has an element of {size} bytes; {max(0, len(self.data) - begin)} remain")
        return begin, begin + size


def _digest_algorithms(of: _Der) -> set[str]:
    algorithms: set[str] = set()
    while of.tag is not None:
        algorithms.add(_algorithm(of, "a digest algorithm"))
    return algorithms


def _signer_info(signer: _Der, content_type: str, certificates: tuple[x509.Certificate, ...]) -> SignedData:
    version = _number(signer.take(_INTEGER))
    if version != 1:
        raise UnsupportedError(
            f"the signer is named by issuer and serial number, version 1 (SP 800-76-2, 9); got {version}"
        )
    name = signer.into(_SEQUENCE, "IssuerAndSerialNumber")
    issuer, serial = name.whole(_SEQUENCE), _number(name.take(_INTEGER))
    name.close()
    digest_algorithm = _algorithm(signer, "the digest algorithm")
    if signer.tag != _CONTEXT_0:
        raise MalformedError("the signer's attributes are missing; PIV signs them (SP 800-76-2, 9)")
    signed = signer.take(_CONTEXT_0)
    signature_algorithm = _algorithm(signer, "the signature algorithm")
    signature = signer.take(_OCTETS)
    if signer.tag == _CONTEXT_1:
        signer.take(_CONTEXT_1)  # attributes that nobody signed say nothing
    signer.close()
    return SignedData(
        content_type=content_type,
        digest_algorithm=digest_algorithm,
        signature_algorithm=signature_algorithm,
        issuer=issuer,
        serial=serial,
        attributes=_attributes(_Der(signed, "SignedAttributes")),
        signed=tlv(_SET, signed),  # what is signed is the set itself, not the tag it has here (RFC 5652, 5.4)
        signature=signature,
        certificates=certificates,
    )


def _algorithm(of: _Der, what: str) -> str:
    """Return the algorithm's identifier.

    Its parameters are none, or NULL, or those of RSASSA-PSS, which are left unread: a signature made with others than
    PIV's does not hold.
    """
    inside = of.into(_SEQUENCE, what)
    algorithm = _dotted(inside.take(_OID))
    if algorithm == _RSASSA_PSS:
        inside.take(_SEQUENCE)
    elif inside.tag is not None and inside.take(_NULL):
        raise MalformedError(f"{what} has parameters of NULL with bytes in it (X.690, 8.8)")
    inside.close()
    return algorithm


def _attributes(of: _Der) -> dict[str, bytes]:
    """Return the attributes, each with its one value."""
    attributes: dict[str, bytes] = {}
    while of.tag is not None:
        attribute = of.into(_SEQUENCE, "an attribute")
        kind = _dotted(attribute.take(_OID))
        values = attribute.into(_SET, f"attribute {kind}")
        attribute.close()
        if kind in attributes or values.tag is None:
            raise MalformedError(
                f"a signed attribute is there once, with a value (RFC 5652, 5.3 and 11); {kind} is not"
            )
        if len(attributes) == MAX_ATTRIBUTES:
            raise LimitError(f"a signer has at most {MAX_ATTRIBUTES} signed attributes here; more are there")
        value = values.whole(values.tag)
        values.close()
        attributes[kind] = value
    return attributes


def _certificates(of: _Der) -> tuple[x509.Certificate, ...]:
    certificates: list[x509.Certificate] = []
    while of.tag is not None:
        if len(certificates) == MAX_CERTIFICATES:
            raise LimitError(f"a signature carries at most {MAX_CERTIFICATES} certificates here; more are there")
        certificates.append(_certificate(of.whole(_SEQUENCE), len(certificates) + 1))
    return tuple(certificates)


def _certificate(data: bytes, place: int) -> x509.Certificate:
    body = _Der(data, f"certificate {place}").into(_SEQUENCE, f"certificate {place}")
    if _identity(body.whole(_SEQUENCE)).serial < 1:
        raise MalformedError(
            f"certificate {place} of the signature has a serial number that is not positive (RFC 5280, 4.1.2.2)"
        )
    try:
        return x509.load_der_x509_certificate(data)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise MalformedError(f"certificate {place} of the signature cannot be read (RFC 5280)") from error


@dataclass(frozen=True, slots=True)
class _Identity:
    """What names a certificate and its key: number, DER of both names, and the kind of the key."""

    serial: int
    issuer: bytes
    subject: bytes
    key_algorithm: str


def _identity(body: bytes) -> _Identity:
    """Take a TBSCertificate as far as its key (RFC 5280, 4.1); names are compared as bytes and so left unparsed."""
    fields = _Der(body, "a certificate").into(_SEQUENCE, "TBSCertificate")
    if fields.tag == _CONTEXT_0:
        fields.take(_CONTEXT_0)  # the version
    serial = _number(fields.take(_INTEGER))
    fields.take(_SEQUENCE)  # the signature algorithm
    issuer = fields.whole(_SEQUENCE)
    fields.take(_SEQUENCE)  # the validity
    subject = fields.whole(_SEQUENCE)
    key = fields.into(_SEQUENCE, "SubjectPublicKeyInfo").into(_SEQUENCE, "the key's algorithm")
    return _Identity(serial, issuer, subject, _dotted(key.take(_OID)))


def _dotted(value: bytes) -> str:
    """Return an object identifier in figures (X.690, 8.19)."""
    if not 1 <= len(value) <= 64 or value[-1] >= 0x80:
        raise MalformedError("an object identifier has 1 to 64 bytes, the last below 80 (X.690, 8.19)")
    arcs, number = [], 0
    for byte in value:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            arcs.append(number)
            number = 0
    top = min(arcs[0] // 40, 2)
    return ".".join(map(str, (top, arcs[0] - 40 * top, *arcs[1:])))


def _number(value: bytes) -> int:
    if not 1 <= len(value) <= 32:
        raise MalformedError(f"a version or serial number has 1 to 32 bytes; got {len(value)}")
    return int.from_bytes(value, signed=True)


# --- DER, written


def octets(value: bytes) -> bytes:
    """Return the DER of an OCTET STRING."""
    return tlv(_OCTETS, value)


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return an element of a tag and a value in parts (X.690, 8.1), its length as short as can be."""
    value = b"".join(parts)
    if len(value) < 0x80:
        return bytes((tag, len(value))) + value
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8)
    return bytes((tag, 0x80 + len(size))) + size + value


def oid(dotted: str) -> bytes:
    """Return the DER of an object identifier."""
    first, second, *rest = map(int, dotted.split("."))
    encoded = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        encoded += bytes(reversed(groups))
    return tlv(_OID, bytes(encoded))


def signing_time(moment: dt.datetime) -> bytes:
    """Return the DER of a signing time: two digits of a year from 1950 to 2049, four of others (RFC 5652, 11.3)."""
    utc = moment.astimezone(dt.UTC)
    if 1950 <= utc.year <= 2049:
        return tlv(_UTC_TIME, f"{utc:%y%m%d%H%M%SZ}".encode("ascii"))
    return tlv(_GENERALIZED_TIME, f"{utc.year:04}{utc:%m%d%H%M%SZ}".encode("ascii"))
