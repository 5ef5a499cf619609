"""PIV containers: what is read, what a signature is worth, and what is refused."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from contact_point import cbeff, cms
from contact_point.cbeff import (
    CbeffError,
    Container,
    Format,
    Header,
    LimitError,
    MalformedError,
    Outcome,
    UnsupportedError,
    read,
    verify,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

NOW = dt.datetime(2026, 11, 22, 9, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
CARD = uuid.UUID(int=19794)
HEADER = Header(
    created=NOW - DAY,
    valid_from=NOW - DAY,
    valid_until=NOW + 1000 * DAY,
    creator="Issuer 1",
    fascn=bytes(range(25)),
)
PRINT = b"FMR\x00 20\x00 some minutiae"
PIV_SIGNING = x509.ObjectIdentifier("2.16.840.1.101.3.6.7")

# The public key of the content signer of the GSA's test cards of 2018, as its published certificate has it.
GSA_MODULUS = int(
    "be61ab8269ba702a4a64054baa80cd0f95d30931ffbaa960f96f76e327c8c8cc03e3f1f809e981696318725a04b24169"
    "f6eac4940d2a0457f30f2c09a23b4f04ef8e942323c79e895964db4b1f9f0ba38462960259ebb070db77f9d0beffa504"
    "5ac3b8587bd107209a2da04d3771a66f75ec4b19ff2a9c9440c4ce01373d9ec483c497645bdcec28dd2dfb7c9fc19a62"
    "1352ef5609fc77fe86f1d4dbfa1d9e9a62045c1fae55a0b0c2f02d50b3e417bee4a503edde8b9b638720c7c49fa44228"
    "f36bb95e07ee897790d16127040313cdab502152a71dd7ff5225ae0d21d556965e9040533189a2b1916ae83dc9610055"
    "6326af0288f62d8a687b7f732cc64877",
    16,
)
GSA_SERIAL = 0x5853CCE2521801412010


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def gsa_name(common: str) -> x509.Name:
    """A name as the GSA's cards write it: in the order of the file, every string but the country printable."""
    parts = (
        (NameOID.COUNTRY_NAME, "US"),
        (NameOID.ORGANIZATION_NAME, "U.S. Government"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "ICAM Test Cards"),
        (NameOID.COMMON_NAME, common),
    )
    printable = x509.name._ASN1Type.PrintableString
    return x509.Name([x509.NameAttribute(kind, value, printable) for kind, value in parts])


