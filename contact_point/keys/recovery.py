"""What is written for a recovery key: a host seals it, and nobody on that host can open it again.

The recovery key is an ECDH key on P-384 whose private half is made and kept elsewhere (docs/decisions/0032). Each file has a
key of its own: ephemeral ECDH, HKDF-SHA-384 (NIST SP 800-56C), AES-256-GCM. The file is

    a line of JSON in clear: what it is, for whom, the ephemeral key
    frames: 4 bytes of length, AES-256-GCM under a counter as nonce, whose last byte says which frame is the last
    2 bytes of length, and the writer's signature of all before

so a file that was cut, continued, reordered or changed in any bit is refused. Memory is that of one frame, whatever the length.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import IO, TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from contact_point.keys.errors import SealError, SignatureError, SigningKeyError
from contact_point.keys.sealing import KEY_BYTES, TAG_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from contact_point.keys.signing import SigningKey, VerifyingKey

FRAME: Final = 1 << 16
"""Bytes that are sealed together."""

_MAX_LINE: Final = 4096  # bytes of the line in clear
_MAX_SIGNATURE: Final = 104  # bytes of an ECDSA signature on P-384 in DER, at most
_COUNTER: Final = 11  # bytes of the nonce that count; the twelfth says which frame is the last
_SIGNED: Final = b"pcsc: sealed for a recovery key\n"  # nothing else that is signed with this key begins so


def public_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """Return the recovery key that a host writes for.

    Raises:
        SigningKeyError: it is no public key on P-384.

    """
    try:
        found = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, ec.EllipticCurvePublicKey) or not isinstance(found.curve, ec.SECP384R1):
        raise SigningKeyError(
            "a recovery key is a public key on P-384 in PEM, and this is none: `openssl pkey -in PRIVATE -pubout` writes it"
        )
    return found


def private_key(pem: bytes, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
    """Return the private half of a recovery key.

    Raises:
        SigningKeyError: it is none, or the passphrase is another's.

    """
    try:
        found = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP384R1):
        raise SigningKeyError(
            "expected the private half of a recovery key on P-384 in PEM, and its passphrase where it has one; this does not "
            "open: name the right file with --key, and its passphrase with --passphrase-file"
        )
    return found


def fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """Return SHA-256 over the key's SubjectPublicKeyInfo, in hexadecimal: which recovery key a file is for."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def write(
    file: IO[bytes],
    said: Mapping[str, Any],
    content: Iterable[bytes],
    *,
    to: ec.EllipticCurvePublicKey,
    signing: SigningKey,
) -> str:
    """Seal content for a recovery key, under a line that says in clear what it is; return the SHA-256 of what was written."""
    ephemeral = ec.generate_private_key(ec.SECP384R1())
    shown = base64.b64encode(_point(ephemeral.public_key())).decode()
    line = _line({**said, "for": fingerprint(to), "ephemeral": shown})
    cipher = AESGCM(_derived(ephemeral.exchange(ec.ECDH(), to), line))
    signed, whole = hashlib.sha384(_SIGNED), hashlib.sha256()

    def put(part: bytes) -> None:
        file.write(part)
        signed.update(part)
        whole.update(part)

    put(line)
    number, waiting = 0, b""
    for frame in _frames(content):
        if waiting:
            put(_sealed(cipher, number, waiting, line, last=False))
            number += 1
        waiting = frame
    put(_sealed(cipher, number, waiting, line, last=True))
    signature = signing.sign(signed.digest())
    put(len(signature).to_bytes(2) + signature)
    return whole.hexdigest()


def read_line(file: IO[bytes]) -> dict[str, Any]:
    """Return what the line in clear says, which is not to be believed before the whole was read.

    Raises:
        SealError: it says nothing, or not as it is written.

    """
    line = file.readline(_MAX_LINE)
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or _line(said) != line:
        raise SealError(
            "this file does not begin as one that was sealed for a recovery key: is it the right one, and whole?"
        )
    return said


def read(file: IO[bytes], *, key: ec.EllipticCurvePrivateKey, by: VerifyingKey) -> Iterator[bytes]:
    """Yield the content of a file frame by frame; act on nothing of it before the end: there the signature is checked.

    Raises:
        SealError: it is for another recovery key, was changed or cut, or is followed by something.
        SignatureError: it is not signed with the key ``by``.

    """
    file.seek(0)
    said = read_line(file)
    line = _line(said)
    if said.get("for") != fingerprint(key.public_key()):
        raise SealError(
            f"the file is sealed for the recovery key {str(said.get('for'))[:16]}, and this one is "
            f"{fingerprint(key.public_key())[:16]}: take the one that it was made for"
        )
    cipher = AESGCM(_derived(_shared(key, said), line))
    signed, number, last = hashlib.sha384(_SIGNED + line), 0, False
    while not last:
        head = file.read(4)
        size = int.from_bytes(head)
        sealed = file.read(size) if len(head) == 4 and TAG_BYTES <= size <= FRAME + TAG_BYTES else b""
        frame, last = _opened(cipher, number, sealed, line)
        signed.update(head + sealed)
        yield frame
        number += 1
    _check_signature(file, signed.digest(), by)


def _check_signature(file: IO[bytes], digest: bytes, by: VerifyingKey) -> None:
    size = int.from_bytes(file.read(2))
    signature, more = file.read(min(size, _MAX_SIGNATURE)), file.read(1)
    if len(signature) != size or more:
        raise SealError(
            "the file does not end with the signature of who wrote it: it was cut or continued; do not use it"
        )
    try:
        by.verify(signature, digest)
    except SignatureError:
        raise SignatureError(
            f"Art. 9: the file is not signed with the key {by.key_id} of the contact point that it is said to be of: somebody "
            "else wrote it; do not use it"
        ) from None


def _opened(cipher: AESGCM, number: int, sealed: bytes, line: bytes) -> tuple[bytes, bool]:
    """Return a frame, and whether it is the last."""
    for last in (False, True):
        try:
            return cipher.decrypt(_nonce(number, last=last), sealed, line), last
        except (InvalidTag, ValueError):
            continue
    raise SealError(
        f"Art. 9: frame {number} of the file does not open: it was changed, cut or moved; do not use the file"
    )


def _sealed(cipher: AESGCM, number: int, frame: bytes, line: bytes, *, last: bool) -> bytes:
    sealed = cipher.encrypt(_nonce(number, last=last), frame, line)
    return len(sealed).to_bytes(4) + sealed


def _nonce(number: int, *, last: bool) -> bytes:
    """Return a nonce that comes once under the key of a file (SP 800-38D, 8.2.1)."""
    return number.to_bytes(_COUNTER) + bytes([last])


def _frames(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield content in pieces of a frame."""
    held = bytearray()
    for part in content:
        held += part
        while len(held) > FRAME:
            yield bytes(held[:FRAME])
            del held[:FRAME]
    yield bytes(held)


def _line(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _derived(shared: bytes, line: bytes) -> bytes:
    """Return the key of a file; the line names both public keys, so it is of this pair and this file alone."""
    return HKDF(hashes.SHA384(), KEY_BYTES, salt=None, info=_SIGNED + line).derive(shared)


def _shared(key: ec.EllipticCurvePrivateKey, said: Mapping[str, Any]) -> bytes:
    try:
        point = base64.b64decode(said["ephemeral"], validate=True)
        return key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point))
    except (KeyError, TypeError, ValueError):
        raise SealError(
            "the file names no point on P-384 that it was sealed with: it was changed; do not use it"
        ) from None


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
