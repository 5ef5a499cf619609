"""Who somebody is by the identity provider: verified, of this login, and entered here (Article 9)."""

from __future__ import annotations

import hmac
import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from contact_point.console import people
from contact_point.console.lockout import LockedOutError, LoginError
from contact_point.console.oidc import KNOWN, LASTS, Provider, ProviderError
from contact_point.settings import IdentityProvider, SettingsError
from tests.builders import NOW

from .authenticator import ORIGIN, unpadded
from .databases import Place
from .entered import ONE, SITE, confirmed
from .issuer import Issuer, serving
from .parties import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from contact_point.store import Person, Store

HERE = "192.0.2.1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Place(tmp_path, tmp_path / "store.sqlite")
    yield made.store
    made.store.close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving(Issuer()) as issuer:
        yield issuer


@pytest.fixture
def named(issuer: Issuer, tmp_path: Path) -> IdentityProvider:
    secret = tmp_path / "secret"
    secret.write_text(f"{issuer.secret}\n")
    secret.chmod(0o600)
    return IdentityProvider(issuer.address, issuer.client, secret)


@pytest.fixture
def provider(named: IdentityProvider) -> Iterator[Provider]:
    with Provider(SITE, named) as provider:
        yield provider


def log_in(provider: Provider, store: Store, issuer: Issuer, *, address: str = HERE, now: Any = NOW) -> Person:
    begun = provider.begin(store, now=now)
    issuer.now = now.timestamp()
    return provider.recognise(store, begun.token, issuer.authorize(begun.address), address=address, now=now)


def refused(provider: Provider, store: Store, issuer: Issuer) -> str:
    with pytest.raises(LoginError) as error:
        log_in(provider, store, issuer)
    return str(error.value)


def test_who_is_entered_here_is_recognised_by_the_provider(provider: Provider, store: Store, issuer: Issuer) -> None:
    ann = confirmed(store, account="sub-1").person
    assert log_in(provider, store, issuer) == ann
    issuer.account = "sub-2"
    bea = confirmed(store, "Bea Example", account="sub-2").person
    assert log_in(provider, store, issuer) == bea


def test_9_the_browser_is_sent_with_a_fresh_state_nonce_and_challenge(
    provider: Provider, store: Store, issuer: Issuer
) -> None:
    one, other = (
        {name: values[0] for name, values in parse_qs(urlsplit(provider.begin(store, now=NOW).address).query).items()}
        for _ in range(2)
    )
    assert one["redirect_uri"] == f"{ORIGIN}/login/answer"
    for fresh in ("state", "nonce", "code_challenge"):
        assert len(one[fresh]) == 43
        assert one[fresh] != other[fresh]
    assert len({one["state"], one["nonce"], one["code_challenge"]}) == 3