def certificate(  # a builder of every kind of certificate that the tests need
    subject: x509.Name,
    key: Any,
    issuer: x509.Name,
    issuer_key: Key,
    *,
    authority: bool = False,
    purposes: tuple[x509.ObjectIdentifier, ...] = (PIV_SIGNING,),
    serial: int = 0x00C0FFEE,
    until: dt.datetime = NOW + 365 * DAY,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(dt.datetime(2018, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage(authority), critical=True)
    )
    if purposes and not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


KEYS: dict[str, Key] = {
    "RSA-2048": rsa.generate_private_key(65537, 2048),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
}
ROOT_KEY = ec.generate_private_key(ec.SECP256R1())
ROOT = certificate(name("Root"), ROOT_KEY.public_key(), name("Root"), ROOT_KEY, authority=True)
OTHER_ROOT = certificate(name("Other"), KEYS["P-384"].public_key(), name("Other"), KEYS["P-384"], authority=True)


def signer(kind: str = "P-256", **changes: Any) -> x509.Certificate:
    return certificate(name("Signer"), KEYS[kind].public_key(), name("Root"), ROOT_KEY, **changes)


def made(kind: str = "P-256", header: Header = HEADER, biometric: bytes = PRINT, **options: Any) -> bytes:
    all_options: dict[str, Any] = {"certificate": signer(kind), "signed_at": NOW} | options
    return write(header, biometric, key=KEYS[kind], **all_options)


def outcome(data: bytes | Container, **options: Any) -> tuple[Outcome, str]:
    container = data if isinstance(data, Container) else read(data)
    all_options: dict[str, Any] = {"trusted": [ROOT], "at": NOW} | options
    result = verify(container, **all_options)
    return result.outcome, result.text


# Real containers


def test_the_good_sample_holds_as_far_as_it_can_be_checked(shared_data: Path) -> None:
    container = read((shared_data / "cbeff" / "gsa_01_Golden_PIV.bin").read_bytes())
    assert container.header == Header(
        created=dt.datetime(2018, 7, 23, 5, 48, 44, tzinfo=dt.UTC),
        valid_from=dt.datetime(2018, 7, 23, 5, 48, 44, tzinfo=dt.UTC),
        valid_until=dt.datetime(2032, 12, 2, tzinfo=dt.UTC),
        creator="NIST Creator",
        fascn=container.header.fascn,
    )
    assert container.biometric.startswith(b"FMR\x00 20\x00\x02\x48")
    assert len(container.biometric) == 0x248
    assert container.signature is not None
    assert (container.signature.serial, container.signature.certificates) == (GSA_SERIAL, ())
    assert outcome(container) == (
        Outcome.CERTIFICATE_MISSING,
        (
            "the digest holds, but the signer's certificate, serial 5853cce2521801412010, is neither in the container nor "
            "given: pass in the one from the card's CHUID (FIPS 201-3, 4.2.3.2)"
        ),
    )


def gsa_signer() -> x509.Certificate:
    """The sample's signer, certified by a root of our own under the names of the real one."""
    key = rsa.RSAPublicNumbers(65537, GSA_MODULUS).public_key()
    issuer = gsa_name("ICAM Test Card Signing CA")
    return certificate(gsa_name("ICAM PIV Content Signer"), key, issuer, ROOT_KEY, serial=GSA_SERIAL)


def test_the_good_sample_holds_with_the_certificate_of_its_signer(shared_data: Path) -> None:
    container = read((shared_data / "cbeff" / "gsa_01_Golden_PIV.bin").read_bytes())
    issuer = gsa_name("ICAM Test Card Signing CA")
    root = certificate(issuer, ROOT_KEY.public_key(), issuer, ROOT_KEY, authority=True)
    given = [gsa_signer()]
    at = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    assert verify(container, trusted=[root], at=at, certificates=given).outcome is Outcome.VERIFIED
    assert verify(container, trusted=None, at=at, certificates=given).outcome is Outcome.INTACT
    assert verify(container, trusted=[OTHER_ROOT], at=at, certificates=given).outcome is Outcome.UNTRUSTED


@pytest.mark.parametrize("given", [[], [gsa_signer()]])
def test_the_tampered_sample_is_refused_for_its_digest(shared_data: Path, given: list[x509.Certificate]) -> None:
    container = read((shared_data / "cbeff" / "gsa_07_Tampered_Fingerprints.bin").read_bytes())
    assert outcome(container, certificates=given) == (
        Outcome.TAMPERED,
        "the digest of header and biometric record is not the one that was signed: one of them was changed; refuse it",
    )


# What is written


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_is_written_is_read_again_and_holds(kind: str, wrapped: bool) -> None:
    container = read(made(kind, wrapped=wrapped, card_uuid=CARD))
    assert (container.header, container.biometric, container.card_uuid) == (HEADER, PRINT, CARD)
    assert signer_of(made(kind)).public_key() == KEYS[kind].public_key()
    assert outcome(container) == (Outcome.VERIFIED, "digest, attributes and signature hold, and the signer is trusted")
    assert outcome(container, trusted=None) == (
        Outcome.INTACT,
        "digest, attributes and signature hold; whether the signer is to be trusted was not asked",
    )


seconds = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31), timezones=st.just(dt.UTC)).map(  # noqa: DTZ001 - zone
    lambda moment: moment.replace(microsecond=0)
)
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=17)


@given(
    st.builds(
        Header,
        created=seconds,
        valid_from=seconds,
        valid_until=st.just(dt.datetime(9999, 12, 31, tzinfo=dt.UTC)),
        creator=printable,
        fascn=st.binary(min_size=25, max_size=25),
        format=st.sampled_from(Format),
        quality=st.integers(-2, 100),
    ),
    st.binary(min_size=1, max_size=300),
    st.booleans(),
)
def test_any_header_and_record_come_out_as_they_went_in(header: Header, biometric: bytes, embed: bool) -> None:
    container = read(made(header=header, biometric=biometric, embed=embed))
    assert (container.header, container.biometric) == (header, biometric)


def slowly(data: bytes) -> tuple[Header, bytes, bytes]:
    """Take a bare container apart by the table, byte by byte: the twin of the header's reading."""
    assert data[0] == 3
    assert data[1] == 0x0D
    assert (data[8], data[9]) == (0, 0x1B)
    dates = []
    for at in (12, 20, 28):
        year, (month, day, hour, minute, second) = data[at] * 100 + data[at + 1], data[at + 2 : at + 7]
        dates.append(dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC))
        assert data[at + 7] == ord("Z")
    assert data[36:39] == b"\x00\x00\x08"
    size = data[2] << 24 | data[3] << 16 | data[4] << 8 | data[5]
    quality = data[40] - 256 if data[40] > 127 else data[40]
    creator = "".join(chr(byte) for byte in data[41:59] if byte)
    created, begin, end = dates
    header = Header(created, begin, end, creator, data[59:84], Format(data[10] << 8 | data[11]), quality)
    assert data[84:88] == bytes(4)
    assert 88 + size + (data[6] << 8 | data[7]) == len(data)
    return header, data[88 : 88 + size], data[88 + size :]


