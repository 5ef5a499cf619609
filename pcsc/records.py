"""The record of Article 11: what was provided and received, when, and for which authority.

An entry holds no content. It holds the *types* of information (11(2)(1)), the date and time (11(2)(2)) and the authority as
it was at the time of the query (11(2)(3)); for the bytes that crossed it holds a commitment, ``HMAC-SHA256(salt, bytes)``,
whose salt travelled inside those bytes. Both sides hold the same commitment, so the two records can be compared without any
content, and nobody who lacks the bytes can test a guess against it.

Entries are hash-linked: a leaf is ``HMAC-SHA256(entry salt, entry)`` and a link is ``SHA-256(link before, leaf)``. When an
entry's term ends (11(3)) the entry and its salt are deleted while leaf and link stay: the record still verifies, and the
leaf tells nothing without its salt.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from pcsc.errors import RecordError
from pcsc.messages import (
    Acceptance,
    Authority,
    BreachNotice,
    CapacityAnswer,
    ConsentDecision,
    ConsentRequest,
    Consultation,
    CorrectionNotice,
    Determination,
    Explanation,
    ExplanationRequest,
    Match,
    Message,
    NoMatch,
    Provision,
    ProvisionWithoutRequest,
    Query,
    Reply,
    Request,
    ResultOfUse,
    ResultRequest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pcsc.exchange import Exchange

GENESIS: Final = hashlib.sha256(b"PCSC record, Article 11").hexdigest()
"""The link before the first entry."""


KINDS: Final[dict[type[Message], tuple[str, str]]] = {
    Query: ("query", "4(3)"),
    Match: ("match", "4(5)"),
    NoMatch: ("no match", "4(4)"),
    Determination: ("determination", "8(2)"),
    Request: ("request", "5(1)"),
    CapacityAnswer: ("capacity answer", "5(2)"),
    Reply: ("reply", "5(2)"),
    Acceptance: ("acceptance", "8(8)"),
    Provision: ("provision", "5(2)"),
    ProvisionWithoutRequest: ("provision without request", "6"),
    ExplanationRequest: ("explanation request", "4(6)"),
    Explanation: ("explanation", "4(6)"),
    ResultRequest: ("result request", "7"),
    ResultOfUse: ("result of use", "7"),
    ConsentRequest: ("consent request", "8(5)(2)"),
    ConsentDecision: ("consent decision", "8(5)(2)"),
    CorrectionNotice: ("correction notice", "10(1)"),
    BreachNotice: ("breach notice", "9"),
    Consultation: ("consultation", "14"),
}
"""The messages that carry information, by the name of their event and the article they are sent under.

