"""An authenticator in software, and the browser around it: passkeys on P-256, attestation "none" (WebAuthn level 3, 5, 6)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

ORIGIN: Final = "https://console.example.org"
HOST: Final = "console.example.org"

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


def unpadded(content: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class Authenticator:
    """One device with one passkey, and a browser that is at ``origin``."""

    origin: str = ORIGIN
    host: str = HOST
    verifies: bool = True
    """Whether it verifies its owner, or finds somebody present and no more."""
    counts: bool = True
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    signed: int = 0
    owner: str = ""

    def make(self, options: str, **changed: Any) -> str:
        """Make the passkey; return what the browser sends. ``changed`` takes the place of what it would say to the site."""
        asked = json.loads(options)
        self.owner = asked["user"]["id"]
        public = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32), -3: public.y.to_bytes(32)} | changed.pop("cose", {})
        attested = bytes(16) + len(self.credential).to_bytes(2) + self.credential + cbor2.dumps(cose)
        data = self._data(_ATTESTED) + attested
        response = {
            "clientDataJSON": unpadded(self._client_data("webauthn.create", asked, changed)),
            "attestationObject": unpadded(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
        }
        return self._sent(response)

    def sign(self, options: str, *, owner: str | None = None, **changed: Any) -> str:
        """Use the passkey; return what the browser sends."""
        self.signed += self.counts
        data, client = self._data(), self._client_data("webauthn.get", json.loads(options), changed)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": unpadded(client),
            "authenticatorData": unpadded(data),
            "signature": unpadded(signature),
            "userHandle": self.owner if owner is None else owner,
        }
        return self._sent(response)

    def _data(self, flags: int = 0) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + self.signed.to_bytes(4)

    def _client_data(self, kind: str, asked: dict[str, Any], changed: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": asked["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(said | changed).encode()

    def _sent(self, response: dict[str, str]) -> str:
        number = unpadded(self.credential)
        return json.dumps({"id": number, "rawId": number, "type": "public-key", "response": response})
