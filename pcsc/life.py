"""The life of one exchange on either side: (exchange, message or act, now) -> exchange.

An exchange is what one query leads to, or one provision without request (Article 6), or one notice about no exchange (a
breach, consultations). What is asked and answered beside its life is in :mod:`pcsc.matters`.

Each step checks that it may follow the step before it and that the agreement allows it, and returns the exchange as it is
afterwards. Nothing is stored, sent or destroyed here: what may still be held in a state is :func:`pcsc.duties.permitted`.

The same step serves both sides, since both check: the querying contact point before it speaks, the queried one because it
cannot take the other's word for it. Where only one side can know something, the step says so.

    querying   SENT -> NO_MATCH | MATCH -> EXAMINED -> NO_REQUEST | WILL_REQUEST -> REQUESTED -> ...
    queried            NO_MATCH | MATCH             -> NO_REQUEST | WILL_REQUEST -> REQUESTED -> ...
    both       REQUESTED -> PROVIDED | REFUSED | OFFERED -> PROVIDED | DECLINED;   any hold in the end -> LAPSED
    Article 6  PROVIDED | OFFERED -> PROVIDED | DECLINED                           notices: OPEN -> CLOSED
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from annex.offences import Finding, serious_crime
from annex.parameters import IN_FORCE, Party, rules_version
from pcsc.agreement import IN_FORCE_WITHOUT_NOTICE, Agreement
from pcsc.errors import (
    BulkProvisionError,
    ConditionsError,
    DuplicateTextError,
    FieldNotAllowedError,
    NoCircumstancesError,
    NoNotificationError,
    NoReasonError,
    NotAMatchError,
    NotInForceError,
    NotSeriousCrimeError,
    OutOfOrderError,
    PoliticalOffenceError,
    QuotaError,
    UnconfirmedError,
)
from pcsc.exchange import NO_QUERY, NOT_ACCEPTED, Exchange, Matter, MatterKind, Side, State, follows, on_side
from pcsc.messages import (
    Acceptance,
    Answer,
    Basis,
    BreachNotice,
    CapacityAnswer,
    Conclusion,
    Condition,
    ConsentDecision,
    Consultation,
    Explanation,
    Item,
    Match,
    Notice,
    OutageNotice,
    Provision,
    ProvisionWithoutRequest,
    Query,
    Reply,
    Request,
    ResultOfUse,
)
from pcsc.use import Purpose

if TYPE_CHECKING:
    from datetime import datetime

    from pcsc.arrangement import Arrangement
    from pcsc.messages import Message


def open_query(
    query: Query,
    circumstances: str,
    arrangement: Arrangement,
    *,
    made_today: int,
    said_elsewhere: int = 0,
    now: datetime,
    agreement: Agreement = IN_FORCE_WITHOUT_NOTICE,
) -> Exchange:
    """Admit a query of our own: Articles 1(3), 4(3), 4(7), 13(2), 15(1), under the law of the querying Party.

    ``circumstances`` are the particular circumstances of Article 4(3), which stay here; ``made_today`` counts the queries of
    this UTC day and kind of search before this one, ``said_elsewhere`` the queries of other cases with the same circumstances,
    word for word.

    Raises:
        TreatyError: NotInForceError, TerminatedError, PoliticalOffenceError, NotSeriousCrimeError, NoCircumstancesError,
            QuotaError.

    """
    # Art. 4(3): only if particular circumstances give reason to inquire about the individual.
    said = len(circumstances.strip())
    if said < arrangement.circumstances_characters:
        raise NoCircumstancesError(
            f"the particular circumstances that give reason to inquire are stated in at least "
            f"{arrangement.circumstances_characters} characters (arrangement {arrangement.version}); got {said}: say what "
            "is known of this individual and this case"
        )
    # Art. 4(3): "particular" circumstances of "an individual": what is said of two cases word for word is of neither.
    if said_elsewhere:
        raise DuplicateTextError(
            f"the particular circumstances are word for word those of {said_elsewhere} queries of other cases; say what is "
            "known of this individual and this case"
        )
    return _admit(query, Side.QUERYING, arrangement, made_today=made_today, now=now, agreement=agreement)


def receive_query(
    query: Query,
    arrangement: Arrangement,
    *,
    made_today: int,
    now: datetime,
    agreement: Agreement = IN_FORCE_WITHOUT_NOTICE,
) -> Exchange:
    """Admit a query of the other Party: what can be checked of Articles 1(3), 4(7), 13(2) and 15(1) from its message.

    The state is SENT until :func:`answered`. The law that counts is still the querying Party's, not ours.

    Raises:
        TreatyError: NotInForceError, TerminatedError, PoliticalOffenceError, NotSeriousCrimeError, QuotaError.

    """
    return _admit(query, Side.QUERIED, arrangement, made_today=made_today, now=now, agreement=agreement)


def _admit(
    query: Query, side: Side, arrangement: Arrangement, *, made_today: int, now: datetime, agreement: Agreement
) -> Exchange:
    """Check what both sides can check of a query and open its exchange."""
    # Art. 15(1), (2), (4): while the agreement is in force; the date of the acts never matters.
    agreement.check("query", now)
    if now.date() < arrangement.in_force_from:
        raise NotInForceError(
            f"arrangement {arrangement.version} applies from {arrangement.in_force_from}; this query is of {now.date()}"
        )
    lawful(query.basis, article=4, acting=query.querying, now=now)
    # Art. 4(7): the number of queries of each kind is a matter of the arrangement.
    allowed = arrangement.queries_per_day[query.search]
    if made_today >= allowed:
        raise QuotaError(
            f"arrangement {arrangement.version} allows {allowed} {query.search} queries a day and {made_today} were made today "
            "(UTC): wait for tomorrow, or agree on another number"
        )
    return _opened(query, side, State.SENT, arrangement, now)


def turned_away(message: Query | ProvisionWithoutRequest, arrangement: Arrangement, now: datetime) -> Exchange | None:
    """Return the exchange of a message that we received and did not admit, for the record of its receipt: Article 11(1).

    None before the agreement was in force: nothing was communicated under it.
    """
    if now.date() < IN_FORCE:
        return None
    if isinstance(message, Query):
        return _opened(message, Side.QUERIED, State.CLOSED, arrangement, now)
    return _unasked(message, Side.QUERYING, State.CLOSED, arrangement, now)


def _opened(query: Query, side: Side, state: State, arrangement: Arrangement, now: datetime) -> Exchange:
    """Return the exchange that a query opens."""
    return Exchange(
        control_number=query.control_number,
        side=side,
        querying=query.querying,
        state=state,
        opened_at=now,
        last_event_at=now,
        authority=query.authority,
        identified=query.identified,
        basis=query.basis,
        arrangement=arrangement.version,
        rules=rules_version(now.date()),
        search=query.search,
        expectation=query.expectation,
    )


def open_notice(notice: Notice, side: Side, arrangement: Arrangement, now: datetime) -> Exchange:
    """Open the exchange of a notice about no query, given or received: a breach (9), consultations (14), an outage (4(1)).

    The first two are for all time, also after termination (15(5)), and closed when the matter is done with. A notice of an
    outage wants nothing, so its exchange is closed when it is there.
    """
    return Exchange(
        control_number=notice.control_number,
        side=side,
        querying=notice.raised_by,
        state=State.CLOSED if isinstance(notice, OutageNotice) else State.OPEN,
        opened_at=now,
        last_event_at=now,
        authority=NO_QUERY,
        identified=None,
        basis=None,
        arrangement=arrangement.version,
        rules=rules_version(now.date()),
        article={BreachNotice: 9, Consultation: 14, OutageNotice: 3}[type(notice)],
    )


def provide_unasked(
    message: ProvisionWithoutRequest,
    side: Side,
    arrangement: Arrangement,
    now: datetime,
    *,
    said_elsewhere: int = 0,
    agreement: Agreement = IN_FORCE_WITHOUT_NOTICE,
) -> Exchange:
    """Give, or take in, information without request on one case: Article 6. The providing Party is the queried side.

    ``said_elsewhere`` counts the provisions of other cases with the same reason to believe, word for word; the receiving
    side does not know it.

    Raises:
        BulkProvisionError: the reason is that of another case.
        TreatyError: NotInForceError, TerminatedError, PoliticalOffenceError, NotSeriousCrimeError.
        ConditionsError: a condition forbids what is not a purpose.

    """
    agreement.check("provision without request", now)
    if said_elsewhere:
        raise BulkProvisionError(
            f"information is provided without request in individual cases; the reason to believe is word for word that of "
            f"{said_elsewhere} other cases: say what is known of this case"
        )
    # Art. 11(2)(1): the record names types of information, so what is given is of a type that both Parties know.
    listed = arrangement.items[message.providing]
    if unknown := [kind for kind in (*kinds_of(message.items), *message.offered) if kind not in listed]:
        raise FieldNotAllowedError(
            f"{message.providing} may give {', '.join(listed)} (arrangement {arrangement.version}); "
            f"{', '.join(sorted(map(repr, unknown)))} is not on the list: name a listed item"
        )
    # Art. 1(3): the law of either Party carries a provision; only Articles 4 and 8 look at one Party's alone.
    lawful(message.basis, article=6, acting=message.providing, now=now)
    _tellable(message.conditions)
    if message.offered:
        return _unasked(message, side, State.OFFERED, arrangement, now)
    return _holding(_unasked(message, side, State.PROVIDED, arrangement, now), now)


def _unasked(
    message: ProvisionWithoutRequest, side: Side, state: State, arrangement: Arrangement, now: datetime
) -> Exchange:
    """Return the exchange that a provision without request opens."""
    return Exchange(
        control_number=message.control_number,
        side=side,
        querying=message.providing.other,
        state=state,
        opened_at=now,
        last_event_at=now,
        authority=NO_QUERY,
        identified=None,
        basis=message.basis,
        arrangement=arrangement.version,
        rules=rules_version(now.date()),
        article=6,
        expectation=message.expectation,
        reference=message.control_number,
        reply=message.control_number,
        offered=message.offered,
        conditions=message.conditions,
    )


def lawful(basis: Basis, *, article: int, acting: Party, now: datetime) -> Finding:
    """Return why ``basis`` is serious crime for an act of ``acting`` under ``article``.

    Raises:
        PoliticalOffenceError: the acting Party considers the act a political offence (Article 13(2)).
        NotSeriousCrimeError: the conduct is not serious crime by the law that counts (Article 1(3)).

    """
    # Art. 13(2): "an act considered a political offense by that Party": the acting Party's own view, asked at every act.
    if basis.political:
        raise PoliticalOffenceError(
            f"{acting} declares that it considers the act a political offence; the agreement does not authorise a query, a "
            "request or a use that relates to one"
        )
    # Art. 1(3): for Articles 4 and 8, the law of the Party that queries or uses information.
    finding = serious_crime(basis.offences, article=article, acting=acting, on=now.date())
    if not finding.serious:
        raise NotSeriousCrimeError(finding.reason)
    return finding


def answered(exchange: Exchange, answer: Answer, now: datetime) -> Exchange:
    """Take in, or give, the answer to a query: Articles 4(4) and 4(5)."""
    follows(exchange, "an answer", State.SENT)
    if isinstance(answer, Match):
        return _moved(exchange, State.MATCH, now, reference=answer.reference, answered_at=now)
    return _moved(exchange, State.NO_MATCH, now, answered_at=now)


def _moved(exchange: Exchange, state: State, now: datetime, **changes: Any) -> Exchange:
    """Return the exchange in a state that it reaches now."""
    return replace(exchange, state=state, state_since=now, last_event_at=now, **changes)


def not_accepted(exchange: Exchange, message: Message, now: datetime) -> Exchange:
    """Go back to where the exchange can go on, or end it, when the other side did not accept ``message`` of ours.

    A query that was not admitted has no answer and will have none. A request or an acceptance can be made anew.
    """
    at = replace(
        exchange, matters=tuple(_not_accepted(matter, message, now) for matter in exchange.matters), last_event_at=now
    )
    state = exchange.state
    match message:
        case Query():
            on_side(exchange, Side.QUERYING, "the refusal of a query")
            follows(exchange, "the refusal of a query", State.SENT)
            return _moved(at, State.CLOSED, now)
        case Request() if exchange.request == message.control_number and state is State.REQUESTED:
            # One that was answered before still followed the match (4(6)); this one did not.
            followed = message.control_number if exchange.reply else None
            return _moved(at, State.WILL_REQUEST, now, request=followed)
        case CapacityAnswer() if exchange.request == message.request:
            return replace(at, capacity=None, expected_on=None)
        case Acceptance() if exchange.acceptance == message.control_number and state in {
            State.PROVIDED,
            State.DECLINED,
        }:
            return _moved(at, State.OFFERED, now)
        case ProvisionWithoutRequest():
            return _moved(at, State.CLOSED, now, provided_at=None, open_purposes=())
        case BreachNotice() | Consultation() | OutageNotice():
            return _moved(at, State.CLOSED, now)
        case _:
            return at


def _not_accepted(matter: Matter, message: Message, now: datetime) -> Matter:
    """Withdraw a matter of ours that was not accepted, and open one again whose answer was not."""
    if matter.number == message.control_number:
        # Art. 10(2): whoever "otherwise becomes aware" takes a measure, whether the other side took in the notice or not.
        owed = matter.kind is MatterKind.CORRECTION and matter.settled_at is None
        return matter if owed else replace(matter, settled_at=now, outcome=NOT_ACCEPTED)
    if isinstance(message, Explanation | ResultOfUse | ConsentDecision) and matter.number == message.question:
        return replace(matter, settled_at=None, outcome="", granted=None)
    return matter


def examine(exchange: Exchange, conclusion: Conclusion, by: str, now: datetime) -> Exchange:
    """Note what the examiner of the querying side concludes: Article 4(5), "to confirm the result"."""
    on_side(exchange, Side.QUERYING, "an examination")
    follows(exchange, "an examination", State.MATCH, State.EXAMINED)
    if not by.strip():
        raise UnconfirmedError("an examination names its examiner; no name was given")
    return _moved(exchange, State.EXAMINED, now, conclusion=conclusion, examined_by=by)


def determine(exchange: Exchange, *, will_request: bool, now: datetime) -> Exchange:
    """Determine, or learn from the querying side, whether further information will be requested: Article 8(2).

    A notice may come late: after the request that it announces, or after the hold has lapsed. It then changes nothing.

    Raises:
        UnconfirmedError: the querying side wants to request without having confirmed the match.
        OutOfOrderError: there is no match to determine about, or it was determined before.

    """
    overtaken = exchange.request is not None and will_request
    if exchange.side is Side.QUERIED and (overtaken or exchange.state is State.LAPSED):
        return exchange
    follows(exchange, "a determination", State.MATCH, State.EXAMINED)
    # Art. 4(5): the prints were sent to be compared by an examiner; a request rests on a confirmed match. The queried
    # side cannot see the examination.
    if will_request and exchange.side is Side.QUERYING and exchange.conclusion is not Conclusion.IDENTIFICATION:
        raise UnconfirmedError(
            "further information is requested about the individual whose prints match, and the examiner's conclusion is "
            f"{exchange.conclusion or 'not there yet'}: examine the prints first, or determine not to request"
        )
    if will_request:
        return _moved(exchange, State.WILL_REQUEST, now)
    return _moved(exchange, State.NO_REQUEST, now, hold_ended=True)


def request(
    exchange: Exchange,
    message: Request,
    arrangement: Arrangement,
    now: datetime,
    *,
    agreement: Agreement = IN_FORCE_WITHOUT_NOTICE,
) -> Exchange:
    """Make, or take in, a request for further information: Article 5(1).

    A second request on the same match is allowed; a request that overtakes the notice of its determination implies it. The
    queried side takes one in also after its hold has lapsed: Article 5(1) sets no time, only the print is gone.

    Raises:
        NotAMatchError: the reference number is not of this match, or there is no match: none precedes what was provided
            without request.
        FieldNotAllowedError: an item is not on the queried Party's list.
        NoNotificationError: it is to be urgent and the risk is not stated.
        TerminatedError: the agreement has ended.
        TreatyError: as :func:`lawful`.

    """
    agreement.check("request", now)
    if exchange.article != 4 or exchange.reference is None or message.reference != exchange.reference:
        raise NotAMatchError(
            f"further information follows a match; {message.reference!r} is not the reference number of one given to you in "
            "this exchange: use the number that came with the match"
        )
    before = [State.WILL_REQUEST, State.PROVIDED, State.REFUSED, State.DECLINED]
    if exchange.side is Side.QUERIED:
        before += [State.MATCH, State.NO_REQUEST, State.LAPSED]
    follows(exchange, "a request", *before)
    _arrived(exchange, "a request")
    basis = message.notification.basis
    # By its words Art. 1(3) lets Art. 5 rest on the law of either Party; the use that follows needs the user's own (Art. 8).
    lawful(basis, article=5, acting=exchange.querying, now=now)
    lawful(basis, article=8, acting=exchange.querying, now=now)
    if message.risk and len(message.risk.strip()) < arrangement.urgency_characters:
        raise NoNotificationError(
            f"an urgent request states the significant and imminent risk in at least {arrangement.urgency_characters} "
            f"characters (arrangement {arrangement.version}); got {len(message.risk.strip())}: state it, or request without "
            "urgency"
        )
    listed = arrangement.items[exchange.queried]
    for item in message.notification.items:
        if item not in listed:
            raise FieldNotAllowedError(
                f"{exchange.queried} may give {', '.join(listed)} (arrangement {arrangement.version}); {item!r} is not on the "
                "list: ask for listed items only"
            )
    return _moved(
        exchange,
        State.REQUESTED,
        now,
        request=message.control_number,
        requested_items=message.notification.items,
        notified_basis=basis,
        urgent=bool(message.risk),
        urgent_since=_urgent_since(exchange, message, now),
        capacity=None,
        expected_on=None,
    )


def _urgent_since(exchange: Exchange, message: Request, now: datetime) -> datetime | None:
    """Return since when urgency waits for the queried side's review; the first of several urgent requests counts."""
    if exchange.side is Side.QUERIED and message.risk:
        return exchange.urgent_since or now
    return exchange.urgent_since


