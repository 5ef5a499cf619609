"""Each contact point witnesses the other's record, so that neither can rewrite, cut off or backdate its own (Articles 9, 11).

After every message that was delivered the two exchange :class:`~pcsc.messages.Checkpoints`. Whoever receives one checks that
the other's record only grew since the last checkpoint it witnessed, signs the new one beside the other's signature, keeps it
and gives it back. A record that was changed afterwards no longer leads to a checkpoint that the other contact point holds; what
nobody could notice is at most what came after the last exchange.

With a checkpoint come receipts of deletion: for each print of the recipient's that was destroyed since, the entry that says so
and the proof that it is in the record (Articles 8(1), 8(2)).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from contact_point import notes, service, wire
from contact_point.keys import SignatureError, SigningKey, VerifyingKey
from pcsc import checkpoints, merkle, receipts, records
from pcsc.checkpoints import CheckpointError, Head
from pcsc.duties import Content
from pcsc.errors import OutOfOrderError, RecordError
from pcsc.merkle import Frontier, Growth, MerkleError
from pcsc.messages import Checkpoints, Step

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from contact_point.service import Installation
    from contact_point.settings import Designation
    from contact_point.store import Transaction
    from pcsc.checkpoints import Checkpoint

_log = logging.getLogger("contact_point.witness")

ROUNDS: Final = 8
"""Messages that one exchange of checkpoints takes at most; two where nobody has fallen behind."""

AT_ONCE: Final = 200
"""Entries that one message lets be witnessed, so that neither side works for long; the next message goes on from there."""

MOST_KEPT: Final = 100
"""Contradicting checkpoints that are kept as evidence; each is signed, so one is enough."""

_THEIRS: Final = {"8(1)", "8(2)"}
"""The clauses under which the other Party's prints are destroyed: received with a query, and with a match."""

_FORK: Final = "fork of "
"""Before the origin of a checkpoint that contradicts one that was witnessed: it is kept as evidence."""


class ForkError(Exception):
    """A record does not go on from what was witnessed of it: it was changed, cut off, or set back."""


def exchange(here: Installation, now: datetime) -> None:
    """Show the other contact point how far our record has come, and witness theirs.

    Raises:
        OutOfOrderError: no contact point of the other Party is designated.
        ForkError: our record, or theirs, is not what was witnessed of it; or theirs does not witness ours.
        ClientError, TlsError, WireError: no answer came, or none that can be taken in; the next exchange says it again.

    """
    if here.other is None:
        return
    with here.store.reading() as tx:
        base = _witnessed(tx, here.settings.uri)
    for _ in range(ROUNDS):
        message = _statement(here, service.new_number(here, now), now, base)
        answer, _ = here.other.post(message, wire.encode(message), now)
        if not isinstance(answer, Checkpoints):
            return
        _hear(here, answer, service.moment(here, now))
        before, base = base, _take_witnessed(here, answer.witnessed)
        if not _take(here, answer) and not _is_behind(here, base):
            return
        if message.steps and base == before:
            last = _said(None if base is None else base.head)
            fork = f"{_other(here).party} does not witness our record: what came after {last} is not cosigned"
            _log.critical("Art. 11: %s", fork)
            raise ForkError(fork)


def _is_behind(here: Installation, witnessed: Checkpoint | None) -> bool:
    """Whether our record has come further than what was witnessed of it."""
    with here.store.reading() as tx:
        return tx.head() != (None if witnessed is None else witnessed.head)


def catch_up(here: Installation, now: datetime) -> None:
    """Let what was recorded after the last message be witnessed too: examinations, uses and deletions wait for no message.

    Raises:
        ForkError, ClientError, TlsError, WireError: as :func:`exchange`.

    """
    with here.store.reading() as tx:
        last = _witnessed(tx, here.settings.uri)
    if _is_behind(here, last):
        exchange(here, now)


class Standing(NamedTuple):
    """How far the other contact point has witnessed our record."""

    behind: int
    """Entries that it has not witnessed."""
    last: datetime | None
    """The time of the last checkpoint that both signed."""
    forks: int
    """Checkpoints kept here that contradict what was witnessed of theirs."""


