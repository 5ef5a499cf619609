"""The peer API does what docs/openapi.json says, whatever comes: requests that schemathesis makes, signed, over mutual TLS."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.auth import AuthBase
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as conformance

from annex.parameters import Party
from benchmarks.proof import _serving as serving
from contact_point import querying, wire
from contact_point.keys import SigningKey, VerifyingKey
from contact_point.main import clock
from contact_point.wire import HttpRequest, HttpResponse
from docs import openapi

from .parties import Listening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import PreparedRequest
    from schemathesis import Case

    from .parties import Parties

DESCRIPTION: Final = schemathesis.openapi.from_path(str(openapi.OUTPUT))
OPERATIONS: Final = {result.ok().path: result.ok() for result in DESCRIPTION.get_all_operations()}
FEW: Final = 4
MANY: Final = 200
PLACES: Final = dict.fromkeys(("Content-Digest", "Signature-Input", "Signature"), "placed by the signature")
SAYS_TOO_MUCH: Final = ("Traceback", 'File "', ".py", "site-packages")
NEVER_LEAVES: Final = {"score", "rank", "quality", "name", "category", "candidates", "probability", "subject"}
# What is asked of each answer. That valid requests are accepted is not: the agreement allows few of them.
CHECKS: Final = [
    checks.not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_headers_conformance,
    conformance.response_schema_conformance,
    conformance.negative_data_rejection,
]


class Signed(AuthBase):
    """Signs each request as the JP contact point does, as the last thing that happens to it."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key

    def __call__(self, prepared: PreparedRequest) -> PreparedRequest:
        body = prepared.body or b""
        prepared.body = body.encode() if isinstance(body, str) else body
        request = HttpRequest(str(prepared.url), {"Content-Type": prepared.headers.get("Content-Type", "")})
        nonce = secrets.token_hex(16)
        wire._sign(request, prepared.body, self.key, wire.REQUEST_COVERS, nonce, clock())
        prepared.headers.update(request.headers)
        prepared.headers["Content-Length"] = str(len(prepared.body))
        return prepared


@dataclass(frozen=True, slots=True)
class Caller:
    """The JP contact point, as it calls the US one; ``known`` are values that mean something there, by field."""

    url: str
    session: requests.Session
    authority: str
    signed: Signed
    verifying: VerifyingKey
    known: dict[str, Any]
    statuses: Counter[int]

    def ask(self, case: Case) -> None:
        """Send one request and hold its answer to the description."""
        response = case.call(base_url=self.url, session=self.session, auth=self.signed, verify=self.authority)
        case.validate_response(response, checks=CHECKS)
        request = HttpRequest(str(response.request.url), dict(response.request.headers))
        headers = {name: values[0] for name, values in response.headers.items()}
        told = HttpResponse(response.status_code, headers, request)
        wire.verify_response(told, response.content, self.verifying, now=clock())
        text = response.content.decode()
        assert not [each for each in SAYS_TOO_MUCH if each in text]
        said = json.loads(text)
        if response.status_code == 200:
            assert not fields(said) & NEVER_LEAVES
        else:
            assert headers["content-type"] == wire.PROBLEM_TYPE
            assert all(said[name] for name in ("code", "article", "action", "trace"))
        self.statuses[response.status_code] += 1


def fields(value: Any) -> set[str]:
    """Return the name of every field at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(fields, value.values()))
    return set().union(*map(fields, value)) if isinstance(value, list) else set()


@pytest.fixture
def caller(parties: Parties) -> Iterator[Caller]:
    """Return who calls a US contact point that holds one person and has answered one query."""
    parties.amend(Party.US, "latent = 20", "latent = 100000")
    serving.enrol(parties.us.settings.folder.root)
    jp, way = parties.jp.settings, Listening(parties.jp.other)
    assert jp.other is not None
    with parties.answering(Party.US), requests.Session() as session:
        session.trust_env = False
        session.cert = str(jp.folder.certificate), str(jp.folder.certificate_key)
        here, probe, why = replace(parties.jp, other=way), serving.probe(serving.ENROLLED), serving.why(Party.JP)
        matched = querying.open_query(here, [probe], why, clock())
        ((_, query),) = way.sent
        known = json.loads(query) | {"reference": matched.reference}
        signed = Signed(SigningKey.load(jp.folder.signing_key))
        verifying = VerifyingKey.from_pem(jp.other.signing_key_pem.encode())
        authority = str(jp.folder.other_authority)
        yield Caller(jp.other.address, session, authority, signed, verifying, known, Counter())


def ask_all(caller: Caller, examples: int) -> None:
    """Ask every resource for so much of what its schema allows, and for as much of what it does not."""
    known = sorted(caller.known.keys() - {"message", "made_at", "salt"})
    meaning = frozenset(known) - {"control_number"}
    swaps = st.one_of(st.just(frozenset[str]()), st.just(meaning), st.frozensets(st.sampled_from(known)))

    def ask(case: Case, swap: frozenset[str]) -> None:
        if isinstance(case.body, dict):
            case.body = case.body | {name: caller.known[name] for name in swap & case.body.keys()}
        caller.ask(case)

    bounds = settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    for operation in OPERATIONS.values():
        valid, invalid = (operation.as_strategy(mode, headers=dict(PLACES)) for mode in GenerationMode)
        bounds(given(valid, swaps)(ask))()
        bounds(given(invalid, st.just(frozenset[str]()))(ask))()


def test_the_description_is_openapi_3_1_and_names_every_resource() -> None:
    DESCRIPTION.validate()
    assert set(OPERATIONS) == set(wire.PATHS.values())


def test_whatever_is_asked_the_answer_is_as_described_and_tells_nothing_more(caller: Caller) -> None:
    ask_all(caller, FEW)
    assert set(caller.statuses) >= {200, 400, 404, 422}


@pytest.mark.long
def test_however_much_is_asked_the_answers_are_as_described(caller: Caller) -> None:
    ask_all(caller, MANY)
    assert set(caller.statuses) >= {200, 400, 404, 409, 422}
