"""A backup: what may be had back after a loss, sealed for a recovery key (docs/decisions/0029, 0032).

It holds what every state of an exchange permits (:func:`pcsc.duties.lasting`) and the record, with salts and traces; what the
other contact point signed; what both Parties agreed and designated; and, where asked for, our own gallery. It never holds a
key, nor anything that an act destroys: no probe, candidate, picture, answer, snapshot or information (Articles 8(1), 8(2),
8(9)).

1. :func:`write` reads all of it from one snapshot, so it is of one moment and keeps nobody from writing.
2. :func:`opened` yields it line by line, each ``[kind, value ...]``, in the order of :data:`KINDS`. Nothing of it counts before
   the end: the signature stands there (:mod:`contact_point.keys.recovery`).

It is a copy of the record, and ends with the first term in it, or some days after it was made (Article 11(3)).
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from annex.parameters import Party
from contact_point.keys import SigningKey, recovery
from contact_point.parsing import first_fault
from contact_point.store import ContentGoneError
from pcsc import duties, retention
from pcsc.errors import RecordError
from pcsc.exchange import Exchange, Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

    from contact_point.keys import VerifyingKey
    from contact_point.service import Installation
    from contact_point.settings import Folder
    from contact_point.store import Transaction

FORMAT: Final = "pcsc backup 1"

DAYS: Final = 7
"""How long a backup is kept where nobody says otherwise: what is removed from the gallery is in it for that long."""
MOST_DAYS: Final = 31

KINDS: Final = (
    "contact point",
    "file",
    "clock",
    "note",
    "copy",
    "nonce",
    "exchange",
    "content",
    "received",
    "feed",
    "places",
    "place",
    "person",
    "end",
)
"""What a line can be, in the order in which they come; "places" and "end" come once."""

MAX_LINE: Final = 64 * 1024 * 1024
"""Bytes of a line; the longest is a person of the gallery with twenty images."""

_EXCHANGE: Final = TypeAdapter(Exchange)


@dataclass(frozen=True, slots=True)
class Header:
    """What a backup says of itself in clear."""

    format: str
    party: Party
    uri: str
    made_at: datetime
    holds_until: datetime
    """When it must be destroyed: Article 11(3)."""


_HEADER: Final = TypeAdapter(Header)


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: of which exchanges, until when it may be kept, and the SHA-256 of the file in hexadecimal."""

    exchanges: tuple[Exchange, ...]
    holds_until: datetime
    entries: int
    persons: int
    sha256: str


def write(
    here: Installation,
    file: IO[bytes],
    to: EllipticCurvePublicKey,
    now: datetime,
    *,
    days: int = DAYS,
    gallery: bool = False,
) -> Written:
    """Write a backup, with ``gallery`` also of our own prints; it is still to be entered as a copy of the record.

    Raises:
        RecordError: the record cannot be read.

    """
    said = here.settings
    with here.store.reading() as tx:
        exchanges = tuple(tx.exchanges())
        until = min(retention.copy_until(exchanges, said.arrangement(now), now), now + timedelta(days=days))
        lines = _Lines(here, tx, exchanges, gallery=gallery)
        header = Header(FORMAT, said.party, said.uri, now.astimezone(UTC), until)
        signing = SigningKey.load(said.folder.signing_key)
        shown = _HEADER.dump_python(header, mode="json")
        digest = recovery.write(file, shown, map(_line, lines.every()), to=to, signing=signing)
    return Written(exchanges, until, lines.entries, lines.persons, digest)


def files(folder: Folder) -> dict[str, bytes]:
    """Return the files of an installation that are in its backup, by their names in its folder: no key is among them.

    Our own designation is not: a restored contact point is another one, and is designated anew (Article 3(2)).
    """
    kept = [
        folder.other,
        folder.other_designation,
        folder.other_authority,
        folder.other_revoked,
        folder.other_revoked_numbers,
        folder.termination,
        folder.roster,
        folder.former_keys,
        *sorted(folder.arrangements.iterdir()),
    ]
    return {str(each.relative_to(folder.root)): each.read_bytes() for each in kept if each.is_file()}


