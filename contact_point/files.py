"""Files of fingerprints, whoever wrote them: which impressions of which fingers a file holds.

A national system keeps prints as ANSI/NIST-ITL transactions, in the traditional encoding or in XML; as records of images or
minutiae by ISO/IEC and INCITS; as the container of an identity card; or as plain images. :func:`read` tells by the bytes
which of them a file is, never by its name, and gives back one thing: *impressions*, each of one finger, with its image at a
known resolution or, where a file holds nothing else, with its minutiae. Slaps are cut into their fingers. What another
writer did otherwise than the standard and was read all the same is named; so is what the file holds besides, and what in it
could not be read, so that nobody takes a part for the whole.

Transactions and images are taken apart in the jail. The other formats are tables of numbers, read here by bounded readers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from contact_point import cbeff
from contact_point.cbeff import CbeffError, Outcome
from contact_point.nist import binary, content, minutiae, reading
from contact_point.nist.jailed import looks_like_xml
from contact_point.nist.minutiae import Kind
from contact_point.nist.transaction import MAX_BYTES, Encoding, FieldError, NistError
from matcher import images
from matcher.formats import FormatError, finger_images, minutiae_records
from matcher.formats.scaling import nominal_dpi
from matcher.images import Image, ImageError
from matcher.segmentation import SLAPS, SegmentationError, segment
from matcher.template import DPI, Template

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from contact_point.nist.transaction import Record, Transaction
    from matcher.jail import Jail

FINGERS: Final = range(1, 11)
_UNKNOWN: Final = 0
_UNUSED: Final = 255  # in a record of binary layout
_PLAIN_THUMBS: Final = {11: 1, 12: 6}
_LATENT_TYPE: Final = 13
_DEFAULT_DPI: Final = 500.0

_IMAGE_TYPES: Final = (3, 4, 13, 14)
"""Records of grey images of fingers: of low resolution, of 500 dpi or more, latent, of variable resolution."""

_OTHER_TYPES: Final = {
    5: "a low-resolution binary image, on which no minutiae show",
    6: "a binary image, whose ridges have no grey",
    7: "an image in a layout of the sender's own",
    8: "a signature",
    10: "a photograph",
    15: "a palm print",
    16: "an image for tests",
    17: "an iris",
    19: "a plantar print",
}
"""Records of images of something else than a finger (ANSI/NIST-ITL 1-2011, table 3)."""

_NEWEST: Final = (Kind.IAFIS, Kind.STANDARD, Kind.M1, Kind.EFS)
"""Sets of minutiae in the order in which the standard took them up."""

MAX_PIXELS: Final = 80_000_000
"""Of all pictures of a file, which are in memory together: twice a ten-print card at 1000 dpi."""

_GONE_BAD: Final = {Outcome.UNSIGNED, Outcome.TAMPERED, Outcome.MISMATCH, Outcome.ALGORITHM, Outcome.SIGNATURE_WRONG}


class UnknownFileError(ValueError):
    """The bytes begin like nothing that is read here."""


class TooLargeError(ValueError):
    """The file is larger than any that is read."""


class NothingReadError(ValueError):
    """The file can be taken apart, but not one impression of a finger in it can be read."""


FILE_ERRORS: Final = (UnknownFileError, TooLargeError, NothingReadError, NistError, ImageError, FormatError, CbeffError)
"""What :func:`read` raises about a file."""


@dataclass(frozen=True, slots=True, eq=False)
class Impression:
    """One impression of one finger.

    ``origin`` says where in the file it is; ``position`` is 1-10, or 0 where the file names no finger or several;
    ``impression`` the code of table 7 of ANSI/NIST-ITL 1-2011, None where the file has none. ``image`` is None where the
    file holds minutiae only, and then ``template`` has them; beside the image of a latent print it has those that an
    examiner marked. ``remarks`` are for the examiner. ``from_slap`` says that it was cut out of the image of several.
    """

    origin: str
    position: int
    impression: int | None
    image: Image | None = None
    template: Template | None = None
    remarks: tuple[str, ...] = ()
    from_slap: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds.

    ``format`` names what it is, ``records`` how many records, views or images it has, ``images`` how many pictures of
    fingers were decoded. ``forgiven`` names each deviation from the format that was read all the same, ``besides`` what
    there is that is no print of a finger, ``faults`` which pictures or minutiae could not be read, and why.
    """

    format: str
    records: int
    images: int
    impressions: tuple[Impression, ...]
    forgiven: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[Impression, ...]:
        """The impressions that have a picture, or all where none has: a latent print and the marks on it are one print."""
        return tuple(each for each in self.impressions if each.image is not None) or self.impressions


