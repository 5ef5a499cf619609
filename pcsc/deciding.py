"""Each decision from its inputs alone: JSON values in, the clause and the outcome out. What :mod:`pcsc.traces` rests on.

The rules are those of :mod:`pcsc.exchange`, :mod:`pcsc.duties`, :mod:`pcsc.use` and the Annexes, called with values that are
rebuilt from the inputs. Where a rule wants a text that is content, it is given a stand-in of the same length, or the same in
the same places: no rule reads what it says.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from annex import eligibility
from annex.eligibility import Case, Disposition, available
from annex.offences import Category, Form, Offence, Penalty, serious_crime
from annex.parameters import IN_FORCE, Party, rules_in_force
from pcsc import duties
from pcsc import exchange as life
from pcsc.agreement import Agreement, Termination
from pcsc.duties import Content
from pcsc.errors import FieldNotAllowedError, TreatyError, UseError
from pcsc.exchange import NO_QUERY, Exchange, Side, State
from pcsc.messages import (
    Activity,
    Basis,
    Condition,
    ConsentTo,
    Expectation,
    Ground,
    Item,
    ProvisionWithoutRequest,
    Query,
    Recipient,
    RecipientKind,
    Refusal,
    Reply,
    Request,
    Search,
    WrittenNotification,
)
from pcsc.use import Consent, Information, Permission, Purpose, may_release, may_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pcsc.arrangement import Arrangement


class TraceError(ValueError):
    """A text, or a value, that is not the trace of a decision, or one that cannot be made again."""


class Decision(StrEnum):
    """What is decided."""

    ADMISSION = "admission"
    """Of a query: Articles 1(3), 4(3), 4(7), 13(2), 15."""
    VIEW = "view"
    """Which prints a query may search: Annex II."""
    REQUEST = "request"
    """For further information: Article 5(1)."""
    PROVISION_WITHOUT_REQUEST = "provision without request"
    """Article 6."""
    REPLY = "reply"
    """To a request: Articles 5(2)-(5), 8(8)."""
    REFUSAL = "refusal"
    """Of a message."""
    DELETION = "deletion"
    """Articles 8(1), 8(2), 8(9), 9, 10(2)."""
    USE = "use"
    """Articles 8(3), 8(5), 8(6), 8(8), 13(2)."""
    RELEASE = "release"
    """Article 8(7)."""


class Searched(NamedTuple):
    """What a search was let see of the gallery."""

    revision: int
    """Of the gallery."""
    mask: str
    """SHA-256, in hexadecimal, of the packed mask over the places of the gallery."""
    persons: int
    available: int


class Under(NamedTuple):
    """What a decision is made under, besides its inputs."""

    at: datetime
    arrangement: Arrangement | None
    searched: Searched | None

    @property
    def agreed(self) -> Arrangement:
        """The arrangement, for a decision that needs one."""
        if self.arrangement is None:
            raise TraceError(
                "expected the arrangement that the decision was made under; none is cited: what the agreement leaves to it "
                "cannot be judged without (Art. 4(7))"
            )
        return self.arrangement


FIELDS: Final[Mapping[Decision, tuple[str, ...]]] = {
    Decision.ADMISSION: (
        *("side", "querying", "identified", "search", "expectation", "basis", "circumstances", "made_today"),
        "termination",
    ),
    Decision.VIEW: ("queried", "identified", "standing"),
    Decision.REQUEST: ("side", "querying", "state", "of_this_match", "basis", "items", "risk", "termination"),
    Decision.PROVISION_WITHOUT_REQUEST: (
        *("side", "providing", "expectation", "basis", "given", "offered", "conditions", "termination"),
    ),
    Decision.REPLY: ("requested", "available", "given", "offered", "conditions", "refusals", "decided_by"),
    Decision.REFUSAL: ("message", "article", "code"),
    Decision.DELETION: (*(field.name for field in fields(duties.Standing)), "kind"),
    Decision.USE: ("information", "purpose", "by", "political", "offences", "stated"),
    Decision.RELEASE: ("information", "recipient", "by", "law"),
}
"""The inputs of each decision."""

_VERDICT: Final = ("admitted", "article", "code", "message")
OUTCOMES: Final[Mapping[Decision, tuple[str, ...]]] = {
    Decision.ADMISSION: (*_VERDICT, "findings", "asked", "allowed", "circumstances_at_least"),
    Decision.VIEW: ("standing", "asked", "revision", "mask", "persons", "available"),
    Decision.REQUEST: (*_VERDICT, "findings", "asked", "listed"),
    Decision.PROVISION_WITHOUT_REQUEST: (*_VERDICT, "findings", "asked"),
    Decision.REPLY: (*_VERDICT, "items"),
    Decision.REFUSAL: ("accepted", "article", "code"),
    Decision.DELETION: ("destroyed",),
    Decision.USE: ("allowed", "reason", "finding", "asked"),
    Decision.RELEASE: ("allowed", "reason"),
}
"""What may stand in the outcome of each decision; of a verdict that admits, neither article, code nor message does."""


def outcome_of(decision: Decision, inputs: Mapping[str, Any], under: Under) -> tuple[str, dict[str, Any]]:
    """Return the clause and the outcome of a decision.

    Raises:
        TraceError: the inputs are not those of such a decision.

    """
    try:
        _exactly(inputs, FIELDS[decision])
        return _RULES[decision](inputs, under)
    except TraceError:
        raise
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise TraceError(
            f"expected the inputs of the {decision} that was decided; got what none rests on ({error}): the trace was changed, "
            "or is of another program: verify the record that it stands in"
        ) from None


def _exactly(inputs: Mapping[str, Any], names: Sequence[str]) -> None:
    if inputs.keys() != set(names):
        raise TraceError(
            f"expected the inputs {', '.join(names)}; got {', '.join(map(str, inputs)) or 'none'}: with more or less another "
            "decision would be made: verify the record that the trace stands in"
        )


def rules_of(at: datetime) -> str:
    """Return the version of the rules in force at a time; empty before the agreement was, when nothing is decided by them."""
    return rules_in_force(at.date()).version if at.date() >= IN_FORCE else ""


# Values to inputs, and back


def offences_inputs(offences: Sequence[Offence]) -> list[dict[str, Any]]:
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


def offences_of(inputs: Sequence[Mapping[str, Any]]) -> tuple[Offence, ...]:
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


def basis_inputs(basis: Basis) -> dict[str, Any]:
    """Return a basis as inputs."""
    return {
        "activity": basis.activity.value,
        "offences": offences_inputs(basis.offences),
        "political": basis.political,
    }


def basis_of(inputs: Mapping[str, Any]) -> Basis:
    """Return the basis of its inputs."""
    return Basis(Activity(inputs["activity"]), offences_of(inputs["offences"]), inputs["political"])


def termination_inputs(agreement: Agreement) -> dict[str, Any] | None:
    """Return the notice that ends the agreement as inputs, or None."""
    notice = agreement.termination
    if notice is None:
        return None
    return {"given_by": notice.given_by.value, "received_on": notice.received_on.isoformat(), "note": notice.note}


def agreement_of(inputs: Mapping[str, Any] | None) -> Agreement:
    """Return the agreement as it stood."""
    if inputs is None:
        return Agreement()
    received = date.fromisoformat(inputs["received_on"])
    return Agreement(Termination(Party(inputs["given_by"]), received, inputs["note"]))


def conditions_inputs(conditions: Sequence[Condition]) -> list[list[str]]:
    """Return of each condition the purposes that it forbids; its words are content."""
    return [list(condition.forbids) for condition in conditions]


def conditions_of(inputs: Sequence[Sequence[str]]) -> tuple[Condition, ...]:
    """Return conditions with their place in place of their words."""
    return tuple(Condition(f"condition {at}", tuple(forbids)) for at, forbids in enumerate(inputs, 1))


def standing_inputs(standing: eligibility.Standing, on: date) -> dict[str, Any]:
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


def standing_of(inputs: Mapping[str, Any], on: date) -> eligibility.Standing:
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


def holding_inputs(standing: duties.Standing) -> dict[str, Any]:
    """Return what decides about content; states and sides are texts already."""
    return {field.name: getattr(standing, field.name) for field in fields(standing)} | {
        "side": standing.side.value,
        "state": standing.state.value,
    }


def holding_of(inputs: Mapping[str, Any]) -> duties.Standing:
    """Return what decides about content, of its inputs."""
    values = {field.name: inputs[field.name] for field in fields(duties.Standing)}
    return duties.Standing(**values | {"side": Side(values["side"]), "state": State(values["state"])})


def information_inputs(information: Information, same: Callable[[Consent], bool]) -> dict[str, Any]:
    """Return information as inputs; ``same`` says whether a consent is to what is asked now."""
    return {
        "article": information.article,
        "conditions": conditions_inputs(information.conditions),
        "accepted": information.accepted,
        "restricted": information.restricted,
        "consents": [
            {"to": each.to.value, "same": same(each), "given_at": each.given_at.isoformat()}
            for each in information.consents
        ],
    }


def information_of(inputs: Mapping[str, Any], purpose: str, recipient: Recipient | None) -> Information:
    """Return information of its inputs; a consent is to the stand-in for what is asked, or to another one."""
    another = None if recipient is None else Recipient(recipient.kind, "another recipient")
    _exactly(inputs, [field.name for field in fields(Information)])
    return Information(
        article=inputs["article"],
        conditions=conditions_of(inputs["conditions"]),
        accepted=inputs["accepted"],
        restricted=inputs["restricted"],
        consents=tuple(
            Consent(
                ConsentTo(each["to"]),
                purpose if each["same"] else "another purpose",
                recipient if each["same"] else another,
                datetime.fromisoformat(each["given_at"]),
            )
            for each in inputs["consents"]
        ),
    )


# The decisions

_LEFT_OUT: Final = "-"
"""In place of a text that no rule reads."""


def _attempt(act: Callable[[], object]) -> dict[str, Any]:
    """Return whether an act is allowed, or which rule forbids it."""
    try:
        act()
    except TreatyError as error:
        return {"admitted": False, "article": error.article, "code": error.code, "message": str(error)}
    return {"admitted": True}


def _findings(offences: Sequence[Offence], at: datetime, *asked: tuple[int, Party]) -> dict[str, Any]:
    """Return what Article 1(3) says for each article that asks, and what its rules ask; nothing before they were in force."""
    if at.date() < IN_FORCE:
        return {"findings": {}, "asked": {}}
    found = {str(article): _finding(offences, article, acting, at) for article, acting in asked}
    return {"findings": found, "asked": _asked(at)}


def _finding(offences: Sequence[Offence], article: int, acting: Party, at: datetime) -> dict[str, Any]:
    finding = serious_crime(offences, article=article, acting=acting, on=at.date())
    return {
        "serious": finding.serious,
        "branch": finding.branch,
        "clause": finding.clause,
        "law": finding.law,
        "reason": finding.reason,
    }


def _asked(at: datetime) -> dict[str, Any]:
    """Return what Article 1(3) asks, by the rules of the day."""
    rules = rules_in_force(at.date())
    return {
        "more_than_months": rules.more_than_months,
        "at_least_months": rules.at_least_months,
        "acting_law_limbs": sorted(rules.acting_law_limbs),
    }


def _admission(inputs: Mapping[str, Any], under: Under) -> tuple[str, dict[str, Any]]:
    side, arrangement, basis = Side(inputs["side"]), under.agreed, basis_of(inputs["basis"])
    query = Query(
        control_number=_LEFT_OUT,
        made_at=under.at,
        salt=_LEFT_OUT,
        querying=Party(inputs["querying"]),
        authority=NO_QUERY,
        identified=inputs["identified"],
        search=Search(inputs["search"]),
        basis=basis,
        expectation=Expectation(inputs["expectation"]),
        prints=_LEFT_OUT.encode(),
    )
    agreement, made = agreement_of(inputs["termination"]), inputs["made_today"]
    enough, said = arrangement.circumstances_characters, inputs["circumstances"]
    if side is Side.QUERYING and said is None:
        raise TraceError(
            "expected the length of the particular circumstances of a query of our own; got none: Art. 4(3) asks for them: "
            "give the number of their characters"
        )

    def act() -> None:
        if side is Side.QUERYING:
            text = "x" * min(said, enough)  # longer is as good as long enough
            life.open_query(query, text, arrangement, made_today=made, now=under.at, agreement=agreement)
        else:
            life.receive_query(query, arrangement, made_today=made, now=under.at, agreement=agreement)

    verdict = _attempt(act)
    found = verdict | _findings(basis.offences, under.at, (4, query.querying))
    found["allowed"] = arrangement.queries_per_day[query.search]
    found["circumstances_at_least"] = enough
    return verdict.get("article", "4(3)"), found


def _view(inputs: Mapping[str, Any], under: Under) -> tuple[str, dict[str, Any]]:
    if under.searched is None:
        raise TraceError(
            "expected what the search was let see of the gallery; got nothing: the view is the searched set (Art. 4(2)): give "
            "its revision, mask and numbers"
        )
    queried, on = Party(inputs["queried"]), under.at.date()
    rules = rules_in_force(on)
    asked = {"age_of_adult": rules.age_of_adult, "age_reference": rules.age_reference.value}
    found: dict[str, Any] = under.searched._asdict() | {"standing": None, "asked": asked}
    if inputs["standing"] is None:
        return "Annex II", found
    standing = standing_of(inputs["standing"], on)
    answer = available(standing, queried=queried, identified=inputs["identified"], on=on)
    found["standing"] = {"available": answer.available, "clause": answer.clause, "reason": answer.reason}
    return answer.clause, found


def searched_in(outcome: Mapping[str, Any]) -> Searched:
    """Return what a view's outcome says was searched.

    Raises:
        TraceError: it does not say.

    """
    if not all(isinstance(outcome.get(name), kind) for name, kind in _SEARCHED.items()):
        raise TraceError(
            f"expected the outcome of a view to have {', '.join(_SEARCHED)}; got {', '.join(map(str, outcome)) or 'none'}: "
            "the trace was changed: verify the record that it stands in"
        )
    return Searched(**{name: outcome[name] for name in _SEARCHED})


_SEARCHED: Final[Mapping[str, type]] = {"revision": int, "mask": str, "persons": int, "available": int}


def _exchange(at: datetime, side: Side, querying: Party, state: State, **more: Any) -> Exchange:
    """Return an exchange of which a step reads no more than this."""
    return Exchange(
        control_number="of this trace",
        side=side,
        querying=querying,
        state=state,
        opened_at=at,
        last_event_at=at,
        authority=NO_QUERY,
        identified=None,
        basis=None,
        arrangement="",
        rules="",
        **more,
    )


_MATCH: Final = "the number that came with the match"


def _request(inputs: Mapping[str, Any], under: Under) -> tuple[str, dict[str, Any]]:
    arrangement, querying, basis = under.agreed, Party(inputs["querying"]), basis_of(inputs["basis"])
    exchange = _exchange(under.at, Side(inputs["side"]), querying, State(inputs["state"]), reference=_MATCH)
    items, risk = tuple(inputs["items"]), inputs["risk"]

    def act() -> None:
        message = Request(
            control_number=_LEFT_OUT,
            made_at=under.at,
            salt=_LEFT_OUT,
            reference=_MATCH if inputs["of_this_match"] else "another number",
            authority=NO_QUERY,
            notification=WrittenNotification(_LEFT_OUT, _LEFT_OUT, items, basis, _LEFT_OUT),
            # A risk of blanks alone asks for urgency and states nothing.
            risk="" if risk is None else "x" * min(risk, arrangement.urgency_characters) or " ",
        )
        life.request(exchange, message, arrangement, under.at, agreement=agreement_of(inputs["termination"]))

    verdict = _attempt(act)
    # Art. 1(3): the law of either Party for Article 5; for the use that follows, the user's own (Article 8).
    found = verdict | _findings(basis.offences, under.at, (5, querying), (8, querying))
    found["listed"] = list(arrangement.items[exchange.queried])
    return verdict.get("article", "5(1)"), found


def _provision_without_request(inputs: Mapping[str, Any], under: Under) -> tuple[str, dict[str, Any]]:
    providing, basis = Party(inputs["providing"]), basis_of(inputs["basis"])
    side, arrangement, agreement = Side(inputs["side"]), under.agreed, agreement_of(inputs["termination"])

    def act() -> None:
        message = ProvisionWithoutRequest(
            control_number=_LEFT_OUT,
            made_at=under.at,
            salt=_LEFT_OUT,
            providing=providing,
            authority=NO_QUERY,
            basis=basis,
            expectation=Expectation(inputs["expectation"]),
            reason_to_believe=_LEFT_OUT,
            case_reference=_LEFT_OUT,
            items=tuple(Item(kind, _LEFT_OUT) for kind in inputs["given"]),
            offered=tuple(inputs["offered"]),
            conditions=conditions_of(inputs["conditions"]),
        )
        life.provide_unasked(message, side, arrangement, under.at, agreement=agreement)

    verdict = _attempt(act)
    return verdict.get("article", "6"), verdict | _findings(basis.offences, under.at, (6, providing))


def _reply(inputs: Mapping[str, Any], under: Under) -> tuple[str, dict[str, Any]]:
    requested, given, offered = tuple(inputs["requested"]), tuple(inputs["given"]), tuple(inputs["offered"])
    exchange = _exchange(
        under.at,
        Side.QUERIED,
        Party.JP,  # no step of a reply asks which
        State.REQUESTED,
        reference=_MATCH,
        request=_LEFT_OUT,
        requested_items=requested,
    )

    def act() -> None:
        message = Reply(
            control_number=_LEFT_OUT,
            made_at=under.at,
            salt=_LEFT_OUT,
            request=_LEFT_OUT,
            reference=_MATCH,
            items=tuple(Item(kind, _LEFT_OUT) for kind in given),
            offered=offered,
            conditions=conditions_of(inputs["conditions"]),
            refusals=tuple(Refusal(Ground(each["ground"]), _LEFT_OUT, each["item"]) for each in inputs["refusals"]),
        )
        # Art. 5(2): "available at the time of receipt of the request"; only the queried side knows what was.
        if inputs["available"] is not None and (absent := {*given, *offered} - {*inputs["available"]}):
            raise FieldNotAllowedError(
                f"what is given was available when the request came ({', '.join(inputs['available']) or 'nothing'}); "
                f"{', '.join(sorted(absent))} was not: refuse it as not available"
            )
        life.reply(exchange, message, under.at)

    verdict = _attempt(act)
    clause = "5(2)" if given else "8(8)" if offered else "5(5)"
    return verdict.get("article", clause), verdict | {"items": dict(_item_by_item(inputs))}


def _item_by_item(inputs: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what became of each item that was asked for, and on which grounds it was withheld."""
    for kind in inputs["requested"]:
        if kind in inputs["given"] or kind in inputs["offered"]:
            yield kind, {"became": "given" if kind in inputs["given"] else "offered", "grounds": []}
        else:
            grounds = [each["ground"] for each in inputs["refusals"] if each["item"] in {None, kind}]
            yield kind, {"became": "withheld", "grounds": grounds}