def test_the_header_is_read_as_its_table_says(shared_data: Path) -> None:
    for file in sorted((shared_data / "cbeff").glob("*.bin")):
        data = file.read_bytes()
        container = read(data)
        header, biometric, block = slowly(data[4:-2])
        assert (container.header, container.biometric) == (header, biometric)
        assert container.content + block == data[4:-2]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"creator": "a" * 18}, "a creator is at most 17 printable ASCII characters; got 18 characters"),
        ({"creator": "é"}, "a creator is at most 17 printable ASCII characters; got 1 characters"),
        ({"fascn": b""}, "a FASC-N has 25 bytes (SP 800-73-4); got 0"),
        ({"quality": 101}, "a quality is -2 to 100 (SP 800-76-2, 9); got 101"),
        ({"valid_from": NOW + 2000 * DAY}, "the validity period ends before it begins; exchange the two"),
        ({"created": NOW.replace(tzinfo=None)}, "the dates of a header need a zone, such as UTC"),
        ({"created": NOW.replace(microsecond=1)}, "the dates of a header are whole seconds"),
    ],
)
def test_headers_that_do_not_fit_are_not_written(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(CbeffError) as raised:
        made(header=replace(HEADER, **changes))
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"biometric": b""}, "the biometric record is empty; a container holds one (SP 800-76-2, 9)"),
        ({"signed_at": NOW.replace(tzinfo=None)}, "the time of signing needs a zone, such as UTC"),
        (
            {"certificate": signer("P-384")},
            "the key is not the certificate's; sign with the private key that belongs to it",
        ),
    ],
)
def test_what_cannot_be_signed_is_not_written(options: dict[str, Any], text: str) -> None:
    with pytest.raises(CbeffError) as raised:
        made(**options)
    assert str(raised.value) == text


def test_a_weak_key_signs_nothing() -> None:
    key = ec.generate_private_key(ec.SECP521R1())
    cert = certificate(name("Signer"), key.public_key(), name("Root"), ROOT_KEY)
    with pytest.raises(
        CbeffError, match=r"^an elliptic curve of PIV is P-256 or P-384 \(SP 800-78-4, 3.2.1\); got secp521r1$"
    ):
        write(HEADER, PRINT, key=key, certificate=cert, signed_at=NOW)


def test_a_record_too_large_is_not_written() -> None:
    with pytest.raises(LimitError, match=r"^a biometric record has at most 10000000 bytes and a signature 65535; got "):
        made(biometric=bytes(cbeff.MAX_BYTES + 1))


def test_a_year_far_off_is_signed_in_four_digits() -> None:
    at = dt.datetime(2050, 1, 1, tzinfo=dt.UTC)
    assert b"\x18\x0f20500101000000Z" in made(signed_at=at)
    assert b"\x17\x0d261122093000Z" in made()


# What a signature is worth


def rebuilt(data: bytes, **changes: Any) -> Container:
    """A container with another signature's parts, as no writer makes it."""
    container = read(data)
    assert container.signature is not None
    return replace(container, signature=replace(container.signature, **changes))


def resigned(data: bytes, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Container:
    """A container whose attributes were changed and signed again by the same key."""
    container = read(data)
    assert container.signature is not None
    attributes = change(dict(container.signature.attributes))
    key = KEYS["P-256"]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    parts = (cms.tlv(0x30, cms.oid(kind), cms.tlv(0x31, value)) for kind, value in attributes.items())
    signed = cms.tlv(0x31, *sorted(parts))
    made_again = replace(
        container.signature, attributes=attributes, signed=signed, signature=key.sign(signed, ec.ECDSA(hashes.SHA256()))
    )
    return replace(container, signature=made_again)


def test_a_changed_record_or_header_is_found_without_any_certificate() -> None:
    data = made(embed=False)
    reason = (
        "the digest of header and biometric record is not the one that was signed: one of them was changed; refuse it"
    )
    for at in (40, 60, 90):
        assert outcome(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]) == (Outcome.TAMPERED, reason)


def test_the_number_of_another_card_is_found() -> None:
    other = resigned(made(), lambda attributes: attributes | {cbeff._FASCN: cms.tlv(4, bytes(25))})
    reason = "the header's FASC-N is not the one that was signed beside it (pivFASC-N): the print is of another card"
    assert outcome(other) == (Outcome.MISMATCH, reason)
    missing = resigned(made(), lambda attributes: {k: v for k, v in attributes.items() if k != cbeff._FASCN})
    assert outcome(missing) == (Outcome.MISMATCH, reason)


def test_another_signer_in_the_attributes_is_found() -> None:
    other = resigned(made(), lambda attributes: attributes | {cbeff._SIGNER_DN: name("Somebody").public_bytes()})
    assert outcome(other) == (
        Outcome.MISMATCH,
        "the signed pivSigner-DN is not the subject of the signer's certificate (SP 800-76-2, 9)",
    )


