"""The acts of the querying side: ask, examine, determine, request, accept, use.

Each act is the operator's: the agreement lets a person of this contact point decide, and the code holds the person to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from contact_point import client, nist, prints, service, wire
from contact_point.examination import Panel, side_by_side_png, side_by_side_svg
from matcher import images
from matcher.comparison import compare
from pcsc import exchange as life
from pcsc.duties import Content
from pcsc.errors import BulkQueryError, ConditionsError, NoPrintsError, OutOfOrderError, UseError
from pcsc.exchange import Side, State
from pcsc.messages import (
    Acceptance,
    Authority,
    Basis,
    Determination,
    Expectation,
    Item,
    Match,
    NoMatch,
    Provision,
    Query,
    Reply,
    Request,
)
from pcsc.records import Direction
from pcsc.use import Information, Permission, Purpose, Refusal, may_use

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from annex.offences import Offence
    from contact_point.prints import Print
    from contact_point.service import Installation
    from contact_point.store import Transaction
    from pcsc.exchange import Exchange
    from pcsc.messages import (
        Answer,
        Conclusion,
        Message,
        WrittenNotification,
    )


@dataclass(frozen=True, slots=True)
class Justification:
    """Why a query may be made: Article 4(3). ``circumstances`` never leave this contact point."""

    authority: Authority
    basis: Basis
    expectation: Expectation
    circumstances: str
    identified: bool
    case_reference: str


def open_query(
    here: Installation, probe: Sequence[tuple[Print, int]], justification: Justification, now: datetime
) -> Exchange:
    """Query the other Party's prints for one individual, given as prints with finger positions: Articles 4(3)-(5).

    Whether the query may be made is decided before anything of the print is stored or sent. If no answer comes the query
    is kept and :func:`resume` sends it again.

    Raises:
        TreatyError: the query may not be made, or the other contact point did not admit it.
        ClientError: no answer came, or the query was refused.

    """
    positions = [position for _, position in probe]
    if not probe or (len(probe) > 1 and (0 in positions or len(set(positions)) < len(positions))):
        raise BulkQueryError(
            f"a query is about one individual: one print, or different fingers with their positions; got positions {positions}"
        )
    query = _query(here, probe, justification, now)
    why = {"circumstances": justification.circumstances, "case": justification.case_reference}
    with here.store.transaction() as tx:
        made = tx.queries_on(f"{now:%Y-%m-%d}", Side.QUERYING)
        arrangement = here.settings.arrangement
        exchange = life.open_query(query, justification.circumstances, arrangement, made_today=made, now=now)
        body = service.commit_message(tx, exchange, query, before=None, now=now)
        tx.hold(exchange.control_number, Content.PROBE, query.prints)
        tx.hold(exchange.control_number, Content.CIRCUMSTANCES, json.dumps(why, ensure_ascii=False).encode())
    return deliver(here, exchange.control_number, query, body, now)


def _query(
    here: Installation, probe: Sequence[tuple[Print, int]], justification: Justification, now: datetime
) -> Query:
    party, number = here.settings.party, service.new_number(here, now)
    return Query(
        control_number=number,
        made_at=now,
        salt=service.new_salt(),
        querying=party,
        authority=justification.authority,
        identified=justification.identified,
        basis=justification.basis,
        expectation=justification.expectation,
        prints=prints.transaction(
            [(each.image, position) for each, position in probe],
            kind=prints.SEARCH,
            control_number=number,
            originator=f"{party}/NCP",
            destination=f"{party.other}/NCP",
            delete_by=(now + timedelta(days=here.settings.arrangement.follow_up_days)).date(),
            now=now,
        ),
    )


def deliver(here: Installation, control_number: str, message: Message, body: bytes, now: datetime) -> Exchange:
    """Send a committed message, take in its answer, and return the exchange as it then stands.

    Raises:
        RefusedError: the other contact point did not accept it; if that is final, the message is given up and recorded so.
        ClientError: no answer came; :func:`resume` sends the message again.

    """
    try:
        answer, answer_body = service.post(here, message, body, now)
    except client.RefusedError as refused:
        if refused.final:
            _give_up(here, control_number, message, refused, now)
        raise
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        match answer:
            case Match() | NoMatch():
                _take_answer(tx, exchange, answer, answer_body, now)
            case Provision():
                _take_provision(tx, exchange, answer, answer_body, now)
            case _:
                pass  # a receipt says that the message is recorded there, and brings no information
    service.delivered(here, control_number, message.control_number, now)
    with here.store.transaction() as tx:
        return tx.exchange(control_number)


def _give_up(
    here: Installation, control_number: str, message: Message, refused: client.RefusedError, now: datetime
) -> None:
    """Record that a message was not accepted and destroy our copy; a query that was not admitted ends with it."""
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        if isinstance(message, Query):
            tx.step(life.turn_away(exchange, now), before=exchange.state)
        note = (
            f"{wire.kind_of(message)} {message.control_number} not accepted by {exchange.other}: {refused.problem.code}"
        )
        service.record_act(tx, exchange, "not accepted", article=refused.problem.article, note=note, now=now)
    service.delivered(here, control_number, message.control_number, now)


def _take_answer(tx: Transaction, exchange: Exchange, answer: Answer, body: bytes, now: datetime) -> None:
    """Articles 4(4) and 4(5): a match is kept for the examiner until the determination."""
    if exchange.state is not State.SENT:
        return  # the same answer, given a second time
    tx.step(life.answered(exchange, answer, now), before=exchange.state)
    service.record(tx, exchange, answer, body, Direction.RECEIVED, now)
    if isinstance(answer, Match):
        _check_prints(answer)
        tx.hold(exchange.control_number, Content.CANDIDATE, answer.prints)


def _check_prints(match: Match) -> None:
    """Refuse a match that the examiner could not confirm, before it is taken in: Article 4(5)."""
    result = nist.read(match.prints)
    if not result.images or result.control_reference != match.control_number:
        raise NoPrintsError(
            f"a match is accompanied by the fingerprint data that lets us confirm it: expected the images that answer "
            f"{match.control_number}; got {len(result.images)} that answer {result.control_reference}"
        )


def _take_provision(tx: Transaction, exchange: Exchange, provision: Provision, body: bytes, now: datetime) -> None:
    """Article 8(8): the content comes after the acceptance."""
    if any(held.kind is Content.INFORMATION for held in tx.held(exchange.control_number)):
        return  # the same provision, given a second time
    tx.step(life.provide(exchange, provision, now), before=exchange.state)
    service.record(tx, exchange, provision, body, Direction.RECEIVED, now)
    tx.hold(exchange.control_number, Content.INFORMATION, items_text(provision.items))


def resume(here: Installation, now: datetime) -> list[Exchange | client.ClientError]:
    """Send every message again that was committed and not delivered; return the exchange, or what went wrong, of each."""
    with here.store.transaction() as tx:
        waiting = [
            (held.exchange, tx.content(held.exchange, held.kind, number=held.number))
            for held in tx.held()
            if held.kind is Content.MESSAGE
        ]
    outcomes: list[Exchange | client.ClientError] = []
    for control_number, body in waiting:
        try:
            outcomes.append(deliver(here, control_number, wire.decode(body, *wire.PATHS), body, now))
        except client.ClientError as error:
            outcomes.append(error)
    return outcomes


# Examination and determination


@dataclass(frozen=True, slots=True)
class Examination:
    """What the examiner looks at: both prints and the minutiae that pair up. It lives in memory only."""

    probe: Panel
    candidate: Panel
    pairs: tuple[tuple[int, int], ...]

    def svg(self) -> str:
        """Return the two prints side by side as SVG."""
        return side_by_side_svg(self.probe, self.candidate, self.pairs)

    def png(self) -> bytes:
        """Return the two prints side by side as PNG."""
        return side_by_side_png(self.probe, self.candidate, self.pairs)


def examination(here: Installation, control_number: str) -> Examination:
    """Return the prints of a match for examination: Article 4(5).

    Raises:
        OutOfOrderError: there is no match to examine, or its prints are gone.

    """
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        if Content.CANDIDATE not in {held.kind for held in tx.held(control_number)}:
            raise OutOfOrderError(
                f"exchange {control_number} is at '{exchange.state}' and holds no matching prints: they are there from the "
                "match to the determination (Art. 8(2))"
            )
        ours = tx.content(control_number, Content.PROBE)
        theirs = tx.content(control_number, Content.CANDIDATE)
    probes, candidates = here.reader.of_transaction(ours), here.reader.of_transaction(theirs)
    best = max(
        (
            (probe, candidate, compare(probe.template, candidate.template))
            for probe in probes
            for candidate in candidates
        ),
        key=lambda each: each[2].score,
    )
    left, right, comparison = best
    return Examination(
        Panel(images.at_500(left.image).pixels, left.template, "probe"),
        Panel(images.at_500(right.image).pixels, right.template, f"candidate, reference {exchange.reference}"),
        comparison.pairs,
    )


def write_picture(here: Installation, control_number: str, path: Path, now: datetime) -> None:
    """Write the prints of a match side by side to a new file, ``.svg`` or ``.png``; it is deleted with them (Article 8(2)).

    Raises:
        OutOfOrderError: there is no match to examine.
        ValueError: the file is to be of another kind.
        FileExistsError: the file exists.

    """
    if path.suffix not in {".svg", ".png"}:
        raise ValueError(f"a picture is written as .svg or .png; {path.name} is neither: choose one of the two")
    shown = examination(here, control_number)
    content = shown.svg().encode() if path.suffix == ".svg" else shown.png()
    path.touch(mode=0o600, exist_ok=False)  # ours from here on, and empty until the promise to delete it is durable
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        tx.hold(control_number, Content.PICTURE, str(path.resolve()).encode(), number=service.new_salt())
        note = "the prints were written side by side to a file, which goes with them"
        service.record_act(tx, exchange, "picture", article="4(5)", note=note, now=now)
    path.write_bytes(content)


def examine(here: Installation, control_number: str, conclusion: Conclusion, by: str, now: datetime) -> Exchange:
    """Note the examiner's conclusion: Article 4(5)."""
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        exchange = life.examine(before, conclusion, by, now)
        tx.step(exchange, before=before.state)
        note = f"{conclusion} by {by}"
        service.record_act(tx, exchange, "examination", article="4(5)", note=note, now=now)
    return exchange


