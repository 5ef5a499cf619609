"""Each decision from its inputs alone: JSON values in, the clause and the outcome out. What :mod:`pcsc.traces` rests on.

The rules are those of :mod:`pcsc.life`, :mod:`pcsc.duties`, :mod:`pcsc.use` and the Annexes, called with values that are
rebuilt from the inputs by :mod:`pcsc.traces.facts`. Where a rule wants a text that is content, it is given a stand-in of the
same length, or one that is the same where the text was: no rule reads what it says.
"""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from annex.eligibility import available
from annex.offences import Offence, serious_crime
from annex.parameters import IN_FORCE, Party, rules_in_force
from pcsc import duties, life
from pcsc.duties import Content
from pcsc.errors import FieldNotAllowedError, TreatyError, UseError
from pcsc.exchange import NO_QUERY, Exchange, Side, State
from pcsc.messages import (
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
from pcsc.traces import facts
from pcsc.use import Permission, Purpose, may_release, may_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

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


class View(Protocol):
    """What a query could search: how many persons were held, how many in view, and which, as a SHA-256 in hexadecimal."""

    @property
    def revision(self) -> int:
        """The gallery's: while it is the same, so is the view of such a query."""

    @property
    def persons(self) -> int:
        """How many are held."""

    @property
    def available(self) -> int:
        """How many of them are made available."""

    @property
    def digest(self) -> str:
        """Which of them are."""


class Searched(NamedTuple):
    """A view as a trace holds it."""

    revision: int
    persons: int
    available: int
    digest: str


def searched_of(view: View) -> Searched:
    """Return a view as a trace holds it."""
    return Searched(view.revision, view.persons, view.available, view.digest)


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
        *("side", "querying", "identified", "search", "expectation", "basis"),
        *("circumstances", "said_elsewhere", "made_today", "termination"),
    ),
    Decision.VIEW: ("queried", "identified", "standing"),
    Decision.REQUEST: ("side", "querying", "state", "of_this_match", "basis", "items", "risk", "termination"),
    Decision.PROVISION_WITHOUT_REQUEST: (
        *("side", "providing", "expectation", "basis", "given", "offered", "conditions"),
        *("said_elsewhere", "termination"),
    ),
    Decision.REPLY: (
        *("side", "state", "of_this_request", "requested", "available", "given", "offered", "conditions", "refusals"),
        *("decided_by", "termination"),
    ),
    Decision.REFUSAL: ("message", "article", "code"),
    Decision.DELETION: (*(field.name for field in fields(duties.Standing)), "kind"),
    Decision.USE: ("information", "purpose", "by", "political", "offences", "stated"),
    Decision.RELEASE: ("information", "recipient", "by", "law"),
}
"""The inputs of each decision."""

_VERDICT: Final = ("admitted", "article", "code", "message")
OUTCOMES: Final[Mapping[Decision, tuple[str, ...]]] = {
    Decision.ADMISSION: (*_VERDICT, "findings", "asked", "allowed", "circumstances_at_least"),
    Decision.VIEW: ("standing", "asked", "revision", "persons", "available", "digest"),
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
        "law": None if finding.law is None else finding.law.value,
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
    side, arrangement, basis = Side(inputs["side"]), under.agreed, facts.to_basis(inputs["basis"])
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
    agreement, made = facts.to_agreement(inputs["termination"]), inputs["made_today"]
    enough, said = arrangement.circumstances_characters, inputs["circumstances"]
    if side is Side.QUERYING and said is None:
        raise TraceError(
            "expected the length of the particular circumstances of a query of our own; got none: Art. 4(3) asks for them: "
            "give the number of their characters"
        )

    def act() -> None:
        if side is Side.QUERYING:
            text = "x" * min(said, enough)  # longer is as good as long enough
            elsewhere = inputs["said_elsewhere"]
            life.open_query(
                query,
                text,
                arrangement,
                made_today=made,
                said_elsewhere=elsewhere,
                now=under.at,
                agreement=agreement,
            )
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
            "its revision, numbers and digest"
        )
    queried, on = Party(inputs["queried"]), under.at.date()
    rules = rules_in_force(on)
    asked = {"age_of_adult": rules.age_of_adult, "age_reference": rules.age_reference.value}
    found: dict[str, Any] = under.searched._asdict() | {"standing": None, "asked": asked}
    if inputs["standing"] is None:
        return "Annex II", found
    standing = facts.to_standing(inputs["standing"], on)
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


