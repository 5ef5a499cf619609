"""Write docs/openapi.json: the peer API as OpenAPI 3.1, made from the code that reads, answers and refuses.

    python docs/openapi.py            write docs/openapi.json anew
    python docs/openapi.py --check    say what differs, a sentence each, and exit with 1 if anything does

Resources and answers are those of :mod:`contact_point.wire`, bodies its adapters' schemas, refusals the table of
:mod:`contact_point.peer` and the rules of :mod:`pcsc.errors`. The file is published; no contact point serves it.
"""  # noqa: INP001 - a script among documents, not a package

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # what is described is the checkout that this file lies in

from pydantic import TypeAdapter  # noqa: E402 - after the path

from contact_point import peer, wire  # noqa: E402 - after the path
from pcsc import errors  # noqa: E402 - after the path
from pcsc.messages import Checkpoints, Reachability  # noqa: E402 - after the path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pcsc.messages import Message

OUTPUT: Final = ROOT / "docs" / "openapi.json"
COMMAND: Final = "python docs/openapi.py"

_SCHEMAS: Final = "#/components/schemas/"
_LONGEST: Final = 60  # characters of a value that differs
_MOST: Final = 20  # differences that are told

_SIGNS: Final = tuple(
    ", ".join(f"`{each}`" for each in covers) for covers in (wire.REQUEST_COVERS, wire.RESPONSE_COVERS)
)
DESCRIPTION: Final = f"""\
What the national contact points of Japan and the United States send each other under the Agreement on Enhancing
Cooperation in Preventing and Combating Serious Crime (TIAS 19-105). Its articles are cited as 4(3).

**Identity.** TLS 1.3 with client certificates; each side holds the other to the URI and the keys of the card that was
notified.

**Signatures.** Every request and every answer, refusals included, is signed (RFC 9421, `ecdsa-p384-sha384`, one signature
with the tag `{wire.TAG}`, `keyid`, `created` and `nonce`) over {_SIGNS[0]},
an answer over {_SIGNS[1]}. `@target-uri` is the URI at the address of the card.
A refusal with 503 may cover no request's signature: under load it is signed once a second, for all of them.
`created` is at most {wire.MAX_AGE.seconds // 60} minutes from the recipient's clock, either way; a nonce has 1 to
{wire.MAX_NONCE} characters and is used once. An answer to a request without a signature covers no signature.

**Exactly once.** The transaction control number names one message. The same bytes under the same number, signed anew,
bring the same answer, byte for byte. Other bytes under it are refused with `3-4.NUMBER_REUSED` (422), and the number of a
message that was refused and recorded so is used up. `/v1/reachability` and `/v1/checkpoints` are about no exchange: they
are answered anew each time.

**Bodies** are one JSON object in UTF-8 of at most {wire.MAX_BODY} bytes that names its kind in `message`. No field may be
unknown, stand there twice, or hold U+0000. Bytes are in base64, written in the URL-safe alphabet (RFC 4648, 5) and read in
either. Fingerprint data are one ANSI/NIST-ITL 1-2011 transaction. Answers tell no score, rank, name, category or quality.

**Refusals** are problem+json with the article, a code that never changes, and what to do. A technical failure is 503 or
500 and never "no match". A request that is not HTTP is refused below this description, in plain text and unsigned.
"""


