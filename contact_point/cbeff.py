"""Fingerprint containers of US identity cards (PIV): a CBEFF header, the biometric record, and a signature over both.

A container (NIST SP 800-76-2, clause 9) is a header of 88 bytes, a biometric data block (BDB) and a signature block (SB).
The BDB is an INCITS 378 minutiae record of two fingers, or INCITS 381 images, and belongs to :mod:`matcher.formats`. The
SB is a CMS SignedData (RFC 5652) without its content: it signs header and BDB. As a card gives it out, the container lies
in BER-TLV, tag BC inside of 53, with an empty error detection code (FE) behind it (NIST SP 800-73-4, Part 1, Appendix A).

:func:`read` takes a container apart, whoever signed it. :func:`verify` says what its signature is worth, as one of
:class:`Outcome`. The signer's certificate need not be inside: a card that signs its CHUID with the same key leaves it out
(FIPS 201-3, 4.2.3.2), so whoever has the CHUID passes its certificate in. Without it, only the digest and the card's
number can be checked. Revocation is not looked up. :func:`write` makes a signed container.

The CMS reader below takes strict DER of this one shape, a fixed number of levels deep.
"""

from __future__ import annotations

import datetime as dt
import hmac
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import verification

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_BYTES: Final = 10_000_000
MAX_CERTIFICATES: Final = 8
MAX_ATTRIBUTES: Final = 32
MIN_RSA_BITS: Final = 2048
MAX_CHAIN: Final = 8

_HEADER: Final = struct.Struct(">BBIHHH8s8s8s3sBb18s25s4s")
_PATRON_VERSION: Final = 3
_SIGNED, _SIGNED_AND_ENCRYPTED = 0x0D, 0x0F
_OWNER_M1: Final = 0x001B  # INCITS Technical Committee M1
_FACE: Final = 0x0501
_FINGER: Final = b"\x00\x00\x08"  # biometric type
_KIND: Final = 0xE0  # the bits of the biometric data type that tell raw (20) from processed (80)
_NOT_SUPPORTED: Final = -2  # quality
_CREATOR_SIZE, _FASCN_SIZE = 18, 25
_EDC: Final = b"\xfe\x00"

_SEQUENCE, _SET, _INTEGER, _OCTETS, _OID, _NULL = 0x30, 0x31, 0x02, 0x04, 0x06, 0x05
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_CONTEXT_0, _CONTEXT_1 = 0xA0, 0xA1

_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
BIOMETRIC_OBJECT: Final = "2.16.840.1.101.3.6.2"
"""id-PIV-biometricObject, the content type (FIPS 201-3, Appendix B)."""

_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
_SIGNER_DN: Final = "2.16.840.1.101.3.6.5"  # pivSigner-DN
_FASCN: Final = "2.16.840.1.101.3.6.6"  # pivFASC-N
_ENTRY_UUID: Final = "1.3.6.1.1.16.4"

CONTENT_SIGNING: Final = frozenset({"2.16.840.1.101.3.6.7", "2.16.840.1.101.3.8.7"})
"""Extended key usages that let a key sign containers: id-PIV-content-signing and id-fpki-pivi-content-signing."""

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


class CbeffError(ValueError):
    """The bytes are not a container that is read here, or the values not one that is written."""


class MalformedError(CbeffError):
    """The bytes were cut, or made by something that is no PIV writer."""


class UnsupportedError(CbeffError):
    """A sound container of another kind: another version, encrypted, of faces, or signed in a way that PIV does not use."""


class LimitError(CbeffError):
    """More bytes, certificates or attributes than a container may have."""


class Format(IntEnum):
    """What the BDB is, by the numbers of INCITS M1."""

    MINUTIAE = 0x0201  # INCITS 378
    IMAGES = 0x0401  # INCITS 381


_DATA_TYPES: Final = {Format.MINUTIAE: 0x80, Format.IMAGES: 0x20}


