"""The acts of the querying side: ask, examine, determine, request, accept.

What is done with the information afterwards is in :mod:`contact_point.provided`.

Each act is the operator's: the agreement lets a person of this contact point decide, and the code holds the person to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contact_point import delivery, disposal, prints, service
from contact_point.examination import Examination, Panel
from contact_point.parsing import toml
from matcher.comparison import compare
from pcsc import life, traces
from pcsc.duties import Content, permitted
from pcsc.errors import OutOfOrderError
from pcsc.exchange import Side
from pcsc.messages import (
    Acceptance,
    Authority,
    Basis,
    Determination,
    Expectation,
    Query,
    Reply,
    Request,
    Search,
    WrittenNotification,
)
from pcsc.records import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from contact_point.prints import Print
    from contact_point.service import Installation
    from contact_point.store import Transaction
    from pcsc.exchange import Exchange
    from pcsc.messages import Conclusion


@dataclass(frozen=True, slots=True)
class Justification:
    """Why a query may be made: Article 4(3). ``circumstances`` never leave this contact point."""

    authority: Authority
    basis: Basis
    expectation: Expectation
    circumstances: str
    identified: bool
    case_reference: str
    search: Search = Search.TENPRINT


def read_justification(path: Path) -> Justification:
    """Return the justification that a TOML document states; `pcsc example basis` prints one.

    Raises:
        ValueError: it does not state one; the message says where.

    """
    why: Justification = toml(path, Justification, "the document says why the query may be made", "pcsc example basis")
    return why


def read_notification(path: Path) -> WrittenNotification:
    """Return the written notification that a TOML document is; `pcsc example notification` prints one.

    Raises:
        ValueError: it is none; the message says where.

    """
    example = "pcsc example notification"
    written: WrittenNotification = toml(path, WrittenNotification, "the document is the written notification", example)
    return written


def open_query(
    here: Installation, probe: Sequence[Print], justification: Justification, now: datetime, *, number: str = ""
) -> Exchange:
    """Query the other Party's prints for one individual: Articles 4(3)-(5).

    Whether the query may be made is decided before anything of the print is stored or sent. If no answer comes the query
    is kept and :func:`~contact_point.delivery.resume` sends it again. ``number`` is a fresh one of
    :func:`~contact_point.service.new_number`, for a caller that is to know it before the query is made.

    Raises:
        TreatyError: the query may not be made, or the other contact point did not admit it.
        AlreadyReceivedError: there is an exchange of this number.
        ValueError: it is no number of ours.
        ClientError: no answer came, or the query was refused.

    """
    if number:
        service.check_number(here, number)
    prints.check_individual([each.template.position for each in probe])
    probe = [each.searched(latent=justification.search is Search.LATENT) for each in probe]
    query = _query(here, probe, justification, number or service.new_number(here, now), now)
    why = {"circumstances": justification.circumstances, "case": justification.case_reference}
    reason = service.reason_digest(here, justification.circumstances, justification.case_reference)
    arrangement, agreement = here.settings.arrangement(now), here.settings.agreement
    with here.store.transaction() as tx:
        made, elsewhere = service.made_today(here, tx, Side.QUERYING, query.search, now), tx.said_elsewhere(reason)
        exchange = life.open_query(
            query,
            justification.circumstances,
            arrangement,
            made_today=made,
            said_elsewhere=elsewhere,
            now=now,
            agreement=agreement,
        )
        trace = traces.admission(
            query,
            Side.QUERYING,
            arrangement,
            made_today=made,
            circumstances=len(justification.circumstances.strip()),
            said_elsewhere=elsewhere,
            agreement=agreement,
            now=now,
        )
        body = service.commit_message(tx, exchange, query, before=None, reason=reason, trace=trace, now=now)
        service.remark(tx, exchange, [each.template for each in probe], now)
        service.count_in_doubt(here, tx, exchange.control_number, now)
        tx.hold(exchange.control_number, Content.PROBE, query.prints)
        tx.hold(exchange.control_number, Content.CIRCUMSTANCES, json.dumps(why, ensure_ascii=False).encode())
    return delivery.deliver(here, exchange.control_number, query, body, now)


def ours(tx: Transaction, control_number: str) -> Exchange:
    """Return an exchange that we opened: the acts of the querying side are for it alone."""
    exchange = tx.exchange(control_number)
    if exchange.side is not Side.QUERYING:
        raise OutOfOrderError(
            f"exchange {control_number} was opened by {exchange.querying}, so this act is theirs: ours is `pcsc answer`"
        )
    return exchange


def _query(
    here: Installation, probe: Sequence[Print], justification: Justification, number: str, now: datetime
) -> Query:
    return Query(
        control_number=number,
        made_at=now,
        salt=service.new_salt(),
        querying=here.settings.party,
        authority=justification.authority,
        identified=justification.identified,
        search=justification.search,
        basis=justification.basis,
        expectation=justification.expectation,
        prints=service.fingerprint_data(
            here,
            [each.sent for each in probe],
            kind=prints.SEARCH,
            control_number=number,
            now=now,
        ),
    )


# Examination and determination


def examination(here: Installation, control_number: str) -> Examination:
    """Return the prints of a match for examination: Article 4(5).

    Raises:
        OutOfOrderError: there is no match to examine, or its prints are gone.

    """
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        if Content.CANDIDATE not in {held.kind for held in service.readable(tx, exchange)}:
            raise OutOfOrderError(
                f"exchange {control_number} is at '{exchange.state}' and holds no matching prints: they are there from the "
                "match to the determination (Art. 8(2))"
            )
        ours = tx.content(control_number, Content.PROBE)
        theirs = tx.content(control_number, Content.CANDIDATE)
    probes, candidates = (here.reader.of_transaction(each, gate=False) for each in (ours, theirs))
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
        Panel(left.image.pixels, left.template, "probe"),
        Panel(right.image.pixels, right.template, f"candidate, reference {exchange.reference}"),
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
    promise = service.new_salt()
    with here.store.transaction() as tx:
        exchange = ours(tx, control_number)
        tx.hold(control_number, Content.PICTURE, str(path.resolve()).encode(), number=promise)
        note = "the prints were written side by side to a file, which goes with them"
        service.record_act(tx, exchange, "picture", article="4(5)", note=note, now=now)
    with here.store.transaction() as tx:  # the write lock: the promise is not redeemed while the file is being written
        if Content.PICTURE in permitted(tx.exchange(control_number)):
            path.write_bytes(content)
    disposal.dispose(here, control_number, now)


def examine(here: Installation, control_number: str, conclusion: Conclusion, by: str, now: datetime) -> Exchange:
    """Note the examiner's conclusion: Article 4(5)."""
    with here.store.transaction() as tx:
        before = ours(tx, control_number)
        exchange = life.examine(before, conclusion, by, now)
        note_examination(tx, before, exchange, now)
    return exchange


