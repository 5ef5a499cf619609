"""Who somebody is, as the organisation's identity provider says it: OpenID Connect, authorization code with PKCE.

The provider says who it is, by issuer and ``sub`` (OpenID Connect Core 5.7: nothing else is stable), and this contact point
says whether that person may come in: an account that nobody entered here is nobody's, and no login makes a person. It is asked
each time to recognise the person anew (``prompt=login``, ``max_age=0``): an unlocked screen elsewhere unlocks nothing here.

``state``, ``nonce`` and the PKCE verifier are random, rest here and are used once (:mod:`~contact_point.console.once`). The
token of the browser goes with a cookie that must be ``SameSite=Lax``: the answer comes from another site.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
import ssl
import stat
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode, urlsplit

import httpx2
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from contact_point.console import lockout, once, people
from contact_point.console.lockout import LoginError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contact_point.settings import Console, IdentityProvider
    from contact_point.store import Person, Store

_log = logging.getLogger("contact_point.console")

CALLBACK: Final = "/login/answer"
"""The path at which the provider sends people back to us; it is to be registered there, after the origin."""

LASTS: Final = timedelta(minutes=5)
"""For how long somebody may take at the provider."""

LEEWAY: Final = timedelta(seconds=60)
"""By how much the provider's clock may differ from ours."""

KNOWN: Final = timedelta(hours=1)
"""For how long what the provider says of itself is believed without asking again."""

ALGORITHMS: Final = ("ES256", "ES384", "PS256", "PS384", "RS256", "RS384")
"""Signatures of an ID token: approved ones (FIPS 186-5) with a public key; ``none`` and shared secrets are not among them."""

PATIENCE: Final = 10.0
"""Seconds that the provider is waited for."""

_LONGEST: Final = 1 << 20  # bytes of an answer of the provider
_LONGEST_SUB: Final = 255  # OpenID Connect Core, 2

_LOGIN: Final = "login by provider"


class ProviderError(Exception):
    """The identity provider was not reached, or is not set up as it must be: it is not known who somebody is."""


class _RefusedError(Exception):
    """What the provider answered is not a login; the reason is for our log, and never names anybody."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that began."""

    token: str
    """For a cookie of the browser (``SameSite=Lax``), to be shown again with the answer."""
    address: str
    """Where the browser is to be sent."""


@dataclass(frozen=True, slots=True)
class _Metadata:
    """What the provider says of itself (OpenID Connect Discovery), and when it did."""

    authorization: str
    token: str
    jwks: str
    names_itself: bool
    """Whether each of its answers says whose it is (RFC 9207)."""
    at: datetime


