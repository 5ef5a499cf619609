"""What the record tells whoever looks after it (Article 11): searches, timelines, deletions, holds and breaches.

Entries rest sealed, each under the key of its exchange, and only number, month and exchange are beside them in clear. So a
search opens the entries one after the other: all of one exchange by its number; else all from the first month that can hold
something of the period, to the end of the record, since where a clock was set back an entry of the period stands later. It
takes 0.05 ms of CPU for each entry that is opened, and as much memory for any number (`python -m benchmarks.exports`).

Nothing here decides or changes anything. What is read is not recorded here: whoever shows it to a person does that.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from contact_point import exports, witness
from contact_point.store import UnknownExchangeError
from pcsc import checkpoints, receipts, retention, traces
from pcsc.checkpoints import Checkpoint, Head
from pcsc.duties import Content
from pcsc.exchange import Exchange
from pcsc.merkle import Frontier, Growth
from pcsc.receipts import DeletionReceipt
from pcsc.records import Direction, Entry
from pcsc.searches import Asked
from pcsc.traces import Trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contact_point.service import Installation
    from contact_point.store import Transaction

HOLD, BREACH, DELETION = "legal hold", "breach notice", "deletion"
"""What entries call a legal hold, a notice of a breach and a deletion."""


def search(here: Installation, asked: Asked, *, begin: int = 0) -> Iterator[Entry]:
    """Yield the entries that are asked for, as they are found, by number from ``begin`` on; ``trace`` is the commitment to one.

    Who shows a page of them goes on with the number after the last one. No snapshot is held for longer than 10,000 entries.

    Raises:
        RecordError: an entry does not open.

    """
    if asked.exchange:
        with here.store.reading() as tx:
            yield from (entry for entry in tx.entries(asked.exchange, since=begin) if asked.takes(entry))
        return
    with here.store.reading() as tx:
        heads = tx.heads()
    first = max(begin, exports.first_in_period(heads, asked.since))
    for place in exports.places(here, first, sum(head.size for head in heads)):
        entry = exports.entry_in(place)
        if entry is not None and asked.takes(entry):
            yield entry


# The timeline of an exchange


@dataclass(frozen=True, slots=True)
class Proof:
    """Where an entry stands, and what shows it (RFC 9162, 2.1.3): `pcsc record prove NUMBER` writes it to a file."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Checkpoint
    """The checkpoint that both contact points signed, under which it stands."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What happened at one time in an exchange."""

    entry: Entry
    trace: Trace | None
    """How it was decided; None where nothing was, or its trace cannot be read."""
    fault: str
    """Why the trace cannot be read; empty where it can."""
    proof: Proof | None
    """None where both have not signed a checkpoint over it yet."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened in an exchange, in the order of the record, and what is left of it."""

    exchange: Exchange
    moments: tuple[Moment, ...]
    receipts: tuple[DeletionReceipt, ...]
    """What the other contact point signed that it destroyed of ours."""
    held: tuple[Content, ...]
    """The kinds of content that are still held here."""
    ends_at: datetime | None
    """When the term of its record ends; None while something keeps it open (Article 11(3))."""


def timeline(here: Installation, number: str, now: datetime) -> Timeline:
    """Return what happened in an exchange; ``number`` is its control number, or the reference number of its match.

    Costs two hashes for each leaf of the months in which it has entries.

    Raises:
        UnknownExchangeError: there is no such exchange here, or its term has ended.
        RecordError: an entry or its trace does not open, or is not the one that was committed to.
        SignatureError: a checkpoint that is kept is not signed by both.

    """
    with here.store.reading() as tx:
        exchange = _exchange(tx, number)
        entries = list(tx.entries(exchange.control_number))
        proofs = _proofs(here, tx, entries)
        moments = tuple(_moment(tx, entry, proofs.get(entry.number)) for entry in entries)
        signed = _receipts(tx, exchange.control_number)
        held = tuple(sorted({each.kind for each in tx.held(exchange.control_number)}))
    ends = retention.ends_at(exchange, here.settings.arrangement(now), recorded_at=entries[-1].at if entries else None)
    return Timeline(exchange, moments, signed, held, ends)


def _exchange(tx: Transaction, number: str) -> Exchange:
    try:
        return tx.exchange(number)
    except UnknownExchangeError:
        return tx.exchange_of(number)


def _moment(tx: Transaction, entry: Entry, proof: Proof | None) -> Moment:
    text = tx.trace(entry)
    if not text:
        return Moment(entry, None, "", proof)
    try:
        return Moment(entry, traces.read(text), "", proof)
    except traces.TraceError as error:
        return Moment(entry, None, str(error), proof)