@dataclass(slots=True)
class _Findings:
    """What has been found in a file so far."""

    images: int = 0
    pixels: int = 0
    impressions: list[Impression] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)
    besides: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def contents(self, what: str, records: int) -> Contents:
        """Return all of it.

        Raises:
            NothingReadError: there are pictures or minutiae of fingers, and none could be read.

        """
        if self.faults and not self.impressions:
            raise NothingReadError(f"{what}: nothing in it could be read as a fingerprint; {'; '.join(self.faults)}")
        return Contents(
            what,
            records,
            self.images,
            tuple(self.impressions),
            tuple(self.forgiven),
            tuple(self.besides),
            tuple(self.faults),
        )


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture as its record states it."""

    origin: str
    position: int
    impression: int | None
    size: tuple[int, int]
    dpi: float
    data: bytes
    raw: bool = False
    bits: int = 8
    missing: frozenset[int] = frozenset()
    marked: Template | None = None


def load(path: Path) -> bytes:
    """Return the bytes of a file, unless it is larger than any file of prints that is read.

    Raises:
        TooLargeError: it is larger.
        OSError: it cannot be opened.

    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"{path}: expected at most {MAX_BYTES} bytes, got more; divide the transaction")
    return data


def read(data: bytes, *, at: datetime, dpi: float | None = None, place: Jail = reading.JAIL) -> Contents:
    """Return what a file holds. ``dpi`` is the resolution of a plain image that does not state it.

    ``at`` is the time by which the certificates of a signed container are judged.

    Raises:
        UnknownFileError: the bytes are of no format that is read.
        NothingReadError: there are prints, and none of them can be read.
        NistError, ImageError, FormatError, CbeffError: the file is damaged, too large, or of a kind that is not read.
        jail.JailError: nothing can be read at present; it is not the file's fault.

    """
    if data.startswith(b"1.") or looks_like_xml(data):
        return _transaction(reading.read(data, place=place), place)
    if data.startswith(b"FIR\0"):
        return _finger_images(data, place)
    if data.startswith(b"FMR\0"):
        return _minutiae_record(data)
    if data[:1] in {b"\x03", b"\x53", b"\xbc"}:
        return _container(data, at)
    try:
        image = images.read(data, dpi=dpi, place=place)
    except images.UnknownFormatError as error:
        if images.codec_of(data) is not None:
            raise
        raise UnknownFileError(
            "a file of prints is an ANSI/NIST-ITL transaction, a record of ISO/IEC 19794-2 or -4 or INCITS 378, a PIV "
            f"container, or an image; {error}: send one of these"
        ) from None
    found = _Findings(images=1, impressions=[Impression("the image", _UNKNOWN, None, image)])
    return found.contents(f"{images.codec_of(data)} image", 1)


# --- transactions ------------------------------------------------------------------------------------------------------


def _transaction(transaction: Transaction, place: Jail) -> Contents:
    found = _Findings(forgiven=[_deviation(each.record, each.code, each.text) for each in transaction.deviations])
    missing = _amputations(transaction)
    pictures: dict[int, _Picture] = {}
    for number, record in transaction.of_type(*_IMAGE_TYPES):
        try:
            picture = _stated(record, f"record {number} (Type-{record.type})", transaction, missing, found)
        except FieldError as error:
            found.faults.append(str(error))
        else:
            pictures |= {} if picture is None else {number: picture}
    decoded = {number: image for number, each in pictures.items() if (image := _image(each, found, place)) is not None}
    of_designation = {content.designation(transaction.records[number - 1]): number for number in decoded}
    for number, record in transaction.of_type(9):
        at = of_designation.get(content.designation(record))
        latent = at is not None and transaction.records[at - 1].type == _LATENT_TYPE
        marked = _take_minutiae(record, number, None if at is None else decoded[at], found, latent=latent)
        if at is not None and latent and marked is not None and pictures[at].marked is None:
            pictures[at] = replace(pictures[at], marked=marked)
    for number, image in decoded.items():
        _take(pictures[number], image, found)
    for number, record in transaction.of_type(*_OTHER_TYPES):
        found.besides.append(f"record {number} (Type-{record.type}): {_OTHER_TYPES[record.type]}")
    what = "XML" if transaction.encoding is Encoding.XML else "traditional encoding"
    return found.contents(f"ANSI/NIST-ITL, {what}", len(transaction.records))


