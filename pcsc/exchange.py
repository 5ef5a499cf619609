"""The life of one exchange on either side: (exchange, message or act, now) -> exchange.

Each step checks that it may follow the step before it and that the agreement allows it, and returns the exchange as it is
afterwards. Nothing is stored, sent or destroyed here: what may still be held in a state is :func:`pcsc.duties.permitted`.

The same step serves both sides, since both check: the querying contact point before it speaks, the queried one because it
cannot take the other's word for it. Where only one side can know something, the step says so.

    querying   SENT -> NO_MATCH | MATCH -> EXAMINED -> NO_REQUEST | WILL_REQUEST -> REQUESTED -> ...
    queried            NO_MATCH | MATCH             -> NO_REQUEST | WILL_REQUEST -> REQUESTED -> ...
    both       REQUESTED -> PROVIDED | REFUSED | OFFERED -> PROVIDED | DECLINED;   any hold in the end -> LAPSED
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from annex.offences import Finding, serious_crime
from annex.parameters import Party, rules_version
from pcsc.errors import (
    ConditionsError,
    FieldNotAllowedError,
    NoCircumstancesError,
    NoReasonError,
    NotAMatchError,
    NotInForceError,
    NotSeriousCrimeError,
    OutOfOrderError,
    PoliticalOffenceError,
    QuotaError,
    UnconfirmedError,
)
from pcsc.messages import (
    Acceptance,
    Answer,
    Authority,
    Basis,
    Conclusion,
    Condition,
    Match,
    Provision,
    Query,
    Reply,
    Request,
)
from pcsc.use import Purpose

if TYPE_CHECKING:
    from pcsc.arrangement import Arrangement
    from pcsc.messages import Message

IN_FORCE_FROM: Final = date(2019, 1, 5)
"""Article 15(1): the thirtieth day after the exchange of notes (TIAS 19-105)."""


class Side(StrEnum):
    """Which side of an exchange this contact point is on."""

    QUERYING = "querying"
    QUERIED = "queried"


class State(StrEnum):
    """How far an exchange has come."""

    SENT = "sent"
    NO_MATCH = "no match"
    MATCH = "match"
    EXAMINED = "examined"
    NO_REQUEST = "no request"
    WILL_REQUEST = "will request"
    REQUESTED = "requested"
    OFFERED = "offered"
    PROVIDED = "provided"
    REFUSED = "refused"
    DECLINED = "declined"
    LAPSED = "lapsed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One query and all that followed from it, without content: no prints, no items, no text of a notification."""

    control_number: str
    side: Side
    querying: Party
    state: State
    opened_at: datetime
    last_event_at: datetime
    authority: Authority
    identified: bool
    basis: Basis
    arrangement: str
    rules: str
    reference: str | None = None
    answered_at: datetime | None = None
    conclusion: Conclusion | None = None
    examined_by: str | None = None
    request: str | None = None
    requested_items: tuple[str, ...] = ()
    notified_basis: Basis | None = None
    reply: str | None = None
    offered: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()

    @property
    def queried(self) -> Party:
        """The Party whose prints are searched."""
        return self.querying.other

    @property
    def other(self) -> Party:
        """The Party at the other end."""
        return self.queried if self.side is Side.QUERYING else self.querying


def open_query(
    query: Query, circumstances: str, arrangement: Arrangement, *, made_today: int, now: datetime
) -> Exchange:
    """Admit a query of our own: Articles 1(3), 4(3), 4(7), 13(2), 15(1), under the law of the querying Party.

    ``circumstances`` are the particular circumstances of Article 4(3), which stay here; ``made_today`` counts the queries
    of this UTC day before this one.

    Raises:
        TreatyError: NotInForceError, PoliticalOffenceError, NotSeriousCrimeError, NoCircumstancesError, QuotaError.

    """
    # Art. 4(3): only if particular circumstances give reason to inquire about the individual.
    said = len(circumstances.strip())
    if said < arrangement.circumstances_characters:
        raise NoCircumstancesError(
            f"the particular circumstances that give reason to inquire are stated in at least "
            f"{arrangement.circumstances_characters} characters (arrangement {arrangement.version}); got {said}: say what "
            "is known of this individual and this case"
        )
    return _admit(query, Side.QUERYING, arrangement, made_today=made_today, now=now)


def receive_query(query: Query, arrangement: Arrangement, *, made_today: int, now: datetime) -> Exchange:
    """Admit a query of the other Party: what can be checked of Articles 1(3), 4(7), 13(2) and 15(1) from its message.

    The state is SENT until :func:`answered`. The law that counts is still the querying Party's, not ours.

    Raises:
        TreatyError: NotInForceError, PoliticalOffenceError, NotSeriousCrimeError, QuotaError.

    """
    return _admit(query, Side.QUERIED, arrangement, made_today=made_today, now=now)