def can_answer(exchange: Exchange, message: CapacityAnswer, now: datetime) -> Exchange:
    """Say, or learn from the queried side, whether an open request can be answered and by when: before its reply (5(2)).

    The last word counts. It changes no time limit. One that arrives after the reply it announces changes nothing.

    Raises:
        OutOfOrderError: no request is open, or another one.

    """
    overtaken = message.request == exchange.request and exchange.state is not State.REQUESTED
    if exchange.side is Side.QUERYING and overtaken:
        return exchange
    follows(exchange, "a capacity answer", State.REQUESTED)
    if message.request != exchange.request or message.reference != exchange.reference:
        raise OutOfOrderError(
            f"the capacity answer is to request {message.request!r} on {message.reference!r}; the open request is "
            f"{exchange.request!r} on {exchange.reference!r}: answer that one"
        )
    answer = message.answer
    return replace(exchange, capacity=answer.capacity, expected_on=answer.expected_on, last_event_at=now)


def reply(
    exchange: Exchange, message: Reply, now: datetime, *, agreement: Agreement = IN_FORCE_WITHOUT_NOTICE
) -> Exchange:
    """Give, or take in, the reply to a request: Articles 5(2), 5(5) and 8(8).

    Raises:
        TerminatedError: we would give or offer information, and the agreement has ended; a refusal is still told.
        FieldNotAllowedError: an item was not asked for.
        NoReasonError: an item that was asked for is neither given nor refused with a reason.
        ConditionsError: a condition forbids what is not a purpose, so no gate could hold anybody to it.

    """
    follows(exchange, "a reply", State.REQUESTED)
    # Art. 15(4): what was given before the end may arrive after it, so only who gives is held to it.
    if exchange.side is Side.QUERIED and not message.refused:
        agreement.check("provision", now)
    if message.request != exchange.request or message.reference != exchange.reference:
        raise OutOfOrderError(
            f"the reply is to request {message.request!r} on {message.reference!r}; the open request is {exchange.request!r} "
            f"on {exchange.reference!r}"
        )
    given = {item.kind for item in message.items} | set(message.offered)
    if extra := given - set(exchange.requested_items):
        raise FieldNotAllowedError(f"only requested items are given; {', '.join(sorted(extra))} was not asked for")
    refused = {refusal.item for refusal in message.refusals}
    if stray := (refused - {None}) - (set(exchange.requested_items) - given):
        raise NoReasonError(
            f"what is refused was asked for and is not given; {', '.join(sorted(map(str, stray)))} is not so: correct the reply"
        )
    # Art. 5(5): what is withheld carries its reason, in part as in whole.
    if None not in refused and (silent := set(exchange.requested_items) - given - refused):
        raise NoReasonError(f"{', '.join(sorted(silent))} was asked for and is neither given nor refused with a reason")
    _tellable(message.conditions)
    state = State.REFUSED if message.refused else State.OFFERED if message.conditions else State.PROVIDED
    replied = _moved(
        exchange,
        state,
        now,
        reply=message.control_number,
        offered=message.offered,
        conditions=message.conditions,
    )
    return _holding(replied, now) if state is State.PROVIDED else replied