def test_9_no_login_makes_a_person(
    provider: Provider, store: Store, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Who is not entered here, was not confirmed, or left: one sentence, and the same as for what is no login at all."""
    confirmed(store, "Without Account")
    said = {refused(provider, store, issuer)}
    assert [each.name for each in people.everybody(store)] == ["Without Account"]
    waiting = people.enter(store, name="Ann", mail="a@b", roles=["examiner"], by=ONE, account="sub-1", now=NOW)
    said.add(refused(provider, store, issuer))
    people.end(store, waiting.id, by=ONE, now=NOW)
    said.add(refused(provider, store, issuer))
    issuer.claims = {"nonce": "another"}
    said.add(refused(provider, store, issuer))
    assert len(said) == 1
    assert said.pop().startswith("Art. 9: you were not recognised")
    assert "sub-1" not in caplog.text


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://id.example.org"}, "InvalidClaimError iss"),
        ({"iss": None}, "MissingClaimError iss"),
        ({"aud": "another client"}, "InvalidClaimError aud"),
        ({"aud": ["another client"]}, "InvalidClaimError aud"),
        ({"aud": None}, "MissingClaimError aud"),
        ({"aud": ["pcsc console", "another client"]}, "the ID token is for another client: azp"),
        (
            {"aud": ["pcsc console", "another client"], "azp": "another client"},
            "the ID token is for another client: azp",
        ),
        ({"azp": "another client"}, "the ID token is for another client: azp"),
        ({"exp": int(NOW.timestamp()) - 60}, "ExpiredTokenError exp"),
        ({"exp": None}, "MissingClaimError exp"),
        ({"exp": "tomorrow"}, "InvalidClaimError exp"),
        ({"exp": float("nan")}, "InvalidClaimError exp"),
        ({"iat": int(NOW.timestamp()) + 61}, "InvalidClaimError iat"),
        ({"iat": None}, "MissingClaimError iat"),
        ({"nbf": int(NOW.timestamp()) + 61}, "InvalidClaimError nbf"),
        ({"nonce": "another"}, "InvalidClaimError nonce"),
        ({"nonce": None}, "MissingClaimError nonce"),
        ({"sub": None}, "MissingClaimError sub"),
        ({"sub": ""}, "InvalidClaimError sub"),
        ({"sub": 7}, "InvalidClaimError sub"),
        ({"sub": "s" * 256}, "sub is longer than 255 characters"),
        ({"auth_time": None}, "MissingClaimError auth_time"),
        ({"auth_time": int(NOW.timestamp()) - 62}, "recognised before this login began"),
        ({"auth_time": int(NOW.timestamp()) + 62}, "recognised before this login began, or is to be"),
        ({"auth_time": "now"}, "auth_time is no time"),
        ({"auth_time": True}, "auth_time is no time"),
    ],
)
def test_9_a_token_that_is_not_of_this_login_recognises_nobody(
    provider: Provider,
    store: Store,
    issuer: Issuer,
    caplog: pytest.LogCaptureFixture,
    claims: dict[str, Any],
    reason: str,
) -> None:
    confirmed(store, account="sub-1")
    issuer.claims = claims
    refused(provider, store, issuer)
    assert f"Art. 9: a login by {issuer.address} was refused: " in caplog.text
    assert reason in caplog.text
    issuer.claims = {}
    assert log_in(provider, store, issuer).account == "sub-1"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["pcsc console"]},
        {"aud": ["pcsc console", "another client"], "azp": "pcsc console"},
        {"exp": int(NOW.timestamp()) - 59},
        {"iat": int(NOW.timestamp()) + 60},
        {"auth_time": int(NOW.timestamp()) - 60},
    ],
)
def test_a_token_within_the_leeway_or_for_several_clients_is_taken(
    provider: Provider, store: Store, issuer: Issuer, claims: dict[str, Any]
) -> None:
    ann = confirmed(store, account="sub-1").person
    issuer.claims = claims
    assert log_in(provider, store, issuer) == ann


def joined(head: dict[str, Any], claims: dict[str, Any]) -> str:
    return ".".join(unpadded(json.dumps(each).encode()) for each in (head, claims))


def unsigned(_: Issuer, claims: dict[str, Any]) -> str:
    return f"{joined({'alg': 'none'}, claims)}."


def shared(issuer: Issuer, claims: dict[str, Any]) -> str:
    """Sign with the public key as if it were a shared secret."""
    said = joined({"alg": "HS256", "kid": "one"}, claims)
    public: bytes = issuer.keys[-1].as_pem(private=False)
    return f"{said}.{unpadded(hmac.digest(public, said.encode(), 'sha256'))}"


def with_the_clients_secret(issuer: Issuer, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(issuer.secret), algorithms=["HS256"])


def by_another(_: Issuer, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": "one"}, claims, ECKey.generate_key("P-256"))


def by_an_unknown(_: Issuer, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": "unknown"}, claims, ECKey.generate_key("P-256"))


def with_its_own_key(_: Issuer, claims: dict[str, Any]) -> str:
    key = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "jwk": key.as_dict(private=False)}, claims, key)


def changed(issuer: Issuer, claims: dict[str, Any]) -> str:
    head, _, signature = issuer.signed(claims).split(".")
    _, body, _ = issuer.signed(claims | {"sub": "sub-2"}).split(".")
    return f"{head}.{body}.{signature}"


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # of what is forged here on purpose
@pytest.mark.parametrize(
    "sign",
    [
        *(unsigned, shared, with_the_clients_secret, by_another, by_an_unknown, with_its_own_key, changed),
        *(lambda *_: "", lambda *_: "a.b.c", lambda *_: "no token", lambda *_: 7, lambda *_: None),
    ],
)
def test_9_a_token_that_the_provider_did_not_sign_recognises_nobody(
    provider: Provider, store: Store, issuer: Issuer, sign: Callable[[Issuer, dict[str, Any]], str]
) -> None:
    confirmed(store, account="sub-1")
    confirmed(store, "Bea Example", account="sub-2")
    issuer.sign = sign
    refused(provider, store, issuer)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"state": "another"}, "the state is not that of the browser which began"),
        ({"state": None}, "the state is not that of the browser which began"),
        ({"state": "\ud800"}, "the state is not that of the browser which began"),
        ({"iss": "https://id.example.org"}, "the answer is another issuer's"),
        ({"iss": None}, "or does not say whose it is"),
        ({"error": "access_denied"}, "recognised nobody, or the person turned back"),
        ({"code": None}, "recognised nobody, or the person turned back"),
        ({"code": "another"}, "the token endpoint answered 400"),
    ],
)
def test_9_an_answer_that_is_not_to_this_login_recognises_nobody(
    provider: Provider,
    store: Store,
    issuer: Issuer,
    caplog: pytest.LogCaptureFixture,
    answer: dict[str, Any],
    reason: str,
) -> None:
    confirmed(store, account="sub-1")
    issuer.answer = answer
    refused(provider, store, issuer)
    assert reason in caplog.text


def test_a_provider_that_never_says_whose_its_answers_are_need_not(
    provider: Provider, store: Store, issuer: Issuer
) -> None:
    ann = confirmed(store, account="sub-1").person
    issuer.about, issuer.answer = {"authorization_response_iss_parameter_supported": None}, {"iss": None}
    assert log_in(provider, store, issuer) == ann


def test_9_a_login_is_of_the_browser_that_began_it_once_and_within_five_minutes(
    provider: Provider, store: Store, issuer: Issuer
) -> None:
    ann = confirmed(store, account="sub-1").person

    def answer(token: str, query: Mapping[str, str], now: Any = NOW) -> Person:
        return provider.recognise(store, token, query, address=HERE, now=now)

    begun, other = (provider.begin(store, now=NOW) for _ in range(2))
    query = issuer.authorize(begun.address)
    for token in ("", "guessed"):
        with pytest.raises(LoginError):
            answer(token, query)
    with pytest.raises(LoginError):  # somebody else's answer in this browser, which is used up by it
        answer(other.token, query)
    with pytest.raises(LoginError):
        answer(other.token, issuer.authorize(other.address))
    with pytest.raises(LoginError):
        answer(begun.token, query, NOW + LASTS)
    assert answer(begun.token, query) == ann
    with pytest.raises(LoginError):
        answer(begun.token, query)


def test_9_a_code_that_was_taken_on_its_way_is_worth_nothing_without_the_verifier(
    provider: Provider, store: Store, issuer: Issuer
) -> None:
    confirmed(store, account="sub-1")
    taken = issuer.authorize(provider.begin(store, now=NOW).address)
    mine = provider.begin(store, now=NOW)
    own = issuer.authorize(mine.address)
    with pytest.raises(LoginError):
        provider.recognise(store, mine.token, own | {"code": taken["code"]}, address=HERE, now=NOW)


def test_the_keys_of_the_provider_are_asked_for_again_when_it_has_a_new_one_or_after_an_hour(
    provider: Provider, store: Store, issuer: Issuer
) -> None:
    ann = confirmed(store, account="sub-1").person
    for _ in range(3):
        log_in(provider, store, issuer)
    assert [issuer.asked.count(each) for each in ("/.well-known/openid-configuration", "/keys", "/token")] == [1, 1, 3]
    issuer.keys.append(ECKey.generate_key("P-256", {"kid": "two"}))
    assert log_in(provider, store, issuer) == ann
    assert issuer.asked.count("/keys") == 2
    issuer.keys = [
        ECKey.generate_key("P-256", {"kid": "two"})
    ]  # the same name, another key: believed no longer than an hour
    with pytest.raises(LoginError):
        log_in(provider, store, issuer)
    assert log_in(provider, store, issuer, now=NOW + KNOWN) == ann


def test_9_failures_are_counted_by_account_and_place(provider: Provider, store: Store, issuer: Issuer) -> None:
    for _ in range(6):
        refused(provider, store, issuer)
    ann = confirmed(store, account="sub-1").person
    bea = confirmed(store, "Bea Example", account="sub-2").person
    with pytest.raises(
        LockedOutError, match=r"^Art\. 9: too many attempts failed, and nothing is looked at for 30 seconds"
    ):
        log_in(provider, store, issuer)
    issuer.account = "sub-2"
    assert log_in(provider, store, issuer) == bea
    issuer.account = "sub-1"
    assert log_in(provider, store, issuer, now=NOW + timedelta(seconds=30)) == ann


# A provider that is away, or is not set up


def unset(provider: Provider, store: Store, issuer: Issuer, what: str) -> None:
    message = (
        rf"^Art\. 9: the identity provider {issuer.address} cannot say who somebody is: {what}; go in with a passkey"
    )
    with pytest.raises(ProviderError, match=message):
        log_in(provider, store, issuer)


@pytest.mark.parametrize(
    ("about", "what"),
    [
        ({"issuer": "https://id.example.org"}, "it calls itself something else"),
        ({"issuer": None}, "it calls itself something else"),
        ({"token_endpoint": None}, "its token_endpoint is not there, or not under https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "its authorization_endpoint is not there"),
        ({"jwks_uri": "file:///etc/passwd"}, "its jwks_uri is not there"),
        ({"jwks_uri": 7}, "its jwks_uri is not there"),
    ],
)
def test_9_a_provider_that_says_of_itself_what_cannot_be_is_not_used(
    provider: Provider, store: Store, issuer: Issuer, about: dict[str, Any], what: str
) -> None:
    issuer.about = about
    unset(provider, store, issuer, what + ".*")


@pytest.mark.parametrize(
    ("path", "answer", "what"),
    [
        ("/.well-known/openid-configuration", (500, b"{}"), "it answered 500, and 200 with an object was expected"),
        ("/.well-known/openid-configuration", (302, b"{}"), "it answered 302, and 200 with an object was expected"),
        ("/.well-known/openid-configuration", (200, b"[]"), "it answered 200, and 200 with an object was expected"),
        ("/.well-known/openid-configuration", (200, b"<html>"), "it answered 200 without JSON"),
        (
            "/.well-known/openid-configuration",
            (200, b"x" * (1 << 20) + b"x"),
            "it answered with more than 1048576 bytes",
        ),
        ("/token", (500, b"{}"), "it answered 500, and 200 with an object was expected"),
        ("/keys", (200, b'{"keys": []}'), "its jwks_uri has no RSA or EC key for signatures"),
        ("/keys", (200, b'{"keys": 7}'), "its jwks_uri has no RSA or EC key for signatures"),
        ("/keys", (200, b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'), "its jwks_uri has no RSA or EC key"),
        ("/keys", (200, b'{"keys": [{"kty": "EC", "use": "enc"}]}'), "its jwks_uri has no RSA or EC key"),
        ("/keys", (200, b'{"keys": [{"kty": "EC"}]}'), "a key of its jwks_uri cannot be read"),
        ("/keys", (200, b'{"keys": [{"kty": "RSA", "n": 7, "e": "AQAB"}]}'), "a key of its jwks_uri cannot be read"),
    ],
)
def test_what_a_provider_answers_that_is_no_answer_is_a_failure_and_no_refusal(
    provider: Provider, store: Store, issuer: Issuer, path: str, answer: tuple[int, bytes], what: str
) -> None:
    confirmed(store, account="sub-1")
    issuer.replaced = {path: answer}
    unset(provider, store, issuer, what + ".*")


def test_a_provider_that_is_away_is_a_failure_and_no_refusal(store: Store, named: IdentityProvider) -> None:
    away = IdentityProvider(f"http://127.0.0.1:{free_port()}", named.client_id, named.secret_file)
    with (
        Provider(SITE, away) as provider,
        pytest.raises(
            ProviderError,
            match=r"cannot say who somebody is: it was not reached \(ConnectError\); go in with a passkey",
        ),
    ):
        provider.begin(store, now=NOW)


def test_9_a_client_that_the_provider_does_not_know_recognises_nobody(
    provider: Provider, store: Store, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    confirmed(store, account="sub-1")
    issuer.secret = "another"
    refused(provider, store, issuer)
    assert "the token endpoint answered 401" in caplog.text


def test_9_the_clients_secret_is_nobody_elses_to_read(named: IdentityProvider) -> None:
    named.secret_file.chmod(0o640)
    with pytest.raises(
        ProviderError, match=r"^Art\. 9: .*secret holds the client's secret, and others may read it: chmod 600"
    ):
        Provider(SITE, named)
    named.secret_file.chmod(0o600)
    named.secret_file.write_text("\n")
    with pytest.raises(ProviderError, match=r"secret is empty; put the client's secret there, mode 0600$"):
        Provider(SITE, named)
    named.secret_file.unlink()
    with pytest.raises(ProviderError, match=r"secret: No such file or directory; put the client's secret there"):
        Provider(SITE, named)


def test_the_certificates_that_the_provider_is_held_to_are_there(named: IdentityProvider, tmp_path: Path) -> None:
    for content, fault in ((None, "No such file"), ("no certificate", "")):
        path = tmp_path / "authority.pem"
        if content is not None:
            path.write_text(content)
        held = IdentityProvider(named.issuer, named.client_id, named.secret_file, path)
        with pytest.raises(
            ProviderError, match=rf"authority\.pem: .*{fault}.*; name the provider's certificates \(PEM\)$"
        ):
            Provider(SITE, held)


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example.org",
        "id.example.org",
        "https://",
        "https://a@id.example.org",
        "https://id.example.org?a",
        "ftp://a",
    ],
)
def test_9_a_provider_is_reached_so_that_nobody_changes_what_it_says(issuer: str) -> None:
    with pytest.raises(
        SettingsError,
        match=r"^\[console\.provider\] issuer: expected https://, or http:// at a loopback address, .*Art\. 9",
    ):
        IdentityProvider(issuer, "client", Path("secret"))


def test_9_the_secret_is_sent_to_nobody_else_and_stands_in_no_log(
    provider: Provider, store: Store, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    confirmed(store, account="sub-1")
    begun = provider.begin(store, now=NOW)
    query = issuer.authorize(begun.address)
    provider.recognise(store, begun.token, query, address=HERE, now=NOW)
    for secret in (issuer.secret, begun.token, query["code"], query["state"], "sub-1"):
        assert secret not in caplog.text
    assert issuer.secret not in begun.address