def standing(here: Installation, tx: Transaction) -> Standing:
    """Return how far our record is witnessed. Costs a few rows, whatever stands in it."""
    last, entries = _witnessed(tx, here.settings.uri), tx.next_entry()
    forks = 0 if here.settings.other is None else len(tx.notes(_FORK + here.settings.other.uri))
    if last is None:
        return Standing(entries, None, forks)
    return Standing(entries - tx.first_of(last.head.tree) - last.head.size, last.at, forks)


def answer(here: Installation, message: Checkpoints, now: datetime) -> bytes:
    """Witness the other contact point's record and return the body that says how far ours has come.

    Raises:
        ForkError: one of the two records is not what was witnessed of it.
        WireError: what it says was witnessed is no note of a checkpoint.

    """
    _hear(here, message, now)
    base = _take_witnessed(here, message.witnessed)
    _take(here, message)
    return wire.encode(_statement(here, message.control_number, now, base))


def kept(here: Installation, tx: Transaction, uri: str) -> list[Checkpoint]:
    """Return the checkpoints that both signed of the record of the contact point ``uri``: the last that is kept of each tree.

    Each speaks for its own tree and for the end of the one before.

    Raises:
        SignatureError: one is not signed by both, each with a key of the checkpoint's time.

    """
    last = {_checkpoint(note).head.tree: note for note in tx.notes(uri)}
    for note in last.values():
        at = _checkpoint(note).at
        for signer in keys(here):
            name = _uri_of(here, signer, at, note)
            notes.verify(note, name, key_of(here, name, at, note))
    return [_checkpoint(note) for note in last.values()]


def _uri_of(here: Installation, uri: str, at: datetime, note: str) -> str:
    """Return under which URI the contact point ``uri`` signed a note of that time: one that was lost is followed by another.

    Its Party had that other one designated, and what the first signed stays signed (docs/decisions/0032).
    """
    party = here.settings.party if uri == here.settings.uri else here.settings.party.other
    former = {each.uri for each in here.settings.former if each.party is party and each.uri != uri}
    return next((each for each in sorted(former) if _is_signed_by_former(here, each, at, note)), uri)


def _is_signed_by_former(here: Installation, uri: str, at: datetime, note: str) -> bool:
    return any(_is_signed(note, uri, key) for key in _former(here, uri, at))


def keys(here: Installation) -> dict[str, VerifyingKey]:
    """Return the key of each contact point by its URI, ours first."""
    found = {here.settings.uri: SigningKey.load(here.settings.folder.signing_key).verifying}
    if here.settings.other is not None:
        found[here.settings.other.uri] = VerifyingKey.from_pem(here.settings.other.signing_key_pem.encode())
    return found


def key_of(here: Installation, uri: str, at: datetime, note: str) -> VerifyingKey:
    """Return the key of a contact point that signed a note of that time; that of today where none of them did (Article 9).

    A former key counts for what is of a time until which it was used, or the five minutes that two clocks may be apart.
    """
    former = _former(here, uri, at)
    today = keys(here).get(uri)
    return next((key for key in former if _is_signed(note, uri, key)), today or former[0])


def _former(here: Installation, uri: str, at: datetime) -> list[VerifyingKey]:
    """Return the keys that a contact point used before, of those that it used at that time."""
    return [
        VerifyingKey.from_pem(each.pem.encode())
        for each in here.settings.former
        if each.uri == uri and at <= each.until + wire.MAX_AGE
    ]


def _checkpoint(note: str) -> Checkpoint:
    """Return the checkpoint of a note, whoever signed it."""
    return checkpoints.parse(checkpoints.parse_note(note).text)


# Ours


class _Grown(NamedTuple):
    """How far a tree of our record has come, and how it grew since the recipient witnessed it."""

    checkpoint: Checkpoint
    growth: Growth