def test_a_signature_over_something_else_is_found() -> None:
    chuid = "2.16.840.1.101.3.6.1"
    reason = "the signed content is of type 2.16.840.1.101.3.6.2, a PIV biometric (SP 800-76-2, 9); another was signed"
    assert outcome(rebuilt(made(), content_type=chuid)) == (Outcome.MISMATCH, reason)
    other = resigned(made(), lambda attributes: attributes | {cms.CONTENT_TYPE: cms.oid(chuid)})
    assert outcome(other) == (Outcome.MISMATCH, reason)


@pytest.mark.parametrize("kind", KEYS)
def test_a_wrong_signature_is_found(kind: str) -> None:
    container = read(made(kind))
    assert container.signature is not None
    genuine = container.signature.signature
    for wrong in (genuine[:-1] + bytes([genuine[-1] ^ 1]), b"", bytes(len(genuine))):
        assert outcome(rebuilt(made(kind), signature=wrong)) == (
            Outcome.SIGNATURE_WRONG,
            "the signature was not made by the key of the signer's certificate; refuse it",
        )


def test_changed_attributes_break_the_signature() -> None:
    data = made(card_uuid=CARD)
    at = data.index(CARD.bytes)
    assert outcome(data[:at] + bytes(16) + data[at + 16 :])[0] is Outcome.SIGNATURE_WRONG


def test_a_key_of_another_kind_breaks_the_signature() -> None:
    other = certificate(name("Signer"), KEYS["RSA-2048"].public_key(), name("Root"), ROOT_KEY)
    assert outcome(made(embed=False), certificates=[other])[0] is Outcome.SIGNATURE_WRONG


def test_rsa_with_pss_holds() -> None:
    data, key = made("RSA-2048"), KEYS["RSA-2048"]
    signed = read(data).signature
    assert signed is not None
    assert isinstance(key, rsa.RSAPrivateKey)
    form = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    pss = key.sign(signed.signed, form, hashes.SHA256())
    name_of_pss = "1.2.840.113549.1.1.10"
    assert outcome(rebuilt(data, signature=pss, signature_algorithm=name_of_pss))[0] is Outcome.VERIFIED
    assert outcome(rebuilt(data, signature_algorithm=name_of_pss))[0] is Outcome.SIGNATURE_WRONG


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"digest_algorithm": "1.3.14.3.2.26"},
            "PIV's digests are SHA-256, -384 and -512 (SP 800-78-4, 3.2.1); 1.3.14.3.2.26 is none of them",
        ),
        (
            {"signature_algorithm": "1.2.840.113549.1.1.5"},
            (
                "PIV's signatures are RSA and ECDSA with the digest that the signer names (SP 800-78-4, 3.2.1); "
                "1.2.840.113549.1.1.5 with sha256 is none of them"
            ),
        ),
        (
            {"signature_algorithm": "1.2.840.10045.4.3.3"},
            (
                "PIV's signatures are RSA and ECDSA with the digest that the signer names (SP 800-78-4, 3.2.1); "
                "1.2.840.10045.4.3.3 with sha256 is none of them"
            ),
        ),
    ],
)
def test_algorithms_that_are_not_of_piv_are_named(changes: dict[str, Any], text: str) -> None:
    assert outcome(rebuilt(made(), **changes)) == (Outcome.ALGORITHM, text)


def test_a_weak_key_is_named() -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the weak key to be found
    weak = certificate(name("Signer"), short.public_key(), name("Root"), ROOT_KEY)
    assert outcome(made("RSA-2048", embed=False), certificates=[weak]) == (
        Outcome.ALGORITHM,
        "an RSA key of PIV has at least 2048 bits (SP 800-78-4, 3.2.1); got 1024",
    )


def test_a_container_without_its_signature_is_named() -> None:
    data = made()
    stripped = data[:6] + bytes(2) + data[8 : 88 + len(PRINT)]
    assert outcome(stripped) == (
        Outcome.UNSIGNED,
        "PIV signs every container (FIPS 201-3, 4.2.3.2); this one has no signature block: refuse it",
    )
    assert read(stripped).card_uuid is None


def test_a_missing_certificate_is_asked_for_and_one_given_is_taken() -> None:
    data = made(embed=False)
    assert outcome(data) == (
        Outcome.CERTIFICATE_MISSING,
        (
            "the digest holds, but the signer's certificate, serial c0ffee, is neither in the container nor given: "
            "pass in the one from the card's CHUID (FIPS 201-3, 4.2.3.2)"
        ),
    )
    assert outcome(data, certificates=[OTHER_ROOT, signer()])[0] is Outcome.VERIFIED


def test_a_signer_of_another_root_is_not_trusted() -> None:
    reason = (
        "no chain of valid certificates leads from the signer's to a trusted one; "
        "check which root signed it and pass in the certificates between"
    )
    assert outcome(made(), trusted=[OTHER_ROOT]) == (Outcome.UNTRUSTED, reason)
    imposter = certificate(name("Root"), KEYS["P-384"].public_key(), name("Root"), KEYS["P-384"], authority=True)
    assert outcome(made(), trusted=[imposter]) == (Outcome.UNTRUSTED, reason)