_SEARCHED: Final[Mapping[str, type]] = {
    "revision": int,
    "persons": int,
    "available": int,
    "digest": str,
}


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
    arrangement, querying, basis = under.agreed, Party(inputs["querying"]), facts.to_basis(inputs["basis"])
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
        life.request(exchange, message, arrangement, under.at, agreement=facts.to_agreement(inputs["termination"]))

    verdict = _attempt(act)
    # Art. 1(3): the law of either Party for Article 5; for the use that follows, the user's own (Article 8).
    found = verdict | _findings(basis.offences, under.at, (5, querying), (8, querying))
    found["listed"] = list(arrangement.items[exchange.queried])
    return verdict.get("article", "5(1)"), found


def _provision_without_request(inputs: Mapping[str, Any], under: Under) -> tuple[str, dict[str, Any]]:
    providing, basis = Party(inputs["providing"]), facts.to_basis(inputs["basis"])
    side, arrangement, agreement = Side(inputs["side"]), under.agreed, facts.to_agreement(inputs["termination"])

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
            conditions=facts.to_conditions(inputs["conditions"]),
        )
        elsewhere = inputs["said_elsewhere"]
        life.provide_unasked(message, side, arrangement, under.at, said_elsewhere=elsewhere, agreement=agreement)

    verdict = _attempt(act)
    return verdict.get("article", "6"), verdict | _findings(basis.offences, under.at, (6, providing))


def _reply(inputs: Mapping[str, Any], under: Under) -> tuple[str, dict[str, Any]]:
    requested, given, offered = tuple(inputs["requested"]), tuple(inputs["given"]), tuple(inputs["offered"])
    exchange = _exchange(
        under.at,
        Side(inputs["side"]),
        Party.JP,  # no rule on a reply asks which
        State(inputs["state"]),
        reference=_MATCH,
        request=_LEFT_OUT,
        requested_items=requested,
    )

    def act() -> None:
        message = Reply(
            control_number=_LEFT_OUT,
            made_at=under.at,
            salt=_LEFT_OUT,
            request=_LEFT_OUT if inputs["of_this_request"] else "another request",
            reference=_MATCH,
            items=tuple(Item(kind, _LEFT_OUT) for kind in given),
            offered=offered,
            conditions=facts.to_conditions(inputs["conditions"]),
            refusals=tuple(Refusal(Ground(each["ground"]), _LEFT_OUT, each["item"]) for each in inputs["refusals"]),
        )
        # Art. 5(2): "available at the time of receipt of the request"; only the queried side knows what was.
        if inputs["available"] is not None and (absent := {*given, *offered} - {*inputs["available"]}):
            raise FieldNotAllowedError(
                f"what is given was available when the request came ({', '.join(inputs['available']) or 'nothing'}); "
                f"{', '.join(sorted(absent))} was not: refuse it as not available"
            )
        life.reply(exchange, message, under.at, agreement=facts.to_agreement(inputs["termination"]))

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


_PRINTS: Final = frozenset({Content.PROBE, Content.CANDIDATE, Content.PICTURE, Content.ANALYSIS})


def _deletion(inputs: Mapping[str, Any], _: Under) -> tuple[str, dict[str, Any]]:
    at, kind = facts.to_holding(inputs), Content(inputs["kind"])
    permitted = kind in duties.permitted_in(at)
    clause = duties.CLAUSES.get((at.side, kind), "9")
    # Art. 10(2) is why, where nothing else is.
    others = {field.name: getattr(at, field.name) for field in fields(at)} | {"prints_restricted": False}
    if not permitted and kind in _PRINTS and kind in duties.permitted_in(duties.Standing(**others)):
        clause = "10(2)"
    return clause, {"destroyed": not permitted}


def _use(inputs: Mapping[str, Any], under: Under) -> tuple[str, dict[str, Any]]:
    stated, by, purpose = "as stated" if inputs["stated"] else "", Party(inputs["by"]), Purpose(inputs["purpose"])
    offences = facts.to_offences(inputs["offences"])
    verdict = may_use(
        facts.to_information(inputs["information"], stated, None),
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
    information = facts.to_information(inputs["information"], "", recipient)
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
