"""An exchange: what one message opened and all that followed from it, as a value without content.

Its states, its matters and its ledger stand here; the steps that lead from one to the next are in :mod:`pcsc.life`,
:mod:`pcsc.matters` and :mod:`pcsc.ledger`, and what may be held and is owed in each is in :mod:`pcsc.duties`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from annex.parameters import Party
from pcsc.assistance import Capacity
from pcsc.errors import (
    OutOfOrderError,
)
from pcsc.messages import (
    Authority,
    Basis,
    Conclusion,
    Condition,
    ConsentTo,
    Expectation,
    Recipient,
    Search,
    Use,
)


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
    OPEN = "open"
    CLOSED = "closed"


class MatterKind(StrEnum):
    """What is asked, or notified, beside the life of an exchange."""

    EXPLANATION = "explanation"
    RESULT = "result of use"
    CONSENT = "consent"
    CORRECTION = "correction"


NOT_ACCEPTED = "not accepted"
"""The outcome of a matter that the other side did not accept."""


@dataclass(frozen=True, slots=True)
class Matter:
    """One question, or one notice, beside the life of an exchange; ``number`` is that of the message that raised it.

    ``outcome`` says in one coded word or two how it was settled; the texts are content and are not here. For consent,
    ``to``, ``purpose`` and ``recipient`` say what to, and ``granted`` whether. ``concerns`` are the items a notice is about.
    """

    number: str
    kind: MatterKind
    raised_by: Party
    raised_at: datetime
    due_at: datetime
    settled_at: datetime | None = None
    outcome: str = ""
    late: bool = False
    """Raised later than the arrangement calls reasonable (Article 4(6)): noted, not refused."""
    to: ConsentTo | None = None
    purpose: str = ""
    recipient: Recipient | None = None
    granted: bool | None = None
    report: str = ""
    """The report to the supervising body that national law wants with a consent; empty where none was made yet."""
    concerns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """Information given on to somebody, under which clause: the lineage that a correction follows (Article 10)."""

    recipient: Recipient
    clause: str
    at: datetime
    kinds: tuple[str, ...]
    told: bool = True
    """Whether the recipient knows of every correction of what was given."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one message opened and all that followed from it, without content: no prints, no items, no text.

    ``article`` is the article of that message: 4 a query, 6 a provision without request, 9 a notice of a breach, 14 a request
    for consultations, 3 a notice about a contact point itself: an outage. In Article 6, ``querying`` is the Party that
    receives the information and the reference is the number of the message; in the last three, ``querying`` is the Party
    that gave the notice.
    """

    control_number: str
    side: Side
    querying: Party
    state: State
    opened_at: datetime
    last_event_at: datetime
    authority: Authority
    identified: bool | None
    """What the query said of the individual; None where there was no query."""
    basis: Basis | None
    arrangement: str
    rules: str
    article: int = 4
    search: Search | None = None
    expectation: Expectation | None = None
    state_since: datetime | None = None
    """When the state was reached, from which its time limits count; None where it is the one that the exchange opened in."""
    reference: str | None = None
    answered_at: datetime | None = None
    hold_ended: bool = False
    """Whether the hold of received prints has ended without a request: a late one gives them no second stay (Article 8(1))."""
    conclusion: Conclusion | None = None
    examined_by: str | None = None
    request: str | None = None
    requested_items: tuple[str, ...] = ()
    notified_basis: Basis | None = None
    urgent: bool = False
    urgent_since: datetime | None = None
    """When an urgent request came whose urgency the queried side has not reviewed yet; None where there is none."""
    urgency_reviewed: str = ""
    """What the last review of urgency found; empty before the first."""
    capacity: Capacity | None = None
    """Whether the open request can be answered, as the queried side said last; None where it said nothing."""
    expected_on: date | None = None
    """The day on which it expects to answer. It is no time limit."""
    reply: str | None = None
    offered: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    acceptance: str | None = None
    """The message that accepted or declined the offer last; a refusal of an earlier one comes too late to matter."""
    provided_at: datetime | None = None
    open_purposes: tuple[str, ...] = ()
    """Purposes for which what was provided is still needed; when the last one ends it goes (Article 8(9))."""
    reviewed_at: datetime | None = None
    uses: tuple[Use, ...] = ()
    """The ledger that the answer under Article 7 is drawn from. It lives as long as this exchange, not as the record."""
    releases: tuple[Release, ...] = ()
    kept_under: str = ""
    """The law that orders to keep the record beyond its term (Article 11(3)); empty where none does."""
    restricted: tuple[str, ...] = ()
    """Items, or the prints, that are incorrect or unreliable and not disclosed (Article 10(2))."""
    matters: tuple[Matter, ...] = ()

    @property
    def since(self) -> datetime:
        """When the state was reached: what is asked and notified beside the life of the exchange puts no time limit off."""
        return self.state_since or self.opened_at

    @property
    def awaits_provision(self) -> bool:
        """Whether conditions were accepted and what was offered under them is still on its way."""
        return self.state is State.PROVIDED and bool(self.offered)

    @property
    def queried(self) -> Party:
        """The Party whose prints are searched."""
        return self.querying.other

    @property
    def ours(self) -> Party:
        """The Party whose contact point this is."""
        return self.querying if self.side is Side.QUERYING else self.queried

    @property
    def other(self) -> Party:
        """The Party at the other end."""
        return self.ours.other


NO_QUERY = Authority(
    "no automated query", "what is recorded did not follow from an automated query (Article 11(2)(3))", "none", ""
)
"""In place of the authority at the time of the query, where there was no query: said, and not left blank."""


def follows(exchange: Exchange, step: str, *states: State) -> None:
    """Raise unless the exchange is in one of ``states``."""
    if exchange.state not in states:
        before = " or ".join(f"'{state}'" for state in states)
        raise OutOfOrderError(f"{step} follows {before}; exchange {exchange.control_number} is at '{exchange.state}'")


def on_side(exchange: Exchange, side: Side, step: str) -> None:
    """Raise unless this contact point is on ``side`` of the exchange."""
    if exchange.side is not side:
        raise OutOfOrderError(
            f"{step} is the {side} side's act; exchange {exchange.control_number} is ours as {exchange.side}"
        )
