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
import logging
from typing import TYPE_CHECKING, Final

from contact_point import notes, service, wire
from contact_point.keys import SignatureError, SigningKey, VerifyingKey
from pcsc import checkpoints, merkle, receipts, records
from pcsc.duties import Content
from pcsc.errors import OutOfOrderError, RecordError
from pcsc.messages import Checkpoints, Step

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from contact_point.service import Installation
    from contact_point.settings import Designation
    from contact_point.store import Transaction
    from pcsc.checkpoints import Checkpoint, Head

_log = logging.getLogger("contact_point.witness")

ROUNDS: Final = 3
"""Messages that one exchange of checkpoints takes at most: one where each knows what the other witnessed, and its thanks."""

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
        ForkError: our record, or theirs, is not what was witnessed of it.
        ClientError, TlsError, WireError: no answer came, or none that can be taken in; the next exchange says it again.

    """
    if here.other is None:
        return
    for _ in range(ROUNDS):
        message = _statement(here, service.new_number(here, now), now)
        answer, _ = here.other.post(message, wire.encode(message), now)
        if not isinstance(answer, Checkpoints):
            return
        _hear(here, answer, service.moment(here, now))
        if not _take(here, answer):
            return


def catch_up(here: Installation, now: datetime) -> None:
    """Let what was recorded after the last message be witnessed too: examinations, uses and deletions wait for no message.

    Raises:
        ForkError, ClientError, TlsError, WireError: as :func:`exchange`.

    """
    with here.store.transaction() as tx:
        last = _witnessed(tx, here.settings.uri)
        behind = tx.head() != (None if last is None else last.head)
    if behind:
        exchange(here, now)


def answer(here: Installation, message: Checkpoints, now: datetime) -> bytes:
    """Witness the other contact point's record and return the body that says how far ours has come.

    Raises:
        ForkError: one of the two records is not what was witnessed of it.

    """
    _hear(here, message, now)
    _take(here, message)
    return wire.encode(_statement(here, message.control_number, now))


def kept(here: Installation, *, of_other: bool) -> list[Checkpoint]:
    """Return the checkpoints of our record, or of the other contact point's, that both signed; oldest first.

    Raises:
        SignatureError: a note that is kept was changed.

    """
    other, ours = _other(here), SigningKey.load(here.settings.folder.signing_key).verifying
    theirs = VerifyingKey.from_pem(other.signing_key_pem.encode())
    with here.store.transaction() as tx:
        found = tx.notes(other.uri if of_other else here.settings.uri)
    for note in found:
        notes.verify(note, other.uri, theirs)
    return [checkpoints.parse(notes.verify(note, here.settings.uri, ours)) for note in found]


# Ours


def _statement(here: Installation, control_number: str, now: datetime) -> Checkpoints:
    """Return how far our record has come since the other contact point witnessed it."""
    uri, key = here.settings.uri, SigningKey.load(here.settings.folder.signing_key)
    with here.store.transaction() as tx:
        base, heads = _witnessed(tx, uri), tx.heads()
        steps = tuple(_steps(tx, uri, key, base, heads, now))
        theirs = tx.latest_note(_other(here).uri) or ""
        destroyed = tuple(_receipts(tx, uri, key, steps, base)) if steps else ()
    return Checkpoints(control_number, now, service.new_salt(), _place(base), steps, theirs, destroyed)


def _witnessed(tx: Transaction, uri: str) -> Checkpoint | None:
    """Return the checkpoint of a record that was witnessed last."""
    note = tx.latest_note(uri)
    return None if note is None else checkpoints.parse(checkpoints.parse_note(note).text)


def _place(witnessed: Checkpoint | None) -> str:
    """Return where a checkpoint stands, as the messages say it."""
    return "" if witnessed is None else f"{witnessed.head.tree} {witnessed.head.size}"


def _steps(
    tx: Transaction, uri: str, key: SigningKey, base: Checkpoint | None, heads: list[Head], now: datetime
) -> Iterable[Step]:
    """Yield a step for each tree that grew or was begun after ``base``."""
    for at, head in enumerate(heads):
        if base is not None and (head.tree, head.size) <= (base.head.tree, base.head.size):
            continue
        proof: tuple[bytes, ...] = ()
        if base is not None and head.tree == base.head.tree:
            proof = merkle.consistency(tx.leaves(head.tree), base.head.size)
        text = checkpoints.of_heads(uri, heads[: at + 1], now).text()
        yield Step(notes.sign(text, uri, key), tuple(base64.b64encode(each).decode() for each in proof))


def _receipts(
    tx: Transaction, uri: str, key: SigningKey, steps: tuple[Step, ...], base: Checkpoint | None
) -> Iterable[str]:
    """Yield a receipt for each print of the other Party's that the entries of the steps say was destroyed."""
    for step in steps:
        checkpoint = checkpoints.parse(checkpoints.parse_note(step.note).text)
        tree, size = checkpoint.head.tree, checkpoint.head.size
        first = tx.first_of(tree)
        start = base.head.size if base is not None and base.head.tree == tree else 0
        leaves = tx.leaves(tree)[:size]
        for number in range(first + start, first + size):
            place = tx.place(number)
            said = records.said_by(place) or {}  # nothing, where its term has ended
            if (said.get("event"), said.get("article") in _THEIRS) == ("deletion", True):
                receipt = receipts.of_deletion(place, leaves, checkpoint, first=first)
                yield notes.sign(receipt.text(), uri, key)


