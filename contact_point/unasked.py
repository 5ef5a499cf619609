"""Information without request: Article 6, given and received.

One case at a time, by a person, with the reason to believe in words. What follows is as after a request: conditions are
accepted or declined (8(8)), uses pass the gate, the ledger answers under Article 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contact_point import delivery, disposal, service
from pcsc import life, traces
from pcsc.duties import Content
from pcsc.errors import WrongPartyError
from pcsc.exchange import Side
from pcsc.messages import Authority, Basis, Condition, Expectation, Item, ProvisionWithoutRequest
from pcsc.records import Direction

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.service import Installation
    from pcsc.exchange import Exchange


@dataclass(frozen=True, slots=True)
class CaseInformation:
    """What is provided of one case, and why: Article 6."""

    authority: Authority
    basis: Basis
    expectation: Expectation
    reason_to_believe: str
    case_reference: str
    items: tuple[Item, ...]
    conditions: tuple[Condition, ...] = ()


def provide(here: Installation, case: CaseInformation, now: datetime) -> Exchange:
    """Provide information on one case to the other Party without its request: Articles 6 and 8(8).

    Raises:
        TreatyError: it may not be provided, or the other contact point did not take it in.
        ClientError: no answer came; it is sent again.

    """
    message = ProvisionWithoutRequest(
        control_number=service.new_number(here, now),
        made_at=now,
        salt=service.new_salt(),
        providing=here.settings.party,
        authority=case.authority,
        basis=case.basis,
        expectation=case.expectation,
        reason_to_believe=case.reason_to_believe,
        case_reference=case.case_reference,
        items=() if case.conditions else case.items,
        offered=tuple(item.kind for item in case.items) if case.conditions else (),
        conditions=case.conditions,
    )
    number = message.control_number
    reason = service.reason_digest(here, case.reason_to_believe, case.case_reference)
    arrangement, agreement = here.settings.arrangement(now), here.settings.agreement
    with here.store.transaction() as tx:
        elsewhere = tx.said_elsewhere(reason)
        exchange = life.provide_unasked(
            message, Side.QUERIED, arrangement, now, said_elsewhere=elsewhere, agreement=agreement
        )
        trace = traces.provision_without_request(
            message, Side.QUERIED, arrangement, said_elsewhere=elsewhere, agreement=agreement, now=now
        )
        body = service.commit_message(tx, exchange, message, before=None, reason=reason, trace=trace, now=now)
        if case.conditions:
            tx.hold(number, Content.SNAPSHOT, service.items_text(case.items), number=number)
    return delivery.deliver(here, number, message, body, now)


def receive(here: Installation, message: ProvisionWithoutRequest, body: bytes, committed: str, now: datetime) -> bytes:
    """Take in information that we did not request: Article 6. Under conditions, only what is offered is known yet (8(8))."""
    if message.providing is not here.settings.party.other:
        raise WrongPartyError(
            f"this contact point receives from {here.settings.party.other}; the provision speaks for {message.providing}"
        )
    arrangement, agreement = here.settings.arrangement(now), here.settings.agreement
    with here.store.transaction() as tx:
        exchange = life.provide_unasked(message, Side.QUERYING, arrangement, now, agreement=agreement)
        answered = service.receipt(tx, exchange, message, committed, now)
        tx.open(exchange)
        trace = traces.provision_without_request(message, Side.QUERYING, arrangement, agreement=agreement, now=now)
        service.record(tx, exchange, message, body, Direction.RECEIVED, now, trace=trace)
        if message.items:
            information = service.information_text(message.items, ())
            tx.hold(exchange.control_number, Content.INFORMATION, information, number=message.control_number)
    disposal.dispose(here, exchange.control_number, now)
    return answered