def described() -> dict[str, Any]:
    """Return the description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "National contact point: the API for the other contact point",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": DESCRIPTION,
        },
        "servers": [
            {"url": "https://contact-point.example", "description": "The address of the card that was notified."}
        ],
        "security": [{"contactPoint": []}],
        "paths": {path: {"post": _operation(kind, path)} for kind, path in wire.PATHS.items()},
        "components": {
            "securitySchemes": {
                "contactPoint": {"type": "mutualTLS", "description": "The certificate of the card: 3(2), 3(3)."}
            },
            "parameters": {name: _parameter(name) for name in _SIGNED},
            "headers": {name: {"required": True, **each} for name, each in (_SIGNED | _MORE).items()},
            "responses": {str(status): _refused(status, codes) for status, codes in sorted(_refusals().items())},
            "schemas": _schemas(),
        },
    }


# Resources

_SIGNED: Final = {
    "Content-Digest": {
        "description": "The digest of the body (RFC 9530), sha-256 or sha-512.",
        "schema": {"type": "string", "pattern": r"sha-(256|512)=:[A-Za-z0-9+/]+=*:"},
    },
    "Signature-Input": {
        "description": "What is signed, when and by which key (RFC 9421, 4.1).",
        "schema": {"type": "string"},
    },
    "Signature": {"description": "The signature (RFC 9421, 4.2).", "schema": {"type": "string"}},
}
_MORE: Final = {
    "Retry-After": {
        "description": "In how many seconds the same message may be sent again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, **_SIGNED[name]}


def _operation(kind: type[Message], path: str) -> dict[str, Any]:
    answers = [{"$ref": _SCHEMAS + each.__name__} for each in wire.ANSWERS[kind]]
    summary, _, rest = _prose(kind).partition("\n")
    name = path.rsplit("/", 1)[-1]
    operation = {
        "operationId": name,
        "summary": summary,
        "description": rest.strip(),
        "parameters": [{"$ref": f"#/components/parameters/{each}"} for each in _SIGNED],
        "requestBody": {
            "required": True,
            "content": {wire.CONTENT_TYPE: {"schema": {"$ref": _SCHEMAS + kind.__name__}}},
        },
        "responses": {
            "200": {
                "description": _answered(kind),
                "headers": _headers(*_SIGNED),
                "content": {wire.CONTENT_TYPE: {"schema": answers[0] if len(answers) == 1 else {"oneOf": answers}}},
            },
            **{
                str(status): {"$ref": f"#/components/responses/{status}"}
                for status in sorted(_refusals())
                if status != 405
            },
        },
    }
    return {key: value for key, value in operation.items() if value}


def _answered(kind: type[Message]) -> str:
    names = " or ".join(f"`{name}`" for name, each in wire.KINDS.items() if each in wire.ANSWERS[kind])
    return f"The answer: {names}. " + (
        "Made anew each time." if kind in {Reachability, Checkpoints} else "Given again the same, byte for byte."
    )


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


# Refusals


def _rules(kind: type[errors.TreatyError] = errors.TreatyError) -> Iterator[type[errors.TreatyError]]:
    for each in kind.__subclasses__():
        yield from (each, *_rules(each))


def _refusals() -> dict[int, dict[str, set[str]]]:
    """Return what may be done about each code, by status."""
    found: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for _, status, _, code, action in peer.STATUS:
        if code:
            found[status][code].add(action)
    for rule in _rules():
        status, action = next((row[1], row[4]) for row in peer.STATUS if issubclass(rule, row[0]))
        found[status][rule.code].add(action)
    for status in (404, 405):
        found[status][peer.NO_SUCH_RESOURCE].add(peer.USE_A_RESOURCE)
    found[500][errors.NoAnswerError.code].add(peer.TELL_US)
    return found


def _refused(status: int, codes: dict[str, set[str]]) -> dict[str, Any]:
    told = [f"- `{code}`: {'; or '.join(sorted(actions))}" for code, actions in sorted(codes.items())]
    return {
        "description": "\n".join(["Not accepted. What to do, by code:", "", *told]),
        "headers": _headers(*_SIGNED, *(["Retry-After"] if status == 503 else [])),
        "content": {
            wire.PROBLEM_TYPE: {
                "schema": {
                    "allOf": [
                        {"$ref": _SCHEMAS + "Problem"},
                        {"properties": {"status": {"const": status}, "code": {"enum": sorted(codes)}}},
                    ]
                }
            }
        },
    }


_PROBLEM: Final = {
    "type": ("The code as a URN.", r"^urn:pcsc:problem:"),
    "code": ("Which rule refused it; never changes.", "."),
    "article": ("The clause that the rule follows, such as 4(7).", "."),
    "detail": ("What was expected, what came, and why.", ""),
    "action": ("What to do.", "."),
    "trace": ("Finds the line in the log of who refused.", "^[0-9a-f]{16}$"),
}


def _problem() -> dict[str, Any]:
    texts = {
        name: {"type": "string", "description": says, **({"pattern": pattern} if pattern else {})}
        for name, (says, pattern) in _PROBLEM.items()
    }
    return {
        "type": "object",
        "description": "Why a message was not accepted (RFC 9457).",
        "required": ["type", "status", "code", "article", "detail", "action", "trace"],
        "properties": {"type": texts.pop("type"), "status": {"type": "integer"}, **texts},
        "additionalProperties": False,
    }


# Bodies


def _schemas() -> dict[str, Any]:
    """Return the schema of every message and of what stands in it."""
    inputs = [(kind, "validation", adapter) for kind, adapter in wire.ADAPTERS.items()]
    made = TypeAdapter.json_schemas(inputs, ref_template=_SCHEMAS + "{model}")[1]["$defs"]  # type: ignore[arg-type]
    made = json.loads(_plainly_named(json.dumps(made)))
    for name, kind in wire.KINDS.items():
        made[kind.__name__] = _message(name, made[kind.__name__])
    return {name: _tidy(each) for name, each in sorted((made | {"Problem": _problem()}).items())}


def _plainly_named(text: str) -> str:
    """Name by its class what pydantic names by its module as well, as another one is called the same: the message first."""
    for kind in wire.ADAPTERS:
        text = text.replace(f"{kind.__module__.replace('.', '__')}__{kind.__qualname__}", kind.__qualname__)
    return text.replace("pcsc__assistance__", "Whether")


def _message(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a message as it stands in a body: it names its kind, and its head can be recorded."""
    head = {
        "message": {"const": name},
        "control_number": {"type": "string", "pattern": f"^{wire.CONTROL_NUMBER.pattern}$"},
        "made_at": {"type": "string", "format": "date-time"},
        "salt": {"type": "string", "pattern": f"^{wire.SALT.pattern}$", "description": "32 random bytes."},
    }
    return {
        **schema,
        "properties": schema["properties"] | head,
        "required": ["message", *schema["required"]],
    }