def _tellable(conditions: tuple[Condition, ...]) -> None:
    """Refuse a condition that forbids what is not a purpose: an accepted one binds (8(8)), so a gate must tell it apart."""
    for condition in conditions:
        if unknown := set(condition.forbids) - set(Purpose):
            raise ConditionsError(
                f"a condition forbids purposes among {', '.join(Purpose)}; {', '.join(sorted(unknown))} is none: name the "
                "purpose, or say it in the condition's words alone"
            )


def _holding(exchange: Exchange, now: datetime) -> Exchange:
    """Note that information is held now, and for which purpose: Article 8(9)."""
    first = Purpose.SERIOUS_CRIME if exchange.article == 6 else Purpose.NOTIFIED
    purposes = dict.fromkeys((*exchange.open_purposes, first.value))
    return replace(exchange, provided_at=now, open_purposes=tuple(purposes))


def accept(exchange: Exchange, message: Acceptance, now: datetime) -> Exchange:
    """Accept, or decline, information under conditions: Article 8(8). Acceptance binds."""
    follows(exchange, "an acceptance", State.OFFERED)
    if message.reply != exchange.reply or message.reference != exchange.reference:
        raise ConditionsError(
            f"the acceptance is of reply {message.reply!r} on {message.reference!r}; the one waiting is {exchange.reply!r} on "
            f"{exchange.reference!r}: accept that one"
        )
    state = State.PROVIDED if message.accepted else State.DECLINED
    return _moved(exchange, state, now, acceptance=message.control_number)