# Theirs


def _hear(here: Installation, message: Checkpoints, now: datetime) -> None:
    """Hold our clock to that of the other contact point, which signed its time just now."""
    with here.store.transaction() as tx:
        here.guard.heard(tx, message.made_at, now)


def _take(here: Installation, message: Checkpoints) -> bool:
    """Take in what the other contact point says of both records; return whether there is something to tell it in return."""
    _take_witnessed(here, message.witnessed)
    with here.store.transaction() as tx:
        other = _other(here)
        base = _witnessed(tx, other.uri)
        if message.since != _place(base):
            return True  # it does not know what we witnessed last, and learns it from our answer
        if not message.steps:
            return False
        key = VerifyingKey.from_pem(other.signing_key_pem.encode())
        try:
            chain = list(_checked(other.uri, key, base, message.steps))
        except (RecordError, SignatureError) as error:
            for number, step in enumerate(message.steps):
                tx.keep_note(f"{_FORK}{other.uri}/record/{message.control_number}", number, step.note)
            fork = f"the record of {other.party} does not go on from what was witnessed of it: {error}"
            chain = []
        else:
            ours = SigningKey.load(here.settings.folder.signing_key)
            for checkpoint, note in chain:
                tx.keep_note(checkpoint.origin, checkpoint.head.size, notes.cosign(note, here.settings.uri, ours))
            _keep_receipts(tx, other, key, {checkpoint.text() for checkpoint, _ in chain}, message.receipts)
    if not chain:
        _log.critical("Art. 11: %s", fork)
        raise ForkError(fork)
    return True


def _take_witnessed(here: Installation, note: str) -> None:
    """Keep a checkpoint of our record that the other contact point witnessed.

    Raises:
        ForkError: our record does not lead there.

    """
    if not note:
        return
    other, uri = _other(here), here.settings.uri
    ours = SigningKey.load(here.settings.folder.signing_key).verifying
    text = notes.verify(note, uri, ours)
    notes.verify(note, other.uri, VerifyingKey.from_pem(other.signing_key_pem.encode()))
    checkpoint = checkpoints.parse(text)
    with here.store.transaction() as tx:
        before = _witnessed(tx, uri)
        head = checkpoint.head
        if before is not None and (head.tree, head.size) < (before.head.tree, before.head.size):
            return  # an older one, on a message that was long on its way
        leaves = tx.leaves(head.tree)
        if len(leaves) < head.size or merkle.root(leaves[: head.size]).hex() != head.root:
            fork = (
                f"{other.party} holds a checkpoint of our record, signed by us, of {head.size} entries in {head.tree}, and our "
                f"record has {len(leaves)} there, or others: it was changed, cut off or set back (Art. 11)"
            )
            _log.critical("%s", fork)
            raise ForkError(fork)
        tx.keep_note(checkpoint.origin, head.size, note)


def _checked(
    uri: str, key: VerifyingKey, base: Checkpoint | None, steps: tuple[Step, ...]
) -> Iterable[tuple[Checkpoint, str]]:
    """Yield each checkpoint with its note, once it is shown to follow from the one before.

    Raises:
        RecordError, SignatureError: it does not.

    """
    last = base
    for step in steps:
        checkpoint = checkpoints.parse(notes.verify(step.note, uri, key))
        head = checkpoint.head
        if checkpoint.uri != uri:
            raise RecordError(f"expected a checkpoint of {uri}; got one of {checkpoint.uri}")
        same = last is not None and head.tree == last.head.tree
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
    """Keep what the other contact point says that it destroyed, once it is shown to be in its record."""
    for note in signed:
        receipt = receipts.parse(notes.verify(note, other.uri, key))
        receipts.check(receipt)
        if receipt.checkpoint.text() not in texts:
            raise RecordError("a receipt of deletion stands in a checkpoint that came with it; this one names another")
        number, exchange = str(receipt.place.number), receipt.exchange
        held = {each.number for each in tx.held(exchange) if each.kind is Content.DESTROYED}
        if tx.has_exchange(exchange) and number not in held:
            tx.hold(exchange, Content.DESTROYED, note.encode(), number=number)


def _other(here: Installation) -> Designation:
    if here.settings.other is None:
        raise OutOfOrderError(
            "no contact point of the other Party is designated here (Art. 3(2)): enter its card with `pcsc designate CARD`"
        )
    return here.settings.other