def _tidy(schema: Any) -> Any:
    """Leave out titles, which repeat names, and write descriptions as CommonMark, bytes as JSON Schema 2020-12 does."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {name: _tidy(each) for name, each in schema.items() if name != "title" or not isinstance(each, str)}
    if isinstance(said := tidy.get("description"), str):
        tidy["description"] = _plain(said)
    if tidy.get("format") == "base64url":
        del tidy["format"]
        tidy["contentEncoding"] = "base64url"
    return tidy


def _prose(kind: type[Message]) -> str:
    return _plain(kind.__doc__ or "")


def _plain(said: str) -> str:
    """Return a docstring as CommonMark, without what it says to callers."""
    lines = [line.strip() for line in said.partition("Raises:")[0].strip().splitlines()]
    text = "\n".join(lines).replace("``", "`")
    for role in (":class:", ":mod:", ":data:", ":func:"):
        text = text.replace(role, "")
    return text


# The check


def differences(there: Any, here: Any, at: str = "") -> Iterator[str]:
    """Yield a sentence for each place where the file (``there``) and the code (``here``) differ."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in sorted(there.keys() | here.keys()):
            place = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"  # RFC 6901
            if name not in here:
                yield f"{place} is in docs/openapi.json and not in the code"
            elif name not in there:
                yield f"{place} is in the code and not in docs/openapi.json"
            else:
                yield from differences(there[name], here[name], place)
    elif there != here:
        yield f"{at or 'the whole'} is {_shown(there)} in docs/openapi.json and {_shown(here)} in the code"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def written(description: dict[str, Any]) -> str:
    """Return the text of the file."""
    return json.dumps(description, ensure_ascii=False, indent=1) + "\n"


def faults(text: str | None, description: dict[str, Any]) -> list[str]:
    """Return what is wrong with the text of the file, a sentence each; None is for no file."""
    if text == written(description):
        return []
    try:
        there = json.loads(text or "")
    except ValueError:
        found = ["docs/openapi.json is not there, or is no JSON"]
    else:
        found = list(differences(there, description)) or ["docs/openapi.json says the same and is written otherwise"]
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    change = "where the API was meant to change, say so in CHANGELOG.md (For the other Party) and write it anew with"
    return [*found[:_MOST], *more, f"{change} `{COMMAND}`"]


def main() -> int:
    """Write the description, or check it; return the exit code."""
    if "--check" not in sys.argv[1:]:
        OUTPUT.write_text(written(described()), encoding="utf-8")
        return 0
    wrong = faults(OUTPUT.read_text(encoding="utf-8") if OUTPUT.is_file() else None, described())
    sys.stderr.writelines(f"{sentence}\n" for sentence in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