def _admit(query: Query, side: Side, arrangement: Arrangement, *, made_today: int, now: datetime) -> Exchange:
    """Check what both sides can check of a query and open its exchange."""
    # Art. 15(1), (2): on or after entry into force; the date of the acts never matters.
    start = max(IN_FORCE_FROM, arrangement.in_force_from)
    if now.date() < start:
        raise NotInForceError(f"the agreement and its arrangement apply from {start}; this query is of {now.date()}")
    lawful(query.basis, article=4, acting=query.querying, now=now)
    # Art. 4(7): the number of queries is a matter of the arrangement.
    if made_today >= arrangement.queries_per_day:
        raise QuotaError(
            f"arrangement {arrangement.version} allows {arrangement.queries_per_day} queries a day and {made_today} were "
            "made today (UTC): wait for tomorrow, or agree on another number"
        )
    return _opened(query, side, State.SENT, arrangement, now)


def turned_away(query: Query, arrangement: Arrangement, now: datetime) -> Exchange | None:
    """Return the exchange of a query that we received and did not admit, for the record of its receipt: Article 11(1).

    None before the agreement was in force: nothing was communicated under it.
    """
    if now.date() < IN_FORCE_FROM:
        return None
    return _opened(query, Side.QUERIED, State.CLOSED, arrangement, now)


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
    _follows(exchange, "an answer", State.SENT)
    if isinstance(answer, Match):
        return replace(exchange, state=State.MATCH, reference=answer.reference, answered_at=now, last_event_at=now)
    return replace(exchange, state=State.NO_MATCH, answered_at=now, last_event_at=now)


def not_accepted(exchange: Exchange, message: Message, now: datetime) -> Exchange:
    """Go back to where the exchange can go on, or end it, when the other side did not accept ``message`` of ours.

    A query that was not admitted has no answer and will have none. A request or an acceptance can be made anew.
    """
    state = exchange.state
    match message:
        case Query():
            _on(exchange, Side.QUERYING, "the refusal of a query")
            _follows(exchange, "the refusal of a query", State.SENT)
            state = State.CLOSED
        case Request() if exchange.request == message.control_number:
            state = State.WILL_REQUEST
        case Acceptance() if exchange.reply == message.reply:
            state = State.OFFERED
        case _:
            pass
    return replace(exchange, state=state, last_event_at=now)


def examine(exchange: Exchange, conclusion: Conclusion, by: str, now: datetime) -> Exchange:
    """Note what the examiner of the querying side concludes: Article 4(5), "to confirm the result"."""
    _on(exchange, Side.QUERYING, "an examination")
    _follows(exchange, "an examination", State.MATCH, State.EXAMINED)
    if not by.strip():
        raise UnconfirmedError("an examination names its examiner; no name was given")
    return replace(exchange, state=State.EXAMINED, conclusion=conclusion, examined_by=by, last_event_at=now)


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
    _follows(exchange, "a determination", State.MATCH, State.EXAMINED)
    # Art. 4(5): the prints were sent to be compared by an examiner; a request rests on a confirmed match. The queried
    # side cannot see the examination.
    if will_request and exchange.side is Side.QUERYING and exchange.conclusion is not Conclusion.IDENTIFICATION:
        raise UnconfirmedError(
            "further information is requested about the individual whose prints match, and the examiner's conclusion is "
            f"{exchange.conclusion or 'not there yet'}: examine the prints first, or determine not to request"
        )
    return replace(exchange, state=State.WILL_REQUEST if will_request else State.NO_REQUEST, last_event_at=now)


def request(exchange: Exchange, message: Request, arrangement: Arrangement, now: datetime) -> Exchange:
    """Make, or take in, a request for further information: Article 5(1).

    A second request on the same match is allowed; a request that overtakes the notice of its determination implies it. The
    queried side takes one in also after its hold has lapsed: Article 5(1) sets no time, only the print is gone.

    Raises:
        NotAMatchError: the reference number is not of this match, or there is no match.
        FieldNotAllowedError: an item is not on the queried Party's list.
        TreatyError: as :func:`lawful`.

    """
    if exchange.reference is None or message.reference != exchange.reference:
        raise NotAMatchError(
            f"further information follows a match; {message.reference!r} is not the reference number of one given to you in "
            "this exchange: use the number that came with the match"
        )
    before = [State.WILL_REQUEST, State.PROVIDED, State.REFUSED, State.DECLINED]
    if exchange.side is Side.QUERIED:
        before += [State.MATCH, State.NO_REQUEST, State.LAPSED]
    _follows(exchange, "a request", *before)
    basis = message.notification.basis
    # By its words Art. 1(3) lets Art. 5 rest on the law of either Party; the use that follows needs the user's own (Art. 8).
    lawful(basis, article=5, acting=exchange.querying, now=now)
    lawful(basis, article=8, acting=exchange.querying, now=now)
    listed = arrangement.items[exchange.queried]
    for item in message.notification.items:
        if item not in listed:
            raise FieldNotAllowedError(
                f"{exchange.queried} may give {', '.join(listed)} (arrangement {arrangement.version}); {item!r} is not on the "
                "list: ask for listed items only"
            )
    return replace(
        exchange,
        state=State.REQUESTED,
        request=message.control_number,
        requested_items=message.notification.items,
        notified_basis=basis,
        last_event_at=now,
    )