def determine(here: Installation, control_number: str, *, will_request: bool, now: datetime) -> Exchange:
    """Determine whether to request further information: Article 8(2), the received prints are destroyed either way.

    They are gone before the other side is told.
    """
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        exchange = life.determine(before, will_request=will_request, now=now)
        notice = Determination(
            service.new_number(here, now), now, service.new_salt(), exchange.reference or "", will_request
        )
        body = service.commit_message(tx, exchange, notice, before=before.state, now=now)
    service.dispose(here, control_number, now)
    return deliver(here, control_number, notice, body, now)


# Article 5


def request(here: Installation, control_number: str, notification: WrittenNotification, now: datetime) -> Exchange:
    """Request further information, with its written notification: Article 5(1)."""
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        message = Request(
            service.new_number(here, now),
            now,
            service.new_salt(),
            before.reference or "",
            before.authority,
            notification,
        )
        exchange = life.request(before, message, here.settings.arrangement, now)
        body = service.commit_message(tx, exchange, message, before=before.state, now=now)
        tx.hold(control_number, Content.NOTIFICATION, body, number=message.control_number)
    return deliver(here, control_number, message, body, now)


def receive_reply(here: Installation, reply: Reply, body: bytes, committed: str, now: datetime) -> bytes:
    """Take in the reply to our request, from the other contact point: Articles 5(2), 5(5), 8(8)."""
    with here.store.transaction() as tx:
        before = tx.exchange_of(reply.reference)
        exchange = life.reply(before, reply, now)
        tx.step(exchange, before=before.state)
        service.record(tx, exchange, reply, body, Direction.RECEIVED, now)
        if reply.items:
            tx.hold(exchange.control_number, Content.INFORMATION, items_text(reply.items))
        return service.receipt(tx, exchange, reply, committed, now)


