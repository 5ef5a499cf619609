"""What bytes of others are given to, and the errors that each may answer with; any other exception is a finding.

A target reads a file, and where that succeeds does what the service does next: checks it against the tables, takes out its
minutiae, verifies its signature. Where a reader promises more, that is held to as well: what was read without a deviation
comes out of the writer as it was. The image decoders, which are C, are reached through the jail only; the readers in
Python run in this process, and again in the jail where the service runs them there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from contact_point import cbeff, files, wire
from contact_point.nist import agreed, minutiae, niem, profiles, reading, traditional
from contact_point.nist.transaction import FieldError, NistError, Transaction
from matcher import _jpeg_grammar, images, jail, wsq
from matcher.formats import FormatError, cards, finger_images, minutiae_records
from matcher.images import Image, ImageError
from matcher.jail import Jail
from matcher.jail_terms import RefusalError
from matcher.segmentation import SLAPS, SegmentationError, segment
from pcsc.errors import TreatyError

NOW: Final = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
MODULES: Final = ("matcher._decoding", "contact_point.nist.jailed")
"""The tasks that a jail for these targets needs."""

READ: Final = "read"
"""How an outcome that is no refusal is called."""

KILLED: Final = "killed: "
"""How an outcome begins for which a jailed child was killed."""


class BrokenPromiseError(AssertionError):
    """A reader took the bytes, and something does not hold that its documentation promises of what it took."""


@dataclass(frozen=True, slots=True)
class Target:
    """A reader: the formats it is given, the errors it documents, and how many of 100,000 files are for it.

    ``jailed`` says that what it costs is spent in the jail.
    """

    name: str
    kinds: tuple[str, ...]
    read: Callable[[bytes, Jail], object]
    refusals: tuple[type[Exception], ...]
    share: int
    jailed: bool = False

    def outcome(self, data: bytes, place: Jail) -> str:
        """Return :data:`READ`, or the name of the refusal's class, behind a word on how a jailed child was killed at it.

        Raises:
            Exception: the reader raised what it does not document: a finding.

        """
        try:
            self.read(data, place)
        except self.refusals as refusal:
            return killed(refusal) or type(refusal).__name__
        return READ


def killed(refusal: BaseException | None) -> str:
    """Return how the child was killed that a refusal comes from, empty where none was."""
    while refusal is not None:
        if isinstance(refusal, jail.KilledError):
            return KILLED + str(refusal).partition(" (")[0].removeprefix(KILLED)
        refusal = refusal.__cause__
    return ""


# --- transactions ----------------------------------------------------------------------------------------------------


def _read_traditional(data: bytes, _place: Jail) -> None:
    transaction = traditional.read(data)
    _look_through(transaction)
    if not transaction.deviations:
        _expect(_rewritten(transaction) == data, "write(read(data)) differs from data that have no deviation")


def _rewritten(transaction: Transaction) -> bytes:
    try:
        return traditional.write(transaction)
    except NistError as error:
        raise BrokenPromiseError(f"what was read without a deviation is refused by write: {error}") from error


def _read_xml(data: bytes, _place: Jail) -> None:
    transaction = niem.read(data)
    _look_through(transaction)
    with contextlib.suppress(NistError):
        traditional.read(traditional.write(transaction))


def _read_jailed(data: bytes, place: Jail) -> None:
    try:
        reading.read(data, place=place)
    except reading.KilledError as error:  # it is Python only, linear in the size, and needs nothing
        raise BrokenPromiseError(f"reading a transaction is no reason to be killed: {error}") from error


def _look_through(transaction: Transaction) -> None:
    """Do with a transaction what is done with those that come in, and what ``pcsc nist`` does."""
    profile = profiles.profile_for(transaction)
    profiles.check(transaction, profile)
    for record in transaction.records:
        profiles.picture_of(profile, record)
        for field in record.fields:
            profiles.name_of(profile, record.type, field.number)
            traditional.text(transaction, field.value)
    for place, record in transaction.of_type(9):
        with contextlib.suppress(FieldError):
            minutiae.read(record, image_size=minutiae.ImageSize(500, 500, 500), place=place)
    with contextlib.suppress(NistError):
        agreed.keep_to_domain(transaction)


# --- records and containers ------------------------------------------------------------------------------------------


def _read_minutiae(data: bytes, _place: Jail) -> None:
    record = minutiae_records.read(data)
    if not record.deviations:
        again = minutiae_records.read(minutiae_records.write(record))
        _expect(len(again.views) == len(record.views), "write loses views")


def _read_card(data: bytes, _place: Jail) -> None:
    cards.read_card(data, "normal" if len(data) % 3 else "compact", order=cards.CardOrder.X_THEN_Y)


def _read_finger_images(data: bytes, _place: Jail) -> None:
    record = finger_images.read(data)
    for view in record.views:
        _expect(min(view.dpi) > 0, "a view has a resolution")
        _expect(view.captured is None or view.time != finger_images.UNKNOWN_TIME, "an unknown time is none")
        record.compression(view)
    if not record.deviations:
        again = finger_images.read(finger_images.write(record))
        _expect(again == record, "read(write(record)) differs from a record that has no deviation")


def _read_container(data: bytes, _place: Jail) -> None:
    container = cbeff.read(data)
    cbeff.verify(container, trusted=None, at=NOW)
    cbeff.verify(container, trusted=(), at=NOW)


def _expect(holds: bool, promise: str) -> None:
    if not holds:
        raise BrokenPromiseError(promise)


# --- pictures --------------------------------------------------------------------------------------------------------


def _read_image(data: bytes, place: Jail) -> None:
    image = images.read(data, place=place)
    _expect(image.pixels.size <= images.MAX_PIXELS, "a picture is within the limits")


def _decode_wsq(data: bytes, _place: Jail) -> None:
    width, height = wsq.size(data)
    if width * height <= images.MAX_PIXELS:  # as the jailed task asks before
        pixels, _dpi = wsq.decode(data)
        _expect(pixels.shape == (height, width), "the picture has the size of its header")


def _check_jpeg(data: bytes, _place: Jail) -> None:
    _jpeg_grammar.check(data, _fit)


def _fit(size: tuple[int, int]) -> None:
    """Refuse a picture that the jailed task would refuse for its size."""
    if min(size) < images.MIN_SIDE or max(size) > images.MAX_SIDE or size[0] * size[1] > images.MAX_PIXELS:
        raise RefusalError("T", "too large or too small")


def _cut_slap(data: bytes, _place: Jail) -> None:
    """Cut pixels of the stated size, repeated as often as it takes, as one of the slaps."""
    height, width = (images.MIN_SIDE + int.from_bytes(data[at : at + 2]) % 1000 for at in (0, 2))
    pixels = np.resize(np.frombuffer(data[5:] or b"\xff", np.uint8), (height, width))
    position = list(SLAPS)[sum(data[4:5]) % len(SLAPS)]
    for each in segment(Image(pixels, 250.0), position):
        _expect(each.image.pixels.size > 0, "a finger has pixels")


# --- all of them -----------------------------------------------------------------------------------------------------


def _read_file(data: bytes, place: Jail) -> None:
    files.read(data, at=NOW, place=place)


def _decode_message(data: bytes, _place: Jail) -> None:
    wire.decode(data, *wire.KINDS.values())


_FILES: Final = (
    *["itl"] * 5,
    "xml",
    "xml",
    "minutiae",
    *["finger-images"] * 3,
    "container",
    "wsq",
    "jpeg",
    "png",
    "tiff",
)

TARGETS: Final = {
    target.name: target
    for target in (
        Target("itl", ("itl",), _read_traditional, (NistError,), 18_000),
        Target("xml", ("xml",), _read_xml, (NistError,), 12_000),
        Target("jailed", ("itl", "xml"), _read_jailed, (NistError,), 2_000, jailed=True),
        Target("minutiae", ("minutiae",), _read_minutiae, (FormatError,), 14_000),
        Target("card", ("card",), _read_card, (FormatError,), 3_000),
        Target("finger-images", ("finger-images",), _read_finger_images, (FormatError,), 8_000),
        Target("container", ("container",), _read_container, (cbeff.CbeffError,), 8_000),
        Target("message", ("message",), _decode_message, (wire.WireError, TreatyError), 5_000),
        Target("wsq", ("wsq",), _decode_wsq, (wsq.WsqError,), 3_000),
        Target("jpeg", ("jpeg",), _check_jpeg, (RefusalError,), 4_000),
        *(
            Target(f"{kind}-image", (kind,), _read_image, (ImageError,), 1_500, jailed=True)
            for kind in ("wsq", "jpeg", "jp2", "png", "tiff", "bmp", "pgm")
        ),
        Target("slap", ("slap",), _cut_slap, (SegmentationError, ImageError), 500),
        Target("file", _FILES, _read_file, files.FILE_ERRORS, 12_000, jailed=True),
    )
}
"""Every target by its name; their shares are 100,000."""