A receipt carries none: it says that a message is recorded. Nor does the question whether the other contact point is there.
"""


class Direction(StrEnum):
    """Whether information was provided, was received, or an act of our own is recorded with it."""

    PROVIDED = "provided"
    RECEIVED = "received"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the record; every field but ``number`` is fixed by the event it records."""

    number: int
    exchange: str
    direction: Direction
    event: str
    """The kind of message, or of act: "query", "match", "deletion" ..."""
    message: str
    """Control number of the message; of the exchange's query for an act."""
    information: tuple[str, ...]
    at: datetime
    made_at: datetime
    """When the sender says it made the message; equal to ``at`` for our own."""
    other: Party
    authority: Authority
    identified: bool | None
    """What the query said of the individual (Annex II); None where there was no query."""
    article: str
    arrangement: str
    rules: str
    search: str = ""
    """What the query searched with; empty where there was no query."""
    commitment: str = ""
    note: str = ""
    trace: str = ""
    """The commitment to how it was decided (:mod:`pcsc.traces`); empty where nothing was decided. Until it is appended, the
    trace itself: it holds more than types of information, so it rests apart from the record."""

    def canonical(self) -> str:
        """Return the one JSON text of this entry, which the record commits to."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_text)


def _text(value: object) -> str:
    """Return a time as ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"an entry holds texts, numbers, times and lists of them; got {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry in its place: ``body`` is its canonical text. Body and salt are None once its term has ended."""

    number: int
    body: str | None
    salt: str | None
    leaf: str
    link: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying a record found: the entries present, those whose term has ended, and the last link."""

    entries: int
    expired: int
    head: str


def types_of(message: Message) -> tuple[str, ...]:
    """Return the types of information in a message, never the information: Article 11(2)(1)."""
    match message:
        case Reply() | Provision():
            return tuple(item.kind for item in message.items) or ("answer to a request",)
        case ProvisionWithoutRequest():
            return tuple(item.kind for item in message.items) or ("offer of information without request",)
        case CorrectionNotice():
            return ("notice of incorrect or unreliable information", *message.concerns)
        case _:
            return _NAMED.get(type(message), ())


_NAMED: Final[dict[type[Message], tuple[str, ...]]] = {
    Query: ("fingerprint data", "authority", "basis of the query"),
    Match: ("result of automated querying", "reference number", "fingerprint data"),
    NoMatch: ("result of automated querying",),
    Determination: ("determination whether to request",),
    Request: ("written notification", "authority"),
    CapacityAnswer: ("whether a request can be answered, and when",),
    Acceptance: ("acceptance of conditions",),
    ExplanationRequest: ("request for an explanation",),
    Explanation: ("explanation of the purpose of a query",),
    ResultRequest: ("request for the result of use",),
    ResultOfUse: ("result of use",),
    ConsentRequest: ("request for consent",),
    ConsentDecision: ("decision on consent",),
    BreachNotice: ("notice of a breach",),
    Consultation: ("request for consultations",),
}


def of_message(
    number: int,
    exchange: Exchange,
    message: Message,
    direction: Direction,
    *,
    committed: str,
    trace: str = "",
    now: datetime,
) -> Entry:
    """Return the entry for a message that was provided or received; ``committed`` is the commitment to its bytes.

    A message about consent stands under the clause that it is about: another use (8(5)(2)) or a release (8(7)).
    """
    event, article = KINDS[type(message)]
    if isinstance(message, ConsentRequest):
        article = message.to
    elif isinstance(message, ConsentDecision):
        article = next((each.to for each in exchange.matters if each.number == message.question and each.to), article)
    return Entry(
        number=number,
        exchange=exchange.control_number,
        direction=direction,
        event=event,
        message=message.control_number,
        information=types_of(message),
        at=now,  # Art. 11(2)(2): when it was provided or received here, and below when its sender made it
        made_at=message.made_at,
        other=exchange.other,
        authority=exchange.authority,
        identified=exchange.identified,
        article=article,
        arrangement=exchange.arrangement,
        rules=exchange.rules,
        search=exchange.search or "",
        commitment=committed,
        trace=trace,
    )


def of_act(
    number: int, exchange: Exchange, event: str, *, article: str, note: str, trace: str = "", now: datetime
) -> Entry:
    """Return the entry for an act of our own, such as a deletion, under the article that orders or allows it."""
    return Entry(
        number=number,
        exchange=exchange.control_number,
        direction=Direction.ACT,
        event=event,
        message=exchange.control_number,
        information=(),
        at=now,
        made_at=now,
        other=exchange.other,
        authority=exchange.authority,
        identified=exchange.identified,
        article=article,
        arrangement=exchange.arrangement,
        rules=exchange.rules,
        search=exchange.search or "",
        note=note,
        trace=trace,
    )


_SHA256: Final = re.compile("[0-9a-f]{64}")


def commitment(salt: str, body: bytes) -> str:
    """Return the commitment to the bytes of a message under the salt that it carries (both in hexadecimal).

    Raises:
        RecordError: the salt is not 32 bytes as lower-case hexadecimal digits, so it hides nothing.

    """
    if not _SHA256.fullmatch(salt):
        raise RecordError(f"a salt is 64 lower-case hexadecimal digits; got {len(salt)} characters that are not")
    return hmac.digest(bytes.fromhex(salt), body, "sha256").hex()


def append(before: Recorded | None, entry: Entry, salt: str) -> Recorded:
    """Put ``entry`` after ``before`` in the record; ``salt`` is fresh and random, in hexadecimal.

    Raises:
        RecordError: the entry's number does not follow.

    """
    expected = 0 if before is None else before.number + 1
    if entry.number != expected:
        raise RecordError(f"the next entry of the record is number {expected}; got {entry.number}")
    body = entry.canonical()
    leaf = commitment(salt, body.encode())
    return Recorded(entry.number, body, salt, leaf, _link(GENESIS if before is None else before.link, leaf))


def expire(recorded: Recorded) -> Recorded:
    """Return the place of an entry whose term has ended: Article 11(3)."""
    return Recorded(recorded.number, None, None, recorded.leaf, recorded.link)


def verify(record: Iterable[Recorded], *, kept_since: datetime | None = None) -> Verification:
    """Check a whole record from its first entry.

    ``kept_since`` is the earliest moment whose entries must all be there, two years ago: Article 11(3). A place that stands
    after an entry of that moment or later, and is empty, was emptied before its term; one that stands before every entry that
    is left cannot be told apart. Without it, empty places are only counted.

    Raises:
        RecordError: an entry was changed, dropped, added, moved, or emptied too early; the message names the first one.

    """
    link, entries, expired = GENESIS, 0, 0
    latest: datetime | None = None
    for expected, place in enumerate(record):
        if place.number != expected:
            raise RecordError(f"entry {expected} is missing from the record: entry {place.number} stands in its place")
        if place.body is None and place.salt is None:
            expired += 1
            if kept_since is not None and latest is not None and latest >= kept_since:
                raise RecordError(
                    f"entry {expected} of the record was emptied before its term: it is younger than an entry of "
                    f"{latest.date()}, and each is kept for at least two years (Art. 11(3)): compare with the other "
                    "Party's record"
                )
        else:
            entries += 1
            if (latest := _made_at(place)) is None:
                raise RecordError(f"entry {expected} of the record was changed: it no longer gives its leaf")
        if not _SHA256.fullmatch(place.leaf):
            raise RecordError(f"entry {expected} of the record was changed: its leaf is no leaf")
        link = _link(link, place.leaf)
        if link != place.link:
            raise RecordError(
                f"the record is broken before entry {expected}: its link does not follow from the one before"
            )
    return Verification(entries, expired, link)


def _made_at(place: Recorded) -> datetime | None:
    """Return the time of an entry, if body and salt are those that the leaf commits to, in the place that the body names."""
    if place.body is None or place.salt is None or not _SHA256.fullmatch(place.salt):
        return None
    if commitment(place.salt, place.body.encode()) != place.leaf:
        return None
    try:
        entry = json.loads(place.body)
        at = datetime.fromisoformat(entry["at"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None  # whoever wrote it also wrote the leaf: it is no entry
    return at if entry.get("number") == place.number and at.tzinfo is not None else None


def _link(before: str, leaf: str) -> str:
    """Return the link that ties ``leaf`` to everything before it."""
    return hashlib.sha256(bytes.fromhex(before) + bytes.fromhex(leaf)).hexdigest()


@dataclass(frozen=True, slots=True)
class Difference:
    """A message that one record has and the other lacks, or has otherwise."""

    message: str
    event: str
    what: str


def reconcile(ours: Iterable[Entry], theirs: Iterable[Entry]) -> tuple[Difference, ...]:
    """Compare two records of the same exchanges: what one provided the other received, the same bytes, for the same authority.

    Acts of one side (examinations, deletions) are its own and are not compared.

    Raises:
        RecordError: both records are the same Party's.

    """
    ours, theirs = list(ours), list(theirs)
    if ours and theirs and ours[0].other is theirs[0].other:
        raise RecordError(
            f"both records are kept by {ours[0].other.other}; the other Party's record is needed: ask {ours[0].other} for it"
        )
    mine, other = _crossings(ours), _crossings(theirs)
    differences = []
    for key in sorted(mine.keys() | other.keys()):
        event, message, direction = key
        one, two = mine.get(key), other.get(key)
        if one is None or two is None:
            what = f"{direction} in {'their' if one is None else 'our'} record only"
        elif one.commitment != two.commitment:
            what = "the two records commit to different bytes"
        elif (one.authority, one.identified, one.information) != (two.authority, two.identified, two.information):
            what = "the two records differ in the authority, the flag or the types of information"
        else:
            continue
        differences.append(Difference(message, event, what))
    return tuple(differences)


def _crossings(entries: Iterable[Entry]) -> dict[tuple[str, str, str], Entry]:
    """Return the entries of messages by (event, message, the Party that provided it)."""
    crossings = {}
    for entry in entries:
        if entry.direction is not Direction.ACT:
            provider = entry.other.other if entry.direction is Direction.PROVIDED else entry.other
            crossings[entry.event, entry.message, f"provided by {provider}"] = entry
    return crossings
