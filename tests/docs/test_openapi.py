"""docs/openapi.json: it says what the code says, its check names what differs, and every message keeps to its schema."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs
import pytest

from contact_point import peer, wire
from docs import openapi
from pcsc import errors
from tests.contact_point.test_wire import MESSAGES

if TYPE_CHECKING:
    from pcsc.messages import Message

TEXT: Final = openapi.OUTPUT.read_text(encoding="utf-8")
DESCRIBED: Final[dict[str, Any]] = json.loads(TEXT)
ADVICE: Final = (
    "where the API was meant to change, say so in CHANGELOG.md (For the other Party) and write it anew with "
    "`python docs/openapi.py`"
)


def test_the_file_says_what_the_code_says() -> None:
    assert openapi.faults(TEXT, openapi.described()) == []


def test_the_check_says_what_differs_and_the_command() -> None:
    changed = copy.deepcopy(DESCRIBED)
    del changed["paths"]["/v1/breach-notices"]
    changed["components"]["schemas"]["Query"]["properties"]["score"] = {"type": "number"}
    changed["components"]["schemas"]["Party"]["enum"] = ["US", "FR"]
    assert openapi.faults(openapi.written(changed), DESCRIBED) == [
        '/components/schemas/Party/enum is ["US", "FR"] in docs/openapi.json and ["JP", "US"] in the code',
        "/components/schemas/Query/properties/score is in docs/openapi.json and not in the code",
        "/paths/~1v1~1breach-notices is in the code and not in docs/openapi.json",
        ADVICE,
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "docs/openapi.json is not there, or is no JSON"),
        ("{", "docs/openapi.json is not there, or is no JSON"),
        (TEXT + "\n", "docs/openapi.json says the same and is written otherwise"),
    ],
)
def test_the_check_says_what_is_wrong_with_the_file_itself(text: str | None, said: str) -> None:
    assert openapi.faults(text, DESCRIBED) == [said, ADVICE]


def test_a_description_that_differs_everywhere_is_cut_short() -> None:
    told = openapi.faults(json.dumps({str(number): 0 for number in range(100)}), {})
    assert told[-3:] == ["/26 is in docs/openapi.json and not in the code", "and 80 more", ADVICE]


def validator(kind: type[Message]) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{kind.__name__}", "components": DESCRIBED["components"]}
    )


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_every_message_keeps_to_its_schema_and_to_no_other(message: Message) -> None:
    body = json.loads(wire.encode(message))
    assert validator(type(message)).is_valid(body)
    assert not validator(type(message)).is_valid(body | {"score": 1})
    assert [kind for kind in wire.KINDS.values() if validator(kind).is_valid(body)] == [type(message)]


def test_every_resource_is_described_with_its_message_its_answers_and_its_refusals() -> None:
    for kind, path in wire.PATHS.items():
        operation = DESCRIBED["paths"][path]["post"]
        asked = operation["requestBody"]["content"][wire.CONTENT_TYPE]["schema"]["$ref"]
        told = json.dumps(operation["responses"]["200"]["content"][wire.CONTENT_TYPE])
        assert asked.rsplit("/", 1)[-1] == kind.__name__
        assert all(f'/schemas/{answer.__name__}"' in told for answer in wire.ANSWERS[kind])
        assert set(operation["responses"]) == {
            "200",
            "400",
            "401",
            "403",
            "404",
            "408",
            "409",
            "422",
            "429",
            "500",
            "503",
        }


def test_every_error_is_told_as_the_refusals_are_described() -> None:
    described = DESCRIBED["components"]["responses"]
    raised = [row[0]("why") for row in peer.STATUS if row[3] and row[0] is not errors.TreatyError]
    for error in [*raised, errors.QuotaError("why"), errors.PurposeError("why"), ZeroDivisionError("why")]:
        problem = peer.problem_of(error)
        refusal = described[str(problem.status)]
        schema = refusal["content"][wire.PROBLEM_TYPE]["schema"] | {"components": DESCRIBED["components"]}
        assert jsonschema_rs.validator_for(schema).is_valid(json.loads(problem.encode()))
        assert f"`{problem.code}`: " in refusal["description"]
        assert problem.action in refusal["description"]
        assert ("Retry-After" in refusal["headers"]) is (problem.status == 503)