def _statement(here: Installation, control_number: str, now: datetime, base: Checkpoint | None) -> Checkpoints:
    """Return how far our record has come since ``base``, which the other contact point says that it witnessed last.

    Costs what was recorded since, whatever came before, and keeps nobody from writing.
    """
    uri, key = here.settings.uri, SigningKey.load(here.settings.folder.signing_key)
    with here.store.reading() as tx:
        grown = list(_grown(tx, uri, base, now))
        steps = tuple(_step(each, uri, key) for each in grown)
        destroyed = tuple(notes.sign(receipt, uri, key) for each in grown for receipt in _receipts(tx, each))
        theirs = tx.latest_note(_other(here).uri) or ""
    return Checkpoints(control_number, now, service.new_salt(), _place(base), steps, theirs, destroyed)


def _witnessed(tx: Transaction, uri: str) -> Checkpoint | None:
    """Return the checkpoint of a record that was witnessed last."""
    note = tx.latest_note(uri)
    return None if note is None else _checkpoint(note)


def _place(witnessed: Checkpoint | None) -> str:
    """Return where a checkpoint stands, as the messages say it."""
    return "" if witnessed is None else f"{witnessed.head.tree} {witnessed.head.size}"


def _grown(tx: Transaction, uri: str, base: Checkpoint | None, now: datetime) -> Iterable[_Grown]:
    """Yield each tree that grew or was begun after ``base``, :data:`AT_ONCE` entries in all."""
    heads, room = tx.heads(), AT_ONCE
    for at, head in enumerate(heads):
        if room == 0 or (base is not None and (head.tree, head.size) <= (base.head.tree, base.head.size)):
            continue
        before = _up_to(tx, base.head) if base is not None and head.tree == base.head.tree else Frontier.empty()
        size = min(head.size, before.size + room)
        room -= size - before.size
        growth = Growth(before, tx.leaves(head.tree, before.size, size))
        # The head that is stored is what is signed: where it was changed, the proof does not lead there.
        last = head if size == head.size else Head(head.tree, size, growth.root().hex())
        yield _Grown(checkpoints.of_heads(uri, [*heads[:at], last], now), growth)


def _up_to(tx: Transaction, head: Head) -> Frontier:
    """Return a tree of our record up to the size of a head that was signed of it.

    From what is remembered of it, if that leads to the head, and from all its leaves if not: then it was never witnessed, or
    something was changed, or a recipient goes on from further back. Whoever calls holds it to the head.
    """
    try:
        remembered = tx.witnessed(head.tree)
    except MerkleError as error:
        _log.critical("Art. 11: what was remembered of the tree %s was changed: %s", head.tree, error)
        remembered = Frontier.empty()
    if remembered.size <= head.size:
        growth = Growth(remembered, tx.leaves(head.tree, remembered.size, head.size))
        if growth.root() == head.digest:
            return growth.frontier()
    whole = Growth(Frontier.empty(), tx.leaves(head.tree, 0, head.size))
    if 0 < remembered.size <= head.size and whole.root() == head.digest:
        _log.critical("Art. 11: what was remembered of the tree %s was changed; its leaves were not", head.tree)
    return whole.frontier()


def _step(grown: _Grown, uri: str, key: SigningKey) -> Step:
    """Return what shows that a tree only grew."""
    note = notes.sign(grown.checkpoint.text(), uri, key)
    return Step(note, tuple(base64.b64encode(each).decode() for each in grown.growth.consistency()))


def _receipts(tx: Transaction, grown: _Grown) -> Iterable[str]:
    """Yield the text of a receipt for each print of the other Party's that the new entries say was destroyed."""
    first = tx.first_of(grown.checkpoint.head.tree)
    for number in range(first + grown.growth.before.size, first + grown.growth.size):
        place = tx.place(number)
        said = records.said_by(place) or {}  # nothing, where its term has ended
        if (said.get("event"), said.get("article") in _THEIRS) == ("deletion", True):
            yield receipts.of_deletion(place, grown.growth, grown.checkpoint, first=first).text()


# Theirs