@dataclass(frozen=True, slots=True)
class Header:
    """The CBEFF header without what follows from the rest (NIST SP 800-76-2, clause 9).

    Dates have a zone. ``quality`` is 0 to 100, -1 where computing it failed, -2 where nobody tried. ``creator`` is at
    most 17 ASCII characters that name the issuer's system. ``fascn`` is the card's number, 25 bytes.
    """

    created: dt.datetime
    valid_from: dt.datetime
    valid_until: dt.datetime
    creator: str
    fascn: bytes = field(repr=False)
    format: Format = Format.MINUTIAE
    quality: int = _NOT_SUPPORTED


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


@dataclass(frozen=True, slots=True)
class Container:
    """A container: its header, the biometric record (BDB), and the signature over ``content``, None where there is none."""

    header: Header
    biometric: bytes = field(repr=False)
    content: bytes = field(repr=False)
    signature: SignedData | None

    @property
    def card_uuid(self) -> uuid.UUID | None:
        """The card's UUID as signed, to be compared with the CHUID's; None where it is not there."""
        value = None if self.signature is None else _octets(self.signature, _ENTRY_UUID)
        return uuid.UUID(bytes=value) if value is not None and len(value) == 16 else None


class Outcome(StrEnum):
    """What a signature is worth; only VERIFIED is good."""

    VERIFIED = "verified"  # everything holds, and the signer is trusted
    INTACT = "intact"  # everything holds, but nobody said whom to trust
    UNSIGNED = "unsigned"
    TAMPERED = "tampered"  # header or biometric record are not those that were signed
    MISMATCH = "mismatch"  # another card, signer or kind of content was signed
    ALGORITHM = "algorithm"  # too weak, or not one of PIV
    CERTIFICATE_MISSING = "certificate-missing"  # neither inside nor passed in
    SIGNATURE_WRONG = "signature-wrong"  # not made by the certificate's key
    UNTRUSTED = "untrusted"
    EXPIRED = "expired"  # the signer's certificate or the container, or not valid yet


@dataclass(frozen=True, slots=True)
class Verification:
    """An outcome, what it comes from and what to do, and the signer's certificate where it is known."""

    outcome: Outcome
    text: str
    certificate: x509.Certificate | None = None


def read(data: bytes) -> Container:
    """Read a container, bare or in the TLV in which a card gives it out; the signature is taken apart, not checked.

    The cost is linear in the length of ``data``.

    Raises:
        MalformedError: the bytes are not one whole container.
        UnsupportedError: a container of another version or content, or encrypted.
        LimitError: there is too much of something.

    """
    if len(data) > MAX_BYTES:
        raise LimitError(f"a container has at most {MAX_BYTES} bytes here; got {len(data)}")
    data = _unwrapped(data)
    if len(data) < _HEADER.size:
        raise MalformedError(
            f"a container begins with a header of {_HEADER.size} bytes (SP 800-76-2, 9); got {len(data)}"
        )
    fields = _HEADER.unpack_from(data)
    version, options, biometric_size, signature_size = fields[:4]
    if version != _PATRON_VERSION:
        raise UnsupportedError(
            f"the patron header version of PIV is {_PATRON_VERSION:#04x} (SP 800-76-2, 9); got {version:#04x}"
        )
    if options == _SIGNED_AND_ENCRYPTED:
        raise UnsupportedError("the container is encrypted; ask for one that is signed only, security options 0x0d")
    if options != _SIGNED:
        raise UnsupportedError(
            f"the security options of PIV are {_SIGNED:#04x}: signed, not encrypted; got {options:#04x}"
        )
    end = _HEADER.size + biometric_size
    if end + signature_size != len(data):
        raise MalformedError(
            f"a header of {_HEADER.size}, a biometric record of {biometric_size} and a signature of {signature_size} bytes "
            f"are {end + signature_size}, as the header states; got {len(data)}"
        )
    if biometric_size == 0:
        raise MalformedError("the biometric record is empty; a container holds one (SP 800-76-2, 9)")
    header = _header(fields)
    signature = _signed_data(data[end:]) if signature_size else None
    return Container(header, data[_HEADER.size : end], data[:end], signature)


