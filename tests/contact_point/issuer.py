"""An OpenID Connect provider over HTTP, small and real: discovery, keys, authorization with PKCE, tokens (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from tests.builders import NOW

from .authenticator import unpadded

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Issuer:
    """What a provider does; a test changes one thing of it."""

    address: str = ""
    client: str = "pcsc console"
    secret: str = "a secret: 100% + &"
    account: str = "sub-1"
    now: float = NOW.timestamp()
    keys: list[ECKey] = field(default_factory=lambda: [ECKey.generate_key("P-256", {"kid": "one"})])
    about: dict[str, Any] = field(default_factory=dict)
    """What takes the place of what it says of itself; None leaves it out."""
    claims: dict[str, Any] = field(default_factory=dict)
    """The same of what it says in a token."""
    answer: dict[str, str] = field(default_factory=dict)
    """The same of what it sends the browser back with."""
    sign: Callable[[Issuer, dict[str, Any]], str] = field(default=lambda issuer, claims: issuer.signed(claims))
    replaced: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """What it answers at a path instead."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def signed(self, claims: dict[str, Any]) -> str:
        """Return a token, signed by the newest key."""
        return jwt.encode({"alg": "ES256", "kid": self.keys[-1].kid}, claims, self.keys[-1])

    def authorize(self, address: str) -> dict[str, str]:
        """Recognise whoever a browser brings, and return the query that it goes back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.address}/authorize?")
        assert (asked["response_type"], asked["scope"], asked["client_id"]) == ("code", "openid", self.client)
        assert (asked["code_challenge_method"], asked["prompt"], asked["max_age"]) == ("S256", "login", "0")
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        said = {"code": code, "state": asked["state"], "iss": self.address} | self.answer
        return {name: value for name, value in said.items() if value is not None}

    def metadata(self) -> dict[str, Any]:
        """Return what it says of itself."""
        said = {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "authorization_response_iss_parameter_supported": True,
        } | self.about
        return {name: value for name, value in said.items() if value is not None}

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Return what a code is exchanged for: once, by the client, with the verifier of the challenge."""
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (unquote_plus(name), unquote_plus(secret)) != (self.client, self.secret):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form["code"], None)
        challenge = unpadded(hashlib.sha256(form["code_verifier"].encode()).digest())
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        said = {
            "iss": self.address,
            "aud": self.client,
            "sub": self.account,
            "exp": int(self.now) + 300,
            "iat": int(self.now),
            "auth_time": int(self.now),
            "nonce": asked["nonce"],
        } | self.claims
        claims = {name: value for name, value in said.items() if value is not None}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.sign(self, claims)}

    def answered(self, method: str, path: str, body: str, authorization: str) -> tuple[int, bytes]:
        """Return status and body of an answer."""
        self.asked.append(path)
        if path in self.replaced:
            return self.replaced[path]
        said: tuple[int, Any] = (404, {})
        if path == "/.well-known/openid-configuration":
            said = 200, self.metadata()
        elif path == "/keys":
            said = 200, KeySet([*self.keys]).as_dict(private=False)
        elif path == "/token" and method == "POST":
            said = self.token({name: values[0] for name, values in parse_qs(body).items()}, authorization)
        return said[0], json.dumps(said[1]).encode()


@contextmanager
def serving(issuer: Issuer) -> Iterator[Issuer]:
    """Let an issuer answer on the loopback interface until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _answer(self, body: str) -> None:
            status, said = issuer.answered(self.command, self.path, body, self.headers.get("Authorization", ""))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{issuer.address}/keys")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