def test_nobody_is_trusted_where_no_root_is_given() -> None:
    assert outcome(made(), trusted=[]) == (
        Outcome.UNTRUSTED,
        "no certificate is trusted here; give the root of the federal PKI, or the one that the Parties agreed on",
    )


@pytest.mark.parametrize(
    ("purposes", "text"),
    [
        (
            (ExtendedKeyUsageOID.CODE_SIGNING,),
            "the signer's certificate is not for content signing (id-PIV-content-signing; FIPS 201-3, 4.2.3.2)",
        ),
        (
            (),
            (
                "the signer's certificate has no key usage and extended key usage; FIPS 201-3, 4.2.3.2, asks for content "
                "signing"
            ),
        ),
    ],
)
def test_only_a_content_signer_is_trusted(purposes: tuple[x509.ObjectIdentifier, ...], text: str) -> None:
    assert outcome(made(certificate=signer(purposes=purposes))) == (Outcome.UNTRUSTED, text)


def test_a_signer_of_piv_interoperable_cards_is_trusted_as_well() -> None:
    pivi = signer(purposes=(x509.ObjectIdentifier("2.16.840.1.101.3.8.7"),))
    assert outcome(made(certificate=pivi))[0] is Outcome.VERIFIED


def test_a_chain_goes_over_an_authority_between_and_over_nobody_else() -> None:
    between_key = KEYS["P-384"]
    leaf = certificate(name("Signer"), KEYS["P-256"].public_key(), name("Between"), between_key)
    data = made(certificate=leaf)
    for authority, expected in ((True, Outcome.VERIFIED), (False, Outcome.UNTRUSTED)):
        between = certificate(name("Between"), between_key.public_key(), name("Root"), ROOT_KEY, authority=authority)
        assert outcome(data, certificates=[between])[0] is expected
    assert outcome(data)[0] is Outcome.UNTRUSTED


def test_a_signer_that_is_trusted_itself_needs_no_chain() -> None:
    data = made()
    assert outcome(data, trusted=[signer_of(data)])[0] is Outcome.VERIFIED


def signer_of(data: bytes) -> x509.Certificate:
    signature = read(data).signature
    assert signature is not None
    return signature.certificates[0]


def test_an_expired_certificate_or_record_is_named() -> None:
    data = made(certificate=signer(until=NOW + 10 * DAY))
    assert outcome(data, at=NOW + 20 * DAY) == (
        Outcome.EXPIRED,
        (
            "the signer's certificate is valid from 2018-01-01 to 2026-12-02 and must be on the day "
            "(FIPS 201-3, 4.2.3.2); that is 2026-12-12"
        ),
    )
    short = made(header=replace(HEADER, valid_until=NOW + DAY))
    assert outcome(short, at=NOW + 20 * DAY) == (
        Outcome.EXPIRED,
        "the biometric record is valid from 2026-11-21 to 2026-11-23; the day is 2026-12-12",
    )
    assert outcome(short, at=NOW - 20 * DAY)[0] is Outcome.EXPIRED


def test_an_authority_that_has_expired_lends_no_trust() -> None:
    key = KEYS["P-384"]
    leaf = certificate(name("Signer"), KEYS["P-256"].public_key(), name("Between"), key)
    for until, expected in ((NOW + DAY, Outcome.VERIFIED), (NOW - DAY, Outcome.UNTRUSTED)):
        between = certificate(name("Between"), key.public_key(), name("Root"), ROOT_KEY, authority=True, until=until)
        assert outcome(made(certificate=leaf), certificates=[between])[0] is expected


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(CbeffError, match=r"^the time at which to verify needs a zone, such as UTC$"):
        verify(read(made()), trusted=None, at=NOW.replace(tzinfo=None))


# What is refused


def changed(data: bytes, at: int, values: bytes) -> bytes:
    return data[:at] + values + data[at + len(values) :]


BARE = made("RSA-2048")


