"""Messages as bytes and bytes as signed HTTP messages: what goes out comes in the same, and nothing else comes in."""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from http_message_signatures import HTTPMessageSigner, MappingKeyResolver, algorithms
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_point import wire
from contact_point.keys import SigningKey
from contact_point.wire import (
    CONTENT_TYPE,
    KINDS,
    MAX_AGE,
    PROBLEM_TYPE,
    HttpRequest,
    HttpResponse,
    Problem,
    SignatureRefusedError,
    StaleError,
    WireError,
    decode,
    encode,
    read_problem,
    sign_request,
    sign_response,
    verify_request,
    verify_response,
)
from pcsc.errors import (
    ConditionsError,
    ConsentError,
    ConsultationError,
    CorrectionError,
    NoAnswerError,
    NoAuthorityError,
    NoExplanationError,
    NoPrintsError,
    NoReasonError,
    NoReasonToBelieveError,
    ProtectionError,
    PurposeError,
    TreatyError,
)
from pcsc.messages import PRINTS, Item, Match, Message, Query, Reply
from tests.builders import (
    NOW,
    REFERENCE,
    SALT,
    acceptance,
    breach_notice,
    capacity_answer,
    checkpoints,
    consent_decision,
    consent_request,
    consultation,
    correction_notice,
    determination,
    explanation,
    explanation_request,
    match,
    no_match,
    notification,
    offer,
    outage_notice,
    provision,
    query,
    reachability,
    receipt,
    refusal,
    release_request,
    reply,
    request,
    result_of_use,
    result_request,
    unasked,
    unasked_offer,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MESSAGES: Final[dict[str, Message]] = {
    "query": query(),
    "query of an unidentified individual": query(identified=False, prints=bytes(range(256))),
    "match": match(),
    "no match": no_match(),
    "determination": determination(will_request=False),
    "urgent request": request(risk="A second attack is announced for tomorrow at the station."),
    "request": request(notification=notification(purpose="放火の疑い: who is it?\nPlease tell.")),
    "capacity answer": capacity_answer(),
    "reply": reply(),
    "offer": offer(refusals=(refusal(item="aliases"),)),
    "refusal": reply(items=(), refusals=(refusal(), refusal(reason="Sealed by a court."))),
    "acceptance": acceptance(),
    "provision": provision(),
    "provision of what changed since": provision(items=(Item("name", "Richard Roe", note="changed since"),)),
    "provision without request": unasked(),
    "offer without request": unasked_offer(),
    "explanation request": explanation_request(),
    "explanation": explanation(text="照合の結果、別人と判明した。"),
    "result request": result_request(),
    "result of use": result_of_use(),
    "result of no use": result_of_use(uses=()),
    "consent request": consent_request(),
    "request for consent to a release": release_request(),
    "consent decision": consent_decision(),
    "consent withheld": consent_decision(granted=False, reason="The case is under seal."),
    "correction notice": correction_notice(),
    "correction notice with what is right": correction_notice(correct=(Item("name", "Richard Row"),)),
    "notice about prints": correction_notice(concerns=(PRINTS,)),
    "breach notice": breach_notice(),
    "consultation": consultation(),
    "outage notice": outage_notice(),
    "reachability": reachability(),
    "checkpoints": checkpoints(),
    "receipt": receipt(),
}

URL: Final = "https://us.example:8443/v1/queries"
BODY: Final = encode(query())


def fields_of(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(encode(message))
    return fields


def altered(path: str, value: object = None, *, drop: bool = False, message: Message | None = None) -> bytes:
    """Return a message, the query, with the field at a path such as ``basis.political`` changed, added or left out."""
    fields = fields_of(message or query())
    *parents, last = path.split(".")
    at: Any = fields
    for parent in parents:
        at = at[int(parent)] if isinstance(at, list) else at[parent]
    if drop:
        del at[last]
    else:
        at[last] = value
    return json.dumps(fields).encode()


# Bytes of messages


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_every_message_comes_in_as_it_went_out_byte_for_byte(message: Message) -> None:
    body = encode(message)
    assert decode(body, type(message)) == message
    assert encode(decode(body, type(message))) == body
    assert decode(body, *KINDS.values()) == message


def test_every_kind_of_message_has_its_name_and_a_test() -> None:
    assert {type(message) for message in MESSAGES.values()} == set(KINDS.values())
    assert {wire.kind_of(message) for message in MESSAGES.values()} == set(KINDS)


@given(
    st.binary(min_size=1, max_size=2000),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip),
    st.datetimes(min_value=datetime(2019, 1, 5), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_prints_texts_and_times_come_through(prints: bytes, name: str, made_at: datetime) -> None:
    message = query(prints=prints, made_at=made_at, authority=replace(query().authority, name=name))
    assert decode(encode(message), Query) == message


def test_a_body_is_one_json_object_that_names_its_kind_with_prints_in_base64() -> None:
    fields = fields_of(match())
    assert (fields["message"], base64.b64decode(fields["prints"])) == ("match", match().prints)
    assert fields["made_at"] == "2026-11-22T03:04:05Z"


@pytest.mark.parametrize(
    ("body", "came"),
    [
        (b"", "0 bytes came: Expecting value"),
        (b"{", "1 bytes came: Expecting property name"),
        (b"[]", "got a list"),
        (b'["query"]', "got a list"),
        (b"null", "got none"),
        (b"7", "got a int"),
        (b'"query"', "got 'query'"),
        (b"{}", "expected the message query; got none"),
        (b'{"message":7}', "got a int"),
        (b'{"message":["query"]}', "got a list"),
        (b'{"message":"querry"}', "got 'querry'"),
        (b"\xff\xfe{", "codec can't decode byte 0xff"),
        (BODY.decode().encode("utf-16"), "codec can't decode byte 0xff"),
        (b"\xef\xbb\xbf" + BODY, "Unexpected UTF-8 BOM"),
        (BODY + b"{}", "Extra data"),
        (BODY.replace(b"240", b"9" * 5000), "Exceeds the limit"),
    ],
)
def test_what_is_no_message_is_refused_with_what_was_expected_and_what_came(body: bytes, came: str) -> None:
    with pytest.raises(WireError, match=r"^expected (a JSON object with )?the message query; ") as refused:
        decode(body, Query)
    assert came in str(refused.value)


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_another_kind_of_message_than_expected_is_refused(message: Message) -> None:
    expected = [kind for kind in KINDS.values() if kind is not type(message)]
    with pytest.raises(WireError, match=rf"^expected the message .* or .*; got '{wire.kind_of(message)}'$"):
        decode(encode(message), *expected)


@pytest.mark.parametrize("depth", [50, 500, 990, 1_000, 5_000, 200_000])
def test_deep_nesting_is_refused_like_any_other_malformed_text(depth: int) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        deep = opening * depth + b"1" + closing * depth
        with pytest.raises(WireError, match=r"(malformed at|expected a JSON object)"):
            decode(b'{"message":"query","prints":' + deep + b"}", Query)
        with pytest.raises(WireError, match="expected"):
            decode(deep, Query)


@pytest.mark.parametrize(
    "path", ["extra", "authority.extra", "basis.offences.0.extra", "basis.offences.0.maximum.extra"]
)
def test_an_unknown_field_is_refused_at_any_depth(path: str) -> None:
    with pytest.raises(WireError, match=rf"^the query is malformed at {path}: .*; correct it and send it again$"):
        decode(altered(path, "x"), Query)


@pytest.mark.parametrize("path", ["control_number", "salt", "authority", "authority.unit", "basis.political", "prints"])
def test_a_missing_field_is_named(path: str) -> None:
    with pytest.raises(WireError, match=rf"^the query is malformed at {path}: Field required"):
        decode(altered(path, drop=True), Query)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("identified", "yes"),
        ("identified", 1),
        ("basis.political", "false"),
        ("basis.political", None),
        ("basis.activity", "immigration"),
        ("basis.offences", {}),
        ("basis.offences.0.category", 35),
        ("basis.offences.0.law", "FR"),
        ("basis.offences.0.maximum.months", "240"),
        ("basis.offences.0.maximum.months", 240.5),
        ("basis.offences.0.maximum.months", float("nan")),
        ("basis.offences.0.maximum.death", "no"),
        ("querying", "jp"),
        ("expectation", "might commit a serious crime"),
        ("made_at", 1_700_000_000),
        ("made_at", "yesterday"),
        ("made_at", "2026-11-22"),
        ("prints", "not base64!"),
        ("prints", ["AAAA"]),
        ("prints", 7),
        ("control_number", None),
        ("authority", "the police"),
    ],
)
def test_a_garbled_field_is_named_and_never_guessed_at(path: str, value: object) -> None:
    with pytest.raises(WireError, match=rf"^the query is malformed at {path}[^:]*: .*; correct it and send it again$"):
        decode(altered(path, value), Query)


def test_a_term_that_no_statute_has_is_refused_with_its_clause() -> None:
    with pytest.raises(WireError, match=r"malformed at basis\.offences\.0\.maximum: .*Art\. 1\(3\): .*got -1"):
        decode(altered("basis.offences.0.maximum.months", -1), Query)


@pytest.mark.parametrize("path", [b'"identified":true', b'"political":false', b'"message":"query"'])
def test_a_field_that_stands_there_twice_is_refused_whatever_it_says(path: bytes) -> None:
    name = path.split(b'"')[1].decode()
    with pytest.raises(WireError, match=f"the field '{name}' stands there twice"):
        decode(BODY.replace(path, path + b"," + path), Query)


@pytest.mark.parametrize(
    "number", ["", "short", "x" * 41, "JP261122 AAAA", "JP261122-AAAA\n", "日本261122-AAAA", "../../etc"]
)
def test_a_control_number_can_be_recorded(number: str) -> None:
    with pytest.raises(WireError, match=r"^a control number is 8-40 letters, digits and hyphens; got '"):
        decode(altered("control_number", number), Query)


@pytest.mark.parametrize("salt", ["", "5a", "5A" * 32, SALT + "5a", SALT[:-1] + "g", SALT + "\n"])
def test_a_message_carries_a_salt_for_its_commitment(salt: str) -> None:
    with pytest.raises(WireError, match=r"^a message carries a salt of 64 lower-case hexadecimal digits"):
        decode(altered("salt", salt), Query)


def test_a_time_names_its_offset() -> None:
    with pytest.raises(WireError, match=r"^the time a message was made at names its offset from UTC"):
        decode(altered("made_at", "2026-11-22T03:04:05"), Query)
    assert decode(altered("made_at", "2026-11-22T12:04:05+09:00"), Query).made_at == NOW


@pytest.mark.parametrize("text", ["\0", "a\0b", "\\\0", "\\\\\0"])
def test_the_character_that_no_database_keeps_is_refused_wherever_it_stands(text: str) -> None:
    for path in ("authority.name", "control_number", "basis.offences.0.citation", text):
        with pytest.raises(WireError, match=r"^the query holds the character U\+0000, which no database keeps"):
            decode(altered(path, text), Query)
    backslash = query(authority=replace(query().authority, name="C:\\u0000"))
    assert decode(encode(backslash), Query) == backslash


def test_an_error_does_not_repeat_a_long_text() -> None:
    long = "x" * 1_000_000
    for body in (altered("control_number", long), altered("message", long), altered(long, 1)):
        with pytest.raises(WireError) as refused:
            decode(body, Query)
        assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("body", "kind", "error", "message"),
    [
        (altered("prints", ""), Query, NoPrintsError, r"^Art\. 4\(5\): a query carries fingerprint data"),
        (altered("basis.offences", []), Query, PurposeError, r"^Art\. 2: .*no offence was stated"),
        (altered("authority.name", " "), Query, NoAuthorityError, r"^Art\. 11\(2\)\(3\): .*name is empty"),
        (encode(match()).replace(REFERENCE.encode(), b""), Match, NoAnswerError, r"^Art\. 4\(4\): a match comes with"),
    ],
)
def test_a_rule_of_the_agreement_that_a_message_breaks_surfaces_as_itself(
    body: bytes, kind: type[Message], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        decode(body, kind)


@pytest.mark.parametrize(
    ("name", "path", "value", "says"),
    [
        ("explanation", "why", "because", r"^the explanation is malformed at why: "),
        ("explanation", "text", None, r"^the explanation is malformed at text: "),
        ("explanation request", "purpose", "x", r"^the explanation-request is malformed at purpose: "),
        ("result of use", "uses.0.on", "yesterday", r"^the result-of-use is malformed at uses\.0\.on: "),
        ("result of use", "uses", {}, r"^the result-of-use is malformed at uses: "),
        ("result of use", "uses.0.extra", "x", r"^the result-of-use is malformed at uses\.0\.extra: "),
        ("result request", "reference", 7, r"^the result-request is malformed at reference: "),
        ("consent request", "to", "8(5)(1)", r"^the consent-request is malformed at to: "),
        ("request for consent to a release", "recipient.kind", "a friend", r"malformed at recipient\.kind: "),
        ("consent decision", "granted", "yes", r"^the consent-decision is malformed at granted: "),
        ("consent decision", "granted", 1, r"^the consent-decision is malformed at granted: "),
        ("correction notice", "concerns", "name", r"^the correction-notice is malformed at concerns: "),
        ("correction notice", "fault", "ugly", r"^the correction-notice is malformed at fault: "),
        ("breach notice", "noticed_at", "today", r"^the breach-notice is malformed at noticed_at: "),
        ("breach notice", "raised_by", "FR", r"^the breach-notice is malformed at raised_by: "),
        ("consultation", "on", "9", r"^the consultation is malformed at on: "),
        ("provision without request", "providing", None, r"without-request is malformed at providing: "),
        ("provision without request", "items.0.value", 7, r"without-request is malformed at items\.0\.value: "),
        ("urgent request", "risk", True, r"^the request is malformed at risk: "),
        ("query", "search", "iris", r"^the query is malformed at search: "),
    ],
)
def test_a_garbled_field_of_what_is_sent_beside_an_exchange_is_named(
    name: str, path: str, value: object, says: str
) -> None:
    message = MESSAGES[name]
    with pytest.raises(WireError, match=says):
        decode(altered(path, value, message=message), type(message))


@pytest.mark.parametrize(
    ("name", "path", "value", "error", "says"),
    [
        ("explanation", "text", " ", NoExplanationError, r"^Art\. 4\(6\): .*the text is empty"),
        ("consent request", "purpose", "", ConsentError, r"^Art\. 8\(5\)\(2\): .*the purpose is empty"),
        ("consent request", "to", "8(7)", ConsentError, r"a release is consented to for a named recipient"),
        ("request for consent to a release", "recipient.name", " ", ConsentError, r"to somebody by name; none was"),
        ("consent withheld", "reason", "", ConsentError, r"withheld with a reason; none came"),
        ("consent decision", "signed_by", "", ConsentError, r"so somebody signs it"),
        ("correction notice", "concerns", [], CorrectionError, r"^Art\. 10\(1\): .*none is named"),
        ("correction notice with what is right", "correct.0.kind", "sex", CorrectionError, r"it also gives sex"),
        ("breach notice", "nature", "", ProtectionError, r"^Art\. 9: .*the nature is empty"),
        ("consultation", "matter", "\n", ConsultationError, r"^Art\. 14\(1\): .*the matter is empty"),
        ("provision without request", "reason_to_believe", "", NoReasonToBelieveError, r"^Art\. 6: .*is empty"),
        ("provision without request", "items", [], NoReasonToBelieveError, r"^Art\. 6: .*name the items"),
        ("offer without request", "conditions", [], ConditionsError, r"^Art\. 8\(8\): .*is offered first"),
    ],
)
def test_a_rule_that_such_a_message_breaks_surfaces_as_itself(
    name: str, path: str, value: object, error: type[Exception], says: str
) -> None:
    message = MESSAGES[name]
    with pytest.raises(error, match=says):
        decode(altered(path, value, message=message), type(message))


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_no_message_takes_an_unknown_field_or_does_without_its_reference(message: Message) -> None:
    fields = fields_of(message)
    with pytest.raises(WireError, match=r"is malformed at extra: "):
        decode(json.dumps(fields | {"extra": 1}).encode(), type(message))
    for field in {"control_number", "salt", "made_at", "reference", "question"} & set(fields):
        without = {name: value for name, value in fields.items() if name != field}
        with pytest.raises(WireError, match=rf"is malformed at {field}: Field required"):
            decode(json.dumps(without).encode(), type(message))


def test_a_reply_that_says_nothing_breaks_its_rule_on_the_wire_too() -> None:
    fields = {**fields_of(reply()), "items": []}
    with pytest.raises(NoReasonError, match="a reply gives information, offers it"):
        decode(json.dumps(fields).encode(), Reply)


@given(st.data())
@settings(derandomize=True, deadline=None, max_examples=300)
def test_changed_bytes_are_a_message_or_an_error_of_ours(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(list(MESSAGES.values())))
    body = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(WireError, TreatyError):
        decode(bytes(body), *KINDS.values())


# Signatures


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[SigningKey, SigningKey]:
    folder: Path = tmp_path_factory.mktemp("keys")
    return SigningKey.create(folder / "jp.pem"), SigningKey.create(folder / "us.pem")


@pytest.fixture
def jp(keys: tuple[SigningKey, SigningKey]) -> SigningKey:
    return keys[0]


@pytest.fixture
def us(keys: tuple[SigningKey, SigningKey]) -> SigningKey:
    return keys[1]


@pytest.fixture
def asked(jp: SigningKey) -> HttpRequest:
    """Return a signed request of Japan."""
    return sign_request(URL, BODY, jp, nonce="0123456789abcdef", now=NOW)


@pytest.fixture
def told(us: SigningKey, asked: HttpRequest) -> HttpResponse:
    """Return the signed answer of the United States to it."""
    return sign_response(200, CONTENT_TYPE, encode(no_match()), asked, us, nonce="fedcba9876543210", now=NOW)


def sent(message: HttpRequest, **changes: Any) -> HttpRequest:
    """Return a request as it arrives: header names in lower case."""
    return replace(
        HttpRequest(message.url, {name.lower(): value for name, value in message.headers.items()}), **changes
    )


def test_a_signed_request_is_verified_and_its_nonce_known(asked: HttpRequest, jp: SigningKey) -> None:
    assert verify_request(asked, BODY, jp.verifying, now=NOW) == "0123456789abcdef"
    assert verify_request(sent(asked), BODY, jp.verifying, now=NOW) == "0123456789abcdef"


REFUSED: Final = r"^expected the signature of the other contact point \(RFC 9421, key [0-9a-f]{16}\) over .*"

FORGERIES: Final[dict[str, Callable[[HttpRequest], tuple[HttpRequest, bytes]]]] = {
    "changed body": lambda asked: (sent(asked), BODY.replace(b"true", b"false", 1)),
    "empty body": lambda asked: (sent(asked), b""),
    "changed body with its own digest": lambda asked: (
        sent(asked, headers={**sent(asked).headers, "content-digest": "sha-256=:" + "A" * 43 + "=:"}),
        BODY,
    ),
    "changed header": lambda asked: (sent(asked, headers={**sent(asked).headers, "content-type": "text/plain"}), BODY),
    "another resource": lambda asked: (sent(asked, url=URL.replace("queries", "requests")), BODY),
    "another host": lambda asked: (sent(asked, url=URL.replace("us.", "jp.")), BODY),
    "another query string": lambda asked: (sent(asked, url=URL + "?again=1"), BODY),
    "another method": lambda asked: (sent(asked, method="PUT"), BODY),
    "no signature": lambda asked: (
        sent(asked, headers={k: v for k, v in sent(asked).headers.items() if not k.startswith("signature")}),
        BODY,
    ),
    "no digest": lambda asked: (
        sent(asked, headers={k: v for k, v in sent(asked).headers.items() if k != "content-digest"}),
        BODY,
    ),
    "garbled signature": lambda asked: (
        sent(asked, headers={**sent(asked).headers, "signature": "pyhms=:AAAA:"}),
        BODY,
    ),
    "no structured field": lambda asked: (sent(asked, headers={**sent(asked).headers, "signature": "("}), BODY),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_request_that_was_changed_on_its_way_is_refused(
    forge: Callable[[HttpRequest], tuple[HttpRequest, bytes]], asked: HttpRequest, jp: SigningKey
) -> None:
    message, body = forge(asked)
    with pytest.raises(SignatureRefusedError, match=REFUSED + "what came does not verify"):
        verify_request(message, body, jp.verifying, now=NOW)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("created", "1795316646"),
        ("created", "999999999999999"),
        ("created", "-999999999999999"),
        ("created", '"now"'),
        ("created", "1.5"),
        ("nonce", '"another"'),
        ("tag", '"other"'),
        ("keyid", '"0000000000000000"'),
        ("alg", '"hmac-sha256"'),
    ],
)
def test_a_changed_parameter_of_the_signature_is_refused(
    parameter: str, value: str, asked: HttpRequest, jp: SigningKey
) -> None:
    given = sent(asked).headers["signature-input"]
    parts = [f"{parameter}={value}" if part.startswith(parameter + "=") else part for part in given.split(";")]
    if parts == given.split(";"):
        parts.append(f"{parameter}={value}")
    message = sent(asked, headers={**sent(asked).headers, "signature-input": ";".join(parts)})
    with pytest.raises(SignatureRefusedError, match=REFUSED):
        verify_request(message, BODY, jp.verifying, now=NOW)