def note_examination(tx: Transaction, before: Exchange, exchange: Exchange, now: datetime) -> None:
    """Store and record the step of an exchange that was examined: Article 4(5)."""
    tx.step(exchange, before=before.state)
    note = f"{exchange.conclusion} by {exchange.examined_by}"
    service.record_act(tx, exchange, "examination", article="4(5)", note=note, now=now)


def determine(here: Installation, control_number: str, *, will_request: bool, now: datetime) -> Exchange:
    """Determine whether to request further information: Article 8(2), the received prints are destroyed either way.

    They are gone before the other side is told.
    """
    with here.store.transaction() as tx:
        before = ours(tx, control_number)
        exchange = life.determine(before, will_request=will_request, now=now)
        notice = Determination(
            service.new_number(here, now), now, service.new_salt(), exchange.reference or "", will_request
        )
        body = service.commit_message(tx, exchange, notice, before=before.state, now=now)
    disposal.dispose(here, control_number, now)
    return delivery.deliver(here, control_number, notice, body, now)


# Article 5


def request(
    here: Installation, control_number: str, notification: WrittenNotification, now: datetime, *, risk: str = ""
) -> Exchange:
    """Request further information, with its written notification: Article 5(1). ``risk``, stated, makes it urgent."""
    with here.store.transaction() as tx:
        before = ours(tx, control_number)
        message = Request(
            service.new_number(here, now),
            now,
            service.new_salt(),
            before.reference or "",
            before.authority,
            notification,
            risk,
        )
        arrangement, agreement = here.settings.arrangement(now), here.settings.agreement
        exchange = life.request(before, message, arrangement, now, agreement=agreement)
        trace = traces.request(before, message, arrangement, agreement=agreement, now=now)
        body = service.commit_message(tx, exchange, message, before=before.state, trace=trace, now=now)
        tx.hold(control_number, Content.NOTIFICATION, body, number=message.control_number)
    return delivery.deliver(here, control_number, message, body, now)


def receive_reply(here: Installation, reply: Reply, body: bytes, committed: str, now: datetime) -> bytes:
    """Take in the reply to our request, from the other contact point: Articles 5(2), 5(5), 8(8)."""
    with here.store.transaction() as tx:
        before = service.referred(tx, reply.reference, Side.QUERYING)
        exchange = life.reply(before, reply, now)
        tx.step(exchange, before=before.state)
        arrangement = here.settings.arrangement(now)
        trace = traces.reply(before, reply, arrangement, available=None, decided_by="", now=now)
        service.record(tx, exchange, reply, body, Direction.RECEIVED, now, trace=trace)
        if reply.items:
            information = service.information_text(reply.items, ())
            tx.hold(exchange.control_number, Content.INFORMATION, information, number=reply.control_number)
        service.hold_reasons(tx, exchange, reply)
        return service.receipt(tx, exchange, reply, committed, now)


def accept(here: Installation, control_number: str, *, accepted: bool, signed_by: str, now: datetime) -> Exchange:
    """Accept the conditions of an offer and be bound by them, or decline the information: Article 8(8)."""
    with here.store.transaction() as tx:
        before = ours(tx, control_number)
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
    return delivery.deliver(here, control_number, message, body, now)
