"""Every step of an exchange, and exactly what it changes: times, numbers, states, nothing else.

What each changes is kept in tests/pcsc/kept/steps.txt, and what is then owed and may be held in duties.txt: see tests/kept.py.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from annex.parameters import IN_FORCE, Party, rules_in_force
from pcsc import assistance, duties, ledger, life, matters, overview, retention
from pcsc.duties import Content
from pcsc.exchange import Exchange, Release, Side, State
from pcsc.matters import Measure
from pcsc.messages import PRINTS, Conclusion, Why
from pcsc.use import Information, Purpose, consents_of
from tests.builders import (
    ARSON,
    CIRCUMSTANCES,
    EUROPOL,
    INTERPOL,
    NOW,
    acceptance,
    arrangement,
    basis,
    breach_notice,
    capacity_answer,
    consent_decision,
    consent_request,
    consultation,
    correction_notice,
    determination,
    exchange,
    explanation,
    explanation_request,
    match,
    no_match,
    offer,
    provided_unasked,
    provision,
    query,
    refusal,
    release_request,
    reply,
    request,
    result_of_use,
    result_request,
    unasked,
    unasked_offer,
    use,
)
from tests.kept import compare

if TYPE_CHECKING:
    from collections.abc import Callable

AGREED: Final = arrangement()
LATER: Final = NOW + timedelta(days=3)
LONG_AFTER: Final = NOW + timedelta(days=100)
KEPT: Final = Path(__file__).parent / "kept"
RISK: Final = "The person is said to have set a second fire for tonight."
Pair = tuple[Exchange | None, Exchange | None]


def step(before: Exchange, act: Callable[[Exchange], Exchange]) -> Pair:
    return before, act(before)


def opening(made: Exchange | None) -> Pair:
    return None, made


def again(**changes: Any) -> Exchange:
    """Return a second request on the same match, after the first was answered."""
    message = request(**{"control_number": "JP261125-REQUEST2", **changes})
    return life.request(exchange(State.PROVIDED, Side.QUERIED), message, AGREED, LATER)


def urgent(side: Side = Side.QUERIED) -> Exchange:
    return life.request(exchange(State.WILL_REQUEST, side), request(risk=RISK), AGREED, NOW)


def capable(side: Side = Side.QUERYING) -> Exchange:
    return life.can_answer(exchange(State.REQUESTED, side), capacity_answer(), NOW)


def raised(message: Any, by: Party, state: State = State.PROVIDED, side: Side = Side.QUERYING) -> Exchange:
    return matters.raised(exchange(state, side), message, by, AGREED, NOW)


def released(*told: bool) -> Exchange:
    """Return an exchange whose name was given on, to INTERPOL and to Europol."""
    made = [
        Release(to, "8(7)", NOW, ("name",), is_told) for to, is_told in zip((INTERPOL, EUROPOL), told, strict=False)
    ]
    return exchange(State.PROVIDED, releases=tuple(made))


def corrected(measure: Measure, notice: Any = None, **changes: Any) -> Pair:
    at = replace(raised(notice or correction_notice(), Party.US), **changes)
    return step(at, lambda at: matters.measure_taken(at, "US261222-CORRECT1", measure, LATER))


def used() -> Exchange:
    at = ledger.use(exchange(State.PROVIDED), use(), NOW)
    return ledger.use(at, use(purpose="immigration", clause="8(5)(1)(c)"), NOW)


def review() -> assistance.EmergencyReview:
    emergency = assistance.Emergency(RISK, "the duty officer", NOW)
    return assistance.EmergencyReview(emergency, assistance.Outcome.UNJUSTIFIED, "No fire.", "the chief", LATER.date())


OPENINGS: Final[dict[str, Callable[[], Exchange | None]]] = {
    "a query of ours": lambda: life.open_query(query(), CIRCUMSTANCES, AGREED, made_today=0, now=LATER),
    "a query of the other Party": lambda: life.receive_query(query(), AGREED, made_today=0, now=LATER),
    "a query that was turned away": lambda: life.turned_away(query(), AGREED, LATER),
    "a provision that was turned away": lambda: life.turned_away(unasked_offer(), AGREED, LATER),
    "turned away on the first day": lambda: life.turned_away(query(), AGREED, datetime(2019, 1, 5, tzinfo=UTC)),
    "turned away on the day before": lambda: life.turned_away(query(), AGREED, datetime(2019, 1, 4, tzinfo=UTC)),
    "a breach of ours": lambda: life.open_notice(breach_notice(), Side.QUERYING, AGREED, LATER),
    "a breach of the other Party": lambda: life.open_notice(
        breach_notice(raised_by=Party.US), Side.QUERIED, AGREED, LATER
    ),
    "consultations": lambda: life.open_notice(consultation(), Side.QUERYING, AGREED, LATER),
    "information without request, received": lambda: life.provide_unasked(unasked(), Side.QUERYING, AGREED, LATER),
    "information without request, given": lambda: life.provide_unasked(unasked(), Side.QUERIED, AGREED, LATER),
    "information without request, offered": lambda: life.provide_unasked(unasked_offer(), Side.QUERYING, AGREED, LATER),
}
LIFE: Final[dict[str, Callable[[], Pair]]] = {
    "a match": lambda: step(exchange(), lambda at: life.answered(at, match(), LATER)),
    "no match": lambda: step(exchange(), lambda at: life.answered(at, no_match(), LATER)),
    "an examination": lambda: step(
        exchange(State.MATCH), lambda at: life.examine(at, Conclusion.IDENTIFICATION, "examiner 7", LATER)
    ),
    "another examination": lambda: step(
        exchange(State.EXAMINED), lambda at: life.examine(at, Conclusion.EXCLUSION, "examiner 8", LATER)
    ),
    "a request will follow": lambda: step(
        exchange(State.EXAMINED), lambda at: life.determine(at, will_request=True, now=LATER)
    ),
    "no request will follow": lambda: step(
        exchange(State.MATCH), lambda at: life.determine(at, will_request=False, now=LATER)
    ),
    "no request will follow, it says": lambda: step(
        exchange(State.MATCH, Side.QUERIED), lambda at: life.determine(at, will_request=False, now=LATER)
    ),
    "a notice that the request overtook": lambda: step(
        exchange(State.REQUESTED, Side.QUERIED), lambda at: life.determine(at, will_request=True, now=LATER)
    ),
    "a notice after the lapse": lambda: step(
        exchange(State.LAPSED, Side.QUERIED), lambda at: life.determine(at, will_request=False, now=LATER)
    ),
    "a request": lambda: step(
        exchange(State.WILL_REQUEST), lambda at: life.request(at, request(risk=RISK), AGREED, LATER)
    ),
    "a request, received, urgent": lambda: step(
        exchange(State.NO_REQUEST, Side.QUERIED), lambda at: life.request(at, request(risk=RISK), AGREED, LATER)
    ),
    "a second request, urgent as the first": lambda: step(
        life.reply(urgent(), reply(), NOW),
        lambda at: life.request(at, request(control_number="JP261125-REQUEST2", risk=RISK), AGREED, LATER),
    ),
    "a second request after a capacity answer": lambda: step(
        life.reply(capable(), reply(), NOW),
        lambda at: life.request(at, request(control_number="JP261125-REQUEST2"), AGREED, LATER),
    ),
    "a capacity answer": lambda: step(
        exchange(State.REQUESTED), lambda at: life.can_answer(at, capacity_answer(), LATER)
    ),
    "a capacity answer that the reply overtook": lambda: step(
        exchange(State.PROVIDED), lambda at: life.can_answer(at, capacity_answer(), LATER)
    ),
    "a reply that gives": lambda: step(exchange(State.REQUESTED), lambda at: life.reply(at, reply(), LATER)),
    "a reply that offers": lambda: step(exchange(State.REQUESTED), lambda at: life.reply(at, offer(), LATER)),
    "a reply that refuses": lambda: step(
        exchange(State.REQUESTED), lambda at: life.reply(at, reply(items=(), refusals=(refusal(),)), LATER)
    ),
    "a reply to a second request": lambda: step(
        again(), lambda at: life.reply(at, reply(control_number="US261125-REPLY2", request="JP261125-REQUEST2"), LATER)
    ),
    "an acceptance": lambda: step(exchange(State.OFFERED), lambda at: life.accept(at, acceptance(), LATER)),
    "a decline": lambda: step(exchange(State.OFFERED), lambda at: life.accept(at, acceptance(accepted=False), LATER)),
    "a provision": lambda: step(
        life.accept(exchange(State.OFFERED), acceptance(), NOW), lambda at: life.provide(at, provision(), LATER)
    ),
    "the end": lambda: step(exchange(State.PROVIDED), lambda at: life.close(at, LATER)),
    "the end of a notice": lambda: step(exchange(State.OPEN), lambda at: life.close(at, LATER)),
    "a lapse": lambda: step(exchange(State.MATCH), lambda at: life.lapse(at, LATER)),
    "a lapse of what was provided": lambda: step(
        exchange(State.PROVIDED, Side.QUERIED), lambda at: life.lapse(at, LATER)
    ),
    "a lapse of a query": lambda: step(exchange(), lambda at: life.lapse(at, LATER)),
}
NOT_ACCEPTED: Final[dict[str, Callable[[], Pair]]] = {
    "a query was not accepted": lambda: step(exchange(), lambda at: life.not_accepted(at, query(), LATER)),
    "a request was not accepted": lambda: step(
        exchange(State.REQUESTED), lambda at: life.not_accepted(at, request(), LATER)
    ),
    "a second request was not accepted": lambda: step(
        life.request(exchange(State.PROVIDED), replace(request(), control_number="JP261125-REQUEST2"), AGREED, NOW),
        lambda at: life.not_accepted(at, request(control_number="JP261125-REQUEST2"), LATER),
    ),
    "another request was not accepted": lambda: step(
        exchange(State.REQUESTED), lambda at: life.not_accepted(at, request(control_number="another"), LATER)
    ),
    "a capacity answer was not accepted": lambda: step(
        capable(Side.QUERIED), lambda at: life.not_accepted(at, capacity_answer(), LATER)
    ),
    "a capacity answer to another request was not accepted": lambda: step(
        capable(Side.QUERIED), lambda at: life.not_accepted(at, capacity_answer(request="another"), LATER)
    ),
    "an acceptance was not accepted": lambda: step(
        life.accept(exchange(State.OFFERED), acceptance(), NOW),
        lambda at: life.not_accepted(at, acceptance(), LATER),
    ),
    "a decline was not accepted": lambda: step(
        exchange(State.DECLINED), lambda at: life.not_accepted(at, acceptance(accepted=False), LATER)
    ),
    "information without request was not accepted": lambda: step(
        provided_unasked(Side.QUERIED), lambda at: life.not_accepted(at, unasked(), LATER)
    ),
    "a breach notice was not accepted": lambda: step(
        exchange(State.OPEN), lambda at: life.not_accepted(at, breach_notice(), LATER)
    ),
    "consultations were not accepted": lambda: step(
        exchange(State.OPEN), lambda at: life.not_accepted(at, consultation(), LATER)
    ),
    "a determination was not accepted": lambda: step(
        exchange(State.WILL_REQUEST), lambda at: life.not_accepted(at, determination(), LATER)
    ),
    "a question was not accepted": lambda: step(
        matters.raised(raised(result_request(), Party.US), release_request(), Party.JP, AGREED, NOW),
        lambda at: life.not_accepted(at, release_request(), LATER),
    ),
    "an answer was not accepted": lambda: step(
        matters.settled(
            matters.raised(raised(result_request(), Party.US), consent_request(), Party.JP, AGREED, NOW),
            consent_decision(),
            Party.US,
            NOW,
        ),
        lambda at: life.not_accepted(at, consent_decision(), LATER),
    ),
}
MATTERS: Final[dict[str, Callable[[], Pair]]] = {
    "an explanation is asked for": lambda: step(
        exchange(State.NO_REQUEST, Side.QUERIED),
        lambda at: matters.raised(at, explanation_request(), Party.US, AGREED, LATER),
    ),
    "an explanation is asked for on the last reasonable day": lambda: step(
        exchange(State.NO_REQUEST, Side.QUERIED),
        lambda at: matters.raised(at, explanation_request(), Party.US, AGREED, NOW + timedelta(days=60)),
    ),
    "an explanation is asked for late": lambda: step(
        exchange(State.MATCH, Side.QUERIED),
        lambda at: matters.raised(at, explanation_request(), Party.US, AGREED, LONG_AFTER),
    ),
    "a result is asked for": lambda: step(
        exchange(State.PROVIDED), lambda at: matters.raised(at, result_request(), Party.US, AGREED, LATER)
    ),
    "consent to a use is asked for": lambda: step(
        exchange(State.PROVIDED), lambda at: matters.raised(at, consent_request(), Party.JP, AGREED, LATER)
    ),
    "consent to a release is asked for": lambda: step(
        exchange(State.MATCH, Side.QUERIED),
        lambda at: matters.raised(at, release_request(), Party.US, AGREED, LATER),
    ),
    "something received is incorrect": lambda: step(
        exchange(State.PROVIDED), lambda at: matters.raised(at, correction_notice(), Party.US, AGREED, LATER)
    ),
    "something given is incorrect": lambda: step(
        exchange(State.PROVIDED, Side.QUERIED),
        lambda at: matters.raised(at, correction_notice(), Party.US, AGREED, LATER),
    ),
    "prints are unreliable": lambda: step(
        exchange(State.MATCH, Side.QUERIED, restricted=("name",)),
        lambda at: matters.raised(at, correction_notice(concerns=(PRINTS, "name")), Party.US, AGREED, LATER),
    ),
    "an explanation": lambda: step(
        raised(explanation_request(), Party.US, State.NO_REQUEST, Side.QUERIED),
        lambda at: matters.settled(at, explanation(), Party.JP, LATER),
    ),
    "a result of two uses": lambda: step(
        raised(result_request(), Party.US),
        lambda at: matters.settled(at, result_of_use(uses=(use(), use())), Party.JP, LATER),
    ),
    "a result of no use": lambda: step(
        raised(result_request(), Party.US), lambda at: matters.settled(at, result_of_use(uses=()), Party.JP, LATER)
    ),
    "a consent": lambda: step(
        raised(consent_request(), Party.JP), lambda at: matters.settled(at, consent_decision(), Party.US, LATER)
    ),
    "a consent withheld": lambda: step(
        matters.raised(raised(result_request(), Party.US), consent_request(), Party.JP, AGREED, NOW),
        lambda at: matters.settled(at, consent_decision(granted=False, reason="No."), Party.US, LATER),
    ),
    "a correction": lambda: corrected(Measure.CORRECTION, releases=released(True, False).releases),
    "a deletion": lambda: corrected(Measure.DELETION, correction_notice(concerns=("name", PRINTS))),
    "non-disclosure": lambda: corrected(Measure.NON_DISCLOSURE, restricted=("sex", "name")),
    "a recipient is told": lambda: step(released(False, False), lambda at: matters.told(at, "INTERPOL", LATER)),
    "a report is made": lambda: step(
        raised(consent_request(), Party.JP),
        lambda at: matters.reported(at, "JP261222-CONSENT1", " NPSC-1 ", LATER),
    ),
    "urgency is reviewed": lambda: step(
        life.reply(urgent(), reply(), NOW), lambda at: matters.urgency_reviewed(at, review(), LATER)
    ),
}
LEDGER: Final[dict[str, Callable[[], Pair]]] = {
    "a use": lambda: step(
        exchange(State.PROVIDED), lambda at: ledger.use(at, use(purpose="immigration", clause="8(5)(1)(c)"), LATER)
    ),
    "a result is entered": lambda: step(used(), lambda at: ledger.result(at, 2, "Entry was refused.", LATER)),
    "a release": lambda: step(
        exchange(State.PROVIDED), lambda at: ledger.release(at, Release(INTERPOL, "8(7)", LATER, ("name",)), LATER)
    ),
    "a purpose ends": lambda: step(used(), lambda at: ledger.end_purpose(at, Purpose.NOTIFIED, LATER)),
    "the last purpose ends": lambda: step(
        exchange(State.PROVIDED), lambda at: ledger.end_purpose(at, Purpose.NOTIFIED, LATER)
    ),
    "the last purpose ends, and more is requested": lambda: step(
        exchange(State.REQUESTED, open_purposes=("notified",)),
        lambda at: ledger.end_purpose(at, Purpose.NOTIFIED, LATER),
    ),
    "a review": lambda: step(exchange(State.PROVIDED), lambda at: ledger.review(at, "the head of unit", LATER)),
}
STEPS: Final[dict[str, Callable[[], Pair]]] = {**LIFE, **NOT_ACCEPTED, **MATTERS, **LEDGER}


def told(value: object) -> str:
    """Return a value in few words: of a record, the fields that differ from what they are when nothing is said."""
    if is_dataclass(value) and not isinstance(value, type):
        said = [each for each in fields(value) if getattr(value, each.name) != each.default]
        return f"{type(value).__name__}({', '.join(f'{each.name}={told(getattr(value, each.name))}' for each in said)})"
    if isinstance(value, tuple):
        return f"[{', '.join(map(told, value))}]"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    return str(value) if isinstance(value, date) else repr(value)


def change(name: str) -> str:
    """Return what a step changes, field by field."""
    before, after = STEPS[name]()
    changed = [each.name for each in fields(Exchange) if getattr(before, each.name) != getattr(after, each.name)]
    lines = [f"  {each}: {told(getattr(before, each))} -> {told(getattr(after, each))}" for each in changed]
    return "\n".join([name, *(lines or ["  nothing"])])


def opened(name: str) -> str:
    """Return all that an opening sets."""
    made = OPENINGS[name]()
    set_ = [] if made is None else [each for each in fields(Exchange) if getattr(made, each.name) != each.default]
    return "\n".join([name, *([f"  {each.name}: {told(getattr(made, each.name))}" for each in set_] or ["  nothing"])])


def test_every_step_changes_what_it_changed_when_that_was_last_read_over() -> None:
    compare(KEPT / "steps.txt", "\n\n".join([*map(opened, OPENINGS), *map(change, STEPS)]))


@pytest.mark.parametrize("name", STEPS)
def test_every_step_that_changes_something_says_when(name: str) -> None:
    before, after = STEPS[name]()
    assert after is not None
    assert before == after or after.last_event_at > NOW
    assert after.since >= NOW


# What is owed and held then


WAITING: Final[dict[str, Callable[[], Exchange]]] = {
    **{
        f"{state}, {side}": lambda state=state, side=side: exchange(state, side)  # type: ignore[misc]  # bound here
        for side in Side
        for state in State
    },
    "urgent request": urgent,
    "urgent request of ours": lambda: urgent(Side.QUERYING),
    "urgency to be reviewed": lambda: life.reply(urgent(), reply(), NOW),
    "a part is expected": capable,
    "what is requested is expected": lambda: replace(capable(), capacity=assistance.Capacity.ACCEPTED),
    "what is requested cannot be given": lambda: replace(
        capable(), capacity=assistance.Capacity.CANNOT, expected_on=None
    ),
    "a second examination": lambda: life.examine(exchange(State.EXAMINED), Conclusion.EXCLUSION, "examiner 8", LATER),
    "a breach": lambda: life.open_notice(breach_notice(), Side.QUERYING, AGREED, LATER),
    "reviewed": lambda: ledger.review(exchange(State.PROVIDED), "the head of unit", LATER),
    "nothing needed": lambda: replace(exchange(State.PROVIDED), open_purposes=()),
    "prints restricted": lambda: exchange(State.MATCH, Side.QUERIED, restricted=(PRINTS,)),
    "hold ended": lambda: exchange(State.REQUESTED, Side.QUERIED, hold_ended=True),
    "hold ended, and provided": lambda: exchange(State.PROVIDED, Side.QUERIED, hold_ended=True),
    "given, and prints restricted": lambda: exchange(State.PROVIDED, Side.QUERIED, restricted=(PRINTS,)),
    "responded": again,
    "lapsed, and asked": lambda: raised(explanation_request(), Party.US, State.LAPSED, Side.QUERIED),
    "explanation asked of us": lambda: raised(explanation_request(), Party.US, State.NO_REQUEST),
    "explanation not accepted": lambda: life.not_accepted(
        raised(explanation_request(), Party.US, State.NO_REQUEST, Side.QUERIED), explanation_request(), LATER
    ),
    "Japan may not leave a match unexplained": lambda: replace(
        exchange(State.NO_REQUEST, Side.QUERIED), querying=Party.US
    ),
    "result asked of us": lambda: raised(result_request(), Party.US),
    "consent asked by us": lambda: raised(consent_request(), Party.JP),
    "consent asked of Japan and given": lambda: matters.settled(
        replace(raised(release_request(), Party.US, State.MATCH, Side.QUERIED), side=Side.QUERYING),
        consent_decision(),
        Party.JP,
        LATER,
    ),
    "correction": lambda: raised(correction_notice(), Party.US),
    "two to be told": lambda: replace(
        matters.measure_taken(raised(correction_notice(), Party.US), "US261222-CORRECT1", Measure.DELETION, LATER),
        releases=released(False, False).releases,
    ),
    "to be told, of a measure before a consent": lambda: replace(
        matters.settled(
            matters.raised(
                matters.measure_taken(
                    raised(correction_notice(), Party.US), "US261222-CORRECT1", Measure.DELETION, NOW
                ),
                consent_request(),
                Party.JP,
                AGREED,
                NOW,
            ),
            consent_decision(),
            Party.US,
            LATER,
        ),
        releases=released(False).releases,
    ),
    "accepted, and not given yet": lambda: life.accept(exchange(State.OFFERED, Side.QUERIED), acceptance(), LATER),
    "accepted, and given": lambda: life.provide(
        life.accept(exchange(State.OFFERED, Side.QUERIED), acceptance(), NOW), provision(), LATER
    ),
    "to be told, of no measure in the ledger": lambda: released(False),
    "information without request": provided_unasked,
}


def waiting(name: str) -> str:
    """Return what is owed in an exchange, what may be held for it, when its hold ends and until when its record is kept."""
    at, rules = WAITING[name](), rules_in_force(IN_FORCE)
    lines = [told(duties.standing(at)), f"held: {', '.join(sorted(duties.permitted(at)))}"]
    lines += [told(duty) for duty in duties.due(at, AGREED, rules)]
    days = [day for day in range(200) if duties.overstays(at, AGREED, NOW + timedelta(days=day))]
    lines.append(f"overstays: {f'from day {days[0]}' if days else 'never'}")
    lines.append(f"kept until: {told(retention.ends_at(at, AGREED))}")
    return "\n  ".join([name, *lines])


def test_what_is_owed_and_held_is_what_it_was_when_that_was_last_read_over() -> None:
    compare(KEPT / "duties.txt", "\n\n".join(map(waiting, WAITING)))


def test_8_1_a_hold_ends_in_the_second_in_which_its_days_are_over() -> None:
    for name, days in (("match, queried", 30), ("provided, queried", 30), ("sent, querying", 30)):
        end = NOW + timedelta(days=days)
        assert not duties.overstays(WAITING[name](), AGREED, end - timedelta(seconds=1))
        assert duties.overstays(WAITING[name](), AGREED, end)


def test_what_is_held_is_told_by_kind_with_what_ends_it() -> None:
    held = [(make(), kind) for make in WAITING.values() for kind in Content]
    lines = []
    for day in (0, 89, 90, 91, 730, 731):
        found = overview.overview(held, AGREED, rules_in_force(IN_FORCE), NOW + timedelta(days=day))
        lines += [f"day {day}", *map(told, found)]
    compare(KEPT / "holdings.txt", "\n".join(lines))


@pytest.mark.parametrize(
    ("made", "article"), [(exchange(State.PROVIDED), 5), (provided_unasked(), 6)], ids=["requested", "without request"]
)
def test_what_was_provided_is_information_under_its_article_with_its_conditions(made: Exchange, article: int) -> None:
    conditions = offer().conditions
    name = frozenset({"name"})
    assert Information.provided_in(made, conditions, {"name"}) == Information(article, conditions, kinds=name)
    restricted = replace(made, restricted=("name",), provided_at=None)
    assert Information.provided_in(restricted, (), {"name"}) == Information(
        article, accepted=False, restricted=True, kinds=name
    )
    assert not Information.provided_in(restricted, (), {"name", "sex"}).restricted
    assert not Information.provided_in(restricted, (), set()).restricted


def test_consents_are_those_that_the_other_party_gave_us() -> None:
    given = matters.settled(raised(consent_request(), Party.JP), consent_decision(), Party.US, LATER)
    (consent,) = consents_of(given)
    matter = given.matters[0]
    assert (consent.to, consent.purpose, consent.recipient, consent.given_at) == (
        matter.to,
        matter.purpose,
        None,
        LATER,
    )
    assert consents_of(replace(given, side=Side.QUERIED)) == ()
    assert consents_of(raised(consent_request(), Party.JP)) == ()


@pytest.mark.parametrize(
    ("conclusion", "why"),
    [
        (Conclusion.EXCLUSION, Why.EXCLUDED),
        (Conclusion.INCONCLUSIVE, Why.INCONCLUSIVE),
        (Conclusion.IDENTIFICATION, Why.OTHER),
        (None, Why.OTHER),
    ],
)
def test_4_6_an_explanation_is_drafted_from_the_exchange(conclusion: Conclusion | None, why: Why) -> None:
    at = exchange(State.NO_REQUEST, conclusion=conclusion)
    at = replace(at, basis=basis(ARSON, ARSON))
    assert matters.explanation_of(at) == (
        (
            "investigation of serious crime by Hokkaido Prefectural Police, First Investigation Division: reason to inquire "
            f"whether the individual has committed a serious crime; {ARSON}; {ARSON}"
        ),
        why,
    )
