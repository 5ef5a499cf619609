"""Request and answer of Article 5 as they are held here, as documents to print.

To read what was provided is to use it: the gate of Article 8(5) is asked and the asking recorded, and the file goes when the
information goes (Article 8(9)). The written notification is kept with the record (Article 8(4)); so is the document of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from contact_point import disposal, provided, service, wire
from contact_point.documents import article_5, setting
from contact_point.documents.article_5 import Answer
from pcsc.duties import Content, permitted
from pcsc.errors import OutOfOrderError
from pcsc.messages import Reply, Request
from pcsc.records import NOTHING_GIVEN

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from contact_point.documents.parts import Document
    from contact_point.provided import Wanted
    from contact_point.service import Installation
    from contact_point.store import Transaction
    from pcsc.exchange import Exchange


def request(here: Installation, number: str) -> Document:
    """Return the last request of an exchange as a document, on either side.

    Raises:
        OutOfOrderError: there is none.

    """
    with here.store.transaction() as tx:
        exchange = tx.exchange(number)
        if exchange.request is None:
            raise OutOfOrderError(
                f"expected an exchange with a request for further information (Art. 5(1)); {number} is at "
                f"'{exchange.state}' and has none"
            )
        body = tx.content(number, Content.NOTIFICATION, number=exchange.request)
    return article_5.request(wire.decode(body, Request), number, exchange.querying)


def answer(here: Installation, number: str) -> Document:
    """Return the last answer of an exchange as a document, without the values of what it gave: their kinds.

    What we gave is not held any longer once it was delivered; what we were given is :func:`write_answer`'s to print.

    Raises:
        OutOfOrderError: there is none.

    """
    with here.store.transaction() as tx:
        exchange = tx.exchange(number)
        told = _answered(tx, exchange)
    return article_5.answer(told, number, exchange.queried)


def write_answer(here: Installation, number: str, path: Path, wanted: Wanted, now: datetime) -> None:
    """Write the last answer with all that was provided to a new PDF; it is deleted with the information (Article 8(9)).

    Raises:
        UseError: the information may not be used so; the message carries the clause.
        ConditionsError: nothing was provided.
        DocumentError: it cannot be set.
        FileExistsError: the file exists.

    """
    path.touch(mode=0o600, exist_ok=False)  # ours from here on, and empty until the promise to delete it is durable
    try:
        _, items, conditions = provided.use(here, number, wanted, now)
        with here.store.transaction() as tx:
            exchange = tx.exchange(number)
            told = replace(_answered(tx, exchange), items=items, kinds=(), conditions=conditions)
        content = setting.pdf(article_5.answer(told, number, exchange.queried))
    except BaseException:
        path.unlink()
        raise
    with here.store.transaction() as tx:
        tx.hold(number, Content.PRINTOUT, str(path.resolve()).encode(), number=service.new_salt())
    with here.store.transaction() as tx:  # the write lock: the promise is not redeemed while the file is being written
        if Content.PRINTOUT in permitted(tx.exchange(number)):
            path.write_bytes(content)
    disposal.dispose(here, number, now)


def _answered(tx: Transaction, exchange: Exchange) -> Answer:
    """Return the last answer as far as the exchange and its record say it: no value of what it gave."""
    number, reply = exchange.control_number, exchange.reply
    if reply is None:
        raise OutOfOrderError(
            f"expected an exchange whose request was answered (Art. 5(2)); {number} is at '{exchange.state}' and has no answer"
        )
    since = [each for each in tx.entries(number) if each.event in {"reply", "provision"}]
    entry = next(each for each in since if (each.event, each.message) == ("reply", reply))
    given = [kind for each in since if each.number >= entry.number for kind in each.information]
    refused = [
        wire.decode(tx.content(number, held.kind, number=held.number), Reply).refusals
        for held in service.readable(tx, exchange)
        if (held.kind, held.number) == (Content.CORRESPONDENCE, reply)
    ]
    return Answer(
        reply,
        entry.made_at,
        exchange.request or "",
        exchange.reference or "",
        kinds=tuple(kind for kind in given if kind != NOTHING_GIVEN),
        offered=exchange.offered,
        conditions=exchange.conditions,
        refusals=refused[0] if refused else (),
    )