def test_a_request_signed_with_another_key_is_refused_even_under_the_right_name(jp: SigningKey, us: SigningKey) -> None:
    forged = sign_request(URL, BODY, us, nonce="n", now=NOW)
    with pytest.raises(SignatureRefusedError, match=REFUSED):
        verify_request(forged, BODY, jp.verifying, now=NOW)
    forged.headers["Signature-Input"] = forged.headers["Signature-Input"].replace(us.key_id, jp.key_id)
    with pytest.raises(SignatureRefusedError, match=REFUSED):
        verify_request(forged, BODY, jp.verifying, now=NOW)


@pytest.mark.parametrize("missing", ["@method", "@target-uri", "content-type", "content-digest"])
def test_a_signature_covers_every_component_that_counts(missing: str, jp: SigningKey) -> None:
    whole = sign_request(URL, BODY, jp, nonce="n", now=NOW)
    partly = HttpRequest(URL, {"Content-Type": CONTENT_TYPE, "Content-Digest": whole.headers["Content-Digest"]})
    signer = HTTPMessageSigner(
        signature_algorithm=algorithms.ECDSA_P384_SHA384,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys={jp.key_id: jp.private}),
    )
    covers = [each for each in wire.REQUEST_COVERS if each != missing]
    signer.sign(
        partly,
        key_id=jp.key_id,
        created=NOW,
        nonce="n",
        tag="pcsc",
        covered_component_ids=covers,
        use_existing_digest=True,
    )
    with pytest.raises(SignatureRefusedError, match=REFUSED + f"does not verify: .*{missing}"):
        verify_request(partly, BODY, jp.verifying, now=NOW)