NO_CONTAINERS: list[tuple[bytes, type[CbeffError], str]] = [
    (b"", MalformedError, "a container begins with a header of 88 bytes (SP 800-76-2, 9); got 0"),
    (BARE[:87], MalformedError, "a container begins with a header of 88 bytes (SP 800-76-2, 9); got 87"),
    (bytes(cbeff.MAX_BYTES + 1), LimitError, "a container has at most 10000000 bytes here; got 10000001"),
    (
        changed(BARE, 0, b"\x02"),
        UnsupportedError,
        "the patron header version of PIV is 0x03 (SP 800-76-2, 9); got 0x02",
    ),
    (
        changed(BARE, 1, b"\x0f"),
        UnsupportedError,
        "the container is encrypted; ask for one that is signed only, security options 0x0d",
    ),
    (
        changed(BARE, 1, b"\x00"),
        UnsupportedError,
        "the security options of PIV are 0x0d: signed, not encrypted; got 0x00",
    ),
    (changed(BARE, 8, b"\x01\x01"), UnsupportedError, "the format owner of PIV is 0x001b, INCITS M1; got 0x0101"),
    (
        changed(BARE, 10, b"\x05\x01"),
        UnsupportedError,
        "the container holds a face; send the one of fingerprints, format type 0x0201",
    ),
    (
        changed(BARE, 10, b"\x00\x09"),
        UnsupportedError,
        "the format type of fingerprints is 0x0201 (minutiae) or 0x0401 (images); got 0x0009",
    ),
    (
        changed(BARE, 39, b"\x20"),
        MalformedError,
        ("biometric type and data type of format 0x0201 are 000008 and 80 (SP 800-76-2, 9); got 000008 and 20"),
    ),
    (changed(BARE, 40, b"\x65"), MalformedError, "a quality is -2 to 100 (SP 800-76-2, 9); got 101"),
    (
        changed(BARE, 87, b"\x01"),
        MalformedError,
        "the last four bytes of the header are 0 (SP 800-76-2, 9); they are not",
    ),
    (
        changed(BARE, 58, b"x"),
        MalformedError,
        "the creator is at most 17 printable ASCII characters, filled up with 00 (SP 800-76-2, 9)",
    ),
    (
        changed(BARE, 14, b"\x0d"),
        MalformedError,
        "the creation date is YYYYMMDDhhmmssZ, two digits to a byte (SP 800-76-2, 9); it is no date",
    ),
    (
        changed(BARE, 27, b"z"),
        MalformedError,
        "the begin of validity is YYYYMMDDhhmmssZ, two digits to a byte (SP 800-76-2, 9); it is no date",
    ),
    (
        changed(BARE, 28, b"\x13"),
        MalformedError,
        "the validity period ends before it begins (SP 800-76-2, 9)",
    ),
    (
        changed(BARE[:88], 2, bytes(6)),
        MalformedError,
        "the biometric record is empty; a container holds one (SP 800-76-2, 9)",
    ),
    (
        b"\xbc\x80",
        MalformedError,
        "the element BC has a length of 1 to 5 bytes (ISO/IEC 8825-1, 8.1.3); it has none of them",
    ),
    (b"\x53\x05abc", MalformedError, "the data object 53 states 5 bytes; 3 remain"),
    (b"\x53\x01\xbcx", MalformedError, "the data object 53 ends before the bytes do; 1 more follow"),
    (
        b"\xbc\x01\x03\xfe\x01",
        MalformedError,
        "an empty error detection code (FE 00) or nothing follows the element BC (SP 800-73-4); 2 byte(s) do",
    ),
]


@pytest.mark.parametrize(("data", "error", "text"), NO_CONTAINERS, ids=[text for *_, text in NO_CONTAINERS])
def test_what_is_no_piv_container_is_refused_with_its_reason(data: bytes, error: type[CbeffError], text: str) -> None:
    with pytest.raises(error) as raised:
        read(data)
    assert str(raised.value) == text


def test_lengths_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(MalformedError) as raised:
        read(BARE + b"x")
    parts = f"a header of 88, a biometric record of {len(PRINT)} and a signature of {len(BARE) - 88 - len(PRINT)} bytes"
    assert str(raised.value) == f"{parts} are {len(BARE)}, as the header states; got {len(BARE) + 1}"


tlv, oid = cms.tlv, cms.oid
SHA256 = tlv(0x30, oid("2.16.840.1.101.3.4.2.1"))
ATTRIBUTE = tlv(0x30, oid("1.2.3"), tlv(0x31, tlv(5)))
WHO = tlv(0x30, tlv(0x30), tlv(2, b"\x01"))
SIGNER = tlv(0x30, tlv(2, b"\x01"), WHO, SHA256, tlv(0xA0, ATTRIBUTE), SHA256, tlv(4, b"s"))


def block(*parts: bytes) -> bytes:
    """A ContentInfo of a SignedData of these parts."""
    return tlv(0x30, oid("1.2.840.113549.1.7.2"), tlv(0xA0, tlv(0x30, *parts)))


START = (tlv(2, b"\x03"), tlv(0x31, SHA256), tlv(0x30, oid(cbeff.BIOMETRIC_OBJECT)))


