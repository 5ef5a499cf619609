"""Messages as bytes, and bytes as signed HTTP messages.

The body of every message is one JSON object whose ``message`` names its kind; fingerprint data stand inside as base64. An
unknown field is refused: both sides are held to the same words.

Requests and answers carry an RFC 9421 signature with the content digest (RFC 9530), the kind of message as its tag, the time
and a nonce. An answer's signature also covers the signature of the request it answers (RFC 9421, 2.4), so it can be an answer
to nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    MappingKeyResolver,
    algorithms,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException
from pydantic import ConfigDict, TypeAdapter, ValidationError

from contact_point.parsing import first_fault
from pcsc import records
from pcsc.messages import (
    Acceptance,
    BreachNotice,
    CapacityAnswer,
    Checkpoints,
    ConsentDecision,
    ConsentRequest,
    Consultation,
    CorrectionNotice,
    Determination,
    Explanation,
    ExplanationRequest,
    Match,
    Message,
    NoMatch,
    OutageNotice,
    Provision,
    ProvisionWithoutRequest,
    Query,
    Reachability,
    Receipt,
    Reply,
    Request,
    ResultOfUse,
    ResultRequest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contact_point.keys import SigningKey, VerifyingKey

CONTENT_TYPE: Final = "application/json"
PROBLEM_TYPE: Final = "application/problem+json"

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes of a message: 10 MiB of images (reliability bound of the image reader) in base64, and the rest."""

MAX_AGE: Final = timedelta(minutes=5)
"""How far a signature's time may lie from ours, either way."""

MAX_NONCE: Final = 128
"""Characters of a signature's nonce: it is kept until the signature is stale."""

KINDS: Final[dict[str, type[Message]]] = {
    **{event.replace(" ", "-"): kind for kind, (event, _) in records.KINDS.items()},
    "reachability": Reachability,
    "checkpoints": Checkpoints,
    "receipt": Receipt,
}
"""Every message by its name on the wire: that of its event in the record, hyphenated. The last three are no events."""
_NAMES: Final = {kind: name for name, kind in KINDS.items()}

PATHS: Final[dict[type[Message], str]] = {
    Query: "/v1/queries",
    Determination: "/v1/determinations",
    Request: "/v1/requests",
    CapacityAnswer: "/v1/capacity-answers",
    Reply: "/v1/replies",
    Acceptance: "/v1/acceptances",
    ProvisionWithoutRequest: "/v1/provisions-without-request",
    ExplanationRequest: "/v1/explanation-requests",
    Explanation: "/v1/explanations",
    ResultRequest: "/v1/result-requests",
    ResultOfUse: "/v1/results-of-use",
    ConsentRequest: "/v1/consent-requests",
    ConsentDecision: "/v1/consent-decisions",
    CorrectionNotice: "/v1/correction-notices",
    BreachNotice: "/v1/breach-notices",
    Consultation: "/v1/consultations",
    OutageNotice: "/v1/outage-notices",
    Reachability: "/v1/reachability",
    Checkpoints: "/v1/checkpoints",
}
"""Where each message that opens a conversation is posted."""

ANSWERS: Final[dict[type[Message], tuple[type[Message], ...]]] = {
    **dict.fromkeys(PATHS, (Receipt,)),
    Query: (Match, NoMatch),
    Acceptance: (Provision, Receipt),
    Checkpoints: (Checkpoints,),
}
"""What each of them may be answered with: a receipt, where a person answers later or nothing is asked."""

# Strict: a Party's declaration is true or false, never "no" or 0, and reads the same whoever wrote the reader.
_CONFIG: Final = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", extra="forbid", strict=True)
# `| None` because pydantic takes a configuration for a union only; `decode` never passes it a null.
ADAPTERS: Final[dict[type[Message], TypeAdapter[Any]]] = {
    kind: TypeAdapter(cast("Any", kind | None), config=_CONFIG) for kind in KINDS.values()
}

M = TypeVar("M", bound=Message)


class WireError(Exception):
    """Bytes that are not a message."""


class SignatureRefusedError(WireError):
    """A message whose signature is missing, is not the other contact point's, or does not cover what came."""


class StaleError(SignatureRefusedError):
    """A message signed too long ago, or in the future."""


def kind_of(message: Message) -> str:
    """Return the name of a message's kind, as it stands in the body."""
    return _NAMES[type(message)]


def encode(message: Message) -> bytes:
    """Return the body of a message."""
    content = ADAPTERS[type(message)].dump_python(message, mode="json")
    return json.dumps({"message": kind_of(message), **content}, ensure_ascii=False, separators=(",", ":")).encode()


