"""The private authority of a Party and the certificates of its contact points (Art. 3, 9)."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from contact_point.certificates import (
    CLOCK_SKEW,
    CertificateAuthority,
    CertificateError,
    load_certificate,
    san_uris,
    spki_sha256,
)

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
JP = "urn:pcsc:ncp:jp"
HOSTS = ("ncp.example.jp", "192.0.2.7", "2001:db8::7")


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("Japan PCSC authority", NOW)


def test_a_leaf_names_its_contact_point_its_hosts_and_both_ends(authority: CertificateAuthority) -> None:
    leaf = authority.issue(JP, HOSTS, NOW)
    certificate = load_certificate(leaf.der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san_uris(leaf.der) == (JP,)
    assert names.get_values_for_type(x509.DNSName) == ["ncp.example.jp"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(host) for host in HOSTS[1:]]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    certificate.verify_directly_issued_by(authority.certificate)


def test_keys_are_on_p_384_and_a_leaf_cannot_certify(authority: CertificateAuthority) -> None:
    certificate = load_certificate(authority.issue(JP, HOSTS, NOW).der)
    for made, certifies in ((authority.certificate, True), (certificate, False)):
        key = made.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert isinstance(key.curve, ec.SECP384R1)
        usage = made.extensions.get_extension_for_class(x509.KeyUsage)
        constraints = made.extensions.get_extension_for_class(x509.BasicConstraints)
        assert usage.critical
        assert constraints.critical
        assert (usage.value.key_cert_sign, constraints.value.ca) == (certifies, certifies)


def test_validity_runs_from_a_little_before_now_for_the_lifetime_given(authority: CertificateAuthority) -> None:
    certificate = load_certificate(authority.issue(JP, HOSTS, NOW, timedelta(days=30)).der)
    assert certificate.not_valid_before_utc == NOW - CLOCK_SKEW
    assert certificate.not_valid_after_utc == NOW + timedelta(days=30)


def test_each_leaf_has_a_key_and_a_serial_number_of_its_own(authority: CertificateAuthority) -> None:
    first, second = (authority.issue(JP, HOSTS, NOW).der for _ in range(2))
    assert spki_sha256(first) != spki_sha256(second)
    assert load_certificate(first).serial_number != load_certificate(second).serial_number


def test_the_digest_of_a_key_is_sha_256_over_its_spki(authority: CertificateAuthority) -> None:
    leaf = authority.issue(JP, HOSTS, NOW)
    key = serialization.load_pem_private_key(leaf.key_pem, password=None)
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert spki_sha256(leaf.der) == hashlib.sha256(spki).hexdigest()


def test_an_authority_is_the_same_after_saving_and_loading(authority: CertificateAuthority, tmp_path: Path) -> None:
    authority.save(tmp_path)
    loaded = CertificateAuthority.load(tmp_path)
    assert loaded.cert_pem == authority.cert_pem
    load_certificate(loaded.issue(JP, HOSTS, NOW).der).verify_directly_issued_by(authority.certificate)
    assert stat.S_IMODE((tmp_path / "authority.key").stat().st_mode) == 0o600


def test_no_key_is_ever_overwritten(authority: CertificateAuthority, tmp_path: Path) -> None:
    authority.save(tmp_path)
    with pytest.raises(CertificateError, match=r"cannot write authority\.key: File exists; keys are never overwritten"):
        authority.save(tmp_path)
    leaf = authority.issue(JP, HOSTS, NOW)
    with pytest.raises(CertificateError, match=r"cannot write authority\.key"):
        leaf.save(tmp_path / "leaf.pem", tmp_path / "authority.key")
    assert CertificateAuthority.load(tmp_path).cert_pem == authority.cert_pem


def test_a_private_key_never_appears_in_a_representation(authority: CertificateAuthority) -> None:
    leaf = authority.issue(JP, HOSTS, NOW)
    assert "PRIVATE" not in repr(leaf) + repr(authority)
    assert "key_pem" not in repr(leaf)


def test_loading_says_what_is_wrong(authority: CertificateAuthority, tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"an authority is authority\.pem and authority\.key, both PEM"):
        CertificateAuthority.load(tmp_path)
    CertificateAuthority.create("Japan PCSC authority", NOW).save(tmp_path)
    (tmp_path / "authority.pem").write_bytes(authority.cert_pem)
    with pytest.raises(CertificateError, match=r"authority\.key in .* is not the key of authority\.pem beside it"):
        CertificateAuthority.load(tmp_path)


@pytest.mark.parametrize(
    ("uri", "hosts", "now", "message"),
    [
        ("contact-point", HOSTS, NOW, r"named by a URI such as urn:pcsc:ncp:jp; got 'contact-point'"),
        ("urn:pcsc:警察庁", HOSTS, NOW, "named by an ASCII URI"),
        ("http://[", HOSTS, NOW, "named by an ASCII URI"),
        (JP, ["警察庁.jp"], NOW, "a host is an ASCII DNS name or an IP address"),
        (JP, HOSTS, NOW.replace(tzinfo=None), "a time with a zone"),
    ],
)
def test_what_cannot_be_certified_is_refused(
    authority: CertificateAuthority, uri: str, hosts: list[str], now: datetime, message: str
) -> None:
    with pytest.raises(CertificateError, match=message):
        authority.issue(uri, hosts, now)


def test_a_name_too_long_for_a_certificate_is_refused() -> None:
    with pytest.raises(CertificateError, match="a common name has 1 to 64 characters"):
        CertificateAuthority.create("x" * 65, NOW)


def test_a_uri_longer_than_a_common_name_is_kept_whole_where_it_counts(authority: CertificateAuthority) -> None:
    uri = "urn:pcsc:ncp:" + "x" * 100
    assert san_uris(authority.issue(uri, HOSTS, NOW).der) == (uri,)


def test_bytes_that_are_no_certificate_are_refused(authority: CertificateAuthority) -> None:
    der = ssl.PEM_cert_to_DER_cert(authority.cert_pem.decode())
    assert san_uris(der) == ()
    for wrong in (b"", b"0" * 40, der[:-1], authority.cert_pem):
        for read in (san_uris, spki_sha256):
            with pytest.raises(
                CertificateError, match=rf"these {len(wrong)} bytes are not an X\.509 certificate in DER"
            ):
                read(wrong)


def test_a_request_is_for_one_contact_point_and_signed_by_a_key_on_p_384(tmp_path: Path) -> None:
    authority = CertificateAuthority.create("an authority", NOW)
    names = [x509.UniformResourceIdentifier("urn:pcsc:ncp:us")]

    def asked(key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName]) -> bytes:
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(key, hashes.SHA384()).public_bytes(serialization.Encoding.PEM)

    fine, other = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256R1())
    made = x509.load_pem_x509_certificate(authority.sign(asked(fine, [*names]), NOW))
    assert san_uris(made.public_bytes(serialization.Encoding.DER)) == ("urn:pcsc:ncp:us",)
    with pytest.raises(CertificateError, match="signed by the key it is for, which is on P-384"):
        authority.sign(asked(other, [*names]), NOW)
    with pytest.raises(CertificateError, match=r"^Art\. 3\(1\): a request is for one contact point and names one URI"):
        authority.sign(asked(fine, [*names, x509.UniformResourceIdentifier("urn:pcsc:ncp:jp")]), NOW)
    with pytest.raises(CertificateError, match="expected a contact point's request in PEM"):
        authority.sign(b"no request", NOW)