def _stated(
    record: Record, origin: str, transaction: Transaction, missing: frozenset[int], found: _Findings
) -> _Picture | None:
    """Return the picture that a record states, None where it holds none or not one of a finger."""
    if not record.get(9 if record.type < 10 else 999):
        found.besides.append(f"{origin}: no image")
        return None
    positions = _positions(record, origin)
    place = positions[0] if len(positions) == 1 else _UNKNOWN
    if any(each not in FINGERS and each not in SLAPS and each != _UNKNOWN for each in positions):
        found.besides.append(f"{origin}: position {place or positions}: no fingertip, and no slap of fingers")
        return None
    if record.type < 10:
        return _fixed(record, origin, place, transaction, missing, found)
    return _tagged(record, origin, place, missing, found)


def _fixed(
    record: Record, origin: str, position: int, transaction: Transaction, missing: frozenset[int], found: _Findings
) -> _Picture:
    """Return the picture of a record of binary layout (ANSI/NIST-ITL 1-2011, section 8.4)."""
    dpi = 250.0 if record.type == 3 else _DEFAULT_DPI
    if _whole(record, 5, origin) == 1:  # ISR: at the native resolution, which Type-1 states
        dpi = _native(transaction, origin, dpi, found)
    return _Picture(
        origin=origin,
        position=position,
        impression=_whole(record, 3, origin),
        size=(_whole(record, 6, origin), _whole(record, 7, origin)),
        dpi=dpi,
        data=record.get(9) or b"",
        raw=_whole(record, 8, origin) == 0,
        missing=missing,
    )


def _native(transaction: Transaction, origin: str, least: float, found: _Findings) -> float:
    """Return the native scanning resolution (1.011 NSR, in pixels per millimetre), the least one where it is impossible."""
    stated = transaction.records[0].get(11) or b""
    try:
        dpi = float(stated) * 25.4
    except ValueError:
        dpi = 0.0
    if not images.MIN_DPI <= dpi <= images.MAX_DPI:
        found.forgiven.append(f"{origin}: 1.011 NSR states no resolution of a scanner; {least:g} dpi is taken")
        return least
    even = round(dpi / 50) * 50  # of which two decimals of pixels per millimetre leave less than 0.3 dpi: 19.69 is 500
    return float(even) if abs(dpi - even) < 0.3 else dpi


def _tagged(record: Record, origin: str, position: int, missing: frozenset[int], found: _Findings) -> _Picture:
    """Return the picture of a Type-13 or Type-14 record (sections 8.13, 8.14)."""
    scale = _whole(record, 8, origin)
    across, down = _whole(record, 9, origin), _whole(record, 10, origin)
    if scale not in {1, 2}:
        across = down = round(_DEFAULT_DPI)
        found.forgiven.append(f"{origin}: {record.type}.008 SLC gives no scale for the resolution; 500 dpi is taken")
    if across != down:
        raise FieldError(
            f"{origin}, {record.type}.010: expected the {across} of {record.type}.009, since a print has one resolution, "
            f"got {down}: send square pixels"
        )
    if record.type == 14:
        missing |= _named_missing(record, 18)
    return _Picture(
        origin=origin,
        position=position,
        impression=_whole(record, 3, origin),
        size=(_whole(record, 6, origin), _whole(record, 7, origin)),
        dpi=nominal_dpi(across) if scale == 2 else float(across),
        data=record.get(999) or b"",
        raw=(record.get(11) or b"").strip().upper() == b"NONE",
        bits=_whole(record, 12, origin),
        missing=missing,
    )