def _hear(here: Installation, message: Checkpoints, now: datetime) -> None:
    """Hold our clock to that of the other contact point, which made the message just now.

    Its signature is fresh to within :data:`wire.MAX_AGE`, so a time further off is not its clock's, and tells nothing of ours.
    """
    if abs(message.made_at - now) > wire.MAX_AGE:
        _log.warning("checkpoints signed just now say that they were made at %s: not taken for a time", message.made_at)
        return
    with here.store.transaction() as tx:
        here.guard.heard(tx, message.made_at, now)


def _take(here: Installation, message: Checkpoints) -> bool:
    """Witness the other contact point's record; return whether there is something to tell it in return.

    Raises:
        ForkError: it does not go on from what was witnessed of it.

    """
    other = _other(here)
    key = VerifyingKey.from_pem(other.signing_key_pem.encode())
    with here.store.transaction() as tx:
        fork = _contradiction(tx, other, key, message.steps)
        base = _witnessed(tx, other.uri)
        if not fork and message.since != _place(base):
            return True  # it does not know what we witnessed last, and learns it from our answer
        if not fork and not message.steps:
            return False
        chain: list[tuple[Checkpoint, str]] = []
        try:
            chain = [] if fork else list(_checked(other.uri, key, base, message.steps))
        except (RecordError, SignatureError) as error:
            fork = str(error)
            _keep_evidence(tx, other, key, message.steps)
        ours = SigningKey.load(here.settings.folder.signing_key)
        for checkpoint, note in chain:
            tx.keep_note(checkpoint.origin, checkpoint.head.size, notes.cosign(note, here.settings.uri, ours))
        _keep_receipts(tx, other, key, {checkpoint.text() for checkpoint, _ in chain}, message.receipts)
    if fork:
        told = f"the record of {other.party} does not go on from what was witnessed of it: {fork}"
        _log.critical("Art. 11: %s", told)
        raise ForkError(told)
    return True


def _contradiction(tx: Transaction, other: Designation, key: VerifyingKey, steps: tuple[Step, ...]) -> str:
    """Return what contradicts a checkpoint that was witnessed, whatever the message goes on from; empty where nothing does."""
    for step in steps[:_MOST_STEPS]:
        try:
            signed = checkpoints.parse(notes.verify(step.note, other.uri, key))
        except (RecordError, SignatureError):
            continue  # it proves nothing against anybody
        before = tx.note_of(signed.origin, signed.head.size)
        if before is not None and _checkpoint(before).head != signed.head:
            _keep_evidence(tx, other, key, (step,))
            return f"it signed two roots for {_said(signed.head)}"
    return ""


def _keep_evidence(tx: Transaction, other: Designation, key: VerifyingKey, steps: tuple[Step, ...]) -> None:
    """Keep the first checkpoint of those that is signed: with what was witnessed it shows the fork to anybody."""
    for step in steps[:_MOST_STEPS]:
        if not _is_signed(step.note, other.uri, key):
            continue
        said = checkpoints.parse_note(step.note).text
        origin = f"{_FORK}{other.uri}/record/{hashlib.sha256(said.encode()).hexdigest()}"
        if tx.note_of(origin, 0) is None and len(tx.notes(_FORK + other.uri)) < MOST_KEPT:
            tx.keep_note(origin, 0, step.note)
        return


_MOST_STEPS: Final = 1200
"""One for each month of a century."""