NO_SIGNATURES: list[tuple[bytes, type[CbeffError], str]] = [
    (b"\x04\x00", MalformedError, "the signature block goes on with an element of tag 30 (RFC 5652); tag 04 came"),
    (b"\x30\x80", MalformedError, "the signature block has a length that is not DER, or over 65535 (X.690, 10.1)"),
    (
        b"\x30\x81\x05hello",
        MalformedError,
        "the signature block has a length that is not DER, or over 65535 (X.690, 10.1)",
    ),
    (
        b"\x30\x83\x01\x00\x00",
        MalformedError,
        "the signature block has a length that is not DER, or over 65535 (X.690, 10.1)",
    ),
    (b"\x30\x05ab", MalformedError, "the signature block has an element of 5 bytes; 2 remain"),
    (b"\x30\x00", MalformedError, "ContentInfo goes on with an element of tag 06 (RFC 5652); nothing came"),
    (
        tlv(0x30, oid("1.2.840.113549.1.7.1"), tlv(0xA0)),
        UnsupportedError,
        "a signature block is a CMS SignedData, 1.2.840.113549.1.7.2 (SP 800-76-2, 9); got 1.2.840.113549.1.7.1",
    ),
    (
        block(*START, tlv(0x31, SIGNER)) + b"x",
        MalformedError,
        "the signature block ends before its bytes do; 1 more follow (RFC 5652)",
    ),
    (
        block(tlv(2, b"\x06"), *START[1:], tlv(0x31, SIGNER)),
        MalformedError,
        "a SignedData has version 1 to 5 (RFC 5652, 5.1); got 6",
    ),
    (
        block(*START[:2], tlv(0x30, oid(cbeff.BIOMETRIC_OBJECT), tlv(0xA0)), tlv(0x31, SIGNER)),
        UnsupportedError,
        "the signature carries content of its own; PIV leaves it out (SP 800-76-2, 9)",
    ),
    (
        block(*START, tlv(0xA1), tlv(0x31, SIGNER)),
        UnsupportedError,
        "the signature carries revocation lists; PIV leaves them out (SP 800-76-2, 9)",
    ),
    (
        block(*START, tlv(0xA0, tlv(0x30)), tlv(0x31, SIGNER)),
        MalformedError,
        "certificate 1 goes on with an element of tag 30 (RFC 5652); nothing came",
    ),
    (
        block(*START, tlv(0x31, SIGNER, SIGNER)),
        UnsupportedError,
        "a signature block has one signer (SP 800-76-2, 9); more are there",
    ),
    (
        block(*START, tlv(0x31)),
        MalformedError,
        "SignerInfos goes on with an element of tag 30 (RFC 5652); nothing came",
    ),
    (
        block(*START, tlv(0x31, tlv(0x30, tlv(2, b"\x03")))),
        UnsupportedError,
        "the signer is named by issuer and serial number, version 1 (SP 800-76-2, 9); got 3",
    ),
    (
        block(*START, tlv(0x31, tlv(0x30, tlv(2, b"\x01"), WHO, SHA256, SHA256, tlv(4)))),
        MalformedError,
        "the signer's attributes are missing; PIV signs them (SP 800-76-2, 9)",
    ),
    (
        block(
            *START,
            tlv(
                0x31,
                tlv(0x30, tlv(2, b"\x01"), WHO, SHA256, tlv(0xA0, tlv(0x30, oid("1.2.3"), tlv(0x31))), SHA256, tlv(4)),
            ),
        ),
        MalformedError,
        "a signed attribute is there once, with a value (RFC 5652, 5.3 and 11); 1.2.3 is not",
    ),
    (
        block(*START, tlv(0x31, tlv(0x30, tlv(2, b"\x01"), WHO, SHA256, tlv(0xA0, ATTRIBUTE * 2), SHA256, tlv(4)))),
        MalformedError,
        "a signed attribute is there once, with a value (RFC 5652, 5.3 and 11); 1.2.3 is not",
    ),
    (
        block(*START, tlv(0x31, tlv(0x30, tlv(2, bytes(33)), WHO))),
        MalformedError,
        "a version or serial number has 1 to 32 bytes; got 33",
    ),
    (
        block(START[0], tlv(0x31), START[2], tlv(0x31, SIGNER)),
        MalformedError,
        "the signer's digest algorithm is among those of the SignedData (RFC 5652, 5.3); 2.16.840.1.101.3.4.2.1 is not",
    ),
    (
        block(START[0], tlv(0x31, tlv(0x30, oid("1.2.3"), tlv(5, b"x")))),
        MalformedError,
        "a digest algorithm has parameters of NULL with bytes in it (X.690, 8.8)",
    ),
    (
        block(START[0], tlv(0x31, tlv(0x30, oid("1.2.3"), tlv(4)))),
        MalformedError,
        "a digest algorithm goes on with an element of tag 05 (RFC 5652); tag 04 came",
    ),
    (
        tlv(0x30, b"\x06\x01\x80"),
        MalformedError,
        "an object identifier has 1 to 64 bytes, the last below 80 (X.690, 8.19)",
    ),
]


@pytest.mark.parametrize(("signature", "error", "text"), NO_SIGNATURES, ids=[text for *_, text in NO_SIGNATURES])
def test_a_signature_block_that_is_not_of_piv_is_refused_with_its_reason(
    signature: bytes, error: type[CbeffError], text: str
) -> None:
    with pytest.raises(error) as raised:
        read(with_block(signature))
    assert str(raised.value) == text


def with_block(signature: bytes) -> bytes:
    return changed(BARE[: 88 + len(PRINT)], 6, len(signature).to_bytes(2)) + signature


