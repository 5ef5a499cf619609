"""Deletion receipts: what a contact point signs for the other one when a print of that Party was destroyed.

Articles 8(1) and 8(2) order prints to be deleted at once, and the record says when that was done (11(1)). A receipt shows that
entry of the record to the other Party and proves that it stands there: the entry itself, its salt, and the hashes that lead
from it to the root of a checkpoint (RFC 9162, 2.1.3). An entry of a deletion names types and times and holds no content, so
nothing of a print is in it.

    pcsc deletion receipt v1
    exchange JP261122-AAAABBBBCCCCDDDD
    party US                                   who destroyed
    destroyed probe                            what, by the name of its kind in :class:`pcsc.duties.Content`
    article 8(1)
    at 2026-11-22T17:07:09Z                    the time of the entry, in whole seconds
    entry 41 2026-11                           number, and tree
    salt 5a5a...                               32 bytes in hexadecimal
    body eyJhZ3Jl...                           the entry's canonical text, in base64
    leaf 8f0c...                               HMAC-SHA256 of the body under the salt, in hexadecimal
    index 12                                   of the leaf in its tree
    proof CsUYap... 5Iw1yl...                  the inclusion proof, each hash in base64; the one word where there is none
    checkpoint urn:pcsc:ncp:us/record/2026-11  five lines: the text of the checkpoint
    ...

The text is that of a signed note (:mod:`pcsc.checkpoints`), whose signature says what no proof can: that the contact point
destroyed it. Signing and verifying that are not done here. The checkpoint is then held against those that the other contact
point keeps.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from annex.parameters import Party
from pcsc import checkpoints, merkle
from pcsc.checkpoints import MAX_NOTE, Checkpoint, CheckpointError, parse_base64, parse_time, time_text
from pcsc.duties import Content
from pcsc.errors import RecordError
from pcsc.records import Recorded, said_by

if TYPE_CHECKING:
    from pcsc.merkle import Growth

HEADING: Final = "pcsc deletion receipt v1"


_Named = TypeVar("_Named", Party, Content)


class ReceiptError(RecordError):
    """A deletion receipt is not of its form, or does not hold."""


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """What was destroyed, by whom, under which article and when; the entry that says so, and the proof that it is recorded."""

    exchange: str
    """Control number of the query, or of the message, that began the exchange."""
    party: Party
    destroyed: Content
    article: str
    at: datetime
    """In UTC, whole seconds."""
    place: Recorded
    """The entry, with body and salt."""
    index: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint

    def text(self) -> str:
        """Return the text that is signed: 17 lines, each with its line feed."""
        place = self.place
        body = base64.b64encode((place.body or "").encode()).decode()
        lines = [
            HEADING,
            f"exchange {self.exchange}",
            f"party {self.party}",
            f"destroyed {self.destroyed}",
            f"article {self.article}",
            f"at {time_text(self.at)}",
            f"entry {place.number} {place.tree}",
            f"salt {place.salt}",
            f"body {body}",
            f"leaf {place.leaf}",
            f"index {self.index}",
            " ".join(["proof", *(base64.b64encode(each).decode() for each in self.proof)]),
            *(f"checkpoint {line}" for line in self.checkpoint.text().removesuffix("\n").split("\n")),
        ]
        return "".join(f"{line}\n" for line in lines)


def of_deletion(place: Recorded, tree: Growth, checkpoint: Checkpoint, *, first: int) -> DeletionReceipt:
    """Return the receipt for the deletion that ``place`` records.

    ``tree`` is its tree as the checkpoint has it, grown by the entry or more; ``first`` is the number of the tree's first
    entry. The proof is looked up.

    Raises:
        ReceiptError: the entry's term has ended, it is of no deletion, or the checkpoint was made before it or of another size.
        MerkleError: the tree has no leaf there, or had it before it grew.

    """
    said = _said(place)
    head, index = checkpoint.head, place.number - first
    if (head.tree, True) != (place.tree, index < head.size == tree.size):
        raise ReceiptError(
            f"a receipt proves its entry by a checkpoint of its tree that was made after it; entry {place.number} is at index "
            f"{index} in tree {place.tree}, and the checkpoint is of {head.size} entries in tree {head.tree}"
        )
    return DeletionReceipt(
        exchange=said["exchange"],
        party=Party(said["other"]).other,
        destroyed=_destroyed(said),
        article=said["article"],
        at=datetime.fromisoformat(said["at"]).astimezone(UTC).replace(microsecond=0),
        place=place,
        index=index,
        proof=tree.inclusion(index),
        checkpoint=checkpoint,
    )


def parse(text: str) -> DeletionReceipt:
    """Return the receipt that a text says. Whether it holds is for :func:`check`; its signature is not here.

    Raises:
        ReceiptError: it is no receipt, or written otherwise than :meth:`DeletionReceipt.text` does.

    """
    said, signed = _lines(text)
    try:
        receipt = DeletionReceipt(
            exchange=said["exchange"],
            party=_one_of(Party, said["party"]),
            destroyed=_one_of(Content, said["destroyed"]),
            article=said["article"],
            at=parse_time(said["at"]),
            place=_place(said),
            index=_number(said["index"]),
            proof=tuple(parse_base64(each, "a hash") for each in said["proof"].split(" ")) if said["proof"] else (),
            checkpoint=checkpoints.parse("".join(f"{line}\n" for line in signed)),
        )
    except CheckpointError as error:
        raise ReceiptError(f"a part of the deletion receipt is not of its form: {_told(error)}") from None
    if receipt.text() != text:
        raise ReceiptError("a deletion receipt has one text; got another that says the same: have it written again")
    return receipt


def check(receipt: DeletionReceipt) -> None:
    """Check that a receipt holds: its entry gives the leaf, records this deletion, and stands in the tree of the checkpoint.

    At most 64 hashes beside that of the entry. Whether the receipt was signed by the contact point, and its checkpoint too, is
    for whoever knows its key.

    Raises:
        ReceiptError: the entry does not give its leaf, or says otherwise than the receipt.
        MerkleError: the entry is not in the tree.

    """
    place, head = receipt.place, receipt.checkpoint.head
    said = _said(place)
    for what, one, two in (
        ("exchange", receipt.exchange, said["exchange"]),
        ("article", receipt.article, said["article"]),
        ("Party", receipt.party, Party(said["other"]).other),
        ("kind of what was destroyed", receipt.destroyed, _destroyed(said)),
        ("time", time_text(receipt.at), time_text(datetime.fromisoformat(said["at"]))),
        ("tree", head.tree, place.tree),
    ):
        if one != two:
            raise ReceiptError(f"the {what} of a deletion receipt is that of the entry that it shows; got another")
    if receipt.index > place.number or (receipt.checkpoint.before is None and receipt.index != place.number):
        raise ReceiptError(
            f"entry {place.number} cannot be at index {receipt.index} of its tree: numbers run on over all trees, and the "
            "first begins with 0"
        )
    leaf = bytes.fromhex(place.leaf)
    merkle.check_inclusion(leaf, receipt.index, head.size, receipt.proof, head.digest)


def _said(place: Recorded) -> dict[str, str]:
    """Return what the entry of a place says in words, if it gives the leaf and is of a deletion."""
    said = said_by(place) or {}
    said = {name: said[name] for name in _NEEDED if isinstance(said.get(name), str)}
    if len(said) != len(_NEEDED) or said["other"] not in tuple(Party):
        raise ReceiptError(
            f"entry {place.number} does not give its leaf, or its term has ended: a receipt shows an entry as it was recorded"
        )
    if said["event"] != "deletion":
        raise ReceiptError(
            f"a deletion receipt shows the entry of a deletion; entry {place.number} is of something else"
        )
    return said


def _destroyed(said: dict[str, str]) -> Content:
    """Return what the entry of a deletion says was destroyed: the word that its note begins with."""
    return _one_of(Content, said["note"].partition(" destroyed")[0])


def _place(said: dict[str, str]) -> Recorded:
    """Return the place that a receipt shows."""
    number, _, tree = said["entry"].partition(" ")
    if not checkpoints.is_tree(tree):
        raise ReceiptError('the line "entry" has the number of the entry and the month of its tree; got something else')
    for name in ("salt", "leaf"):
        if not _SHA256.fullmatch(said[name]):
            raise ReceiptError(f'the line "{name}" has 64 lower-case hexadecimal digits; got {len(said[name])} others')
    body = parse_base64(said["body"], "an entry")
    try:
        return Recorded(_number(number), tree, body.decode(), said["salt"], said["leaf"])
    except UnicodeDecodeError:
        raise ReceiptError("an entry is a text in UTF-8; got bytes that are not") from None


def _lines(text: str) -> tuple[dict[str, str], list[str]]:
    """Return what the lines of a receipt say, by their first words, and the lines of its checkpoint."""
    if len(text) > MAX_NOTE:
        raise ReceiptError(f"a deletion receipt has at most {MAX_NOTE} characters; got {len(text)}")
    heading, *lines = text.removesuffix("\n").split("\n")
    if heading != HEADING or len(lines) != len(_WORDS) + _CHECKPOINT_LINES:
        raise ReceiptError(
            f'a deletion receipt begins with "{HEADING}" and has {len(_WORDS) + _CHECKPOINT_LINES} lines after it; got '
            f"{len(lines)}, or another beginning"
        )
    expected = [*_WORDS, *("checkpoint",) * _CHECKPOINT_LINES]
    parts = [line.partition(" ") for line in lines]
    for number, ((word, _, _), name) in enumerate(zip(parts, expected, strict=True), 2):
        if word != name:
            raise ReceiptError(f'line {number} of a deletion receipt begins with "{name}"; got something else')
    values = [value for _, _, value in parts]
    return dict(zip(_WORDS, values, strict=False)), values[len(_WORDS) :]


def _one_of(values: type[_Named], text: str) -> _Named:
    """Return the value of a name."""
    try:
        return values(text)
    except ValueError:
        raise ReceiptError(f"expected one of {', '.join(values)}; got something else") from None


def _number(text: str) -> int:
    """Return a number that is written in the one way."""
    if not _NUMBER.fullmatch(text):
        raise ReceiptError(
            f"a number has at most 19 digits and no zeros before it; got {len(text)} characters that are something else"
        )
    return int(text)


def _told(error: CheckpointError) -> str:
    """Return what an error says, without the article, which the error around it says."""
    return str(error.args[0])


_WORDS: Final = (
    "exchange",
    "party",
    "destroyed",
    "article",
    "at",
    "entry",
    "salt",
    "body",
    "leaf",
    "index",
    "proof",
)
_NEEDED: Final = ("at", "exchange", "other", "event", "article", "note")
_CHECKPOINT_LINES: Final = 5
_SHA256: Final = re.compile("[0-9a-f]{64}")
_NUMBER: Final = re.compile("0|[1-9][0-9]{0,18}")