class Provider:
    """The identity provider of a contact point. Thread-safe. Close it, or use `with`."""

    def __init__(self, site: Console, provider: IdentityProvider) -> None:
        """Read the client's secret; nobody is asked yet.

        Raises:
            ProviderError: a file is not there, or others may read the secret.

        """
        self._provider = provider
        self._redirect = site.origin + CALLBACK
        self._secret = _secret(provider)
        self._http = httpx2.Client(verify=_context(provider), trust_env=False, follow_redirects=False, timeout=PATIENCE)
        self._lock = threading.Lock()
        self._metadata: _Metadata | None = None
        self._keys: KeySet | None = None

    def __enter__(self) -> Self:
        """Return the provider."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def begin(self, store: Store, *, now: datetime) -> Begun:
        """Begin a login: return where the browser is to be sent.

        Raises:
            ProviderError: the provider does not say where.

        """
        metadata = self._known(now)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with store.transaction() as tx:
            kept = json.dumps([state, nonce, verifier, now.timestamp()]).encode()
            token = once.keep(tx, _LOGIN, kept, lasts=LASTS, now=now)
        asked = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": self._redirect,
            "scope": "openid",
            "state": state,
            "nonce": nonce,
            "code_challenge": _unpadded(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "prompt": "login",
            "max_age": "0",
        }
        joint = "&" if urlsplit(metadata.authorization).query else "?"
        return Begun(token, f"{metadata.authorization}{joint}{urlencode(asked)}")

    def recognise(self, store: Store, token: str, answer: Mapping[str, str], *, address: str, now: datetime) -> Person:
        """Return whom the provider recognised; ``answer`` is the query that the browser came back with.

        Raises:
            LoginError: nobody was recognised, for whatever reason; the log has it.
            LockedOutError: too many failures, with this account or from there.
            ProviderError: the provider was not reached, or is not set up as it must be.

        """
        counted = [lockout.by_address(address)]
        with store.transaction() as tx:
            lockout.check(tx, counted, now)
            kept = once.use(tx, _LOGIN, token, now=now)
        if kept is None:
            raise LoginError
        try:
            account = self._account(kept, answer, now)
        except _RefusedError as refused:
            _log.warning("Art. 9: a login by %s was refused: %s", self._provider.issuer, refused)
            account = None
        else:
            counted.append(lockout.by_shown(f"{self._provider.issuer} {account}"))
        with store.transaction() as tx:
            lockout.check(tx, counted, now)
            person = None if account is None else people.of_account(tx, account)
            if person is None:
                lockout.failed(tx, counted, now)
            else:
                lockout.succeeded(tx, counted[-1], now)
        if person is None:
            raise LoginError
        return person

    def _account(self, kept: bytes, answer: Mapping[str, str], now: datetime) -> str:
        """Return the account that the provider vouches for."""
        state, nonce, verifier, begun = json.loads(kept)
        metadata = self._known(now)
        if not hmac.compare_digest(state.encode(), answer.get("state", "").encode("utf-8", "surrogatepass")):
            raise _RefusedError("the state is not that of the browser which began")
        # RFC 9207: another provider's answer is not this one's.
        if answer.get("iss", "" if metadata.names_itself else self._provider.issuer) != self._provider.issuer:
            raise _RefusedError("the answer is another issuer's, or does not say whose it is")
        if "error" in answer or not answer.get("code"):
            raise _RefusedError("the provider recognised nobody, or the person turned back")
        return self._sub(self._id_token(metadata, answer["code"], verifier), nonce, begun, now)

    def _id_token(self, metadata: _Metadata, code: str, verifier: str) -> str:
        """Exchange the code for an ID token."""
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "code_verifier": verifier,
        }
        # RFC 6749, 2.3.1: form-encoded before they are joined.
        name, secret = (urlencode({"": each})[1:] for each in (self._provider.client_id, self._secret))
        said = self._asked("POST", metadata.token, data=asked, auth=(name, secret))
        token = said.get("id_token")
        if not isinstance(token, str):
            raise _RefusedError("the answer of the token endpoint has no ID token")
        return token

    def _sub(self, token: str, nonce: str, begun: float, now: datetime) -> str:
        """Return whom an ID token is about, after it was verified: OpenID Connect Core, 3.1.3.7."""
        seconds = int(now.timestamp())
        registry = jwt.JWTClaimsRegistry(
            now=seconds,
            leeway=int(LEEWAY.total_seconds()),
            iss={"essential": True, "value": self._provider.issuer},
            aud={"essential": True, "value": self._provider.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
            auth_time={"essential": True},
        )
        try:
            claims = self._verified(token, now)
            registry.validate(claims)
        except JoseError as error:
            claim = getattr(error, "claim", "")
            raise _RefusedError(f"the ID token: {type(error).__name__} {claim}".strip()) from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self._provider.client_id) != self._provider.client_id:
            raise _RefusedError("the ID token is for another client: azp")
        recognised = claims["auth_time"]
        if isinstance(recognised, bool) or not isinstance(recognised, int | float):
            raise _RefusedError("the ID token: auth_time is no time")
        if not begun - LEEWAY.total_seconds() <= recognised <= seconds + LEEWAY.total_seconds():
            raise _RefusedError("the person was recognised before this login began, or is to be: auth_time")
        sub: str = claims["sub"]
        if len(sub) > _LONGEST_SUB:
            raise _RefusedError("the ID token: sub is longer than 255 characters")
        return sub

    def _verified(self, token: str, now: datetime) -> dict[str, Any]:
        """Return the claims of a token that the provider signed; its keys are asked for again where it has a new one."""
        try:
            return _claims(token, self._signing(now))
        except InvalidKeyIdError:
            return _claims(token, self._signing(now, anew=True))

    def _signing(self, now: datetime, *, anew: bool = False) -> KeySet:
        with self._lock:
            keys = None if anew else self._keys
        if keys is None:
            said = self._asked("GET", self._known(now).jwks)
            keys = self._read_keys(said)
            with self._lock:
                self._keys = keys
        return keys

    def _read_keys(self, said: Mapping[str, Any]) -> KeySet:
        """Return the public keys that signatures may be of."""
        found = said.get("keys")
        listed = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        signing = [each for each in listed if each.get("use", "sig") == "sig" and each.get("kty") in {"RSA", "EC"}]
        try:
            keys = [RSAKey.import_key(each) if each["kty"] == "RSA" else ECKey.import_key(each) for each in signing]
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderError(self._fault(f"a key of its jwks_uri cannot be read ({type(error).__name__})")) from None
        if not keys:
            raise ProviderError(self._fault("its jwks_uri has no RSA or EC key for signatures"))
        return KeySet([*keys])

    def _known(self, now: datetime) -> _Metadata:
        """Return what the provider says of itself, which is asked for again after an hour."""
        with self._lock:
            metadata = self._metadata
        if metadata is not None and metadata.at <= now < metadata.at + KNOWN:
            return metadata
        said = self._asked("GET", self._provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if said.get("issuer") != self._provider.issuer:
            raise ProviderError(self._fault("it calls itself something else"))
        metadata = _Metadata(
            authorization=self._endpoint(said, "authorization_endpoint"),
            token=self._endpoint(said, "token_endpoint"),
            jwks=self._endpoint(said, "jwks_uri"),
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
            at=now,
        )
        with self._lock:
            self._metadata, self._keys = metadata, None
        return metadata

    def _endpoint(self, said: Mapping[str, Any], name: str) -> str:
        address = said.get(name)
        if isinstance(address, str) and urlsplit(address).scheme in {"https", urlsplit(self._provider.issuer).scheme}:
            return address
        raise ProviderError(self._fault(f"its {name} is not there, or not under https"))

    def _asked(self, method: str, address: str, **how: Any) -> dict[str, Any]:
        """Return the JSON object that the provider answers with.

        Raises:
            ProviderError: it was not reached, or answers with an error of its own, or with something else.
            _RefusedError: it refuses what was asked.

        """
        try:
            with self._http.stream(method, address, headers={"Accept": "application/json"}, **how) as response:
                body = b""
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > _LONGEST:
                        raise ProviderError(self._fault(f"it answered with more than {_LONGEST} bytes"))
            said = json.loads(body)
        except httpx2.HTTPError as error:
            raise ProviderError(self._fault(f"it was not reached ({type(error).__name__})")) from None
        except ValueError:
            raise ProviderError(self._fault(f"it answered {response.status_code} without JSON")) from None
        if method == "POST" and response.status_code in {400, 401, 403}:
            raise _RefusedError(f"the token endpoint answered {response.status_code}")
        if response.status_code != 200 or not isinstance(said, dict):
            raise ProviderError(self._fault(f"it answered {response.status_code}, and 200 with an object was expected"))
        return said

    def _fault(self, what: str) -> str:
        return (
            f"Art. 9: the identity provider {self._provider.issuer} cannot say who somebody is: {what}; go in with a passkey, "
            "and look at [console.provider] in installation.toml"
        )


def _claims(token: str, keys: KeySet) -> dict[str, Any]:
    try:
        return jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except (ValueError, TypeError) as error:  # what is no token at all
        raise _RefusedError(f"the ID token cannot be read: {type(error).__name__}") from None


def _secret(provider: IdentityProvider) -> str:
    path = provider.secret_file
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ProviderError(f"Art. 9: {path} holds the client's secret, and others may read it: chmod 600 {path}")
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ProviderError(f"{path}: {error.strerror}; put the client's secret there, mode 0600") from None
    if not secret:
        raise ProviderError(f"{path} is empty; put the client's secret there, mode 0600")
    return secret


def _context(provider: IdentityProvider) -> ssl.SSLContext:
    """Return how the provider is known: by the certificates that are named, or those that the system trusts."""
    try:
        context = ssl.create_default_context(cafile=provider.authority)
    except (OSError, ssl.SSLError) as error:
        raise ProviderError(f"{provider.authority}: {error.strerror}; name the provider's certificates (PEM)") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