def accept(here: Installation, control_number: str, *, accepted: bool, signed_by: str, now: datetime) -> Exchange:
    """Accept the conditions of an offer and be bound by them, or decline the information: Article 8(8)."""
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        message = Acceptance(
            service.new_number(here, now),
            now,
            service.new_salt(),
            before.reply or "",
            before.reference or "",
            accepted,
            signed_by,
        )
        exchange = life.accept(before, message, now)
        body = service.commit_message(tx, exchange, message, before=before.state, now=now)
    return deliver(here, control_number, message, body, now)


def use(
    here: Installation,
    control_number: str,
    purpose: Purpose,
    *,
    political: bool,
    offences: Sequence[Offence] = (),
    by: str,
    now: datetime,
) -> tuple[Permission, tuple[Item, ...]]:
    """Use provided information for a purpose, if the agreement lets it: Article 8(5), 8(8), 13(2). Every answer is recorded.

    Raises:
        UseError: it may not be used so; the message carries the clause.
        ConditionsError: there is nothing to use: nothing was provided, or its conditions are not accepted.

    """
    if not by.strip():
        raise UseError("a use is recorded with who makes it, so that its result can be told; no name was given", "7")
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        if exchange.state is not State.PROVIDED:
            raise ConditionsError(
                f"exchange {control_number} is at '{exchange.state}': there is no provided information to use; what is offered "
                "under conditions is read after their acceptance"
            )
        information = Information(article=5, conditions=exchange.conditions)
        verdict = may_use(information, purpose, by=here.settings.party, political=political, offences=offences, now=now)
        allowed = "allowed" if isinstance(verdict, Permission) else "refused"
        note = f"use for {purpose} by {by}: {allowed}"
        service.record_act(tx, exchange, "use", article=verdict.article, note=note, now=now)
        items = read_items(tx.content(control_number, Content.INFORMATION))
    if isinstance(verdict, Refusal):
        raise UseError(f"the information may not be used for '{purpose}': {verdict.reason}", verdict.article)
    return verdict, items


def close(here: Installation, control_number: str, now: datetime) -> Exchange:
    """End an exchange whose information is no longer necessary; it is destroyed: Article 8(9)."""
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        exchange = life.close(before, now)
        tx.step(exchange, before=before.state)
        service.record_act(
            tx, exchange, "closing", article="8(9)", note="the information is no longer necessary", now=now
        )
    service.dispose(here, control_number, now)
    return exchange


def items_text(items: Sequence[Item]) -> bytes:
    """Return items as they are stored."""
    return json.dumps([[item.kind, item.value] for item in items], ensure_ascii=False).encode()


def read_items(text: bytes) -> tuple[Item, ...]:
    """Return items as they were stored."""
    return tuple(Item(kind, value) for kind, value in json.loads(text))