def _take_witnessed(here: Installation, note: str) -> Checkpoint | None:
    """Return up to where the other contact point witnessed our record, and keep the note; None where it has witnessed nothing.

    Where a signing key was changed since, the note serves to go on from, and is not kept. What our record was up to there is
    remembered, so that the next look begins there.

    Raises:
        ForkError: our record does not lead there.
        WireError: it is no note of a checkpoint.

    """
    if not note:
        return None
    other, uri = _other(here), here.settings.uri
    ours = SigningKey.load(here.settings.folder.signing_key).verifying
    try:
        checkpoint = _checkpoint(note)
    except CheckpointError as error:  # a fault of theirs, and not one of our record
        raise wire.WireError(f"what is said to be witnessed last is no note of a checkpoint: {error}") from None
    head = checkpoint.head
    with here.store.reading() as tx:
        if note == tx.note_of(checkpoint.origin, head.size):
            return checkpoint
        found = _up_to(tx, head)
    if (checkpoint.uri, found.size, found.root()) == (uri, head.size, head.digest):
        theirs = VerifyingKey.from_pem(other.signing_key_pem.encode())
        whole = _is_signed(note, uri, ours) and _is_signed(note, other.uri, theirs)
        with here.store.transaction() as tx:
            tx.keep_witnessed(head.tree, found)
            if whole:
                tx.keep_note(checkpoint.origin, head.size, note)
        return checkpoint
    if not _is_signed(note, uri, ours):
        _log.warning("%s shows a checkpoint of our record that our key of today did not sign", other.party)
        return None
    fork = (
        f"{other.party} holds a checkpoint of our record, signed by us, of {_said(head)}, and our record has {found.size} "
        "there, or others: it was changed, cut off or set back (Art. 11)"
    )
    _log.critical("%s", fork)
    raise ForkError(fork)


def _is_signed(note: str, uri: str, key: VerifyingKey) -> bool:
    """Whether a note has a valid signature of this key."""
    try:
        notes.verify(note, uri, key)
    except (RecordError, SignatureError):
        return False
    return True


def _checked(
    uri: str, key: VerifyingKey, base: Checkpoint | None, steps: tuple[Step, ...]
) -> Iterable[tuple[Checkpoint, str]]:
    """Yield each checkpoint with its note, once it is shown to follow from the one before.

    Raises:
        RecordError, SignatureError: it does not.

    """
    last = base
    if len(steps) > _MOST_STEPS:
        raise RecordError(f"expected at most {_MOST_STEPS} checkpoints, one a month; got {len(steps)}")
    for number, step in enumerate(steps):
        checkpoint = checkpoints.parse(notes.verify(step.note, uri, key))
        head = checkpoint.head
        if checkpoint.uri != uri:
            raise RecordError(f"expected a checkpoint of {uri}; got one of {checkpoint.uri}")
        same = last is not None and head.tree == last.head.tree
        if same and number:
            raise RecordError(f"expected one checkpoint of each tree; got two of {head.tree}")
        follows = None if last is None else last.before if same else last.head
        if checkpoint.before != follows:
            raise RecordError(
                f"the tree {head.tree} is said to follow on {_said(checkpoint.before)}, and {_said(follows)} was witnessed"
            )
        if last is not None and same:
            old = last.head
            merkle.check_consistency(old.size, old.digest, head.size, head.digest, _hashes(step.proof))
        last = checkpoint
        yield checkpoint, step.note


def _hashes(proof: tuple[str, ...]) -> list[bytes]:
    try:
        return [base64.b64decode(each, validate=True) for each in proof]
    except binascii.Error:
        raise RecordError("a proof is hashes in base64; got something else") from None


def _said(head: Head | None) -> str:
    return "nothing" if head is None else f"{head.size} entries in {head.tree}"


def _keep_receipts(
    tx: Transaction, other: Designation, key: VerifyingKey, texts: set[str], signed: tuple[str, ...]
) -> None:
    """Keep what the other contact point says that it destroyed, once it is shown to be in its record; one a kind of print."""
    for note in signed[: AT_ONCE if texts else 0]:
        try:
            receipt = receipts.parse(notes.verify(note, other.uri, key))
            receipts.check(receipt)
        except (RecordError, SignatureError) as error:
            _log.warning("a receipt of deletion of %s does not hold, and is not kept: %s", other.party, error)
            continue
        number = receipt.destroyed.value
        theirs = receipt.party is other.party and receipt.article in _THEIRS and receipt.checkpoint.text() in texts
        held = {each.number for each in tx.held(receipt.exchange) if each.kind is Content.DESTROYED}
        if theirs and number not in held and tx.has_exchange(receipt.exchange):
            tx.hold(receipt.exchange, Content.DESTROYED, note.encode(), number=number)


def _other(here: Installation) -> Designation:
    if here.settings.other is None:
        raise OutOfOrderError(here.settings.lacking)
    return here.settings.other
