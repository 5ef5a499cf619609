"""Certificates as they must not be: each with one thing wrong, by the right authority and of the right key."""

from __future__ import annotations

import ipaddress
import ssl
import subprocess
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contact_point.certificates import CertificateAuthority

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from contact_point.settings import Folder

DAY: Final = timedelta(days=1)
HERE: Final = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
FORGED: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "forged")])
BOTH_ENDS: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a certificate says; as it is by default, it is right."""

    uris: tuple[str, ...] = ("urn:pcsc:ncp:jp",)
    hosts: tuple[x509.GeneralName, ...] = HERE
    begins: timedelta = -DAY
    ends: timedelta = 300 * DAY
    usages: tuple[x509.ObjectIdentifier, ...] = BOTH_ENDS
    signs: bool = True
    authority: bool = False
    digest: hashes.SHA256 | hashes.SHA384 = field(default_factory=hashes.SHA384)
    constraints: x509.NameConstraints | None = None
    path_length: int | None = None
    named: x509.Name = FORGED


class Forger:
    """Whoever holds the authority and the key of the Japanese contact point, and uses them wrongly."""

    def __init__(self, folder: Folder, work: Path, now: datetime) -> None:
        """Work with the authority and key of the installation in ``folder``."""
        self.authority = CertificateAuthority.load(folder.authority)
        loaded = serialization.load_pem_private_key(folder.certificate_key.read_bytes(), password=None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self.key = loaded
        self._work, self._now, self._made = work, now, 0

    def certify(
        self, shape: Shape, key: Any = None, issuer: CertificateAuthority | None = None
    ) -> tuple[x509.Certificate, Any]:
        """Return a certificate of this shape with its key: the contact point's own, by its own authority."""
        key, issuer = key or self.key, issuer or self.authority
        usage = {"key_cert_sign": shape.authority, "crl_sign": shape.authority, "digital_signature": shape.signs}
        others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        usage |= dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
        usage["content_commitment"] = not shape.signs and not shape.authority  # a usage must say something
        builder = (
            x509.CertificateBuilder()
            .subject_name(shape.named)
            .issuer_name(issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now + shape.begins)
            .not_valid_after(self._now + shape.ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
            .add_extension(x509.BasicConstraints(shape.authority, shape.path_length), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
        )
        names = [*map(x509.UniformResourceIdentifier, shape.uris), *shape.hosts]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if shape.usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(shape.usages), critical=False)
        if shape.constraints is not None:
            builder = builder.add_extension(shape.constraints, critical=True)
        return builder.sign(issuer.key, shape.digest), key

    def file(self, certificate: x509.Certificate, key: Any, chain: Sequence[x509.Certificate] = ()) -> Path:
        """Return a file with the certificate, more of a chain, and the key, as a TLS library loads it."""
        self._made += 1
        path = self._work / f"forged-{self._made}.pem"
        pem = serialization.Encoding.PEM
        shown = b"".join(each.public_bytes(pem) for each in (certificate, *chain))
        path.write_bytes(
            shown + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return path

    def make(self, **shape: Any) -> Path:
        """Return the file of a certificate of this shape."""
        return self.file(*self.certify(Shape(**shape)))

    def of_key(self, key: Any) -> Path:
        """Return the file of a certificate of another key."""
        return self.file(*self.certify(Shape(), key))

    def by(self, issuer: CertificateAuthority, **shape: Any) -> Path:
        """Return the file of a certificate by another authority."""
        return self.file(*self.certify(Shape(**shape), issuer=issuer))

    def intermediate(self, **shape: Any) -> Path:
        """Return the file of a certificate by an authority that our authority certified, with the chain."""
        key = ec.generate_private_key(ec.SECP384R1())
        between, _ = self.certify(Shape(uris=(), hosts=(), usages=(), authority=True, signs=False, **shape), key)
        leaf, _ = self.certify(Shape(), issuer=CertificateAuthority(between, key))
        return self.file(leaf, self.key, [between])

    def with_sha1(self, authority: Path) -> Path:
        """Return the file of a certificate that was signed over SHA-1, which only the command `openssl` still does."""
        fine, _ = self.certify(Shape())
        itself, _ = self.certify(Shape(), issuer=CertificateAuthority(fine, self.key))  # as the command wants it
        said, made = self._work / "extensions.cnf", self._work / "sha1.pem"
        said.write_text(_EXTENSIONS)
        signer = ("-CA", authority / "authority.pem", "-CAkey", authority / "authority.key", "-set_serial", "7")
        options = ("-clrext", "-extfile", said, "-sha1", "-days", "100", "-out", made)
        command = ("openssl", "x509", "-in", self.file(itself, self.key), *signer, *options)
        subprocess.run(command, check=True, capture_output=True)
        shown = x509.load_pem_x509_certificate(made.read_bytes())
        return self.file(shown, self.key)


_EXTENSIONS: Final = """
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=URI:urn:pcsc:ncp:jp,IP:127.0.0.1
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""


def other_keys() -> dict[str, Any]:
    """Return keys that are none of a contact point, by what is wrong with them."""
    return {
        "another key": ec.generate_private_key(ec.SECP384R1()),
        "RSA, 1,024 bits": rsa.generate_private_key(65537, 1024),  # noqa: S505 - it is to be refused
        "RSA, 3,072 bits": rsa.generate_private_key(65537, 3072),
        "curve P-256": ec.generate_private_key(ec.SECP256R1()),
        "curve P-521": ec.generate_private_key(ec.SECP521R1()),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }


def context(authority: Path, shown: Path | None, **settings: Any) -> ssl.SSLContext:
    """Return a caller that trusts the server, shows what it has, and minds no rule of its own."""
    made = ssl.create_default_context(cafile=authority)
    made.set_ciphers("ALL:@SECLEVEL=0")
    for name, value in settings.items():
        setattr(made, name, value)
    if shown is not None:
        made.load_cert_chain(shown)
    return made