def _refusal(inputs: Mapping[str, Any], _: Under) -> tuple[str, dict[str, Any]]:
    rule = _rules_by_code().get(inputs["code"])
    # The one rule that several clauses carry says which at each refusal.
    article = inputs["article"] if rule is None or rule is UseError else rule.article
    return article, {"accepted": False, "article": article, "code": inputs["code"]}


def _rules_by_code() -> dict[str, type[TreatyError]]:
    return {rule.code: rule for rule in TreatyError.__subclasses__()}


_PRINTS: Final = frozenset({Content.PROBE, Content.CANDIDATE, Content.PICTURE})


def _deletion(inputs: Mapping[str, Any], _: Under) -> tuple[str, dict[str, Any]]:
    at, kind = holding_of(inputs), Content(inputs["kind"])
    permitted = kind in duties.permitted_in(at)
    clause = duties.CLAUSES.get((at.side, kind), "9")
    # Art. 10(2) is why, where nothing else is.
    others = {field.name: getattr(at, field.name) for field in fields(at)} | {"prints_restricted": False}
    if not permitted and kind in _PRINTS and kind in duties.permitted_in(duties.Standing(**others)):
        clause = "10(2)"
    return clause, {"destroyed": not permitted}


def _use(inputs: Mapping[str, Any], under: Under) -> tuple[str, dict[str, Any]]:
    stated, by, purpose = "as stated" if inputs["stated"] else "", Party(inputs["by"]), Purpose(inputs["purpose"])
    offences = offences_of(inputs["offences"])
    verdict = may_use(
        information_of(inputs["information"], stated, None),
        purpose,
        by=by,
        political=inputs["political"],
        offences=offences,
        stated=stated,
        now=under.at,
    )
    crime = purpose is Purpose.SERIOUS_CRIME
    return verdict.article, {
        "allowed": isinstance(verdict, Permission),
        "reason": verdict.reason,
        "finding": _finding(offences, 8, by, under.at) if crime else None,
        "asked": _asked(under.at),
    }


def _release(inputs: Mapping[str, Any], under: Under) -> tuple[str, dict[str, Any]]:
    recipient = Recipient(RecipientKind(inputs["recipient"]), "the recipient")
    information = information_of(inputs["information"], "", recipient)
    verdict = may_release(information, recipient, by=Party(inputs["by"]), law=inputs["law"], now=under.at)
    return verdict.article, {"allowed": isinstance(verdict, Permission), "reason": verdict.reason}


_RULES: Final[Mapping[Decision, Callable[[Mapping[str, Any], Under], tuple[str, dict[str, Any]]]]] = {
    Decision.ADMISSION: _admission,
    Decision.VIEW: _view,
    Decision.REQUEST: _request,
    Decision.PROVISION_WITHOUT_REQUEST: _provision_without_request,
    Decision.REPLY: _reply,
    Decision.REFUSAL: _refusal,
    Decision.DELETION: _deletion,
    Decision.USE: _use,
    Decision.RELEASE: _release,
}