def verify(
    container: Container,
    *,
    trusted: Sequence[x509.Certificate] | None,
    at: dt.datetime,
    certificates: Sequence[x509.Certificate] = (),
) -> Verification:
    """Say what the signature of a container is worth at a time.

    ``trusted`` are the certificates at which a chain may end; with None nothing is asked about trust, and the best
    outcome is INTACT. ``certificates`` are the signer's, from the CHUID, and intermediate ones; those inside come after.
    Everything that can be checked without the signer's certificate is checked before it is missed. Safe to call from many
    threads; one signature check for each link of the chain.

    Raises:
        CbeffError: ``at`` has no zone.

    """
    if at.tzinfo is None:
        raise CbeffError("the time at which to verify needs a zone, such as UTC")
    signature = container.signature
    if signature is None:
        text = "PIV signs every container (FIPS 201-3, 4.2.3.2); this one has no signature block: refuse it"
        return Verification(Outcome.UNSIGNED, text)
    wrong = next(_without_certificate(container, signature), None)
    if wrong:
        return Verification(*wrong)
    known = (*certificates, *signature.certificates)
    signer = next((each for each in known if _names(signature, each)), None)
    if signer is None:
        text = (
            f"the digest holds, but the signer's certificate, serial {signature.serial:x}, is neither in the container nor "
            "given: pass in the one from the card's CHUID (FIPS 201-3, 4.2.3.2)"
        )
        return Verification(Outcome.CERTIFICATE_MISSING, text)
    wrong = next(_with_certificate(container.header, signature, signer, at), None)
    if wrong:
        return Verification(*wrong, signer)
    if trusted is None:
        text = "digest, attributes and signature hold; whether the signer is to be trusted was not asked"
        return Verification(Outcome.INTACT, text, signer)
    reason = _untrusted(signer, known, trusted, at)
    if reason:
        return Verification(Outcome.UNTRUSTED, reason, signer)
    return Verification(Outcome.VERIFIED, "digest, attributes and signature hold, and the signer is trusted", signer)


def write(
    header: Header,
    biometric: bytes,
    *,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    certificate: x509.Certificate,
    signed_at: dt.datetime,
    card_uuid: uuid.UUID | None = None,
    embed: bool = True,
    wrapped: bool = False,
) -> bytes:
    """Make a container signed by ``key``, whose certificate is put inside unless ``embed`` is false.

    ``wrapped`` puts it into the TLV of a card. An RSA key signs PKCS #1 v1.5 with SHA-256, a P-256 or P-384 key ECDSA
    with SHA-256 or SHA-384. The header states the length of the signature that covers it, so an ECDSA signature, whose
    length varies by a byte or two, is made again until it has the length stated.

    Raises:
        CbeffError: a value does not fit into its field, or the key is none of PIV's or not the certificate's.

    """
    if not biometric:
        raise CbeffError("the biometric record is empty; a container holds one (SP 800-76-2, 9)")
    if signed_at.tzinfo is None:
        raise CbeffError("the time of signing needs a zone, such as UTC")
    if key.public_key() != certificate.public_key():
        raise CbeffError("the key is not the certificate's; sign with the private key that belongs to it")
    reason = _weak_key(key.public_key())
    if reason:
        raise CbeffError(reason)
    block, tries = b"", 64
    for _ in range(tries):
        size = len(block)
        content = _packed(header, len(biometric), size) + biometric
        block = _signature_block(
            content, header, key, certificate, signed_at=signed_at, card_uuid=card_uuid, embed=embed
        )
        if len(block) == size:
            data = content + block
            if len(data) > MAX_BYTES:
                raise LimitError(f"a container has at most {MAX_BYTES} bytes here; got {len(data)}")
            return _tlv(0x53, _tlv(0xBC, data) + _EDC) if wrapped else data
    raise CbeffError(f"no signature of an even length came out in {tries} tries; try again")


# The card's wrapping and the header