def decode(body: bytes, *expected: type[M]) -> M:
    """Return the message in ``body``, one of the ``expected`` kinds.

    Raises:
        WireError: the body is not a JSON object in UTF-8, is of another kind, or lacks, adds, repeats or garbles a field.
        TreatyError: the message is well-formed JSON that the agreement does not allow (see :mod:`pcsc.messages`).

    """
    names = " or ".join(name for name, kind in KINDS.items() if kind in expected)
    try:
        content = json.loads(body.decode(), object_pairs_hook=_fields)
    except (ValueError, RecursionError) as error:
        raise WireError(f"expected a JSON object with the message {names}; {len(body)} bytes came: {error}") from None
    if not isinstance(content, dict):
        raise WireError(f"expected a JSON object with the message {names}; got {_shown(content)}")
    name = content.pop("message", None)
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind not in expected:
        raise WireError(f"expected the message {names}; got {_shown(name)}")
    text = json.dumps(content)
    if "\\u0000" in text and _NUL.search(text):
        raise WireError(f"the {name} holds the character U+0000, which no database keeps; correct it and send it again")
    try:
        message: M = ADAPTERS[kind].validate_json(text)
    except ValidationError as error:
        raise WireError(f"the {name} is malformed at {first_fault(error)}; correct it and send it again") from None
    _check_head(message)
    return message


def _fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the fields of a JSON object, refusing one that is said twice: two readers could read two messages."""
    fields: dict[str, object] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"the field {_shown(name)} stands there twice")
        fields[name] = value
    return fields


def _shown(value: object) -> str:
    """Return what came for an error's message, without trusting it to be short."""
    return repr(value[:40]) if isinstance(value, str) else "none" if value is None else f"a {type(value).__name__}"


CONTROL_NUMBER: Final = re.compile(r"[A-Za-z0-9-]{8,40}")
SALT: Final = re.compile(r"[0-9a-f]{64}")
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def _check_head(message: Message) -> None:
    """Refuse a message whose number, salt or time could not be recorded (Article 11)."""
    if not CONTROL_NUMBER.fullmatch(message.control_number):
        raise WireError(f"a control number is 8-40 letters, digits and hyphens; got {_shown(message.control_number)}")
    if not SALT.fullmatch(message.salt):
        raise WireError(
            "a message carries a salt of 64 lower-case hexadecimal digits, for the commitment in the record"
        )
    if message.made_at.utcoffset() is None:
        raise WireError("the time a message was made at names its offset from UTC")


@dataclass(slots=True)
class HttpRequest:
    """The parts of a request that a signature covers; ``headers`` gains the signature."""

    url: str
    headers: dict[str, str]
    method: str = "POST"


@dataclass(slots=True)
class HttpResponse:
    """The parts of a response that a signature covers, with the request it answers."""

    status_code: int
    headers: dict[str, str]
    request: HttpRequest


REQUEST_COVERS: Final = ("@method", "@target-uri", "content-type", "content-digest")
# Response: its own status and content, and the request's signature, which covers the whole request.
RESPONSE_COVERS: Final = ("@status", "content-type", "content-digest", '"signature";req')

LATER: Final = 503
"""The status of an answer that takes no message in and says nothing of one."""


def sign_request(url: str, body: bytes, key: SigningKey, *, nonce: str, now: datetime) -> HttpRequest:
    """Return a POST request for ``body`` with its signature."""
    message = HttpRequest(url, {"Content-Type": CONTENT_TYPE})
    _sign(message, body, key, REQUEST_COVERS, nonce, now)
    return message


def sign_response(
    status: int, content_type: str, body: bytes, request: HttpRequest, key: SigningKey, *, nonce: str, now: datetime
) -> HttpResponse:
    """Return the response to ``request`` with its signature. 0.3 ms of CPU time, most of it the key's.

    Written out, where a request's signature is the library's: under load most answers are refusals, which are to cost little.
    """
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    covered = {'"@status"': str(status), '"content-type"': content_type, '"content-digest"': digest}
    asked = next((value for name, value in request.headers.items() if name.lower() == "signature"), None)
    # No signature, or bytes that are none and that none could cover: the answer is signed, and answers nobody.
    if asked is not None and asked.isascii() and asked.replace("\t", " ").isprintable():
        covered[RESPONSE_COVERS[-1]] = asked.strip()
    said = (
        f'({" ".join(covered)});created={int(now.timestamp())};keyid="{key.key_id}";alg="{_ALGORITHM.algorithm_id}"'
        f';nonce="{nonce}";tag="{TAG}"'
    )
    base = "".join(f"{name}: {value}\n" for name, value in covered.items()) + f'"@signature-params": {said}'
    numbers = decode_dss_signature(key.sign(base.encode("ascii")))
    signature = b"".join(each.to_bytes(_COORDINATE) for each in numbers)  # RFC 9421, 3.3.4
    headers = {
        "Content-Type": content_type,
        "Content-Digest": digest,
        "Signature-Input": f"{_LABEL}={said}",
        "Signature": f"{_LABEL}=:{base64.b64encode(signature).decode()}:",
    }
    return HttpResponse(status, headers, request)


