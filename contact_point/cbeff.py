"""Fingerprint containers of US identity cards (PIV): a CBEFF header, the biometric record, and a signature over both.

A container (NIST SP 800-76-2, clause 9) is a header of 88 bytes, a biometric data block (BDB) and a signature block (SB).
The BDB is an INCITS 378 minutiae record of two fingers, or INCITS 381 images, and belongs to :mod:`matcher.formats`. The
SB is a CMS SignedData (RFC 5652) without its content: it signs header and BDB. As a card gives it out, the container lies
in BER-TLV, tag BC inside of 53, with an empty error detection code (FE) behind it (NIST SP 800-73-4, Part 1, Appendix A).

:func:`read` takes a container apart, whoever signed it. :func:`verify` says what its signature is worth, as one of
:class:`Outcome`. The signer's certificate need not be inside: a card that signs its CHUID with the same key leaves it out
(FIPS 201-3, 4.2.3.2), so whoever has the CHUID passes its certificate in. Without it, only the digest and the card's
number can be checked. Revocation is not looked up. :func:`write` makes a signed container. What a SignedData is, apart from
cards, is :mod:`contact_point.cms`.
"""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from contact_point import cms
from contact_point.cms import SignedData

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_BYTES: Final = 10_000_000
MIN_RSA_BITS: Final = 2048

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

BIOMETRIC_OBJECT: Final = "2.16.840.1.101.3.6.2"
"""id-PIV-biometricObject, the content type (FIPS 201-3, Appendix B)."""

_SIGNER_DN: Final = "2.16.840.1.101.3.6.5"  # pivSigner-DN
_FASCN: Final = "2.16.840.1.101.3.6.6"  # pivFASC-N
_ENTRY_UUID: Final = "1.3.6.1.1.16.4"

CONTENT_SIGNING: Final = frozenset({"2.16.840.1.101.3.6.7", "2.16.840.1.101.3.8.7"})
"""Extended key usages that let a key sign containers: id-PIV-content-signing and id-fpki-pivi-content-signing."""


class CbeffError(ValueError):
    """The bytes are not a container that is read here, or the values not one that is written."""


class MalformedError(CbeffError):
    """The bytes were cut, or made by something that is no PIV writer."""


class UnsupportedError(CbeffError):
    """A sound container of another kind: another version, encrypted, of faces, or signed in a way that PIV does not use."""


class LimitError(CbeffError):
    """More bytes, certificates or attributes than a container may have."""


_REFUSALS: Final[Mapping[type[cms.CmsError], type[CbeffError]]] = {
    cms.MalformedError: MalformedError,
    cms.UnsupportedError: UnsupportedError,
    cms.LimitError: LimitError,
}


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
class Container:
    """A container: its header, the biometric record (BDB), and the signature over ``content``, None where there is none."""

    header: Header
    biometric: bytes = field(repr=False)
    content: bytes = field(repr=False)
    signature: SignedData | None

    @property
    def card_uuid(self) -> uuid.UUID | None:
        """The card's UUID as signed, to be compared with the CHUID's; None where it is not there."""
        value = None if self.signature is None else self.signature.octets(_ENTRY_UUID)
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
    signature = _signature(data[end:]) if signature_size else None
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
    signer = next((each for each in known if signature.names(each)), None)
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
    attributes = {
        cms.SIGNING_TIME: cms.signing_time(signed_at),
        _FASCN: cms.octets(header.fascn),
        _SIGNER_DN: certificate.subject.public_bytes(),
    }
    if card_uuid is not None:
        attributes[_ENTRY_UUID] = cms.octets(card_uuid.bytes)
    block, tries = b"", 64
    for _ in range(tries):
        size = len(block)
        content = _packed(header, len(biometric), size) + biometric
        block = cms.write(content, BIOMETRIC_OBJECT, attributes, key=key, certificate=certificate, embed=embed)
        if len(block) == size:
            data = content + block
            if len(data) > MAX_BYTES:
                raise LimitError(f"a container has at most {MAX_BYTES} bytes here; got {len(data)}")
            return cms.tlv(0x53, cms.tlv(0xBC, data) + _EDC) if wrapped else data
    raise CbeffError(f"no signature of an even length came out in {tries} tries; try again")


def _signature(block: bytes) -> SignedData:
    try:
        return cms.read(block)
    except cms.CmsError as error:
        raise _REFUSALS[type(error)](str(error)) from error


# --- the card's wrapping and the header


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


# --- checking


def _without_certificate(container: Container, signature: SignedData) -> Iterator[tuple[Outcome, str]]:
    """Give what is wrong and can be seen without the signer's certificate."""
    if signature.digest is None:
        text = f"PIV's digests are SHA-256, -384 and -512 (SP 800-78-4, 3.2.1); {signature.digest_algorithm} is none of them"
        yield Outcome.ALGORITHM, text
        return
    if not signature.algorithms_agree:
        text = (
            "PIV's signatures are RSA and ECDSA with the digest that the signer names (SP 800-78-4, 3.2.1); "
            f"{signature.signature_algorithm} with {signature.digest.name} is none of them"
        )
        yield Outcome.ALGORITHM, text
    kind = signature.attributes.get(cms.CONTENT_TYPE)
    if signature.content_type != BIOMETRIC_OBJECT or kind != cms.oid(BIOMETRIC_OBJECT):
        text = f"the signed content is of type {BIOMETRIC_OBJECT}, a PIV biometric (SP 800-76-2, 9); another was signed"
        yield Outcome.MISMATCH, text
    if not signature.is_over(container.content):
        text = "the digest of header and biometric record is not the one that was signed: one of them was changed; refuse it"
        yield Outcome.TAMPERED, text
    if signature.octets(_FASCN) != container.header.fascn:
        text = "the header's FASC-N is not the one that was signed beside it (pivFASC-N): the print is of another card"
        yield Outcome.MISMATCH, text


def _with_certificate(
    header: Header, signature: SignedData, signer: x509.Certificate, at: dt.datetime
) -> Iterator[tuple[Outcome, str]]:
    """Give what is wrong with the signature and its certificate, trust aside."""
    key = cms.public_key_of(signer)
    reason = _weak_key(key)
    if reason:
        yield Outcome.ALGORITHM, reason
        return
    if not signature.is_by(key):
        yield Outcome.SIGNATURE_WRONG, "the signature was not made by the key of the signer's certificate; refuse it"
    if signature.attributes.get(_SIGNER_DN) != cms.subject_of(signer):
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


def _untrusted(
    signer: x509.Certificate, known: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate], at: dt.datetime
) -> str:
    """Say why the signer is not to be trusted; nothing where it is."""
    reason = _not_a_content_signer(signer)
    if reason:
        return reason
    if not trusted:
        return "no certificate is trusted here; give the root of the federal PKI, or the one that the Parties agreed on"
    if not cms.leads_to(trusted, signer, known, at):
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
