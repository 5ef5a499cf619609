"""What a decision rested on, as JSON values, and back: each pair of functions is exact for every rule that reads the values.

Nothing here is content of a message. Offences stand by their statutes, conditions by what they forbid, a consent by whether it
is to what is asked; a date of birth, which is an item of information, by the ages that Annex II counts.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from annex import eligibility
from annex.eligibility import Case, Disposition
from annex.offences import Category, Form, Offence, Penalty
from annex.parameters import Party
from pcsc import duties
from pcsc.agreement import Agreement, Termination
from pcsc.exchange import Side, State
from pcsc.messages import Activity, Basis, Condition, ConsentTo, Recipient
from pcsc.use import Consent, Information, covers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def from_offences(offences: Sequence[Offence]) -> list[dict[str, Any]]:
    """Return offences by statute and penalty, without the words in which the conduct was described."""
    return [
        {
            "law": each.law.value,
            "citation": each.citation,
            "category": None if each.category is None else each.category.value,
            "form": each.form.value,
            "form_citation": each.form_citation,
            "maximum": {field.name: getattr(each.maximum, field.name) for field in fields(Penalty)},
        }
        for each in offences
    ]


def to_offences(inputs: Sequence[Mapping[str, Any]]) -> tuple[Offence, ...]:
    """Return offences of their inputs; what Annex I calls the conduct stands in for its description."""
    return tuple(
        Offence(
            description="conduct that no category of Annex I describes"
            if each["category"] is None
            else Category(each["category"]).words,
            law=Party(each["law"]),
            citation=each["citation"],
            maximum=Penalty(**each["maximum"]),
            category=None if each["category"] is None else Category(each["category"]),
            form=Form(each["form"]),
            form_citation=each["form_citation"],
        )
        for each in inputs
    )


def from_basis(basis: Basis) -> dict[str, Any]:
    """Return a basis as inputs."""
    return {
        "activity": basis.activity.value,
        "offences": from_offences(basis.offences),
        "political": basis.political,
    }


def to_basis(inputs: Mapping[str, Any]) -> Basis:
    """Return the basis of its inputs."""
    return Basis(Activity(inputs["activity"]), to_offences(inputs["offences"]), inputs["political"])


def from_agreement(agreement: Agreement) -> dict[str, Any] | None:
    """Return the notice that ends the agreement as inputs, or None."""
    notice = agreement.termination
    if notice is None:
        return None
    return {"given_by": notice.given_by.value, "received_on": notice.received_on.isoformat(), "note": notice.note}


def to_agreement(inputs: Mapping[str, Any] | None) -> Agreement:
    """Return the agreement as it stood."""
    if inputs is None:
        return Agreement()
    received = date.fromisoformat(inputs["received_on"])
    return Agreement(Termination(Party(inputs["given_by"]), received, inputs["note"]))


def from_conditions(conditions: Sequence[Condition]) -> list[list[str]]:
    """Return of each condition the purposes that it forbids; its words are content."""
    return [list(condition.forbids) for condition in conditions]


def to_conditions(inputs: Sequence[Sequence[str]]) -> tuple[Condition, ...]:
    """Return conditions with their place in place of their words."""
    return tuple(Condition(f"condition {at}", tuple(forbids)) for at, forbids in enumerate(inputs, 1))


def from_standing(standing: eligibility.Standing, on: date) -> dict[str, Any]:
    """Return a person's standing under Annex II, with ages in place of the date of birth, which is an item of information."""
    born = standing.born_on
    return {
        "age": None if born is None else _age(born, on),
        "cases": [
            {
                "disposition": case.disposition.value,
                "arrested_on": None if case.arrested_on is None else case.arrested_on.isoformat(),
                "age": None if born is None or case.arrested_on is None else _age(born, case.arrested_on),
            }
            for case in standing.cases
        ],
        **{name: getattr(standing, name) for name in _FLAGS},
    }


_FLAGS: Final = (
    "arrest_request_circulated",
    "known_or_suspected_terrorist",
    "collected_from_individual",
    "criminal_system",
)


def to_standing(inputs: Mapping[str, Any], on: date) -> eligibility.Standing:
    """Return a standing of its inputs, with the latest date of birth that gives every age in it.

    The true date gives them all, so this one is no earlier, and gives no greater age on any of these days; nor a lesser one.
    """
    cases = tuple(
        Case(
            Disposition(each["disposition"]),
            None if each["arrested_on"] is None else date.fromisoformat(each["arrested_on"]),
        )
        for each in inputs["cases"]
    )
    ages = [(on, inputs["age"])] + [
        (case.arrested_on, each["age"]) for case, each in zip(cases, inputs["cases"], strict=True)
    ]
    born = [_born_by(day, age) for day, age in ages if day is not None and age is not None]
    return eligibility.Standing(min(born, default=None), cases, **{name: inputs[name] for name in _FLAGS})


def _age(born: date, on: date) -> int:
    """Return how many years somebody has completed, as :mod:`annex.eligibility` counts them; negative before birth."""
    years = on.year - born.year
    return years if born <= _born_by(on, years) else years - 1


def _born_by(on: date, age: int) -> date:
    """Return the latest date of birth of those who have reached the age on that day."""
    try:
        return on.replace(year=on.year - age)
    except ValueError:  # on 29 February, in a year that has none
        return on.replace(year=on.year - age, day=28)


def from_holding(standing: duties.Standing) -> dict[str, Any]:
    """Return what decides about content; states and sides are texts already."""
    return {field.name: getattr(standing, field.name) for field in fields(standing)} | {
        "side": standing.side.value,
        "state": standing.state.value,
    }


def to_holding(inputs: Mapping[str, Any]) -> duties.Standing:
    """Return what decides about content, of its inputs."""
    values = {field.name: inputs[field.name] for field in fields(duties.Standing)}
    return duties.Standing(**values | {"side": Side(values["side"]), "state": State(values["state"])})


def from_information(information: Information, same: Callable[[Consent], bool]) -> dict[str, Any]:
    """Return information as inputs; ``same`` says whether a consent is to what is asked now, if it is about all of it."""
    return {
        "article": information.article,
        "conditions": from_conditions(information.conditions),
        "accepted": information.accepted,
        "restricted": information.restricted,
        "consents": [
            {
                "to": each.to.value,
                "same": same(each) and covers(each, information),
                "given_at": each.given_at.isoformat(),
            }
            for each in information.consents
        ],
    }


def to_information(inputs: Mapping[str, Any], purpose: str, recipient: Recipient | None) -> Information:
    """Return information of its inputs; a consent is to the stand-in for what is asked, or to something else."""
    return Information(
        article=inputs["article"],
        conditions=to_conditions(inputs["conditions"]),
        accepted=inputs["accepted"],
        restricted=inputs["restricted"],
        consents=tuple(
            Consent(
                ConsentTo(each["to"]),
                purpose if each["same"] else "another purpose",
                recipient if each["same"] else None,
                datetime.fromisoformat(each["given_at"]),
            )
            for each in inputs["consents"]
        ),
    )