class _Lines:
    """The lines of a backup, out of one snapshot."""

    def __init__(self, here: Installation, tx: Transaction, exchanges: tuple[Exchange, ...], *, gallery: bool) -> None:
        self._here = here
        self._tx = tx
        self._exchanges = {each.control_number: each for each in exchanges}
        self._gallery = gallery
        self.entries = 0
        self.persons = 0

    def every(self) -> Iterator[list[Any]]:
        """Yield every line, in the order of :data:`KINDS`."""
        said, tx = self._here.settings, self._tx
        yield ["contact point", said.name, said.host, said.port, said.threads]
        for name, content in files(said.folder).items():
            yield ["file", name, _text(content)]
        if (clock := tx.clock()) is not None:
            yield ["clock", clock.seen.isoformat()]
        yield from (["note", *each] for each in tx.all_notes())
        yield from (["copy", _stored(asdict(each))] for each in tx.copies() if each.destroyed_at is None)
        yield from (["nonce", nonce, until.isoformat()] for nonce, until in tx.nonces())
        for number, exchange in self._exchanges.items():
            yield ["exchange", _EXCHANGE.dump_python(exchange, mode="json"), tx.subject_of(number)]
        yield from self._contents()
        for message, received in tx.all_received():
            if received.exchange in self._exchanges:
                yield ["received", message, received.exchange, received.commitment, received.answer]
        for feed in tx.feeds():
            yield ["feed", feed.number, feed.at.isoformat(), feed.by, feed.sha256, feed.counts]
        yield ["places"]
        yield from self._places()
        yield from self._persons()
        yield ["end", self.entries, self.persons]

    def _contents(self) -> Iterator[list[Any]]:
        """Yield what ends with the record alone: Articles 8(1), 8(2), 8(9) end everything else earlier."""
        lasting = {side: duties.lasting(side) for side in Side}
        for held in self._tx.held():
            exchange = self._exchanges.get(held.exchange)
            if exchange is None or held.condemned or held.kind not in lasting[exchange.side]:
                continue
            try:
                content = self._tx.content(held.exchange, held.kind, number=held.number)
            except ContentGoneError:
                continue
            yield ["content", held.exchange, held.kind, held.number, _text(content)]

    def _places(self) -> Iterator[list[Any]]:
        for place in self._tx.record():
            self.entries += 1
            trace = "" if place.body is None else self._tx.salted_trace(place.number)
            yield ["place", asdict(place), trace]

    def _persons(self) -> Iterator[list[Any]]:
        for each in self._tx.subjects() if self._gallery else ():
            self.persons += 1
            prints = [
                [_text(one.template), None if one.image is None else _text(one.image)] for one in each.impressions
            ]
            yield ["person", each.name, each.particulars, prints]


def _line(value: list[Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _stored(copy: dict[str, Any]) -> dict[str, Any]:
    return copy | {name: copy[name].isoformat() for name in ("made_at", "holds_until")}


# Reading


def header(file: IO[bytes]) -> Header:
    """Return what a backup says of itself, which is not to be believed before all of it was read.

    Raises:
        SealError, RecordError: it is none.

    """
    file.seek(0)
    said = recovery.read_line(file)
    try:
        found = _HEADER.validate_python({name: said.get(name) for name in Header.__slots__})
    except ValidationError as error:
        raise RecordError(f"this is no backup of a contact point: {first_fault(error)}; name the right file") from None
    if found.format != FORMAT:
        raise RecordError(
            f"expected a backup of format {FORMAT!r}; got {found.format!r}: restore it with its own program"
        )
    return found


def opened(file: IO[bytes], key: EllipticCurvePrivateKey, by: VerifyingKey) -> Iterator[list[Any]]:
    """Yield the lines of a backup; act durably on none before the last was taken.

    Raises:
        SealError, SignatureError: it is for another recovery key, was changed, cut or continued, or is of somebody else.
        RecordError: it does not hold what a backup holds, in its order.

    """
    last = ""
    for line in _split(recovery.read(file, key=key, by=by)):
        said = json.loads(line)
        kind = said[0]
        if last == KINDS[-1] or KINDS.index(kind) < KINDS.index(last or KINDS[0]):
            raise RecordError(f"a backup does not have {kind!r} after {last!r}: it was not written by this program")
        last = kind
        yield said
    if last != KINDS[-1]:
        raise RecordError("the backup ends before its end: whoever wrote it did not finish; take another one")


def _split(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole lines."""
    held = bytearray()
    for frame in frames:
        *whole, rest = bytes(frame).split(b"\n")
        for line in whole:
            yield bytes(held) + line
            held.clear()
        held += rest
        if len(held) > MAX_LINE:
            raise RecordError(
                f"a line of the backup has more than {MAX_LINE} bytes: it was not written by this program"
            )


def bytes_of(text: str) -> bytes:
    """Return bytes as a line has them."""
    return base64.b64decode(text, validate=True)