def reply(exchange: Exchange, message: Reply, now: datetime) -> Exchange:
    """Give, or take in, the reply to a request: Articles 5(2), 5(5) and 8(8).

    Raises:
        FieldNotAllowedError: an item was not asked for.
        NoReasonError: an item that was asked for is neither given nor refused with a reason.
        ConditionsError: a condition forbids what is not a purpose, so no gate could hold anybody to it.

    """
    _follows(exchange, "a reply", State.REQUESTED)
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
    # Art. 8(8): an accepted condition binds, so what it forbids must be something that can be told apart.
    for condition in message.conditions:
        if unknown := set(condition.forbids) - set(Purpose):
            raise ConditionsError(
                f"a condition forbids purposes among {', '.join(Purpose)}; {', '.join(sorted(unknown))} is none: name the "
                "purpose, or say it in the condition's words alone"
            )
    state = State.REFUSED if message.refused else State.OFFERED if message.conditions else State.PROVIDED
    return replace(
        exchange,
        state=state,
        reply=message.control_number,
        offered=message.offered,
        conditions=message.conditions,
        last_event_at=now,
    )


def accept(exchange: Exchange, message: Acceptance, now: datetime) -> Exchange:
    """Accept, or decline, information under conditions: Article 8(8). Acceptance binds."""
    _follows(exchange, "an acceptance", State.OFFERED)
    if message.reply != exchange.reply or message.reference != exchange.reference:
        raise ConditionsError(
            f"the acceptance is of reply {message.reply!r}; the one waiting is {exchange.reply!r}: accept that one"
        )
    return replace(exchange, state=State.PROVIDED if message.accepted else State.DECLINED, last_event_at=now)


def provide(exchange: Exchange, message: Provision, now: datetime) -> Exchange:
    """Give, or take in, what was offered, after the acceptance of its conditions: Articles 5(2) and 8(8).

    Raises:
        OutOfOrderError: it is not what the accepted reply offered.
        FieldNotAllowedError: items came that were not offered, or offered ones are missing.

    """
    _follows(exchange, "a provision", State.PROVIDED)
    if message.reply != exchange.reply or message.reference != exchange.reference:
        raise OutOfOrderError(
            f"the provision follows reply {message.reply!r} on {message.reference!r}; the accepted one is {exchange.reply!r} "
            f"on {exchange.reference!r}"
        )
    kinds = {item.kind for item in message.items}
    if kinds != set(exchange.offered):
        raise FieldNotAllowedError(
            f"what was offered is given, {', '.join(exchange.offered) or 'nothing'}; what came is "
            f"{', '.join(sorted(kinds)) or 'nothing'}"
        )
    return replace(exchange, last_event_at=now)


def close(exchange: Exchange, now: datetime) -> Exchange:
    """End an exchange: the purpose for which information was held is no longer open (Article 8(9))."""
    _follows(exchange, "closing", State.PROVIDED, State.REFUSED, State.DECLINED, State.LAPSED, State.NO_REQUEST)
    return replace(exchange, state=State.CLOSED, last_event_at=now)


def lapse(exchange: Exchange, now: datetime) -> Exchange:
    """End a hold whose time has run out: the agreement gives no date, so the arrangement's hard stop does (Article 8(1))."""
    holds = [State.MATCH, State.EXAMINED, State.WILL_REQUEST]
    # What was provided to us is kept as long as it is necessary (8(9)); only our own copy of what we gave lapses. A query
    # of ours that is never answered keeps its print no longer than an answered one.
    _follows(exchange, "a lapse", *holds, State.PROVIDED if exchange.side is Side.QUERIED else State.SENT)
    return replace(exchange, state=State.LAPSED, last_event_at=now)


def _follows(exchange: Exchange, step: str, *states: State) -> None:
    """Raise unless the exchange is in one of ``states``."""
    if exchange.state not in states:
        before = " or ".join(f"'{state}'" for state in states)
        raise OutOfOrderError(f"{step} follows {before}; exchange {exchange.control_number} is at '{exchange.state}'")


def _on(exchange: Exchange, side: Side, step: str) -> None:
    """Raise unless this contact point is on ``side`` of the exchange."""
    if exchange.side is not side:
        raise OutOfOrderError(
            f"{step} is the {side} side's act; exchange {exchange.control_number} is ours as {exchange.side}"
        )