def _positions(record: Record, origin: str) -> tuple[int, ...]:
    """Return the finger positions that a record names, plain thumbs by their fingers; 0 is an unknown one (table 8)."""
    if record.type < 10:
        stated = tuple(position for position in binary.positions(record) if position != _UNUSED)
    else:
        value = record.get(13) or b"0"
        stated = tuple(
            _number(each, f"{origin}, {record.type}.013 FGP") for each in value.replace(b"\x1f", b"\x1e").split(b"\x1e")
        )
    known = tuple(dict.fromkeys(_PLAIN_THUMBS.get(each, each) for each in stated if each))
    return known or (_UNKNOWN,)


def _amputations(transaction: Transaction) -> frozenset[int]:
    """Return the fingers that are stated not to be there for the whole transaction (2.084 AMP of the FBI's EBTS)."""
    domain = transaction.records[0].get(13) or b"NORAM"  # EBTS is what is written where no domain is named
    if not domain.startswith((b"NORAM", b"EBTS")):
        return frozenset()
    return frozenset().union(*(_named_missing(record, 84) for _, record in transaction.of_type(2)))


def _named_missing(record: Record, number: int) -> frozenset[int]:
    """Return the fingers that a list of amputated (XX) and bandaged (UP) ones names."""
    value = record.get(number) or b""
    pairs = [subfield.split(b"\x1f") for subfield in value.split(b"\x1e")]
    fingers = (pair[0] for pair in pairs if pair[0].isdigit() and len(pair[0]) <= 2)
    return frozenset(int(finger) for finger in fingers) & frozenset(FINGERS)


def _whole(record: Record, number: int, origin: str) -> int:
    """Return a number that a record states, 0 where the field is not there."""
    return _number(record.get(number) or b"0", f"{origin}, {record.type}.{number:03}")


def _number(value: bytes, name: str) -> int:
    stripped = value.strip(b" ")
    if not stripped.isdigit() or len(stripped) > 9:
        raise FieldError(f"{name}: expected 1-9 digits, got something else: send a number")
    return int(stripped)


def _take_minutiae(
    record: Record, number: int, image: Image | None, found: _Findings, *, latent: bool
) -> Template | None:
    """Take in the sets of a Type-9 record, placed in the image of the same designation, and return the newest of them.

    A set that cannot be read is a fault where it counts: on a latent print, or where there is no picture.
    """
    origin = f"record {number} (Type-9)"
    size = None
    if image is not None:
        height, width = image.pixels.shape
        size = minutiae.ImageSize(width, height, image.dpi)
    features = minutiae.read(record, image_size=size, latent=latent, place=number)
    found.forgiven += [_deviation(each.record, each.code, each.text) for each in features.deviations]
    faults = found.faults if latent or image is None else found.besides
    faults += [f"{origin}: {fault.text}" for fault in features.faults]
    for each in features.sets:
        position = each.template.position
        found.impressions.append(
            Impression(f"{origin}, {each.kind}", position, features.impression, template=each.template)
        )
    if image is None or not latent or not features.sets:
        return None
    newest = max(features.sets, key=lambda each: _NEWEST.index(each.kind))
    if any(each.code == "laterally-reversed" for each in features.deviations):
        found.faults.append(f"{origin}: the print is said to be mirrored (9.315): turn picture and marks round")
        return None
    marked = _in_frame(newest.template, image)
    if marked is None:
        found.faults.append(f"{origin}, {newest.kind}: minutiae lie beside the image: mark them on this one")
    return marked


def _in_frame(marked: Template, image: Image) -> Template | None:
    """Return minutiae in the frame of their image, whatever frame they were stated in; None where one lies beside it."""
    height, width = (max(1, round(side * DPI / image.dpi)) for side in image.pixels.shape)
    inside = not len(marked) or (marked.x.max() < width and marked.y.max() < height)
    return replace(marked, width=width, height=height) if inside else None


# --- records of images and of minutiae ---------------------------------------------------------------------------------