@pytest.mark.parametrize("offset", [-MAX_AGE, -MAX_AGE / 2, timedelta(0), MAX_AGE / 2, MAX_AGE])
def test_a_clock_that_is_a_little_off_is_no_matter_either_way(
    offset: timedelta, asked: HttpRequest, jp: SigningKey
) -> None:
    assert verify_request(asked, BODY, jp.verifying, now=NOW + offset) == "0123456789abcdef"


@pytest.mark.parametrize("offset", [MAX_AGE, timedelta(days=365), timedelta(days=36_500)])
def test_a_signature_made_too_long_ago_or_in_the_future_is_stale(
    offset: timedelta, asked: HttpRequest, jp: SigningKey
) -> None:
    for now in (NOW + offset + timedelta(seconds=1), NOW - offset - timedelta(seconds=1)):
        with pytest.raises(StaleError, match=r"the signature is of 2026-11-22T03:04:05\+00:00 and it is .*check both"):
            verify_request(asked, BODY, jp.verifying, now=now)


def test_no_clock_but_ours_is_read(jp: SigningKey) -> None:
    for year in (2020, 2026, 2090):
        then = datetime(year, 6, 1, tzinfo=UTC)
        message = sign_request(URL, BODY, jp, nonce="n", now=then)
        assert verify_request(message, BODY, jp.verifying, now=then) == "n"


