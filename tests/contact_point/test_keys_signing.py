"""The key that signs messages and checkpoints."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from http_message_signatures import algorithms

from contact_point.keys import Algorithm, SignatureError, SigningKey, SigningKeyError, VerifyingKey

if TYPE_CHECKING:
    from pathlib import Path


def test_a_signing_key_is_the_same_after_loading(tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "signing.pem")
    assert SigningKey.load(tmp_path / "signing.pem").public_pem == key.public_pem
    assert stat.S_IMODE((tmp_path / "signing.pem").stat().st_mode) == 0o600
    assert key.key_id == VerifyingKey.from_pem(key.public_pem).key_id
    assert "PRIVATE" not in repr(key)
    with pytest.raises(SigningKeyError, match=r"cannot create signing\.pem: File exists; keys are never overwritten"):
        SigningKey.create(tmp_path / "signing.pem")


def test_a_signature_is_of_these_bytes_under_this_key(tmp_path: Path) -> None:
    key, other = (SigningKey.create(tmp_path / name) for name in ("mine.pem", "other.pem"))
    signature = key.sign(b"checkpoint")
    verifying = VerifyingKey.from_pem(key.public_pem)
    verifying.verify(signature, b"checkpoint")
    for wrong_key, wrong_signature, data in (
        (verifying, signature, b"checkpoint!"),
        (verifying, signature[:-1], b"checkpoint"),
        (verifying, b"", b"checkpoint"),
        (other.verifying, signature, b"checkpoint"),
    ):
        with pytest.raises(
            SignatureError, match=rf"the signature is not of these .* bytes under key {wrong_key.key_id}"
        ):
            wrong_key.verify(wrong_signature, data)


def test_message_signatures_take_the_key_as_it_is(tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "signing.pem")
    signature = algorithms.ECDSA_P384_SHA384(private_key=key.private).sign(b"message")
    algorithms.ECDSA_P384_SHA384(public_key=key.verifying.public).verify(signature, b"message")


def test_loading_a_signing_key_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    with pytest.raises(
        SigningKeyError, match=r"signing\.pem must be an unencrypted private key in PEM: .*No such file"
    ):
        SigningKey.load(path)
    path.write_bytes(b"not a key")
    with pytest.raises(SigningKeyError, match=r"signing\.pem must be an unencrypted private key in PEM"):
        SigningKey.load(path)
    path.unlink()
    SigningKey.create(path)
    path.chmod(0o644)
    with pytest.raises(SigningKeyError, match=r"^Art\. 9: signing\.pem has mode 0644"):
        SigningKey.load(path)
    p_256 = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(p_256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(SigningKeyError, match=r"ECDSA on P-384 \(FIPS 186-5\); signing\.pem is another kind"):
        SigningKey.load(path)
    with pytest.raises(SigningKeyError, match="this public key is another kind"):
        VerifyingKey.from_pem(p_256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(SigningKeyError, match="these bytes are none"):
        VerifyingKey.from_pem(b"not a key")


def test_ed25519_is_there_for_who_asks_for_it(tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "notes.pem", algorithm=Algorithm.ED25519)
    assert SigningKey.load(tmp_path / "notes.pem", allowed=Algorithm).public_pem == key.public_pem
    signature = key.sign(b"checkpoint")
    assert len(signature) == 64
    verifying = VerifyingKey.from_pem(key.public_pem, allowed={Algorithm.ED25519})
    verifying.verify(signature, b"checkpoint")
    for wrong, data in ((signature, b"checkpoint!"), (signature[:-1], b"checkpoint"), (b"", b"checkpoint")):
        with pytest.raises(SignatureError, match=rf"is not of these .* bytes under key {key.key_id}"):
            verifying.verify(wrong, data)


def test_a_kind_of_key_that_nobody_asked_for_is_refused_when_it_is_read(tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "notes.pem", algorithm=Algorithm.ED25519)
    with pytest.raises(SigningKeyError, match=r"signed with ECDSA on P-384 \(FIPS 186-5\); notes\.pem is another kind"):
        SigningKey.load(tmp_path / "notes.pem")
    with pytest.raises(SigningKeyError, match=r"ECDSA on P-384 \(FIPS 186-5\); this public key is another kind"):
        VerifyingKey.from_pem(key.public_pem)
    p_384 = SigningKey.create(tmp_path / "signing.pem")
    with pytest.raises(SigningKeyError, match=r"signed with Ed25519 \(RFC 8032\); this public key is another kind"):
        VerifyingKey.from_pem(p_384.public_pem, allowed={Algorithm.ED25519})
    p_256 = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(
        SigningKeyError, match=r"ECDSA on P-384 \(FIPS 186-5\) or Ed25519 \(RFC 8032\); this public key"
    ):
        VerifyingKey.from_pem(p_256.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), allowed=Algorithm)


def test_the_algorithm_travels_with_the_signature_by_name_and_byte(tmp_path: Path) -> None:
    p_384 = SigningKey.create(tmp_path / "signing.pem")
    other = SigningKey.create(tmp_path / "notes.pem", algorithm=Algorithm.ED25519)
    assert [(key.algorithm, key.algorithm.byte) for key in (p_384, other)] == [
        ("ECDSA-P384-SHA384", 0xFF),
        ("Ed25519", 0x01),
    ]
    assert len(other.verifying.note_key) == 32
    der = p_384.verifying.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert p_384.verifying.note_key == der


def test_the_signature_of_ed25519_is_that_of_rfc_8032() -> None:
    # Section 7.1, test 2.
    secret = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
    public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    key = SigningKey(ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)))
    assert key.verifying.note_key.hex() == public
    assert key.sign(b"\x72").hex() == signature