def _finger_images(data: bytes, place: Jail) -> Contents:
    record = finger_images.read(data)
    found = _Findings(forgiven=[_deviation(each.view, each.code, each.text, "view") for each in record.deviations])
    for number, view in enumerate(record.views, 1):
        origin = f"view {number}"
        position = _PLAIN_THUMBS.get(view.position, view.position)
        if position not in FINGERS and position not in SLAPS and position != _UNKNOWN:
            found.besides.append(f"{origin}: position {position}: no fingertip, and no slap of fingers")
            continue
        across, down = view.dpi
        if across != down:
            found.faults.append(
                f"{origin}: a print has one resolution; this one has {across:g} dpi across and {down:g} down"
            )
            continue
        raw = record.compression(view) is finger_images.Compression.RAW
        picture = _Picture(
            origin,
            position,
            view.impression,
            (view.width, view.height),
            across,
            view.image,
            raw=raw,
            bits=view.bit_depth,
        )
        image = _image(picture, found, place)
        if image is not None:
            _take(picture, image, found)
    return found.contents(str(record.standard), len(record.views))


def _minutiae_record(data: bytes, biometric: str = "") -> Contents:
    record = minutiae_records.read(data)
    found = _Findings(forgiven=[_deviation(each.view, each.code, each.text, "view") for each in record.deviations])
    found.impressions += [
        Impression(f"view {number}", view.position, view.impression, template=view.template)
        for number, view in enumerate(record.views, 1)
    ]
    return found.contents(f"{biometric}{record.format}", len(record.views))


def _container(data: bytes, at: datetime) -> Contents:
    """Read a PIV container: FIPS 201-3, NIST SP 800-76-2."""
    container = cbeff.read(data)
    verified = cbeff.verify(container, trusted=None, at=at)
    if verified.outcome in _GONE_BAD:
        raise cbeff.MalformedError(f"the container's signature does not hold: {verified.text}")
    contents = _minutiae_record(container.biometric, "PIV container of ")
    signature = f"the container's signature is not proven: {verified.text}"
    return replace(contents, forgiven=(*contents.forgiven, signature))


# --- pictures ----------------------------------------------------------------------------------------------------------


def _image(picture: _Picture, found: _Findings, place: Jail) -> Image | None:
    """Return a picture decoded, or None and why not among the faults."""
    if found.pixels > MAX_PIXELS:
        found.faults.append(
            f"{picture.origin}: the pictures before it have more than {MAX_PIXELS} pixels together: divide the transaction"
        )
        return None
    try:
        image = _decoded(picture, found, place)
    except ImageError as error:
        found.faults.append(f"{picture.origin}: {error}")
        return None
    found.images += 1
    found.pixels += image.pixels.size
    return image


def _take(picture: _Picture, image: Image, found: _Findings) -> None:
    """Take in the impressions that a picture shows, or why it shows none."""
    if picture.position in picture.missing:
        found.besides.append(f"{picture.origin}: finger {picture.position} is stated to be missing or bandaged")
        return
    if picture.position not in SLAPS:
        found.impressions.append(
            Impression(picture.origin, picture.position, picture.impression, image, picture.marked)
        )
        return
    try:
        segments = segment(image, picture.position, missing=picture.missing)
    except SegmentationError as error:
        found.faults.append(f"{picture.origin}: {error}")
        return
    found.impressions += [
        Impression(
            f"{picture.origin}, finger {each.position} of the slap",
            each.position,
            picture.impression,
            each.image,
            remarks=tuple(map(str, each.reasons)),
            from_slap=True,
        )
        for each in segments
    ]


def _decoded(picture: _Picture, found: _Findings, place: Jail) -> Image:
    """Decode a picture by what its bytes are; where they are another size than stated, theirs counts."""
    width, height = picture.size
    if picture.raw and len(picture.data) == width * height:
        return images.read_raw(picture.data, width, height, dpi=picture.dpi, bits=picture.bits)
    if picture.raw and images.codec_of(picture.data) is None:
        return images.read_raw(picture.data, width, height, dpi=picture.dpi, bits=picture.bits)
    image = images.read(picture.data, dpi=picture.dpi, place=place)
    if picture.raw:
        found.forgiven.append(
            f"{picture.origin}: stated to be raw pixels, and {images.codec_of(picture.data)} by its bytes"
        )
    if image.pixels.shape != (height, width):
        real = f"{image.pixels.shape[1]} x {image.pixels.shape[0]}"
        found.forgiven.append(f"{picture.origin}: stated to be {width} x {height} pixels; the image has {real}")
    return image


def _deviation(number: int, code: str, text: str, unit: str = "record") -> str:
    return f"{unit} {number}: {code}: {text}" if number else f"{code}: {text}"