def provide(
    exchange: Exchange, message: Provision, now: datetime, *, agreement: Agreement = IN_FORCE_WITHOUT_NOTICE
) -> Exchange:
    """Give, or take in, what was offered, after the acceptance of its conditions, and once: Articles 5(2) and 8(8).

    Raises:
        OutOfOrderError: it is not what the accepted reply offered, or that was given already.
        TerminatedError: it is ours to give, and the agreement has ended.
        FieldNotAllowedError: items came that were not offered, or offered ones are missing.

    """
    follows(exchange, "a provision", State.PROVIDED)
    if exchange.side is Side.QUERIED:
        agreement.check("provision", now)
    if message.reply != exchange.reply or message.reference != exchange.reference:
        raise OutOfOrderError(
            f"the provision follows reply {message.reply!r} on {message.reference!r}; the accepted one is {exchange.reply!r} "
            f"on {exchange.reference!r}"
        )
    if not exchange.offered:
        raise OutOfOrderError(
            f"a provision gives what was offered; in exchange {exchange.control_number} nothing more is on offer: it came once"
        )
    kinds = kinds_of(message.items)
    if kinds != set(exchange.offered):
        raise FieldNotAllowedError(
            f"what was offered is given, {', '.join(exchange.offered)}; what came is "
            f"{', '.join(sorted(kinds)) or 'nothing'}"
        )
    return _holding(replace(exchange, offered=(), last_event_at=now), now)