def test_parameters_of_pss_are_passed_over() -> None:
    pss = tlv(0x30, oid("1.2.840.113549.1.1.10"), tlv(0x30, tlv(0xA0, SHA256)))
    info = tlv(0x30, tlv(2, b"\x01"), WHO, SHA256, tlv(0xA0, ATTRIBUTE), pss, tlv(4, b"s"), tlv(0xA1, b"unsigned"))
    signature = read(with_block(block(*START, tlv(0x31, info)))).signature
    assert signature is not None
    assert signature.signature_algorithm == "1.2.840.113549.1.1.10"
    assert (signature.attributes, signature.signature) == ({"1.2.3": tlv(5)}, b"s")


def test_more_attributes_or_certificates_than_a_signer_has_are_refused() -> None:
    many = b"".join(tlv(0x30, oid(f"1.2.{arc}"), tlv(0x31, tlv(5))) for arc in range(33))
    crowd = tlv(0x30, tlv(2, b"\x01"), WHO, SHA256, tlv(0xA0, many), SHA256, tlv(4))
    with pytest.raises(LimitError, match=r"^a signer has at most 32 signed attributes here; more are there$"):
        read(with_block(block(*START, tlv(0x31, crowd))))
    der = ROOT.public_bytes(serialization.Encoding.DER)
    with pytest.raises(LimitError, match=r"^a signature carries at most 8 certificates here; more are there$"):
        read(with_block(block(*START, tlv(0xA0, der * 9), tlv(0x31, SIGNER))))


def test_a_certificate_that_cannot_be_read_is_refused() -> None:
    data = made("RSA-2048")
    for old, new, reason in (
        (
            tlv(2, b"\x00\xc0\xff\xee"),
            tlv(2, b"\x80\xc0\xff\xee"),
            "has a serial number that is not positive (RFC 5280, 4.1.2.2)",
        ),
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", "cannot be read (RFC 5280)"),
    ):
        at = data.index(signer_of(data).tbs_certificate_bytes)
        at = data.index(old, at)
        with pytest.raises(MalformedError) as raised:
            read(changed(data, at, new))
        assert str(raised.value) == f"certificate 1 of the signature {reason}"


def test_a_key_of_a_kind_that_is_not_of_piv_is_named() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    other = certificate(name("Signer"), key.public_key(), name("Root"), ROOT_KEY)
    assert outcome(made(embed=False), certificates=[other]) == (
        Outcome.ALGORITHM,
        "a key of PIV is RSA, P-256 or P-384 (SP 800-78-4, 3.2.1); got another kind",
    )


def test_deep_nesting_is_refused_at_once() -> None:
    nested = b""
    for _ in range(10_000):
        nested = tlv(0x30, nested)
        if len(nested) > 60_000:
            break
    with pytest.raises(MalformedError, match=r"^ContentInfo goes on with an element of tag 06"):
        read(with_block(nested))


@given(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 2**60), max_size=8))
def test_object_identifiers_come_out_as_they_went_in(first: int, second: int, rest: list[int]) -> None:
    dotted = ".".join(map(str, (first, second, *rest)))
    assert cms._dotted(cms.oid(dotted)[2:]) == dotted
    assert x509.ObjectIdentifier(dotted).dotted_string == dotted


def test_only_a_cbeff_error_leaves_whatever_the_bytes_are() -> None:
    picker = random.Random(398)  # noqa: S311 - mutations, no secrets
    seeds = [made("RSA-2048"), made("P-256", wrapped=True, card_uuid=CARD), made("P-384", embed=False)]
    seen: dict[str, int] = {}
    for turn in range(3_000):
        data = bytearray(seeds[turn % len(seeds)])
        for _ in range(picker.randint(1, 3)):
            data[picker.randrange(len(data))] = picker.randrange(256)
        if turn % 7 == 0:
            del data[picker.randrange(len(data)) :]
        try:
            result = verify(read(bytes(data)), trusted=[ROOT], at=NOW, certificates=[signer_of(seeds[0])])
            seen[result.outcome] = seen.get(result.outcome, 0) + 1
        except CbeffError as error:
            seen[type(error).__name__] = seen.get(type(error).__name__, 0) + 1
    assert {"MalformedError", "UnsupportedError", Outcome.TAMPERED, Outcome.SIGNATURE_WRONG} <= seen.keys()


def test_a_mutated_certificate_is_never_trusted() -> None:
    picker = random.Random(5280)  # noqa: S311 - mutations, no secrets
    data = made("RSA-2048")
    der = signer_of(data).public_bytes(serialization.Encoding.DER)
    at = data.index(der)
    for _ in range(1_000):
        place = at + picker.randrange(len(der))
        mutated = changed(data, place, bytes([data[place] ^ 1 << picker.randrange(8)]))
        try:
            result = verify(read(mutated), trusted=[ROOT], at=NOW)
        except CbeffError:
            continue
        assert result.outcome is not Outcome.VERIFIED
