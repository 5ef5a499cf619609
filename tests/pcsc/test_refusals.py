"""Every refusal, word for word: what was expected, what came, why, with the clause, and what to do.

The words are kept in tests/pcsc/kept/refusals-*.txt, a file per module: see tests/kept.py.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from annex.offences import Category, Offence, Penalty
from annex.parameters import Party, rules_in_force
from pcsc import assistance, ledger, life, matters, retention, statistics
from pcsc.agreement import Agreement, Termination
from pcsc.arrangement import Arrangement, Arrangements
from pcsc.assistance import Capacity, Emergency, EmergencyReview, Lack, Means, Preservation, Transmission
from pcsc.authorities import (
    Directory,
    Entry,
    Function,
    LegalBasis,
    Link,
    Partner,
    Section,
    Sheet,
    Source,
    Statement,
    Status,
)
from pcsc.cooperation import Question, Requester, Wanted
from pcsc.errors import TreatyError, UseError
from pcsc.exchange import Exchange, Matter, MatterKind, Release, Side, State
from pcsc.matters import Measure
from pcsc.messages import (
    PRINTS,
    Activity,
    Basis,
    Conclusion,
    Condition,
    ConsentTo,
    Fault,
    Ground,
    Item,
    Recipient,
    RecipientKind,
)
from pcsc.use import Consent, Information, Purpose, may_release, may_use
from tests.builders import (
    ARSON,
    CIRCUMSTANCES,
    DOCUMENT,
    EUROPOL,
    INSULT,
    INTERPOL,
    NOW,
    POLICE,
    acceptance,
    arrangement,
    basis,
    breach_notice,
    capacity_answer,
    consent_decision,
    consent_request,
    consultation,
    correction_notice,
    exchange,
    explanation,
    explanation_request,
    match,
    notification,
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

    from annex.parameters import Rules

AGREED: Final = arrangement()
LATER: Final = NOW + timedelta(days=3)
EARLY: Final = datetime(2019, 1, 4, tzinfo=UTC)
KEPT: Final = Path(__file__).parent / "kept"
DANGER: Final = Emergency("A bomb is to go off tonight.", "the duty officer", NOW)
Acts = dict[str, "Callable[[], object]"]


def ended() -> Agreement:
    return Agreement(Termination(Party.US, date(2026, 1, 1), "note verbale 26-1"))


def rules() -> Rules:
    return rules_in_force(NOW.date())


def raised(message: Any, by: Party, state: State = State.PROVIDED, side: Side = Side.QUERYING) -> Exchange:
    return matters.raised(exchange(state, side), message, by, AGREED, NOW)


MESSAGES: Final[Acts] = {
    **{
        f"authority without {name}": lambda name=name: replace(POLICE, **{name: " "})  # type: ignore[misc]  # bound here
        for name in ("name", "unit", "identifier")
    },
    "basis without offence": lambda: Basis(Activity.PREVENTION, (), political=False),
    "query without prints": lambda: query(prints=b""),
    "match without number": lambda: match(reference=" "),
    "match without prints": lambda: match(prints=b""),
    "notification without purpose": lambda: notification(purpose=" "),
    "notification without case": lambda: notification(case_reference=""),
    "notification without signature": lambda: notification(signed_by=""),
    "notification without items": lambda: notification(items=()),
    "condition without words": lambda: Condition(" "),
    "no offence here": lambda: refusal(Ground.NO_OFFENCE_HERE),
    "refusal without reason": lambda: refusal(reason=" "),
    "reply of nothing": lambda: reply(items=()),
    "reply under conditions, with items": lambda: offer(items=(Item("name", "Richard Roe"),), offered=()),
    "offer without conditions": lambda: offer(conditions=()),
    "refused for another channel": lambda: reply(items=(), refusals=(refusal(Ground.OTHER_CHANNEL),)),
    "item refused for another channel": lambda: reply(refusals=(refusal(Ground.OTHER_CHANNEL, item="sex"),)),
    "all refused, and given": lambda: reply(refusals=(refusal(),)),
    "all refused, and offered": lambda: offer(refusals=(refusal(),)),
    "acceptance unsigned": lambda: acceptance(signed_by=" "),
    "unasked without reason": lambda: unasked(reason_to_believe=" "),
    "unasked without case": lambda: unasked(case_reference=""),
    "unasked without items": lambda: unasked(items=()),
    "unasked, given and offered": lambda: unasked_offer(items=(Item("name", "Richard Roe"),)),
    "unasked, given under conditions": lambda: unasked(conditions=(Condition("No."),)),
    "unasked, offered without conditions": lambda: unasked_offer(conditions=()),
    "explanation without purpose": lambda: explanation(purpose=""),
    "explanation without text": lambda: explanation(text=" "),
    "explanation unsigned": lambda: explanation(signed_by=""),
    "recipient without name": lambda: Recipient(RecipientKind.BODY, " "),
    "consent without purpose": lambda: consent_request(purpose=" "),
    "consent unsigned": lambda: consent_request(signed_by=" "),
    "release to nobody": lambda: consent_request(to=ConsentTo.RELEASE),
    "use by a recipient": lambda: consent_request(recipient=INTERPOL),
    "decision unsigned": lambda: consent_decision(signed_by=" "),
    "withheld without reason": lambda: consent_decision(granted=False, reason=" "),
    "correction without text": lambda: correction_notice(text=" "),
    "correction unsigned": lambda: correction_notice(signed_by=" "),
    "correction of nothing": lambda: correction_notice(concerns=()),
    "correction of something else": lambda: correction_notice(
        concerns=("name", "aliases"), correct=(Item("sex", "male"), Item("name", "Roe"), Item("date of birth", "1980"))
    ),
    "breach without nature": lambda: breach_notice(nature=" "),
    "breach without measures": lambda: breach_notice(measures=""),
    "breach unsigned": lambda: breach_notice(signed_by=""),
    "consultation without matter": lambda: consultation(matter=" "),
    "consultation unsigned": lambda: consultation(signed_by=""),
}


def use_error() -> None:
    raise UseError("the information may not be used so", "8(6)")


def preserve(days: int, more: int = 0) -> Callable[[], object]:
    return lambda: Preservation(date(2026, 1, 31), days, more)


def answer(capacity: Capacity, day: date | None, *lacking: Lack, reason: str = "why") -> Callable[[], object]:
    return lambda: assistance.CapacityAnswer(capacity, day, lacking, reason)


ASSISTANCE: Final[Acts] = {
    "emergency without risk": lambda: replace(DANGER, risk=""),
    "emergency of nobody": lambda: replace(DANGER, stated_by=" "),
    "review without reason": lambda: EmergencyReview(
        DANGER, assistance.Outcome.JUSTIFIED, " ", "the chief", NOW.date()
    ),
    "review of nobody": lambda: EmergencyReview(DANGER, assistance.Outcome.JUSTIFIED, "why", " ", NOW.date()),
    "review by the same": lambda: EmergencyReview(
        DANGER, assistance.Outcome.JUSTIFIED, "why", " the duty officer", NOW.date()
    ),
    "review before": lambda: EmergencyReview(
        DANGER, assistance.Outcome.JUSTIFIED, "why", "the chief", date(2026, 11, 21)
    ),
    "preserved for no day": preserve(0),
    "preserved for too long": preserve(31),
    "preserved for less": preserve(30, -1),
    "extended for too long": preserve(20, 41),
    "accepted without day": answer(Capacity.ACCEPTED, None),
    "cannot, with day": answer(Capacity.CANNOT, date(2026, 12, 1), Lack.CAPACITY),
    "accepted, and lacking": answer(Capacity.ACCEPTED, date(2026, 12, 1), Lack.CAPACITY, Lack.RESOURCES),
    "cannot, and lacking nothing": answer(Capacity.CANNOT, None),
    "partly, without reason": answer(Capacity.PARTLY, date(2026, 12, 1), Lack.CAPACITY, reason=" "),
    **{
        f"by {means}, unprotected": lambda means=means: Transmission(means, under_agreement=False)  # type: ignore[misc]
        for means in (Means.EMAIL, Means.FAX, Means.TELEPHONE)
    },
    "by mail, under the agreement": lambda: Transmission(Means.EMAIL, under_agreement=True, confidentiality="S/MIME"),
}


def entry(**changes: Any) -> Entry:
    """Return an entry of one authority."""
    made = Entry("jp-npa", "JP", Function.INTERPOL, (LegalBasis.INTERPOL,), "National Police Agency", "web", "page 1")
    return replace(made, **changes)


def directory(*entries: Entry, **changes: Any) -> Directory:
    """Return a directory of one source."""
    sources = {"web": Source("Site", "official"), "law": Source("Act", "law", date(2026, 1, 1))}
    return replace(Directory(sources, (), entries, (), ()), **changes)


def sheet(source: str = "web") -> Sheet:
    return Sheet("JP", "preservation", "Preservation", {Section.URGENT: Statement("By telephone.", source, "2.1")})


AUTHORITIES: Final[Acts] = {
    "nobody": lambda: entry(authority=" "),
    "no place": lambda: entry(place=""),
    "verified by nobody": lambda: entry(status=Status.VERIFIED, verified_on=date(2026, 1, 2), verified_by=" "),
    "verified on no day": lambda: entry(status=Status.VERIFIED, verified_by="the desk officer"),
    "verified, and not said so": lambda: entry(verified_on=date(2026, 1, 2), verified_by="the desk officer"),
    "drifted without a word": lambda: entry(status=Status.DRIFTED),
    "twice the same": lambda: directory(entry(), entry(id="jp-moj"), entry()),
    "entry of no source": lambda: directory(entry(source="hearsay")),
    "partner of no source": lambda: directory(partners=(Partner("US", "United States", "hearsay", "1"),)),
    "link of no source": lambda: directory(links=(Link("Site", "Links", "hearsay"),)),
    "statement of no source": lambda: directory(sheets=(sheet("hearsay"),)),
}


def question(**changes: Any) -> Question:
    return replace(Question(Requester.CONTACT_POINT, "US", "JP", Wanted.PRINT, date(2026, 11, 22)), **changes)


COOPERATION: Final[Acts] = {
    "three letters": lambda: question(requesting="USA"),
    "lower case": lambda: question(requested="jp"),
    "a digit": lambda: question(requesting="U1"),
    "wide letters": lambda: question(requesting="ＵＳ"),  # noqa: RUF001 - that is the point
    "oneself": lambda: question(requesting="JP"),
    "neither is Japan": lambda: question(requested="KR"),
    "no convention": lambda: question(conventions=frozenset({LegalBasis.INTERPOL, LegalBasis.DOMESTIC})),
}


def admitted(**changes: Any) -> Exchange:
    """Admit a query of ours, with one thing changed."""
    outside: dict[str, Any] = {"made_today": 0, "now": NOW}
    outside |= {name: changes.pop(name) for name in (*outside, "said_elsewhere", "agreement") if name in changes}
    said, under = changes.pop("said", CIRCUMSTANCES), changes.pop("under", AGREED)
    return life.open_query(query(**changes), said, under, **outside)


LIFE: Final[Acts] = {
    "circumstances of 39 characters": lambda: admitted(said=f" {CIRCUMSTANCES[:39]} "),
    "circumstances of other cases": lambda: admitted(said_elsewhere=2),
    "query before the entry into force": lambda: admitted(now=EARLY),
    "query after the end": lambda: admitted(agreement=ended()),
    "query before the arrangement": lambda: admitted(under=arrangement(in_force_from=date(2027, 1, 1))),
    "political": lambda: admitted(basis=basis(political=True)),
    "not serious": lambda: admitted(basis=basis(INSULT)),
    "one query too many": lambda: admitted(made_today=100),
    "unasked, as in other cases": lambda: life.provide_unasked(unasked(), Side.QUERIED, AGREED, NOW, said_elsewhere=2),
    "unasked before the entry into force": lambda: life.provide_unasked(unasked(), Side.QUERIED, AGREED, EARLY),
    "unasked, not serious": lambda: life.provide_unasked(unasked(basis=basis(INSULT)), Side.QUERIED, AGREED, NOW),
    "unasked, against no purpose": lambda: life.provide_unasked(
        unasked_offer(forbids=("sport", "music")), Side.QUERIED, AGREED, NOW
    ),
    "answer twice": lambda: life.answered(exchange(State.MATCH), match(), NOW),
    "refusal of a query by its receiver": lambda: life.not_accepted(exchange(State.SENT, Side.QUERIED), query(), NOW),
    "refusal of an answered query": lambda: life.not_accepted(exchange(State.MATCH), query(), NOW),
    "examination by the queried side": lambda: life.examine(
        exchange(State.MATCH, Side.QUERIED), Conclusion.EXCLUSION, "examiner 7", NOW
    ),
    "examination of nothing": lambda: life.examine(exchange(), Conclusion.EXCLUSION, "examiner 7", NOW),
    "examination by nobody": lambda: life.examine(exchange(State.MATCH), Conclusion.EXCLUSION, " ", NOW),
    "determination of nothing": lambda: life.determine(exchange(), will_request=True, now=NOW),
    "determination unconfirmed": lambda: life.determine(exchange(State.MATCH), will_request=True, now=NOW),
    "determination against the examiner": lambda: life.determine(
        exchange(State.EXAMINED, conclusion=Conclusion.INCONCLUSIVE), will_request=True, now=NOW
    ),
    "request after the end": lambda: life.request(
        exchange(State.WILL_REQUEST), request(), AGREED, NOW, agreement=ended()
    ),
    "request on another match": lambda: life.request(
        exchange(State.WILL_REQUEST), request(reference="another"), AGREED, NOW
    ),
    "request too early": lambda: life.request(exchange(State.MATCH), request(), AGREED, NOW),
    "request too early, received": lambda: life.request(
        exchange(State.REQUESTED, Side.QUERIED), request(), AGREED, NOW
    ),
    "request while something is on its way": lambda: life.request(
        life.accept(exchange(State.OFFERED), acceptance(), NOW), request(), AGREED, NOW
    ),
    "request, not urgent": lambda: life.request(exchange(State.WILL_REQUEST), request(risk=" soon "), AGREED, NOW),
    "request of what is not listed": lambda: life.request(
        exchange(State.WILL_REQUEST), request(notification=notification(items=("name", "shoe size"))), AGREED, NOW
    ),
    "capacity of no request": lambda: life.can_answer(exchange(State.PROVIDED, Side.QUERIED), capacity_answer(), NOW),
    "capacity of another request": lambda: life.can_answer(
        exchange(State.REQUESTED), capacity_answer(request="another"), NOW
    ),
    "capacity on another match": lambda: life.can_answer(
        exchange(State.REQUESTED), capacity_answer(reference="another"), NOW
    ),
    "reply to nothing": lambda: life.reply(exchange(State.MATCH), reply(), NOW),
    "reply after the end": lambda: life.reply(exchange(State.REQUESTED, Side.QUERIED), reply(), NOW, agreement=ended()),
    "reply to another request": lambda: life.reply(exchange(State.REQUESTED), reply(request="another"), NOW),
    "reply on another match": lambda: life.reply(exchange(State.REQUESTED), reply(reference="another"), NOW),
    "reply with more": lambda: life.reply(
        exchange(State.REQUESTED), reply(items=(Item("sex", "m"), Item("name", "R"), Item("aliases", "x"))), NOW
    ),
    "reply that refuses more": lambda: life.reply(
        exchange(State.REQUESTED), reply(refusals=(refusal(item="sex"), refusal(item="name"))), NOW
    ),
    "reply that is silent": lambda: life.reply(
        exchange(State.REQUESTED, requested_items=("name", "sex", "aliases")), reply(), NOW
    ),
    "reply against no purpose": lambda: life.reply(
        exchange(State.REQUESTED), offer(forbids=("sport", "immigration", "music")), NOW
    ),
    "acceptance of nothing": lambda: life.accept(exchange(State.PROVIDED), acceptance(), NOW),
    "acceptance of another reply": lambda: life.accept(exchange(State.OFFERED), acceptance(reply="another"), NOW),
    "acceptance on another match": lambda: life.accept(exchange(State.OFFERED), acceptance(reference="another"), NOW),
    "provision of nothing": lambda: life.provide(exchange(State.OFFERED), provision(), NOW),
    "provision after the end": lambda: life.provide(
        life.accept(exchange(State.OFFERED, Side.QUERIED), acceptance(), NOW), provision(), NOW, agreement=ended()
    ),
    "provision after another reply": lambda: life.provide(
        life.accept(exchange(State.OFFERED), acceptance(), NOW), provision(reply="another"), NOW
    ),
    "provision on another match": lambda: life.provide(
        life.accept(exchange(State.OFFERED), acceptance(), NOW), provision(reference="another"), NOW
    ),
    "provision twice": lambda: life.provide(exchange(State.PROVIDED), provision(), NOW),
    "provision of something else": lambda: life.provide(
        replace(life.accept(exchange(State.OFFERED), acceptance(), NOW), offered=("name", "aliases")),
        provision(items=(Item("sex", "m"), Item("name", "R"))),
        NOW,
    ),
    "provision of nothing at all": lambda: life.provide(
        life.accept(exchange(State.OFFERED), acceptance(), NOW), provision(items=()), NOW
    ),
    "closing too early": lambda: life.close(exchange(State.MATCH), NOW),
    "closing while something is on its way": lambda: life.close(
        replace(life.accept(exchange(State.OFFERED), acceptance(), NOW), offered=("name", "aliases")), NOW
    ),
    "lapse of what is held": lambda: life.lapse(exchange(State.PROVIDED), NOW),
    "lapse of a question": lambda: life.lapse(exchange(State.SENT, Side.QUERIED), NOW),
}
MATTERS: Final[Acts] = {
    "twice the same number": lambda: matters.raised(
        raised(result_request(), Party.US), result_request(), Party.US, AGREED, NOW
    ),
    "explanation of no match": lambda: raised(explanation_request(), Party.US, State.NO_MATCH, Side.QUERIED),
    "explanation asked by the querying side": lambda: raised(explanation_request(), Party.JP, State.NO_REQUEST),
    "explanation of what a request followed": lambda: raised(
        explanation_request(), Party.US, State.REQUESTED, Side.QUERIED
    ),
    "explanation while one may follow": lambda: raised(explanation_request(), Party.US, State.MATCH, Side.QUERIED),
    "explanation asked for twice": lambda: matters.raised(
        matters.raised(
            raised(release_request(), Party.US, State.NO_REQUEST, Side.QUERIED),
            explanation_request(),
            Party.US,
            AGREED,
            LATER,
        ),
        explanation_request(control_number="US261222-EXPLAIN2"),
        Party.US,
        AGREED,
        LATER,
    ),
    "result of nothing": lambda: raised(result_request(), Party.US, State.REQUESTED),
    "result asked by who received": lambda: raised(result_request(), Party.JP),
    "consent to use nothing": lambda: raised(consent_request(), Party.JP, State.MATCH),
    "consent to use what one gave": lambda: raised(consent_request(), Party.US),
    "consent to release a result that was not told": lambda: matters.raised(
        matters.raised(provided_unasked(Side.QUERIED), result_request(), Party.US, AGREED, NOW),
        release_request(),
        Party.US,
        AGREED,
        NOW,
    ),
    "consent to release nothing": lambda: raised(release_request(), Party.JP, State.SENT),
    "answer to nothing": lambda: matters.settled(exchange(State.PROVIDED), explanation(), Party.JP, NOW),
    "answer to something else": lambda: matters.settled(
        matters.raised(raised(result_request(), Party.US), consent_request(), Party.JP, AGREED, NOW),
        result_of_use(question="JP261222-CONSENT1"),
        Party.JP,
        NOW,
    ),
    "answer by who asked": lambda: matters.settled(raised(result_request(), Party.US), result_of_use(), Party.US, NOW),
    "prints corrected": lambda: matters.measure_taken(
        raised(correction_notice(concerns=(PRINTS,)), Party.US), "US261222-CORRECT1", Measure.CORRECTION, NOW
    ),
    "nobody waits": lambda: matters.told(exchange(State.PROVIDED), "INTERPOL", NOW),
    "others wait": lambda: matters.told(
        exchange(
            State.PROVIDED,
            releases=tuple(Release(to, "8(7)", NOW, ("name",), told=False) for to in (INTERPOL, EUROPOL)),
        ),
        "Interpol",
        NOW,
    ),
    "unreported": lambda: matters.check_report(
        Matter("JP1", MatterKind.CONSENT, Party.US, NOW, LATER, to=ConsentTo.RELEASE),
        Party.JP,
        rules(),
        granted=True,
        urgent=False,
    ),
    "report on nothing": lambda: matters.reported(exchange(State.PROVIDED), "JP261222-CONSENT1", "NPSC-1", NOW),
    "review of nothing urgent": lambda: matters.urgency_reviewed(exchange(State.PROVIDED, Side.QUERIED), review(), NOW),
    "review twice": lambda: matters.urgency_reviewed(
        exchange(State.PROVIDED, Side.QUERIED, urgency_reviewed="justified"), review(), NOW
    ),
    "review too early": lambda: matters.urgency_reviewed(
        exchange(State.REQUESTED, Side.QUERIED, urgent_since=NOW), review(), NOW
    ),
    "review by the querying side": lambda: matters.urgency_reviewed(exchange(State.PROVIDED), review(), NOW),
    "explanation of another's query": lambda: matters.explanation_of(exchange(State.NO_REQUEST, Side.QUERIED)),
}


def review() -> EmergencyReview:
    return EmergencyReview(DANGER, assistance.Outcome.JUSTIFIED, "It was so.", "the chief", NOW.date())


LEDGER: Final[Acts] = {
    "use of nothing": lambda: ledger.use(exchange(State.MATCH), use(), NOW),
    "result of no use": lambda: ledger.result(exchange(State.PROVIDED), 1, " He was charged. ", NOW),
    "end of no purpose": lambda: ledger.end_purpose(exchange(State.MATCH), Purpose.NOTIFIED, NOW),
    "end of another purpose": lambda: ledger.end_purpose(
        exchange(State.PROVIDED, open_purposes=("notified", "immigration")), "a census", NOW
    ),
    "review too early": lambda: ledger.review(exchange(State.MATCH), "the head of unit", NOW),
    "review by nobody": lambda: ledger.review(exchange(State.PROVIDED), " ", NOW),
    "review of nothing": lambda: ledger.review(exchange(State.PROVIDED, open_purposes=()), "the head of unit", NOW),
    "record kept without law": lambda: retention.check_hold(" "),
    "figures of the other Party": lambda: statistics.rule_16([], 2026, Party.US),
    "figures backwards": lambda: statistics.pack([], date(2026, 2, 1), date(2026, 1, 1), Party.JP, explanation_days=14),
    "figures of a list": lambda: statistics._text([]),
    "ended without note": lambda: Termination(Party.US, date(2026, 1, 1), " "),
    "ended before it began": lambda: Termination(Party.US, date(2019, 1, 4), "note verbale 19-1"),
    "use, under its clause": use_error,
}


def document(**changes: Any) -> Callable[[], object]:
    return lambda: Arrangement.from_mapping({**DOCUMENT, **changes})


def bounds() -> Acts:
    """Return every value of an arrangement one below and one above its bounds."""
    found: Acts = {}
    for name, (low, high) in {
        **dict.fromkeys(("circumstances_characters", "urgency_characters"), (20, 10_000)),
        **dict.fromkeys(
            ("examination_days", "determination_days", "explanation_reply_days", "acceptance_days"), (1, 90)
        ),
        **dict.fromkeys(("follow_up_days", "explanation_request_days", "reply_days", "consent_reply_days"), (1, 365)),
        **dict.fromkeys(("result_reply_days", "review_days"), (1, 365)),
        "answer_hours": (1, 24),
        "urgent_reply_hours": (1, 720),
        "correction_hours": (1, 168),
        "breach_notice_hours": (1, 72),
        "consultation_days": (1, 1_096),
        "record_months": (24, 1_200),
    }.items():
        found |= {f"{name} of {value}": document(**{name: value}) for value in (low - 1, high + 1)}
    return found


ARRANGEMENT: Final[Acts] = {
    **bounds(),
    "no table": lambda: Arrangement.from_mapping([]),  # type: ignore[arg-type]  # what a file may hold
    "two keys missing": lambda: Arrangement.from_mapping(
        {name: value for name, value in DOCUMENT.items() if name not in {"items", "candidates"}}
    ),
    "two keys unknown": document(mood="good", colour="blue"),
    "version with a space": document(version="test 1"),
    "version of 65": document(version="v" * 65),
    "version that is a number": document(version=1),
    "day as a text": document(in_force_from="2019-01-05"),
    "day with a time": document(in_force_from=NOW),
    "day before the agreement": document(in_force_from=date(2019, 1, 4)),
    "rate of 0": document(false_positive_identification_rate=0.0),
    "rate of 0.2": document(false_positive_identification_rate=0.2),
    "rate of 1": document(false_positive_identification_rate=1),
    "answer_hours as a text": document(answer_hours="24"),
    "answer_hours true": document(answer_hours=True),
    "queries without latent": document(queries_per_day={"tenprint": 1}),
    "queries of a thing": document(queries_per_day={"tenprint": 1, "latent": 2, "palm": 3}),
    "queries as a number": document(queries_per_day=5),
    "queries of -1": document(queries_per_day={"tenprint": 1, "latent": -1}),
    "two candidates": document(candidates={"tenprint": 2, "latent": 1}),
    "notification of nothing": document(notification=[]),
    "notification of blanks": document(notification=["purpose", " "]),
    "notification as a text": document(notification="purpose"),
    "notification twice the same": document(notification=["purpose", "items", "items"]),
    "notification of a thing": document(notification=["purpose", "mood"]),
    "notification without purpose": document(notification=["items"]),
    "items of a third State": document(items={"JP": ["name"], "US": ["name"], "KR": ["name"]}),
    "items twice the same": document(items={"JP": ["name"], "US": ["name", "name", "name"]}),
    "items that Japan may not give": document(items={"JP": ["name", "aliases", "shoe size"], "US": ["name"]}),
    "determined before examined": document(examination_days=11),
    "destroyed before determined": document(follow_up_days=9),
    "urgent later than any": document(urgent_reply_hours=241),
    "record shorter than explained": document(
        follow_up_days=365, explanation_request_days=300, explanation_reply_days=56
    ),
    "two of one version": lambda: Arrangements((arrangement(), arrangement(in_force_from=date(2027, 1, 1)))),
    "two on one day": lambda: Arrangements((arrangement(), arrangement(version="test-2"))),
    "none on that day": lambda: Arrangements((arrangement(),)).at(date(2019, 1, 4)),
    "none at all": lambda: Arrangements(()).at(date(2027, 1, 1)),
    "no such version": lambda: Arrangements(
        (arrangement(), arrangement(version="test-2", in_force_from=date(2027, 1, 1)))
    ).version("test-3"),
    "no version": lambda: Arrangements(()).version("test-3"),
}
MODULES: Final[dict[str, Acts]] = {
    "messages": MESSAGES,
    "assistance": ASSISTANCE,
    "authorities": AUTHORITIES,
    "cooperation": COOPERATION,
    "life": LIFE,
    "matters": MATTERS,
    "ledger": LEDGER,
    "arrangement": ARRANGEMENT,
}


def refused(name: str, act: Callable[[], object]) -> str:
    """Return the refusal of an act: its kind, the code that travels with it, the place it names, and its words."""
    with pytest.raises((TreatyError, ValueError, TypeError)) as told:
        act()
    error = told.value
    known = getattr(error, "code", None) or getattr(error, "key", None)
    return f"{name}\n  {type(error).__name__}{f' [{known}]' if known else ''}: {error}"


@pytest.mark.parametrize("module", MODULES)
def test_every_refusal_is_told_word_for_word_as_it_was_when_it_was_last_read_over(module: str) -> None:
    told = [refused(name, act) for name, act in MODULES[module].items()]
    compare(KEPT / f"refusals-{module}.txt", "\n".join(told))


# At the bounds themselves nothing is refused


def test_an_arrangement_may_be_at_its_bounds() -> None:
    least: dict[str, Any] = {
        **dict.fromkeys(("circumstances_characters", "urgency_characters"), 20),
        **{name: 1 for name in DOCUMENT if name.endswith(("_days", "_hours"))},
        "record_months": 24,
        "queries_per_day": {"tenprint": 0, "latent": 0},
    }
    greatest: dict[str, Any] = {
        **dict.fromkeys(("circumstances_characters", "urgency_characters"), 10_000),
        **dict.fromkeys(("examination_days", "determination_days", "explanation_reply_days", "acceptance_days"), 90),
        **dict.fromkeys(("follow_up_days", "explanation_request_days", "reply_days", "consent_reply_days"), 365),
        **dict.fromkeys(("result_reply_days", "review_days"), 365),
        "answer_hours": 24,
        "urgent_reply_hours": 720,
        "correction_hours": 168,
        "breach_notice_hours": 72,
        "consultation_days": 1_096,
        "record_months": 1_200,
        "false_positive_identification_rate": 0.1,
        "queries_per_day": {"tenprint": 100_000, "latent": 100_000},
        "version": "v" * 64,
    }
    for changes in (least, greatest, {"urgent_reply_hours": 240}, {"examination_days": 10}, {"follow_up_days": 10}):
        made = arrangement(**changes)
        assert {name: getattr(made, name) for name in changes} == changes
    assert arrangement(follow_up_days=365, explanation_request_days=300, explanation_reply_days=55).record_months == 24


def test_what_is_just_enough_is_not_refused() -> None:
    assert Preservation(date(2026, 1, 31), 1).days == 1
    assert Preservation(date(2026, 1, 31), 30, 30).extended_by == 30
    reviewed = EmergencyReview(DANGER, assistance.Outcome.JUSTIFIED, "why", "the chief", NOW.date())
    assert reviewed.reviewed_on == NOW.date()
    assert life.open_query(query(), CIRCUMSTANCES[:40], AGREED, made_today=99, now=NOW).state is State.SENT
    first = arrangement(in_force_from=NOW.date())
    assert life.open_query(query(), CIRCUMSTANCES, first, made_today=0, now=NOW).state is State.SENT
    risk = life.request(exchange(State.WILL_REQUEST), request(risk="x" * 40), AGREED, NOW)
    assert risk.urgent
    assert Termination(Party.US, date(2019, 1, 5), "note verbale 19-1").ends_on == date(2019, 4, 5)


# Authorities: who is named


def test_a_directory_names_who_answers_and_who_sends() -> None:
    from pcsc.authorities import NOT_STATED, Direction  # noqa: PLC0415 - beside what it is for

    sends = entry(id="jp-sends", directions=(Direction.SENDS,))
    both = entry(id="jp-both", directions=(Direction.SENDS, Direction.ANSWERS))
    held = directory(sends, entry(id="us-npa", state="US"), entry(), both, sheets=(sheet(),))
    function, rests_on = Function.INTERPOL, LegalBasis.INTERPOL
    assert (sends.answers, both.answers, entry().answers) == (False, True, True)
    assert held.recipient("JP", function, rests_on) == entry()
    assert held.senders("JP", function, rests_on) == (sends, both)
    assert held.recipient("JP", Function.EXTRADITION, rests_on) is None
    assert held.recipient("JP", function, LegalBasis.UNTOC) is None
    assert held.recipient("KR", function, rests_on) is None
    assert (held.sheet("JP", "preservation"), held.sheet("US", "preservation")) == (sheet(), None)
    assert sheet().said(Section.URGENT) == "By telephone."
    assert sheet().said(Section.TRANSLATION) == NOT_STATED
    with_partner = directory(partners=(Partner("US", "United States", "law", "1"), Partner("EU", "EU", "law", "2")))
    assert with_partner.partner("EU") == Partner("EU", "EU", "law", "2")
    assert with_partner.partner("KR") is None
    verified = entry(status=Status.VERIFIED, verified_on=date(2026, 1, 2), verified_by="the desk officer")
    drifted = entry(id="jp-drifted", status=Status.DRIFTED, notes=("The site says otherwise.",))
    assert directory(verified, drifted).entries == (verified, drifted)


# The gates: Articles 8(3), 8(5)-(8)

CONSENTED: Final = Information(
    5,
    consents=(
        Consent(ConsentTo.USE, "a missing person", None, LATER),
        Consent(ConsentTo.USE, "a census", None, NOW),
        Consent(ConsentTo.RELEASE, "a census", INTERPOL, NOW),
        Consent(ConsentTo.RELEASE, "", EUROPOL, LATER),
    ),
)
BOUND: Final = (
    Condition("Not for immigration.", ("immigration",)),
    Condition("Not for security.", ("public-security",)),
)


def gates() -> list[str]:
    """Return what the two gates say in every case."""
    told = []
    informations = {
        **{f"Article {article}": Information(article) for article in (4, 5, 6, 7)},
        "restricted": Information(5, restricted=True),
        "not accepted": Information(6, accepted=False),
        "bound": Information(5, BOUND),
        "consented": CONSENTED,
    }
    theirs = Offence("arson", Party.US, "18 U.S.C. 81", Penalty(months=300), Category.ARSON)
    for name, information in informations.items():
        for purpose in Purpose:
            for conduct, stated, political in (
                *(((ARSON,), "a census", False), ((theirs,), "a missing person", False)),
                ((), "", False),
                ((), "", True),
            ):
                gate = may_use(
                    information, purpose, by=Party.JP, political=political, offences=conduct, stated=stated, now=NOW
                )
                told.append(f"{name}, {purpose}, '{stated}': {type(gate).__name__} {gate.article}: {gate.reason}")
        for to in (*(Recipient(kind, "somebody") for kind in RecipientKind), INTERPOL, EUROPOL):
            for law in ("", " Act No. 42 of 1999, Art. 5 "):
                released = may_release(information, to, by=Party.US, law=law, now=NOW)
                told.append(
                    f"{name}, to {to.name} ({to.kind}){', by law' if law else ''}: {type(released).__name__} "
                    f"{released.article}: {released.reason}"
                )
    return list(dict.fromkeys(told))


def test_the_gates_say_what_they_said_when_that_was_last_read_over() -> None:
    compare(KEPT / "gates.txt", "\n".join(gates()))


def test_faults_are_those_of_article_10() -> None:
    assert [str(each) for each in Fault] == ["incorrect", "unreliable"]