def kinds_of(items: tuple[Item, ...]) -> set[str]:
    """Return the kinds of items."""
    return {item.kind for item in items}


def close(exchange: Exchange, now: datetime) -> Exchange:
    """End an exchange: the purposes for which information was held are no longer open (Article 8(9)); a notice is done with."""
    follows(
        exchange, "closing", State.PROVIDED, State.REFUSED, State.DECLINED, State.LAPSED, State.NO_REQUEST, State.OPEN
    )
    _arrived(exchange, "closing")
    return _moved(exchange, State.CLOSED, now, open_purposes=())


def lapse(exchange: Exchange, now: datetime) -> Exchange:
    """End a hold whose time has run out: the agreement gives no date, so the arrangement's hard stop does (Article 8(1))."""
    holds = [State.MATCH, State.EXAMINED, State.WILL_REQUEST]
    # What was provided to us is kept as long as it is necessary (8(9)); only our own copy of what we gave lapses. A query
    # of ours that is never answered keeps its print no longer than an answered one.
    follows(exchange, "a lapse", *holds, State.PROVIDED if exchange.side is Side.QUERIED else State.SENT)
    return _moved(exchange, State.LAPSED, now, hold_ended=True)


def lose(exchange: Exchange, now: datetime) -> Exchange:
    """End an exchange whose content was lost with the contact point that held it; return it as it is where nothing was open.

    Prints that are gone are held no more (Articles 8(1), 8(2)), nor is information (8(9)). A request that we owe an answer
    stays: its answer needs no print (5(2)), and the record says what was lost. Notices and matters lost
    nothing.
    """
    if exchange.state is State.REQUESTED and exchange.side is Side.QUERIED:
        return replace(exchange, hold_ended=True, last_event_at=now)
    holding = exchange.side is Side.QUERYING and (bool(exchange.open_purposes) or exchange.awaits_provision)
    if exchange.state not in _UNFINISHED and not holding:
        return exchange
    given = exchange.side is Side.QUERYING and exchange.provided_at is not None
    ended = State.CLOSED if given else State.LAPSED
    return _moved(exchange, ended, now, hold_ended=True, open_purposes=())


_UNFINISHED = frozenset(
    {State.SENT, State.MATCH, State.EXAMINED, State.WILL_REQUEST, State.REQUESTED, State.OFFERED},
)


def _arrived(exchange: Exchange, step: str) -> None:
    """Raise while what was accepted is on its way: it would find nobody to take it in."""
    if exchange.awaits_provision:
        raise OutOfOrderError(
            f"{step} follows what was accepted; in exchange {exchange.control_number} "
            f"{', '.join(exchange.offered)} is still on its way: wait for it"
        )