def _unwrapped(data: bytes) -> bytes:
    """Return the bare container; 53 holds BC and FE, and either may be left off."""
    if data[:1] == b"\x53":
        data, rest = _ber_value(data, "the data object 53")
        if rest:
            raise MalformedError(f"the data object 53 ends before the bytes do; {len(rest)} more follow")
    if data[:1] == b"\xbc":
        data, rest = _ber_value(data, "the element BC")
        if rest not in {b"", _EDC}:
            raise MalformedError(
                f"an empty error detection code (FE 00) or nothing follows the element BC (SP 800-73-4); "
                f"{len(rest)} byte(s) do"
            )
    return data


def _ber_value(data: bytes, what: str) -> tuple[bytes, bytes]:
    """Return the value of the element that ``data`` begins with, and what follows it."""
    first = data[1] if len(data) > 1 else 0x80
    if first < 0x80:
        begin, size = 2, first
    elif 0x81 <= first <= 0x84:
        begin = 2 + first - 0x80
        size = int.from_bytes(data[2:begin])
    else:
        raise MalformedError(f"{what} has a length of 1 to 5 bytes (ISO/IEC 8825-1, 8.1.3); it has none of them")
    if len(data) < begin + size:
        raise MalformedError(f"{what} states {size} bytes; {max(0, len(data) - begin)} remain")
    return data[begin : begin + size], data[begin + size :]


def _header(fields: tuple[Any, ...]) -> Header:
    owner, kind, created, begin, end, biometric_type, data_type, quality, creator, fascn, reserved = fields[4:]
    if owner != _OWNER_M1:
        raise UnsupportedError(f"the format owner of PIV is {_OWNER_M1:#06x}, INCITS M1; got {owner:#06x}")
    if kind == _FACE:
        raise UnsupportedError("the container holds a face; send the one of fingerprints, format type 0x0201")
    if kind not in _DATA_TYPES:
        raise UnsupportedError(
            f"the format type of fingerprints is 0x0201 (minutiae) or 0x0401 (images); got {kind:#06x}"
        )
    if biometric_type != _FINGER or data_type & _KIND != _DATA_TYPES[kind]:
        raise MalformedError(
            f"biometric type and data type of format {kind:#06x} are 000008 and {_DATA_TYPES[kind]:02x} (SP 800-76-2, 9); "
            f"got {biometric_type.hex()} and {data_type:02x}"
        )
    if not _NOT_SUPPORTED <= quality <= 100:
        raise MalformedError(f"a quality is -2 to 100 (SP 800-76-2, 9); got {quality}")
    if any(reserved):
        raise MalformedError("the last four bytes of the header are 0 (SP 800-76-2, 9); they are not")
    name, _, padding_bytes = creator.partition(b"\x00")
    if creator[-1] or any(padding_bytes) or not (name.isascii() and (not name or name.decode("ascii").isprintable())):
        raise MalformedError("the creator is at most 17 printable ASCII characters, filled up with 00 (SP 800-76-2, 9)")
    header = Header(
        created=_date(created, "creation date"),
        valid_from=_date(begin, "begin of validity"),
        valid_until=_date(end, "end of validity"),
        creator=name.decode("ascii"),
        fascn=fascn,
        format=Format(kind),
        quality=quality,
    )
    if header.valid_from > header.valid_until:
        raise MalformedError("the validity period ends before it begins (SP 800-76-2, 9)")
    return header