def test_an_answer_is_verified(told: HttpResponse, us: SigningKey) -> None:
    verify_response(told, encode(no_match()), us.verifying, now=NOW)


def test_an_answer_answers_its_own_request_and_no_other(told: HttpResponse, jp: SigningKey, us: SigningKey) -> None:
    # The same query, signed again: the answer to the first is none to the second.
    told.request = sign_request(URL, BODY, jp, nonce="another", now=NOW)
    with pytest.raises(SignatureRefusedError, match=REFUSED):
        verify_response(told, encode(no_match()), us.verifying, now=NOW)


@pytest.mark.parametrize("body", [encode(match()), encode(no_match()) + b" ", b""])
def test_an_answer_that_was_changed_on_its_way_is_refused(told: HttpResponse, us: SigningKey, body: bytes) -> None:
    with pytest.raises(SignatureRefusedError, match=REFUSED):
        verify_response(told, body, us.verifying, now=NOW)


def test_the_status_of_an_answer_is_signed_too(told: HttpResponse, us: SigningKey) -> None:
    told.status_code = 503
    with pytest.raises(SignatureRefusedError, match=REFUSED):
        verify_response(told, encode(no_match()), us.verifying, now=NOW)


def test_an_answer_to_an_unsigned_request_is_an_answer_to_nobody(us: SigningKey) -> None:
    unsigned = HttpRequest(URL, {"Content-Type": CONTENT_TYPE})
    answer = sign_response(401, PROBLEM_TYPE, b"{}", unsigned, us, nonce="n", now=NOW)
    with pytest.raises(SignatureRefusedError, match=REFUSED):
        verify_response(answer, b"{}", us.verifying, now=NOW)


