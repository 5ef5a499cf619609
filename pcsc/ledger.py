"""The ledger of what was provided: its uses and their results (7), its releases (8(7)), and how long it is kept (8(9)).

The ledger is part of the exchange and lives as long as the exchange does, not as long as the record: a record that has reached
its term takes nothing from the answer under Article 7, nor from the lineage that a correction follows (Article 10).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pcsc.errors import NotProvidedError, RetentionError
from pcsc.exchange import Exchange, Release, Side, State, follows, on_side
from pcsc.life import close

if TYPE_CHECKING:
    from datetime import datetime

    from pcsc.messages import Use


def use(exchange: Exchange, made: Use, now: datetime) -> Exchange:
    """Enter a use that the gate allowed; its purpose is open until it is ended: Articles 7 and 8(9).

    Raises:
        NotProvidedError: no information is held any more, or none was provided yet.

    """
    on_side(exchange, Side.QUERYING, "a use")
    if not exchange.open_purposes:
        raise NotProvidedError(
            f"a use is of information that was provided and is still held; in exchange {exchange.control_number}, at "
            f"'{exchange.state}', there is none"
        )
    purposes = tuple(dict.fromkeys((*exchange.open_purposes, made.purpose)))
    return replace(exchange, uses=(*exchange.uses, made), open_purposes=purposes, last_event_at=now)


def result(exchange: Exchange, number: int, text: str, now: datetime) -> Exchange:
    """Enter what came of a use, to be told on request: Article 7. Uses are numbered from 1.

    Raises:
        NotProvidedError: there is no such use, or nothing is said of its result.

    """
    if not 1 <= number <= len(exchange.uses) or not text.strip():
        raise NotProvidedError(
            f"exchange {exchange.control_number} has {len(exchange.uses)} uses in its ledger, numbered from 1, and each has "
            f"its result in words; got number {number} and {len(text.strip())} characters"
        )
    uses = [replace(each, result=text) if at == number else each for at, each in enumerate(exchange.uses, 1)]
    return replace(exchange, uses=tuple(uses), last_event_at=now)


def release(exchange: Exchange, made: Release, now: datetime) -> Exchange:
    """Enter a release that the gate allowed, so that a later correction finds its way: Articles 8(7) and 10(2)."""
    return replace(exchange, releases=(*exchange.releases, made), last_event_at=now)


def end_purpose(exchange: Exchange, purpose: str, now: datetime) -> Exchange:
    """End a purpose for which information is held; with the last one the information goes: Article 8(9).

    The exchange is then closed, unless more is asked for or offered in it.

    ``purpose`` is the value of a :class:`pcsc.use.Purpose`, or another one in the words that were consented to.

    Raises:
        RetentionError: it is not one of the open purposes.

    """
    on_side(exchange, Side.QUERYING, "the end of a purpose")
    if purpose not in exchange.open_purposes:
        raise RetentionError(
            f"the information of exchange {exchange.control_number} is held for "
            f"{', '.join(exchange.open_purposes) or 'no purpose'}; '{purpose}' is not among them: end one that is"
        )
    rest = tuple(each for each in exchange.open_purposes if each != purpose)
    left = replace(exchange, open_purposes=rest, last_event_at=now)
    under_way = {State.WILL_REQUEST, State.REQUESTED, State.OFFERED}
    more = left.state in under_way or left.awaits_provision
    return left if rest or more else close(left, now)


def review(exchange: Exchange, by: str, now: datetime) -> Exchange:
    """Note that it was reviewed whether the information is still necessary, and that it is: Article 8(9).

    Raises:
        RetentionError: nobody is named, or no purpose is open that it could be necessary for.

    """
    on_side(exchange, Side.QUERYING, "a review")
    follows(exchange, "a review", *MAY_HOLD)
    if not by.strip():
        raise RetentionError("a review of whether information is still necessary names who made it; no name was given")
    if not exchange.open_purposes:
        raise RetentionError(
            f"no purpose of exchange {exchange.control_number} is open, so nothing of it is necessary: close it"
        )
    return replace(exchange, reviewed_at=now, last_event_at=now)


MAY_HOLD: Final = (State.PROVIDED, State.REFUSED, State.DECLINED, State.WILL_REQUEST, State.REQUESTED, State.OFFERED)
"""States in which the querying side may hold information: also while more is asked for, offered or refused."""
