"""Sound values of everything that crosses between the contact points, made with one word changed at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from annex.offences import Category, Offence, Penalty
from annex.parameters import Party
from pcsc import assistance, life
from pcsc.arrangement import Arrangement
from pcsc.exchange import Exchange, Side, State
from pcsc.messages import (
    Acceptance,
    Activity,
    Authority,
    Basis,
    BreachNotice,
    CapacityAnswer,
    Checkpoints,
    Conclusion,
    Condition,
    ConsentDecision,
    ConsentRequest,
    ConsentTo,
    Consultation,
    ConsultationOn,
    CorrectionNotice,
    Determination,
    Expectation,
    Explanation,
    ExplanationRequest,
    Fault,
    Ground,
    Item,
    Match,
    NoMatch,
    OutageNotice,
    OutageReason,
    Provision,
    ProvisionWithoutRequest,
    Query,
    Reachability,
    Receipt,
    Recipient,
    RecipientKind,
    Refusal,
    Reply,
    Request,
    ResultOfUse,
    ResultRequest,
    Search,
    Step,
    Use,
    Why,
    WrittenNotification,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW: Final = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
SALT: Final = "5a" * 32
QUERY: Final = "JP261122-AAAABBBBCCCCDDDD"
UNASKED: Final = "US261122-UNASKED1"
REFERENCE: Final = "K5XW6YLTMVXGIZLSMFXGIZLS"
CIRCUMSTANCES: Final = "Seen leaving the warehouse an hour before the fire, with a burnt hand."
PROBE: Final = b"the prints of the query"
CANDIDATE: Final = b"the prints that match"

ARSON: Final = Offence("arson", Party.JP, "Penal Code, Art. 109", Penalty(months=240), Category.ARSON)
US_ARSON: Final = Offence("arson", Party.US, "18 U.S.C. 81", Penalty(months=300), Category.ARSON)
INSULT: Final = Offence("insult", Party.JP, "Penal Code, Art. 231", Penalty(months=12))

POLICE: Final = Authority("Hokkaido Prefectural Police", "First Investigation Division", "HKD-1", "Hokkaido")
FBI: Final = Authority("Federal Bureau of Investigation", "Criminal Division", "FBI-1", "United States")
INTERPOL: Final = Recipient(RecipientKind.BODY, "INTERPOL")
EUROPOL: Final = Recipient(RecipientKind.BODY, "Europol")

DOCUMENT: Final[Mapping[str, Any]] = {
    "version": "test-1",
    "in_force_from": date(2019, 1, 5),
    "queries_per_day": {"tenprint": 100, "latent": 20},
    "candidates": {"tenprint": 1, "latent": 1},
    "false_positive_identification_rate": 0.001,
    "circumstances_characters": 40,
    "urgency_characters": 40,
    "answer_hours": 24,
    "examination_days": 5,
    "determination_days": 10,
    "follow_up_days": 30,
    "explanation_request_days": 30,
    "explanation_reply_days": 14,
    "reply_days": 10,
    "urgent_reply_hours": 48,
    "acceptance_days": 10,
    "consent_reply_days": 14,
    "result_reply_days": 30,
    "review_days": 90,
    "correction_hours": 48,
    "breach_notice_hours": 24,
    "consultation_days": 365,
    "record_months": 24,
    "notification": ["purpose", "case reference", "authority", "offences", "items", "signed by"],
    "items": {"JP": ["name", "date of birth"], "US": ["name", "date of birth", "aliases"]},
}


def arrangement(**changes: Any) -> Arrangement:
    """Return an implementing arrangement."""
    return Arrangement.from_mapping({**DOCUMENT, **changes})


def basis(*offences: Offence, political: bool = False) -> Basis:
    """Return a basis; of arson under Japanese law where no offence is given."""
    return Basis(Activity.INVESTIGATION, offences or (ARSON,), political)


def query(**changes: Any) -> Query:
    """Return a query of Japan."""
    made = Query(QUERY, NOW, SALT, Party.JP, POLICE, True, Search.TENPRINT, basis(), Expectation.HAS_COMMITTED, PROBE)
    return replace(made, **changes)


def match(**changes: Any) -> Match:
    """Return a match to it."""
    return replace(Match(QUERY, NOW, SALT, REFERENCE, CANDIDATE), **changes)


def no_match(**changes: Any) -> NoMatch:
    """Return the answer that there is none."""
    return replace(NoMatch(QUERY, NOW, SALT), **changes)


def determination(**changes: Any) -> Determination:
    """Return the notice that further information will be requested."""
    return replace(Determination("JP261122-DETERMINATION1", NOW, SALT, REFERENCE, will_request=True), **changes)


def notification(**changes: Any) -> WrittenNotification:
    """Return the written notification of a request for a name."""
    made = WrittenNotification(
        "To identify the person seen at the fire.", "HKD-2026-77", ("name",), basis(), "the duty officer"
    )
    return replace(made, **changes)


def request(**changes: Any) -> Request:
    """Return a request for further information."""
    return replace(Request("JP261122-REQUEST1", NOW, SALT, REFERENCE, POLICE, notification()), **changes)


def capacity_answer(**changes: Any) -> CapacityAnswer:
    """Return the answer of the queried side that it can give a part of it, in ten days."""
    partly = assistance.CapacityAnswer(
        assistance.Capacity.PARTLY, date(2026, 12, 2), (assistance.Lack.RESOURCES,), "The archive is on paper."
    )
    made = CapacityAnswer("US261122-CAPACITY1", NOW, SALT, "JP261122-REQUEST1", REFERENCE, partly)
    return replace(made, **changes)


def reply(**changes: Any) -> Reply:
    """Return a reply that gives the name."""
    made = Reply("US261122-REPLY001", NOW, SALT, "JP261122-REQUEST1", REFERENCE, items=(Item("name", "Richard Roe"),))
    return replace(made, **changes)


def offer(*, forbids: tuple[str, ...] = ("immigration",), **changes: Any) -> Reply:
    """Return a reply that offers the name under a condition."""
    condition = Condition("Not for immigration-related purposes.", forbids)
    return reply(**{"items": (), "offered": ("name",), "conditions": (condition,), **changes})


def refusal(ground: Ground = Ground.LAW, reason: str = "Section 7 of the Act.", item: str | None = None) -> Refusal:
    """Return a refusal, of the whole request where no item is named."""
    return Refusal(ground, reason, item)


def acceptance(**changes: Any) -> Acceptance:
    """Return the acceptance of an offer."""
    made = Acceptance(
        "JP261122-ACCEPT01", NOW, SALT, "US261122-REPLY001", REFERENCE, accepted=True, signed_by="the duty officer"
    )
    return replace(made, **changes)


def provision(**changes: Any) -> Provision:
    """Return what was offered, after its acceptance."""
    made = Provision("JP261122-ACCEPT01", NOW, SALT, "US261122-REPLY001", REFERENCE, (Item("name", "Richard Roe"),))
    return replace(made, **changes)


def unasked(**changes: Any) -> ProvisionWithoutRequest:
    """Return a name that the United States gives Japan without request."""
    made = ProvisionWithoutRequest(
        UNASKED,
        NOW,
        SALT,
        Party.US,
        FBI,
        basis(US_ARSON),
        Expectation.WILL_COMMIT,
        "A letter found at the home of a suspect names him and the building.",
        "FBI-2026-12",
        items=(Item("name", "Richard Roe"),),
    )
    return replace(made, **changes)


def provided_unasked(side: Side = Side.QUERYING) -> Exchange:
    """Return the exchange that it opens."""
    return life.provide_unasked(unasked(), side, arrangement(), NOW)


def unasked_offer(*, forbids: tuple[str, ...] = ("immigration",), **changes: Any) -> ProvisionWithoutRequest:
    """Return the same, offered under a condition."""
    condition = Condition("Not for immigration-related purposes.", forbids)
    return unasked(**{"items": (), "offered": ("name",), "conditions": (condition,), **changes})


def explanation_request(**changes: Any) -> ExplanationRequest:
    """Return the question of the queried side what its query was for."""
    return replace(ExplanationRequest("US261222-EXPLAIN1", NOW, SALT, REFERENCE), **changes)


def explanation(**changes: Any) -> Explanation:
    """Return the answer to it."""
    made = Explanation(
        "JP261223-EXPLAIN1",
        NOW,
        SALT,
        "US261222-EXPLAIN1",
        REFERENCE,
        "Investigation of an arson in Sapporo.",
        Why.EXCLUDED,
        "The examiner found another finger.",
        "the duty officer",
    )
    return replace(made, **changes)


def result_request(**changes: Any) -> ResultRequest:
    """Return the question of the providing side what came of its information."""
    return replace(ResultRequest("US261222-RESULT01", NOW, SALT, REFERENCE), **changes)


def use(**changes: Any) -> Use:
    """Return a use for the notified purpose, as the ledger keeps it."""
    return replace(Use("notified", "5(1)", NOW.date()), **changes)


def result_of_use(**changes: Any) -> ResultOfUse:
    """Return the answer to it: one use."""
    made = ResultOfUse("JP261223-RESULT01", NOW, SALT, "US261222-RESULT01", REFERENCE, (use(result="He was charged."),))
    return replace(made, **changes)


def consent_request(**changes: Any) -> ConsentRequest:
    """Return the request of the querying side for consent to another use."""
    made = ConsentRequest(
        *("JP261222-CONSENT1", NOW, SALT, REFERENCE, ConsentTo.USE),
        purpose="An inquest into the fire.",
        kinds=("name",),
        signed_by="the duty officer",
    )
    return replace(made, **changes)


def release_request(recipient: Recipient | None = None, **changes: Any) -> ConsentRequest:
    """Return its request for consent to a release, to INTERPOL where nobody else is named."""
    to = {"to": ConsentTo.RELEASE, "recipient": recipient or INTERPOL, "purpose": "A notice."}
    return consent_request(**{**to, **changes})


def consent_decision(**changes: Any) -> ConsentDecision:
    """Return the decision to consent."""
    made = ConsentDecision(
        "US261223-CONSENT1", NOW, SALT, "JP261222-CONSENT1", REFERENCE, granted=True, reason="", signed_by="the chief"
    )
    return replace(made, **changes)


def correction_notice(**changes: Any) -> CorrectionNotice:
    """Return the notice that the name is not right."""
    made = CorrectionNotice(
        "US261222-CORRECT1",
        NOW,
        SALT,
        REFERENCE,
        ("name",),
        Fault.INCORRECT,
        "Two records were merged by mistake.",
        "the duty officer",
    )
    return replace(made, **changes)


def breach_notice(**changes: Any) -> BreachNotice:
    """Return the notice that the protection of a match was breached."""
    made = BreachNotice(
        "JP261122-BREACH01",
        NOW,
        SALT,
        Party.JP,
        NOW,
        "A disk was lost in transport.",
        "Its keys were destroyed.",
        (REFERENCE,),
        "the duty officer",
    )
    return replace(made, **changes)


def consultation(**changes: Any) -> Consultation:
    """Return the request for consultations on the implementation."""
    made = Consultation(
        "JP261122-CONSULT1",
        NOW,
        SALT,
        Party.JP,
        ConsultationOn.IMPLEMENTATION,
        "The number of queries a day.",
        "the head of unit",
    )
    return replace(made, **changes)


def outage_notice(**changes: Any) -> OutageNotice:
    """Return the notice of a planned outage of two hours."""
    begins = NOW + timedelta(hours=1)
    made = OutageNotice(
        "JP261122-OUTAGE01", NOW, SALT, Party.JP, True, begins, begins + timedelta(hours=2), OutageReason.MAINTENANCE
    )
    return replace(made, **changes)


def reachability(**changes: Any) -> Reachability:
    """Return the question whether the other contact point is there."""
    return replace(Reachability("JP261122-REACH001", NOW, SALT), **changes)


def checkpoints(**changes: Any) -> Checkpoints:
    """Return what one contact point says of its record, with a proof and a receipt, in form alone."""
    made = Checkpoints(
        "JP261122-CHECKPT1", NOW, SALT, "2026-11 3", (Step("a note", ("5a", "5b")),), "theirs", ("done",)
    )
    return replace(made, **changes)


def receipt(**changes: Any) -> Receipt:
    """Return a receipt for a request."""
    return replace(Receipt("JP261122-REQUEST1", NOW, SALT), **changes)


def exchange(state: State = State.SENT, side: Side = Side.QUERYING, **changes: Any) -> Exchange:
    """Return an exchange as it is in a state, reached by its shortest way."""
    return replace(_reached(state, side), **changes)


def _reached(state: State, side: Side) -> Exchange:
    """Take the steps to a state, in the order of the agreement."""
    if side is Side.QUERYING:
        at = life.open_query(query(), CIRCUMSTANCES, arrangement(), made_today=0, now=NOW)
    else:
        at = life.receive_query(query(), arrangement(), made_today=0, now=NOW)
    if state is State.SENT:
        return at
    if state is State.OPEN:
        return life.open_notice(consultation(), side, arrangement(), NOW)
    if state is State.NO_MATCH:
        return life.answered(at, no_match(), NOW)
    at = life.answered(at, match(), NOW)
    if state is State.MATCH:
        return at
    if state is State.LAPSED:
        return life.lapse(at, NOW)
    if side is Side.QUERYING:
        at = life.examine(at, Conclusion.IDENTIFICATION, "examiner 7", NOW)
    if state is State.EXAMINED:
        return at
    if state is State.NO_REQUEST:
        return life.determine(at, will_request=False, now=NOW)
    at = life.determine(at, will_request=True, now=NOW)
    return at if state is State.WILL_REQUEST else _answered(life.request(at, request(), arrangement(), NOW), state)


def _answered(requested: Exchange, state: State) -> Exchange:
    """Take the steps that follow a request."""
    if state is State.REQUESTED:
        return requested
    if state is State.REFUSED:
        return life.reply(requested, reply(items=(), refusals=(refusal(),)), NOW)
    if state is State.PROVIDED:
        return life.reply(requested, reply(), NOW)
    if state is State.CLOSED:
        return life.close(life.reply(requested, reply(), NOW), NOW)
    offered = life.reply(requested, offer(), NOW)
    return offered if state is State.OFFERED else life.accept(offered, acceptance(accepted=False), NOW)
