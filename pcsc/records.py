"""The record of Article 11: what was provided and received, when, and for which authority.

An entry holds no content. It holds the *types* of information (11(2)(1)), the date and time (11(2)(2)) and the authority as
it was at the time of the query (11(2)(3)); for the bytes that crossed it holds a commitment, ``HMAC-SHA256(salt, bytes)``,
whose salt travelled inside those bytes. Both sides hold the same commitment, so the two records can be compared without any
content, and nobody who lacks the bytes can test a guess against it.

The record is a Merkle tree (:mod:`pcsc.merkle`) for each calendar month. The leaf of an entry is ``HMAC-SHA256(entry salt,
entry)``. When its term ends (11(3)) the entry and its salt are deleted while the leaf stays: the tree still verifies, and the
leaf tells nothing without its salt. What makes the past unchangeable is signed: a checkpoint (:mod:`pcsc.checkpoints`) names
size and root of the last tree and the last head of the one before, the other contact point keeps it, and :func:`verify` holds
the record to every checkpoint that it is given. Where a record ends after the last of them, only entries that are still there
vouch for themselves.
"""

from __future__ import annotations

import hmac
import json
import re
from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from annex.parameters import Party
from pcsc.checkpoints import Checkpoint, Head, is_tree
from pcsc.errors import RecordError
from pcsc.merkle import Frontier
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
    OutageNotice,
    Provision,
    ProvisionWithoutRequest,
    Query,
    Reply,
    Request,
    ResultOfUse,
    ResultRequest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pcsc.exchange import Exchange

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
    OutageNotice: ("outage notice", "4(1)"),
}
"""The messages that carry information, by the name of their event and the article they are sent under.

A receipt carries none: it says that a message is recorded. Nor does the question whether the other contact point is there, nor
how far a record has come (checkpoints), with what was deleted since: the deletion itself is recorded.
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
        values = {name: getattr(self, name) for name in _FIELDS}
        return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain)


_FIELDS: Final = tuple(each.name for each in fields(Entry))


def _plain(value: object) -> object:
    """Return a time as ISO 8601, and an authority by its fields."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Authority):
        return asdict(value)
    raise TypeError(f"an entry holds texts, numbers, times and lists of them; got {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry in its place: ``body`` is its canonical text. Body and salt are None once its term has ended."""

    number: int
    """From 0 over the whole record; its index in the tree is that less the number of the tree's first entry."""
    tree: str
    """The month of the entry's time in UTC, "2026-11", but never one before that of the entry before."""
    body: str | None
    salt: str | None
    """32 bytes, as the leaf, in hexadecimal."""
    leaf: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying a record found: the entries present, those whose term has ended, and the head of every tree.

    ``covered`` counts the places that a checkpoint vouches for; those after them could have been cut off, or written anew.
    """

    entries: int
    expired: int
    heads: tuple[Head, ...]
    covered: int = 0


def types_of(message: Message) -> tuple[str, ...]:
    """Return the types of information in a message, never the information: Article 11(2)(1)."""
    match message:
        case Reply() | Provision():
            return tuple(item.kind for item in message.items) or (NOTHING_GIVEN,)
        case ProvisionWithoutRequest():
            return tuple(item.kind for item in message.items) or ("offer of information without request",)
        case CorrectionNotice():
            return ("notice of incorrect or unreliable information", *message.concerns)
        case _:
            return _NAMED.get(type(message), ())


NOTHING_GIVEN: Final = "answer to a request"
"""What the record calls an answer that gave no item: it refused, or offered."""
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
    OutageNotice: ("notice of an outage",),
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


def tree_of(at: datetime, before: str = "") -> str:
    """Return the tree of an entry of that time that follows one of the tree ``before``: a clock that goes back opens none.

    Raises:
        RecordError: the time does not say its zone, so nobody can tell its month.

    """
    if at.utcoffset() is None:
        raise RecordError(
            f"the time of an entry is in UTC (Art. 11(2)(2)); got {at.isoformat()}, which does not say its zone"
        )
    day = at.astimezone(UTC)
    return max(before, f"{day.year:04}-{day.month:02}")


def append(before: Recorded | None, entry: Entry, salt: str) -> Recorded:
    """Put ``entry`` after ``before`` in the record; ``salt`` is fresh and random, in hexadecimal.

    Raises:
        RecordError: the entry's number does not follow.

    """
    expected = 0 if before is None else before.number + 1
    if entry.number != expected:
        raise RecordError(f"the next entry of the record is number {expected}; got {entry.number}")
    body = entry.canonical()
    tree = tree_of(entry.at, "" if before is None else before.tree)
    return Recorded(entry.number, tree, body, salt, commitment(salt, body.encode()))


def expire(recorded: Recorded) -> Recorded:
    """Return the place of an entry whose term has ended: Article 11(3)."""
    return Recorded(recorded.number, recorded.tree, None, None, recorded.leaf)


def verify(
    record: Iterable[Recorded], *, checkpoints: Sequence[Checkpoint] = (), kept_since: datetime | None = None
) -> Verification:
    """Check a whole record from its first entry: every leaf, every tree, and that it is the record of these checkpoints.

    ``checkpoints`` are of one contact point, in any order, their signatures verified. Each speaks for its tree up to its size,
    and for all of the tree before: with the last of every tree, as the other contact point kept them, nothing up to the last of
    all can have been changed, moved or cut off, whether its term has ended or not. Without any, only entries that are still
    there are checked against their leaves; compare the heads.

    ``kept_since`` is the earliest moment whose entries must all be there, two years ago: Article 11(3). A place that is empty
    was emptied before its term if an entry of that moment or later stands before it, or if its tree began then or later; unless
    an entry after it is of an earlier time, which shows that a clock had been ahead. Without it, empty places are only counted.

    Costs a commitment and three hashes an entry, in one pass; what is kept is logarithmic but for the checkpoints.

    Raises:
        RecordError: an entry was changed, dropped, added, moved, or emptied too early, or a checkpoint says otherwise; the
            message names the first place.

    """
    walk = _Walk(_Expected.by(checkpoints), kept_since)
    for place in record:
        walk.take(place)
    return walk.end()


@dataclass(slots=True)
class _Expected:
    """What checkpoints say of a record: roots by tree and size, and the last head of a tree by the tree that follows it."""

    roots: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    before: dict[str, Head | None] = field(default_factory=dict)

    @classmethod
    def by(cls, checkpoints: Iterable[Checkpoint]) -> _Expected:
        """Return what these checkpoints say, if they say it of one record."""
        expected, uris = cls(), set()
        for each in checkpoints:
            uris.add(each.uri)
            head = each.head
            if expected.roots[head.tree].setdefault(head.size, head.root) != head.root:
                raise RecordError(
                    f"two checkpoints say that tree {head.tree} of the record had another root at {head.size} entries: whoever "
                    "signed them keeps two records"
                )
            if expected.before.setdefault(head.tree, each.before) != each.before:
                raise RecordError(
                    f"two checkpoints of tree {head.tree} say that the tree before it ended otherwise: whoever signed them "
                    "keeps two records"
                )
        if len(uris) > 1:
            raise RecordError(
                f"the checkpoints are of {len(uris)} records, and one record is verified: leave out those of the others"
            )
        return expected


@dataclass(slots=True)
class _Walk:
    """One pass over a record: where it stands, and what it has found."""

    expected: _Expected
    kept_since: datetime | None
    number: int = 0
    tree: str = ""
    frontier: Frontier = field(default_factory=Frontier.empty)
    heads: list[Head] = field(default_factory=list)
    expired: int = 0
    latest: datetime | None = None
    young: datetime | None = None
    """The earliest time, of ``kept_since`` or later, that is said before here and that nothing after it belies."""
    early: str = ""
    """What is wrong with the first place that is empty after ``young``."""
    covered: dict[str, int] = field(default_factory=dict)

    def take(self, place: Recorded) -> None:
        """Check the next place, and its tree with it."""
        if place.number != self.number:
            raise RecordError(
                f"entry {self.number} is missing from the record: entry {place.number} stands in its place"
            )
        if not _SHA256.fullmatch(place.leaf):
            raise RecordError(f"entry {self.number} of the record was changed: its leaf is no leaf")
        if not is_tree(place.tree) or place.tree < self.tree:
            raise RecordError(
                f"entry {self.number} of the record was moved: its tree is not a month from {self.tree or 'the first'} on"
            )
        if place.tree != self.tree and self.kept_since is not None and place.tree > tree_of(self.kept_since):
            self._is_after(datetime.fromisoformat(f"{place.tree}-01T00:00:00+00:00"))
        if place.body is None and place.salt is None:
            self._check_term(place)
            self.expired += 1
        else:
            self._check_entry(place)
        self._grow(place)
        self.number += 1

    def _check_entry(self, place: Recorded) -> None:
        """Check an entry that is there against its leaf and its tree."""
        said = said_by(place)
        if said is None:
            raise RecordError(f"entry {self.number} of the record was changed: it no longer gives its leaf")
        self.latest = datetime.fromisoformat(said["at"])
        self._is_after(self.latest)
        if place.tree != (tree := tree_of(self.latest, self.tree)):
            raise RecordError(
                f"entry {self.number} of the record was moved: by its time and the entry before, its tree is {tree}; it stands "
                f"in {place.tree}"
            )

    def _is_after(self, at: datetime) -> None:
        """Take in that this time had come: whatever stands before was entered earlier, even where a clock ahead says later."""
        if self.kept_since is not None and (self.young is None or at < self.young):
            self.young, self.early = at if at >= self.kept_since else None, ""

    def _check_term(self, place: Recorded) -> None:
        """Note a place that is empty and may not be, as far as is known here."""
        if self.young is None or self.early:
            return
        if self.latest is not None and self.latest >= self.young:
            why = f"is younger than an entry of {self.latest.date()}"
        else:
            why = f"stands in tree {place.tree}"
        self.early = (
            f"entry {self.number} of the record was emptied before its term: it {why}, and each is kept for at least two years "
            "(Art. 11(3)): compare with the other Party's record"
        )

    def _grow(self, place: Recorded) -> None:
        """Add a leaf to its tree, and hold the tree to the checkpoints of that size."""
        if place.tree != self.tree:
            self._close()
            self.tree, self.frontier = place.tree, Frontier.empty()
        self.frontier = self.frontier.append(bytes.fromhex(place.leaf))
        said = self.expected.roots.get(place.tree, {}).pop(self.frontier.size, None)
        if said is None:
            return
        if said != self.frontier.root().hex():
            raise RecordError(
                f"the record is not that of its checkpoint: tree {place.tree} had another root when it had "
                f"{self.frontier.size} entries, so one of the entries {self.number - self.frontier.size + 1} to {self.number} "
                "was changed, moved, added or dropped since"
            )
        self.covered[place.tree] = self.frontier.size

    def _close(self) -> None:
        """Note the head of the tree that ended."""
        if self.tree:
            self.heads.append(Head(self.tree, self.frontier.size, self.frontier.root().hex()))

    def end(self) -> Verification:
        """Hold what was found to what the checkpoints say of the ends of trees."""
        if self.early:
            raise RecordError(self.early)
        self._close()
        sizes = {head.tree: head.size for head in self.heads}
        for tree, roots in sorted(self.expected.roots.items()):
            if roots:
                raise RecordError(
                    f"the end of the record was cut off: a checkpoint says that tree {tree} had {max(roots)} entries, and the "
                    f"record has {sizes.get(tree, 0)} in it"
                )
        for before, head in zip([None, *self.heads], self.heads, strict=False):
            if head.tree not in self.expected.before:
                continue
            said = self.expected.before[head.tree]
            if said != before:
                raise RecordError(
                    f"the record is not that of its checkpoint: before tree {head.tree} stood {_ended(said)}, and now "
                    f"{_ended(before)}"
                )
            if before is not None:
                self.covered[before.tree] = before.size
        return Verification(self.number - self.expired, self.expired, tuple(self.heads), sum(self.covered.values()))


def _ended(head: Head | None) -> str:
    """Return how a tree ended, as a message says it."""
    return "no tree" if head is None else f"tree {head.tree} with {head.size} entries and the root {head.root[:8]}"


def said_by(place: Recorded) -> dict[str, Any] | None:
    """Return what the entry in a place says, as its JSON does; None if there is none, or it is not the one that was recorded.

    It was if body and salt give the leaf, the body is the canonical text of a JSON object, its number is that of the place, and
    its time says its zone. Linear in the length of the body.
    """
    if place.body is None or place.salt is None or not _SHA256.fullmatch(place.salt):
        return None
    try:
        if commitment(place.salt, place.body.encode()) != place.leaf:
            return None
        said = json.loads(place.body)
        at = datetime.fromisoformat(said["at"])
        at.astimezone(UTC)
        canonical = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")) == place.body
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None  # whoever wrote it also wrote the leaf: it is no entry
    number = said.get("number")
    return said if canonical and type(number) is int and number == place.number and at.tzinfo is not None else None


@dataclass(frozen=True, slots=True)
class Difference:
    """A message that one record has and the other lacks, or has otherwise."""

    message: str
    event: str
    what: str


def reconcile(
    ours: Iterable[Entry], theirs: Iterable[Entry], *, since: datetime | None = None, until: datetime | None = None
) -> tuple[Difference, ...]:
    """Compare two records of the same exchanges: what one provided the other received, the same bytes, for the same authority.

    ``since`` (included) and ``until`` (not included) bound the period; a message is of it if either record says so, because a
    message that was on its way at midnight is of two days. Before two years ago one record may have ended its term and the
    other not: :func:`pcsc.retention.least_kept` is the earliest ``since`` for which every difference means something.

    Acts of one side (examinations, deletions) are its own and are not compared. Linear but for sorting the messages.

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
        one, two = mine.get(key, []), other.get(key, [])
        if any(_within(each.at, since, until) for each in (*one, *two)):
            differences += [Difference(message, event, what) for what in _differences(direction, one, two)]
    return tuple(differences)


def _within(at: datetime, since: datetime | None, until: datetime | None) -> bool:
    """Whether a time is of a period."""
    return (since is None or since <= at) and (until is None or at < until)


def _differences(direction: str, ours: Sequence[Entry], theirs: Sequence[Entry]) -> Iterator[str]:
    """Yield in what the entries of one message differ."""
    for whose, entries in (("our", ours), ("their", theirs)):
        if len(entries) > 1:
            yield f"{direction} {len(entries)} times in {whose} record"
    if not ours or not theirs:
        yield f"{direction} in {'our' if ours else 'their'} record only"
        return
    one, two = ours[0], theirs[0]
    if one.commitment != two.commitment:
        yield "the two records commit to different bytes"
    elif (one.exchange, one.made_at) != (two.exchange, two.made_at):
        yield "the two records differ in the exchange, or in when it was made"
    elif (one.authority, one.identified, one.information) != (two.authority, two.identified, two.information):
        yield "the two records differ in the authority, the flag or the types of information"


def _crossings(entries: Iterable[Entry]) -> dict[tuple[str, str, str], list[Entry]]:
    """Return the entries of messages by (event, message, the Party that provided it)."""
    crossings: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.direction is not Direction.ACT:
            provider = entry.other.other if entry.direction is Direction.PROVIDED else entry.other
            crossings[entry.event, entry.message, f"provided by {provider}"].append(entry)
    return crossings