def _date(data: bytes, what: str) -> dt.datetime:
    """Read seven bytes of two decimal digits each, YYYYMMDDhhmmss, and a Z."""
    century, years, month, day, hour, minute, second, zone = data
    refusal = f"the {what} is YYYYMMDDhhmmssZ, two digits to a byte (SP 800-76-2, 9); it is no date"
    if zone != ord("Z") or max(century, years) > 99:
        raise MalformedError(refusal)
    try:
        return dt.datetime(century * 100 + years, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError as error:
        raise MalformedError(refusal) from error


def _packed(header: Header, biometric_size: int, signature_size: int) -> bytes:
    creator = header.creator
    if not (creator.isascii() and (not creator or creator.isprintable()) and len(creator) < _CREATOR_SIZE):
        raise CbeffError(
            f"a creator is at most {_CREATOR_SIZE - 1} printable ASCII characters; got {len(creator)} characters"
        )
    if len(header.fascn) != _FASCN_SIZE:
        raise CbeffError(f"a FASC-N has {_FASCN_SIZE} bytes (SP 800-73-4); got {len(header.fascn)}")
    if not _NOT_SUPPORTED <= header.quality <= 100:
        raise CbeffError(f"a quality is -2 to 100 (SP 800-76-2, 9); got {header.quality}")
    if header.valid_from > header.valid_until:
        raise CbeffError("the validity period ends before it begins; exchange the two")
    if biometric_size > MAX_BYTES or signature_size > 0xFFFF:
        raise LimitError(
            f"a biometric record has at most {MAX_BYTES} bytes and a signature 65535; got {biometric_size} and {signature_size}"
        )
    return _HEADER.pack(
        _PATRON_VERSION,
        _SIGNED,
        biometric_size,
        signature_size,
        _OWNER_M1,
        header.format,
        _packed_date(header.created),
        _packed_date(header.valid_from),
        _packed_date(header.valid_until),
        _FINGER,
        _DATA_TYPES[header.format],
        header.quality,
        creator.encode("ascii"),
        header.fascn,
        b"",
    )


def _packed_date(moment: dt.datetime) -> bytes:
    if moment.tzinfo is None:
        raise CbeffError("the dates of a header need a zone, such as UTC")
    if moment.microsecond:
        raise CbeffError("the dates of a header are whole seconds")
    utc = moment.astimezone(dt.UTC)
    return bytes((*divmod(utc.year, 100), utc.month, utc.day, utc.hour, utc.minute, utc.second, ord("Z")))


# Checking


def _without_certificate(container: Container, signature: SignedData) -> Iterator[tuple[Outcome, str]]:
    """Give what is wrong and can be seen without the signer's certificate."""
    digest_algorithm = _DIGESTS.get(signature.digest_algorithm)
    if digest_algorithm is None:
        text = f"PIV's digests are SHA-256, -384 and -512 (SP 800-78-4, 3.2.1); {signature.digest_algorithm} is none of them"
        yield Outcome.ALGORITHM, text
        return
    own_digest = {**_RSA_SIGNATURES, **_ECDSA_SIGNATURES}.get(signature.signature_algorithm, "")
    if own_digest not in {None, digest_algorithm.name}:
        yield (
            Outcome.ALGORITHM,
            (
                "PIV's signatures are RSA and ECDSA with the digest that the signer names (SP 800-78-4, 3.2.1); "
                f"{signature.signature_algorithm} with {digest_algorithm.name} is none of them"
            ),
        )
    kind = signature.attributes.get(_CONTENT_TYPE)
    if signature.content_type != BIOMETRIC_OBJECT or kind != _oid(BIOMETRIC_OBJECT):
        text = f"the signed content is of type {BIOMETRIC_OBJECT}, a PIV biometric (SP 800-76-2, 9); another was signed"
        yield Outcome.MISMATCH, text
    hasher = hashes.Hash(digest_algorithm)
    hasher.update(container.content)
    if not hmac.compare_digest(hasher.finalize(), _octets(signature, _MESSAGE_DIGEST) or b""):
        text = "the digest of header and biometric record is not the one that was signed: one of them was changed; refuse it"
        yield Outcome.TAMPERED, text
    if _octets(signature, _FASCN) != container.header.fascn:
        text = "the header's FASC-N is not the one that was signed beside it (pivFASC-N): the print is of another card"
        yield Outcome.MISMATCH, text


def _with_certificate(
    header: Header, signature: SignedData, signer: x509.Certificate, at: dt.datetime
) -> Iterator[tuple[Outcome, str]]:
    """Give what is wrong with the signature and its certificate, trust aside."""
    identity = _identity(signer.tbs_certificate_bytes)
    try:
        key = signer.public_key() if identity.key_algorithm in _KEY_ALGORITHMS else None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    reason = _weak_key(key)
    if reason:
        yield Outcome.ALGORITHM, reason
        return
    if not _holds(signature, key):
        yield Outcome.SIGNATURE_WRONG, "the signature was not made by the key of the signer's certificate; refuse it"
    if signature.attributes.get(_SIGNER_DN) != identity.subject:
        text = "the signed pivSigner-DN is not the subject of the signer's certificate (SP 800-76-2, 9)"
        yield Outcome.MISMATCH, text
    if not signer.not_valid_before_utc <= at <= signer.not_valid_after_utc:
        text = (
            f"the signer's certificate is valid from {signer.not_valid_before_utc:%Y-%m-%d} to "
            f"{signer.not_valid_after_utc:%Y-%m-%d} and must be on the day (FIPS 201-3, 4.2.3.2); that is {at:%Y-%m-%d}"
        )
        yield Outcome.EXPIRED, text
    if not header.valid_from <= at <= header.valid_until:
        text = (
            f"the biometric record is valid from {header.valid_from:%Y-%m-%d} to {header.valid_until:%Y-%m-%d}; "
            f"the day is {at:%Y-%m-%d}"
        )
        yield Outcome.EXPIRED, text


def _weak_key(key: object) -> str:
    """Say what is wrong with a public key; nothing where PIV uses such keys (SP 800-78-4, 3.2.1)."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size >= MIN_RSA_BITS:
            return ""
        return f"an RSA key of PIV has at least {MIN_RSA_BITS} bits (SP 800-78-4, 3.2.1); got {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
            return ""
        return f"an elliptic curve of PIV is P-256 or P-384 (SP 800-78-4, 3.2.1); got {key.curve.name}"
    return "a key of PIV is RSA, P-256 or P-384 (SP 800-78-4, 3.2.1); got another kind"


def _holds(signature: SignedData, key: object) -> bool:
    """Tell whether the signature over the signed attributes was made by this key."""
    digest = _DIGESTS[signature.digest_algorithm]
    name = signature.signature_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and name in _RSA_SIGNATURES:
            pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
            form = pss if name == _RSASSA_PSS else padding.PKCS1v15()
            key.verify(signature.signature, signature.signed, form, digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and name in _ECDSA_SIGNATURES:
            key.verify(signature.signature, signature.signed, ec.ECDSA(digest))
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


def _untrusted(
    signer: x509.Certificate, known: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate], at: dt.datetime
) -> str:
    """Say why the signer is not to be trusted; nothing where it is."""
    reason = _not_a_content_signer(signer)
    if reason:
        return reason
    if not trusted:
        return "no certificate is trusted here; give the root of the federal PKI, or the one that the Parties agreed on"
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(trusted)))
        .time(at.astimezone(dt.UTC).replace(tzinfo=None))
        .max_chain_depth(MAX_CHAIN)
        .extension_policies(ca_policy=_authorities(), ee_policy=verification.ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        verifier.verify(signer, [each for each in known if each != signer])
    except (verification.VerificationError, ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return (
            "no chain of valid certificates leads from the signer's to a trusted one; "
            "check which root signed it and pass in the certificates between"
        )
    return ""


def _not_a_content_signer(signer: x509.Certificate) -> str:
    try:
        purposes = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        usage = signer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return "the signer's certificate has no key usage and extended key usage; FIPS 201-3, 4.2.3.2, asks for content signing"
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return "the extensions of the signer's certificate cannot be read"
    if not CONTENT_SIGNING.intersection(purpose.dotted_string for purpose in purposes) or not usage.digital_signature:
        return "the signer's certificate is not for content signing (id-PIV-content-signing; FIPS 201-3, 4.2.3.2)"
    return ""


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


def _names(signature: SignedData, certificate: x509.Certificate) -> bool:
    """Tell whether this is the signer's certificate, by issuer and number."""
    try:
        identity = _identity(certificate.tbs_certificate_bytes)
    except MalformedError:
        return False
    return (identity.serial, identity.issuer) == (signature.serial, signature.issuer)


def _octets(signature: SignedData, attribute: str) -> bytes | None:
    """Return an attribute's value that is an OCTET STRING, None where it is not there or something else."""
    value = signature.attributes.get(attribute)
    if value is None or value[:1] != bytes([_OCTETS]):
        return None
    return _Der(value, "an attribute").take(_OCTETS)


# CMS, read


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


def _signed_data(block: bytes) -> SignedData:
    """Take a signature block apart: ContentInfo, SignedData, one SignerInfo (RFC 5652, 3 and 5)."""
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
        signed=_tlv(_SET, signed),  # what is signed is the set itself, not the tag it has here (RFC 5652, 5.4)
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


# CMS, written


def _signature_block(
    content: bytes,
    header: Header,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    certificate: x509.Certificate,
    *,
    signed_at: dt.datetime,
    card_uuid: uuid.UUID | None,
    embed: bool,
) -> bytes:
    """Sign: DER of a ContentInfo with a SignedData of version 3, since its content is no plain data (RFC 5652, 5.1)."""
    digest = hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size == 384 else hashes.SHA256()
    hasher = hashes.Hash(digest)
    hasher.update(content)
    values = {
        _CONTENT_TYPE: _oid(BIOMETRIC_OBJECT),
        _SIGNING_TIME: _time(signed_at),
        _MESSAGE_DIGEST: _tlv(_OCTETS, hasher.finalize()),
        _FASCN: _tlv(_OCTETS, header.fascn),
        _SIGNER_DN: certificate.subject.public_bytes(),
    }
    if card_uuid is not None:
        values[_ENTRY_UUID] = _tlv(_OCTETS, card_uuid.bytes)
    attributes = b"".join(sorted(_tlv(_SEQUENCE, _oid(kind), _tlv(_SET, value)) for kind, value in values.items()))
    signed = _tlv(_SET, attributes)
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signed, padding.PKCS1v15(), digest)
        algorithm = _tlv(_SEQUENCE, _oid(_RSA_ENCRYPTION), _tlv(_NULL))
    else:
        signature = key.sign(signed, ec.ECDSA(digest))
        algorithm = _tlv(_SEQUENCE, _oid(_ECDSA_OIDS[digest.name]))
    digest_algorithm = _tlv(_SEQUENCE, _oid(_DIGEST_OIDS[digest.name]), _tlv(_NULL))
    serial = certificate.serial_number
    signer = _tlv(
        _SEQUENCE,
        _tlv(_INTEGER, b"\x01"),
        _tlv(
            _SEQUENCE,
            certificate.issuer.public_bytes(),
            _tlv(_INTEGER, serial.to_bytes(serial.bit_length() // 8 + 1, signed=True)),
        ),
        digest_algorithm,
        _tlv(_CONTEXT_0, attributes),
        algorithm,
        _tlv(_OCTETS, signature),
    )
    inside = _tlv(_CONTEXT_0, certificate.public_bytes(serialization.Encoding.DER)) if embed else b""
    body = _tlv(
        _SEQUENCE,
        _tlv(_INTEGER, b"\x03"),
        _tlv(_SET, digest_algorithm),
        _tlv(_SEQUENCE, _oid(BIOMETRIC_OBJECT)),
        inside,
        _tlv(_SET, signer),
    )
    return _tlv(_SEQUENCE, _oid(_SIGNED_DATA), _tlv(_CONTEXT_0, body))


def _tlv(tag: int, *parts: bytes) -> bytes:
    value = b"".join(parts)
    if len(value) < 0x80:
        return bytes((tag, len(value))) + value
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8)
    return bytes((tag, 0x80 + len(size))) + size + value


def _oid(dotted: str) -> bytes:
    """Return the DER of an object identifier."""
    first, second, *rest = map(int, dotted.split("."))
    encoded = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        encoded += bytes(reversed(groups))
    return _tlv(_OID, bytes(encoded))


def _time(moment: dt.datetime) -> bytes:
    """Return the DER of a signing time: two digits of a year from 1950 to 2049, four of others (RFC 5652, 11.3)."""
    utc = moment.astimezone(dt.UTC)
    if 1950 <= utc.year <= 2049:
        return _tlv(_UTC_TIME, f"{utc:%y%m%d%H%M%SZ}".encode("ascii"))
    return _tlv(_GENERALIZED_TIME, f"{utc.year:04}{utc:%m%d%H%M%SZ}".encode("ascii"))