def _proofs(here: Installation, tx: Transaction, entries: list[Entry]) -> dict[int, Proof]:
    """Return for each entry that stands under a checkpoint of both what shows it, by its number."""
    heads: dict[str, tuple[Head, Checkpoint]] = {}
    for each in witness.kept(here, tx, here.settings.uri):  # by tree: of the end of a tree, the next one's speaks
        heads |= {head.tree: (head, each) for head in (each.before, each.head) if head is not None}
    by_tree: defaultdict[str, list[int]] = defaultdict(list)
    for entry in entries:
        by_tree[tx.place(entry.number).tree].append(entry.number)
    found: dict[int, Proof] = {}
    for tree in by_tree.keys() & heads.keys():
        head, checkpoint = heads[tree]
        first, grown = tx.first_of(tree), Growth(Frontier.empty(), tx.leaves(tree, 0, head.size))
        under = [number for number in by_tree[tree] if number - first < head.size]
        found |= {number: Proof(number - first, grown.inclusion(number - first), checkpoint) for number in under}
    return found


def _receipts(tx: Transaction, number: str) -> tuple[DeletionReceipt, ...]:
    """Return the receipts of the other contact point in an exchange, which were checked when they came."""
    found = tx.held(number, Content.DESTROYED)
    texts = (tx.content(number, Content.DESTROYED, number=each.number).decode() for each in found)
    return tuple(receipts.parse(checkpoints.parse_note(text).text) for text in texts)


# Deletions, holds, breaches


@dataclass(frozen=True, slots=True)
class Deletion:
    """Something that was destroyed: by us, as an entry of ours says, or by the other contact point, as it signed."""

    exchange: str
    what: str
    """The kind of content, as :class:`pcsc.duties.Content` names it."""
    article: str
    at: datetime
    entry: Entry | None
    """Our entry; `pcsc record prove` shows it to others."""
    receipt: DeletionReceipt | None
    """Its signed receipt, which proves the entry in its record."""


def deletions(here: Installation, asked: Asked) -> Iterator[Deletion]:
    """Yield what was destroyed in what is asked for, first ours by number, then what the other contact point signed.

    Of the latter, those of exchanges whose record is still here, in the period.
    """
    for entry in search(here, replace(asked, events=(DELETION,), directions=())):
        what = entry.note.partition(" destroyed")[0]
        yield Deletion(entry.exchange, what, entry.article, entry.at, entry, None)
    with here.store.reading() as tx:
        numbers = sorted({each.exchange for each in tx.held(kind=Content.DESTROYED)})
        for number in numbers:
            if asked.exchange in {"", number}:
                yield from (_theirs(each) for each in _receipts(tx, number) if asked.takes_time(each.at))


def _theirs(receipt: DeletionReceipt) -> Deletion:
    return Deletion(receipt.exchange, receipt.destroyed.value, receipt.article, receipt.at, None, receipt)


@dataclass(frozen=True, slots=True)
class Hold:
    """The record of an exchange that a law orders, or ordered, to keep beyond its term (Article 11(3))."""

    exchange: str
    kept_under: str
    """The provision that orders it now; empty where none does any longer."""
    entries: tuple[Entry, ...]
    """Each order and each end of one, with who gave it."""
    ends_at: datetime | None
    """When the record ends; None while it is held, or something else keeps it open."""


def holds(here: Installation, now: datetime) -> list[Hold]:
    """Return every exchange whose record is, or was, held beyond its term, in the order of the first order."""
    by_exchange: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in search(here, Asked(events=(HOLD,))):
        by_exchange[entry.exchange].append(entry)
    arrangement = here.settings.arrangement(now)
    with here.store.reading() as tx:
        found = [
            (tx.exchange(number), tuple(entries)) for number, entries in by_exchange.items() if tx.has_exchange(number)
        ]
    return [
        Hold(each.control_number, each.kept_under, entries, retention.ends_at(each, arrangement))
        for each, entries in found
    ]


@dataclass(frozen=True, slots=True)
class Breach:
    """A notice of a breach of protection, given or received (Article 9)."""

    entry: Entry
    given: bool
    late: str
    """Why it was late, as recorded; empty where it was not."""


def breaches(here: Installation, asked: Asked) -> Iterator[Breach]:
    """Yield the notices of breaches in what is asked for; what each says is read with `pcsc correspondence`.

    The exchange of a notice is its own, so what was late is recorded beside it.
    """
    for entry in search(here, replace(asked, events=(BREACH,))):
        with here.store.reading() as tx:
            late = [each.note for each in tx.entries(entry.exchange) if each.event == "late notice"]
        yield Breach(entry, entry.direction is Direction.PROVIDED, " ".join(late))
