"""What was provided to us under Articles 5 and 6: used, released, reviewed and let go, always through the gates.

Nothing here reads an item before :mod:`pcsc.use` has said that it may be. Every asking about what is there is recorded,
whatever the answer; what was allowed is entered into the ledger, from which the answer under Article 7 is drawn and which a
correction follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from annex.offences import Offence
from contact_point import disposal, service
from contact_point.querying import ours
from pcsc import ledger, life, traces
from pcsc.duties import Content
from pcsc.errors import ConditionsError, ReleaseError, UseError
from pcsc.exchange import Release, State
from pcsc.messages import RESULT, Condition, Item, Recipient, RecipientKind, Use
from pcsc.use import Information, Permission, Purpose, Refusal, consents_of, may_release, may_use

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from annex.parameters import Party
    from contact_point.service import Installation
    from contact_point.store import Transaction
    from pcsc.exchange import Exchange
    from pcsc.traces import Trace


@dataclass(frozen=True, slots=True)
class Wanted:
    """What information is wanted for, and by whom: what the gate of Article 8(5) asks at every use.

    ``stated`` is the purpose in words where it is no other; ``political`` the declaration of Article 13(2).
    """

    purpose: Purpose
    by: str
    political: bool
    offences: tuple[Offence, ...] = ()
    stated: str = ""
    authority: str = ""
    """The authority of our own Party that uses it, where it is another one: a correction follows it there (10(2))."""

    def __post_init__(self) -> None:
        """Refuse a use that could not be told under Article 7."""
        if not self.by.strip():
            raise UseError(
                "a use is recorded with who makes it, so that its result can be told; no name was given", "7"
            )


def use(
    here: Installation, control_number: str, wanted: Wanted, now: datetime
) -> tuple[Permission, tuple[Item, ...], tuple[Condition, ...]]:
    """Use provided information for a purpose, if the agreement lets it; return it with the conditions that bind it.

    Articles 8(5), 8(8), 10(2) and 13(2). What is not disclosed under 10(2) is left out.

    Raises:
        UseError: it may not be used so; the message carries the clause.
        ConditionsError: there is nothing to use: nothing was provided, or its conditions are not accepted.

    """
    with here.store.transaction() as tx:
        before = ours(tx, control_number)
        items, conditions = _provided(tx, before)
        information = Information.provided_in(before, conditions, life.kinds_of(items))
        verdict, trace = _judged(information, wanted, here.settings.party, now)
        allowed = isinstance(verdict, Permission)
        another = " of another authority" if wanted.authority else ""
        note = f"use for {wanted.purpose} by {wanted.by}{another}: {'allowed' if allowed else 'refused'}"
        service.record_act(tx, before, "use", article=verdict.article, note=note, trace=trace, now=now)
        if allowed:
            made = Use(wanted.stated or wanted.purpose.value, verdict.article, now.date())
            exchange = ledger.use(before, made, now)
            if wanted.authority:
                kinds = tuple(sorted(life.kinds_of(_disclosed(items, before))))
                given = Release(Recipient(RecipientKind.AUTHORITY, wanted.authority), verdict.article, now, kinds)
                exchange = ledger.release(exchange, given, now)
            tx.step(exchange, before=before.state)
    if isinstance(verdict, Refusal):
        raise UseError(f"the information may not be used for '{wanted.purpose}': {verdict.reason}", verdict.article)
    return verdict, _disclosed(items, before), conditions


def _judged(
    information: Information, wanted: Wanted, party: Party, now: datetime
) -> tuple[Permission | Refusal, Trace]:
    """Ask the gate, and return how it decided."""
    political, offences, stated = wanted.political, wanted.offences, wanted.stated
    verdict = may_use(
        information, wanted.purpose, by=party, political=political, offences=offences, stated=stated, now=now
    )
    trace = traces.use(
        information, wanted.purpose, by=party, political=political, offences=offences, stated=stated, now=now
    )
    return verdict, trace


def release(
    here: Installation, control_number: str, recipient: Recipient, *, by: str, law: str = "", now: datetime
) -> tuple[Permission, tuple[Item, ...], tuple[Condition, ...]]:
    """Release provided information to somebody, if the agreement lets it: Article 8(7). The conditions go with it.

    Raises:
        ReleaseError: it may not be released so; the message says which consent, or which law, is missing.

    """
    _named(by)
    with here.store.transaction() as tx:
        before = ours(tx, control_number)
        items, conditions = _provided(tx, before)
        given = _disclosed(items, before)
        if not given:
            raise ReleaseError(
                f"nothing of exchange {control_number} is disclosed now, so nothing is released (Art. 10(2))"
            )
        information = Information.provided_in(before, conditions, life.kinds_of(items))
        verdict = _asked(tx, before, information, recipient, by=by, law=law, now=now)
        if isinstance(verdict, Permission):
            made = Release(recipient, verdict.article, now, tuple(sorted(life.kinds_of(given))))
            tx.step(ledger.release(before, made, now), before=before.state)
    return _released(verdict), given, conditions


def release_of_match(
    here: Installation, control_number: str, recipient: Recipient, *, by: str, law: str = "", now: datetime
) -> Permission:
    """Say whether what a query or its answer brought may be released: Articles 8(3) and 8(7). Nothing is handed out here.

    Raises:
        ReleaseError: it may not be.

    """
    _named(by)
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        information = Information(article=4, consents=consents_of(exchange), kinds=frozenset({RESULT}))
        verdict = _asked(tx, exchange, information, recipient, by=by, law=law, now=now)
        service.noted(here, tx, exchange, now)
    return _released(verdict)


def _named(by: str) -> None:
    if not by.strip():
        raise ReleaseError("a release is recorded with who makes it; no name was given")


def _asked(
    tx: Transaction,
    exchange: Exchange,
    information: Information,
    recipient: Recipient,
    *,
    by: str,
    law: str,
    now: datetime,
) -> Permission | Refusal:
    """Ask the gate of releases and record the asking, whatever it says: Article 8(7)."""
    verdict = may_release(information, recipient, by=exchange.ours, law=law, now=now)
    trace = traces.release(information, recipient, by=exchange.ours, law=law, now=now)
    allowed = "allowed" if isinstance(verdict, Permission) else "refused"
    note = f"release to a {recipient.kind} by {by}: {allowed}"  # the ledger has the name
    service.record_act(tx, exchange, "release", article=verdict.article, note=note, trace=trace, now=now)
    return verdict


def _released(verdict: Permission | Refusal) -> Permission:
    if isinstance(verdict, Refusal):
        raise ReleaseError(f"{verdict.reason} (Art. {verdict.article})")
    return verdict


def _provided(tx: Transaction, exchange: Exchange) -> tuple[tuple[Item, ...], tuple[Condition, ...]]:
    """Return all that was provided in an exchange, and all the conditions that bind it."""
    number = exchange.control_number
    pieces = [held.number for held in service.readable(tx, exchange) if held.kind is Content.INFORMATION]
    if not pieces:
        raise ConditionsError(
            f"exchange {number} is at '{exchange.state}': there is no provided information to use; what is offered under "
            "conditions is read after their acceptance"
        )
    read = [service.read_information(tx.content(number, Content.INFORMATION, number=piece)) for piece in pieces]
    return tuple(chain(*(items for items, _ in read))), tuple(chain(*(conditions for _, conditions in read)))


def _disclosed(items: Sequence[Item], exchange: Exchange) -> tuple[Item, ...]:
    """Return the items that are not withheld as incorrect or unreliable: Article 10(2)."""
    return tuple(item for item in items if item.kind not in exchange.restricted)


def note_result(here: Installation, control_number: str, number: int, text: str, now: datetime) -> Exchange:
    """Enter what came of the use of that number in the ledger: Article 7."""
    with here.store.transaction() as tx:
        before = ours(tx, control_number)
        exchange = ledger.result(before, number, text, now)
        tx.step(exchange, before=before.state)
        service.record_act(tx, exchange, "result", article="7", note=f"result of use {number} entered", now=now)
    return exchange


def review(here: Installation, control_number: str, by: str, now: datetime) -> Exchange:
    """Note that the information was reviewed and is still necessary: Article 8(9)."""
    with here.store.transaction() as tx:
        before = ours(tx, control_number)
        exchange = ledger.review(before, by, now)
        tx.step(exchange, before=before.state)
        note = f"still necessary for {', '.join(exchange.open_purposes)}: reviewed by {by}"
        service.record_act(tx, exchange, "review", article="8(9)", note=note, now=now)
    return exchange


def end_purpose(here: Installation, control_number: str, purpose: str, now: datetime) -> Exchange:
    """End a purpose for which information is held; with the last one it is destroyed: Article 8(9)."""
    with here.store.transaction() as tx:
        before = ours(tx, control_number)
        exchange = ledger.end_purpose(before, purpose, now)
        tx.step(exchange, before=before.state)
        service.record_act(tx, exchange, "end of purpose", article="8(9)", note=f"ended: {purpose}", now=now)
    disposal.dispose(here, control_number, now)
    return exchange


def close(here: Installation, control_number: str, now: datetime) -> Exchange:
    """End an exchange: what was provided in it is no longer necessary and is destroyed (8(9)); a notice is done with."""
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        exchange = life.close(before if before.state is State.OPEN else ours(tx, control_number), now)
        tx.step(exchange, before=before.state)
        article, note = ("8(9)", "the information is no longer necessary")
        if before.state is State.OPEN:
            article, note = str(before.article), "the notice was acted upon"
        service.record_act(tx, exchange, "closing", article=article, note=note, now=now)
    disposal.dispose(here, control_number, now)
    return exchange