def test_a_request_is_not_an_answer_and_an_answer_not_a_request(
    asked: HttpRequest, told: HttpResponse, jp: SigningKey, us: SigningKey
) -> None:
    with pytest.raises(SignatureRefusedError, match=REFUSED):
        verify_request(HttpRequest(URL, told.headers), encode(no_match()), us.verifying, now=NOW)
    with pytest.raises(SignatureRefusedError, match=REFUSED):
        verify_response(HttpResponse(200, asked.headers, asked), BODY, jp.verifying, now=NOW)


def test_an_answer_that_comes_late_is_stale(told: HttpResponse, us: SigningKey) -> None:
    with pytest.raises(StaleError, match="more than 0:05:00 apart"):
        verify_response(told, encode(no_match()), us.verifying, now=NOW + MAX_AGE + timedelta(seconds=1))


# Problems


def test_an_answer_that_says_later_may_cover_no_request_and_any_other_may_not(us: SigningKey, jp: SigningKey) -> None:
    asked = sign_request(URL, BODY, jp, nonce="n", now=NOW)
    for status in (503, 200, 422):
        told = sign_response(status, PROBLEM_TYPE, b"{}", HttpRequest(URL, {}), us, nonce="n", now=NOW)
        told.request = asked
        if status == 503:
            verify_response(told, b"{}", us.verifying, now=NOW)
        else:
            with pytest.raises(SignatureRefusedError, match="expected the signature of the other contact point"):
                verify_response(told, b"{}", us.verifying, now=NOW)


def test_a_problem_tells_article_code_detail_what_to_do_and_trace() -> None:
    problem = Problem(422, "1(3)", "1-3.NOT_SERIOUS", "the conduct is not serious crime", "make a new query", "ab12")
    assert read_problem(problem.encode(), 422) == problem
    assert json.loads(problem.encode())["type"] == "urn:pcsc:problem:1-3.NOT_SERIOUS"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"\xff", b"7", b"[" * 100_000])
def test_what_is_no_problem_is_described_as_far_as_it_can_be(body: bytes) -> None:
    read = read_problem(body, 502)
    assert (read.status, read.code) == (502, "UNKNOWN")
    assert read.detail == "the other contact point answered 502 and did not say why"