_ALGORITHM: Final = algorithms.ECDSA_P384_SHA384
_COORDINATE: Final = 48  # bytes
_LABEL: Final = "pcsc"  # of the one signature


def _sign(
    message: HttpRequest, body: bytes, key: SigningKey, covers: tuple[str, ...], nonce: str, now: datetime
) -> None:
    signer = HTTPMessageSigner(
        signature_algorithm=_ALGORITHM,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys={key.key_id: key.private}),
    )
    signer.sign(message, key_id=key.key_id, created=now, nonce=nonce, tag=TAG, covered_component_ids=covers, body=body)


TAG: Final = "pcsc"


def verify_request(message: HttpRequest, body: bytes, key: VerifyingKey, *, now: datetime) -> str:
    """Check that ``key`` signed this request with this body just now, and return the nonce: 1 to 128 characters.

    Raises:
        SignatureRefusedError: it did not, a part that must be covered is not, or the nonce is too short or too long.

    """
    nonce = _verify(message, body, key, REQUEST_COVERS, now)
    if not 1 <= len(nonce) <= MAX_NONCE:
        raise SignatureRefusedError(
            f"a signature's nonce has 1 to {MAX_NONCE} characters (RFC 9421, 2.3) and is used once; {len(nonce)} came: sign "
            "the message again with a random one"
        )
    return nonce


def verify_response(message: HttpResponse, body: bytes, key: VerifyingKey, *, now: datetime) -> None:
    """Check that ``key`` signed this answer to this request of ours just now.

    One that says "later" (503) may be an answer to any request: it is signed for all of its moment.

    Raises:
        SignatureRefusedError: it did not, or a part that must be covered is not.

    """
    _verify(message, body, key, RESPONSE_COVERS[:3] if message.status_code == LATER else RESPONSE_COVERS, now)


class _Verifier(HTTPMessageVerifier):
    """A verifier without a clock: time is an argument, and the window is :data:`MAX_AGE` either way."""

    def validate_created_and_expires(self, sig_input: object, max_age: timedelta | None = None) -> None:
        """Leave the times to :func:`_verify`; the library would hold them against the system's clock, 5 seconds wide."""


def _verify(
    message: HttpRequest | HttpResponse, body: bytes, key: VerifyingKey, covers: tuple[str, ...], now: datetime
) -> str:
    verifier = _Verifier(
        signature_algorithm=_ALGORITHM,
        key_resolver=MappingKeyResolver(public_keys={key.key_id: key.public}, private_keys={}),
    )
    try:
        (result,) = verifier.verify(message, max_age=None, expect_tag=TAG, require_components=covers, body=body)
        created, nonce = int(result.parameters["created"]), str(result.parameters["nonce"])
        signed_at = datetime.fromtimestamp(created, UTC)
        expires = datetime.fromtimestamp(int(result.parameters.get("expires", created + MAX_AGE.seconds)), UTC)
    except (HTTPMessageSignaturesException, KeyError, ValueError, TypeError, OverflowError) as error:
        raise SignatureRefusedError(
            f"expected the signature of the other contact point (RFC 9421, key {key.key_id}) over {', '.join(covers)}; "
            f"what came does not verify: {error}"
        ) from None
    if abs(now - signed_at) > MAX_AGE or now > expires:
        raise StaleError(
            f"the signature is of {signed_at.isoformat()} and it is {now.isoformat()}: more than {MAX_AGE} apart, or past "
            "its own end; sign the message again, and check both clocks"
        )
    return nonce


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a message was not accepted, as problem+json (RFC 9457).

    ``action`` says what to do, and ``trace`` finds the line of our log.
    """

    status: int
    article: str
    code: str
    detail: str
    action: str
    trace: str

    def encode(self) -> bytes:
        """Return the body of the problem."""
        fields = {
            "type": f"urn:pcsc:problem:{self.code}",
            "status": self.status,
            "code": self.code,
            "article": self.article,
        }
        fields |= {"detail": self.detail[:_MAX_SAID], "action": self.action, "trace": self.trace}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


_MAX_SAID: Final = 2_000
_MAX_CODE: Final = 40


def read_problem(body: bytes, status: int) -> Problem:
    """Return the problem in ``body``; what is not one is described as far as it can be."""
    try:
        fields: Mapping[str, object] = json.loads(body)
        said = (str(fields[name]) for name in ("article", "code", "detail", "action", "trace"))
        # It goes into our record and onto our terminals: bounded, and in one line of printable characters.
        article, code, detail, action, trace = (
            "".join(c for c in each if c.isprintable())[:_MAX_SAID] for each in said
        )
        return Problem(status, article[:_MAX_CODE], code[:_MAX_CODE], detail, action, trace[:_MAX_CODE])
    except (ValueError, KeyError, TypeError, RecursionError):
        return Problem(status, "", "UNKNOWN", f"the other contact point answered {status} and did not say why", "", "")
