"""The sound files that damaging begins with: small ones of every format made here, and real ones where there are some.

What is made here is made by this project's own writers, by Pillow and by NIST's WSQ coder, of ridges that no finger has, and
of invented values. PIV containers are signed and so never the same twice; those are kept in ``corpus``.
"""

from __future__ import annotations

import base64
import importlib
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import PIL.Image

from contact_point import wire
from contact_point.nist import agreed, headers, minutiae, traditional
from contact_point.nist.transaction import RS, US, Field, Record, Transaction
from matcher.formats import cards, finger_images, minutiae_records
from matcher.formats.minutiae import Core, CoresAndDeltas, Delta, Format, OtherArea, RidgeCounts
from matcher.formats.minutiae import Record as MinutiaeRecord
from matcher.template import Template
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

CORPUS: Final = Path(__file__).parent / "corpus"
SHARED_DATA: Final = Path(__file__).parents[3] / "shared" / "data"
MAX_REAL: Final = 400_000
"""Bytes of a real file that is damaged; the few larger ones would only be slower."""

_SIZE: Final = (72, 64)  # of pictures, in pixels
_LOSSLESS_CODES: Final = 17


def all_of(kind: str) -> list[bytes]:
    """Return the sound files of a format: made, kept, and real; always in the same order."""
    return [*MADE[kind](), *kept(kind), *real(kind)]


def kept(kind: str) -> list[bytes]:
    """Return the stored cases of a format that are read; what is refused already would be refused for the same."""
    folders = (CORPUS / kind, CORPUS / f"{kind}-image")
    return [path.read_bytes() for folder in folders for path in sorted(folder.glob("*.read.bin"))]


def real(kind: str) -> list[bytes]:
    """Return the real files of a format, none where there is no folder of them."""
    found = (path for pattern in _REAL.get(kind, ()) for path in sorted(SHARED_DATA.glob(pattern)))
    return [path.read_bytes() for path in found if path.stat().st_size <= MAX_REAL]


_REAL: Final = {
    "itl": ("ansi_nist/**/*.an2", "ansi_nist/**/*.an2k", "ansi_nist/**/*.eft", "ansi_nist/**/*.ebts"),
    "xml": ("ansi_nist/**/*.xml",),
    "minutiae": (
        "templates/*.dat",
        "templates/libbio*",
        "templates/biomdi*",
        "templates/invalid/*",
        "fvc2002/DB1_B/101_1.iso",
    ),
    "finger-images": ("iso19794_4/**/*.iso",),
    "container": ("cbeff/*.bin",),
    "wsq": ("wsq/*.wsq", "malformed/wsq/*1.wsq"),
    "jp2": ("jp2/openebts*",),
}


# --- pictures --------------------------------------------------------------------------------------------------------


def ridges(width: int = _SIZE[0], height: int = _SIZE[1]) -> NDArray[np.uint8]:
    """Return slanted ridges with some noise."""
    noise = np.random.default_rng(1).normal(0, 6, (height, width))
    waves = 127 + 100 * np.sin(np.add.outer(np.arange(height), 0.7 * np.arange(width)) * 2 * np.pi / 11)
    grey: NDArray[np.uint8] = (waves + noise).clip(0, 255).astype(np.uint8)
    return grey


def encoded(codec: str, *, mode: str = "L", size: tuple[int, int] = _SIZE, **options: Any) -> bytes:
    """Return a picture as Pillow writes it; mode I;16 is 16-bit grey."""
    grey = ridges(*size)
    image = PIL.Image.fromarray(grey.astype(np.uint16) * 257 if mode == "I;16" else grey)
    file = io.BytesIO()
    (image if mode == "I;16" else image.convert(mode)).save(file, codec, **options)
    return file.getvalue()


def wsq(width: int = _SIZE[0], height: int = _SIZE[1]) -> bytes:
    """Return a picture as NIST's coder writes it, at 0.75 bits a pixel."""
    coder: Any = importlib.import_module("_wsq")
    return bytes(coder.compress(ridges(width, height).tobytes(), height, width, 12))


def lossless_jpeg(restart: int = 0) -> bytes:
    """Return a JPEG of process 14 (ISO/IEC 10918-1, H.1) with predictor 1: each sample less its left neighbour."""
    grey = ridges().astype(int)
    height, width = grey.shape
    before = np.hstack((np.vstack(([[128]], grey[:-1, :1])), grey[:, :-1]))
    if restart:
        before[:: restart // width, 0] = 128  # each interval begins anew
    rows = ["".join(map(_lossless_code, row)) for row in (grey - before).tolist()]
    every = restart // width or height
    scans = [_stuffed("".join(rows[at : at + every])) for at in range(0, height, every)]
    entropy = b"".join(bytes([0xFF, 0xD0 + (at - 1) % 8]) * (at > 0) + each for at, each in enumerate(scans))
    table = bytes([0, 0, 0, 0, 0, _LOSSLESS_CODES, *[0] * 11, *range(_LOSSLESS_CODES)])
    frame = bytes([8, *height.to_bytes(2), *width.to_bytes(2), 1, 1, 0x11, 0])
    interval = _segment(0xDD, restart.to_bytes(2)) if restart else b""
    scan = _segment(0xDA, bytes([1, 1, 0, 1, 0, 0]))
    return b"\xff\xd8" + _segment(0xC4, table) + _segment(0xC3, frame) + interval + scan + entropy + b"\xff\xd9"


def _lossless_code(difference: int) -> str:
    size = abs(difference).bit_length()
    extra = difference if difference > 0 else difference + (1 << size) - 1
    return f"{size:05b}" + (f"{extra:0{size}b}" if size else "")


def _stuffed(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\x00")


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2) + body


def _wsqs() -> list[bytes]:
    return [wsq(), wsq(40, 90), wsq(64, 64) + bytes(3)]


def _jpegs() -> list[bytes]:
    baseline = [encoded("JPEG", mode=mode, quality=quality) for mode in ("L", "RGB") for quality in (30, 90)]
    restarts = [encoded("JPEG", restart_marker_blocks=2), encoded("JPEG", progressive=True)]
    return [*baseline, *restarts, lossless_jpeg(), lossless_jpeg(restart=8 * _SIZE[0])]


def _jp2s() -> list[bytes]:
    one_tile = [encoded("JPEG2000", mode=mode, no_jp2=bare) for mode in ("L", "RGB", "I;16") for bare in (False, True)]
    return [
        *one_tile,
        encoded("JPEG2000", tile_size=(32, 32)),
        encoded("JPEG2000", irreversible=True, quality_layers=[20]),
    ]


def _pngs() -> list[bytes]:
    return [encoded("PNG", mode=mode, dpi=(500, 500)) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]


def _tiffs() -> list[bytes]:
    compressions = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "group4", "jpeg")
    kinds = [encoded("TIFF", mode="1" if each == "group4" else "L", compression=each) for each in compressions]
    return [*kinds, *(encoded("TIFF", mode=mode, dpi=(500, 500)) for mode in ("1", "P", "RGB", "RGBA", "I;16"))]


def _bmps() -> list[bytes]:
    return [encoded("BMP", mode=mode) for mode in ("1", "L", "P", "RGB", "RGBA")]


def _pgms() -> list[bytes]:
    return [encoded("PPM", mode=mode) for mode in ("L", "I;16")]


def _slaps() -> list[bytes]:
    """Return pictures of 250 dpi as the slap target takes them, of four fingers side by side and of none.

    Height and width beyond 32 in two bytes each, the place of a code among the slaps, and pixels.
    """
    height, width = 420, 900
    down, across = np.mgrid[:height, :width]
    waves = 127 + 100 * np.sin((down + 0.3 * across) * 2 * np.pi / 5)
    inside = np.zeros((height, width), bool)
    for place, tip in enumerate((100, 50, 40, 100)):
        inside |= ((across - 130 - 210 * place) / 75) ** 2 + ((down - tip - 95) / 95) ** 2 < 1
    pictures = (np.where(inside, waves, 255), np.full((64, 64), 200), ridges(200, 100))
    return [
        b"".join((side - 32).to_bytes(2) for side in each.shape)
        + b"\x02"
        + each.clip(0, 255).astype(np.uint8).tobytes()
        for each in pictures
    ]


# --- records of minutiae and of images -------------------------------------------------------------------------------


def template(count: int = 12, position: int = 2) -> Template:
    """Return minutiae anywhere in a picture of 300 x 400."""
    rng = np.random.default_rng(count)
    x, y, angle = rng.uniform(0, 299, count), rng.uniform(0, 399, count), rng.uniform(0, 6.28, count)
    kind, quality = rng.integers(0, 3, count), rng.integers(1, 101, count)
    return Template.of(x, y, angle, width=300, height=400, kind=kind, quality=quality, position=position)


def _minutiae_records() -> list[bytes]:
    formats = [each for each in Format if each not in {Format.CARD_NORMAL, Format.CARD_COMPACT}]
    bare = [MinutiaeRecord.of([template(), template(3, 7), template(0, 1)], each) for each in formats]
    return [minutiae_records.write(each) for each in (*bare, *map(_extended, bare))]


def _extended(record: MinutiaeRecord) -> MinutiaeRecord:
    """Return the record with extended data of several types in its first view."""
    areas = (
        RidgeCounts(1, ((1, 2, 3), (2, 3, 0))),
        CoresAndDeltas((Core(150, 200),), (Delta(10, 20, (0.0, 1.0, 2.0)),)),
        OtherArea(0x0100, b"another system's own"),
    )
    return replace(record, views=(replace(record.views[0], extended=areas), *record.views[1:]))


def _cards() -> list[bytes]:
    return [cards.write_card(template(count), form) for count in (0, 5, 31) for form in ("normal", "compact")]


def _finger_image_records() -> list[bytes]:
    picture = finger_images.View(position=2, width=40, height=36, compression=0, image=ridges(40, 36).tobytes())
    coded = replace(picture, width=_SIZE[0], height=_SIZE[1], compression=2, image=wsq())
    slap = replace(picture, position=13, number=1)
    old = [
        finger_images.Record(standard, views, level=31)
        for standard in (finger_images.Standard.INCITS_2004, finger_images.Standard.ISO_2005)
        for views in ((picture, slap), (coded, replace(coded, position=3)))
    ]
    loaded = replace(
        picture,
        number=0,
        qualities=(finger_images.Quality(57, 15, 1), finger_images.Quality(None, 15, 2)),
        device=finger_images.Device(1, 0x0102, 0x0304),
        certifications=(finger_images.Certification(5, 1),),
        extended=(finger_images.ExtendedData(1, b"segments"), finger_images.ExtendedData(3, b"remark")),
    )
    new = finger_images.Record(
        finger_images.Standard.ISO_2011, (loaded, replace(coded, number=0, position=3)), certified=True
    )
    return [finger_images.write(each) for each in (*old, new)]


# --- transactions ----------------------------------------------------------------------------------------------------

_HEAD: Final = (
    (4, b"CPS"),
    (5, b"20261122"),
    (7, b"JPNPA0000"),
    (8, b"USFBI0000"),
    (9, b"JP-0001"),
    (11, b"19.69"),
    (12, b"19.69"),
)


def _record(kind: int, *fields: tuple[int, bytes]) -> Record:
    return Record(kind, tuple(Field(number, value) for number, value in fields))


def _finger(kind: int, idc: bytes, data: bytes, compression: bytes) -> Record:
    """Return a Type-13 or Type-14 record."""
    width, height = (str(side).encode() for side in _SIZE)
    values = (b"1", b"JPNPA", b"20261122", width, height, b"1", b"500", b"500", compression, b"8", b"02")
    return _record(kind, (2, idc), *zip(range(3, 14), values, strict=True), (20, "左手".encode()), (999, data))


def _four(idc: bytes, data: bytes) -> Record:
    width, height = (str(side).encode() for side in _SIZE)
    places = RS.join((b"2", *[b"255"] * 5))
    return _record(4, (2, idc), (3, b"1"), (4, places), (5, b"0"), (6, width), (7, height), (8, b"1"), (9, data))


def _transactions() -> list[bytes]:
    head = _record(1, (2, b"0502"), *_HEAD)
    two = _record(2, (2, b"00"), (18, b"SMITH, JOHN"), (84, RS.join((b"03" + US + b"XX", b"04" + US + b"UP"))))
    minutiae_sets = (
        minutiae.write_m1(template(), idc=2, impression=1),
        minutiae.write_standard(template(), idc=3, impression=1),
    )
    pictures = (_finger(14, b"01", encoded("PNG"), b"PNG"), _finger(13, b"02", ridges().tobytes(), b"NONE"))
    others = (_four(b"3", wsq()), _record(10, (2, b"04"), (999, b"\xff\xd8")), _record(99, (2, b"05"), (999, b"any")))
    bodies = ((two,), (two, *minutiae_sets), (two, *pictures), (two, *pictures, *minutiae_sets, *others))
    return [traditional.write(Transaction((head, *body), "utf-8")) for body in bodies] + [_agreed()]


def _agreed() -> bytes:
    """Return a transaction that keeps to the domain that the Parties agreed."""
    image = agreed.FingerImage(2, encoded("PNG"), headers.Compression.PNG, *_SIZE, 500)
    return agreed.write(
        agreed.Transaction(
            type_of_transaction="CPS",
            control_number="JP261122-AAAABBBB",
            control_reference=None,
            originator="JPNPA",
            destination="USFBI",
            date=date(2026, 11, 22),
            made_at=datetime(2026, 11, 22, tzinfo=UTC),
            delete_by=None,
            images=(image, replace(image, position=3)),
        )
    )


_NAMES: Final = (
    'xmlns:itl="http://biometrics.nist.gov/standard/2011" xmlns:b="http://niem.gov/niem/biometrics/1.0" '
    'xmlns:nc="http://niem.gov/niem/niem-core/2.0"'
)
_SUMMARY: Final = (
    "<b:ContentRecordSummary><b:ImageReferenceIdentification><nc:IdentificationID>{0}</nc:IdentificationID>"
    "</b:ImageReferenceIdentification><b:RecordCategoryCode>{1}</b:RecordCategoryCode></b:ContentRecordSummary>"
)
_PACKAGE: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><itl:NISTBiometricInformationExchangePackage {0}>'
    "<itl:PackageInformationRecord><b:RecordCategoryCode>01</b:RecordCategoryCode><b:Transaction>"
    "<b:TransactionMajorVersionValue>05</b:TransactionMajorVersionValue>"
    "<b:TransactionMinorVersionValue>2</b:TransactionMinorVersionValue><b:TransactionContentSummary>"
    "<b:ContentFirstRecordCategoryCode>01</b:ContentFirstRecordCategoryCode>"
    "<b:ContentRecordQuantity>2</b:ContentRecordQuantity>{1}</b:TransactionContentSummary></b:Transaction>"
    "</itl:PackageInformationRecord>{2}</itl:NISTBiometricInformationExchangePackage>"
)
_PICTURE: Final = (
    "<itl:PackageFingerprintImageRecord><b:RecordCategoryCode>14</b:RecordCategoryCode><b:ImageReferenceIdentification>"
    "<nc:IdentificationID>1</nc:IdentificationID></b:ImageReferenceIdentification><b:FingerImpressionImage>"
    "<nc:BinaryBase64Object>{0}</nc:BinaryBase64Object>"
    "<b:ImageCaptureDetail><b:CaptureDate><nc:Date>2024-02-29+09:00</nc:Date></b:CaptureDate>"
    "<b:CaptureUTCDateTime><nc:DateTime>2024-03-01T08:00:00.5+09:00</nc:DateTime></b:CaptureUTCDateTime>"
    "</b:ImageCaptureDetail><b:ImageCommentText>a<![CDATA[<&>]]>b &#169;</b:ImageCommentText>"
    "<b:ImageHorizontalLineLengthPixelQuantity>72</b:ImageHorizontalLineLengthPixelQuantity>"
    "<b:ImageVerticalLineLengthPixelQuantity>64</b:ImageVerticalLineLengthPixelQuantity>"
    "<b:FingerprintImageStitchedIndicator>true</b:FingerprintImageStitchedIndicator>"
    "</b:FingerImpressionImage></itl:PackageFingerprintImageRecord>"
)
_MINUTIAE: Final = (
    "<itl:PackageMinutiaeRecord><b:RecordCategoryCode>09</b:RecordCategoryCode><b:ImageReferenceIdentification>"
    "<nc:IdentificationID>1</nc:IdentificationID></b:ImageReferenceIdentification><b:Minutiae><b:INCITSMinutiae>"
    "<b:INCITSMinutia><b:PositionHorizontalCoordinateValue>45</b:PositionHorizontalCoordinateValue>"
    "<b:PositionVerticalCoordinateValue>89</b:PositionVerticalCoordinateValue>"
    "<b:PositionThetaAngleMeasure>234</b:PositionThetaAngleMeasure></b:INCITSMinutia></b:INCITSMinutiae></b:Minutiae>"
    "</itl:PackageMinutiaeRecord>"
)


def _documents() -> list[bytes]:
    picture = _PICTURE.format(base64.b64encode(encoded("PNG")).decode())
    one = _PACKAGE.format(_NAMES, _SUMMARY.format(1, 14), picture)
    two = _PACKAGE.format(_NAMES, _SUMMARY.format(1, 14) + _SUMMARY.format(1, 9), picture + _MINUTIAE)
    return [one.encode(), two.encode(), one.replace("UTF-8", "UTF-16").encode("utf-16")]


# --- messages --------------------------------------------------------------------------------------------------------


def _messages() -> list[bytes]:
    made: Iterator[Any] = (getattr(builders, name)() for name in _MESSAGES)
    return [wire.encode(each) for each in made]


_MESSAGES: Final = (
    "query", "match", "no_match", "determination", "request", "capacity_answer", "reply", "offer", "acceptance",
    "provision", "unasked", "unasked_offer", "explanation_request", "explanation", "result_request", "result_of_use",
    "consent_request", "release_request", "consent_decision", "correction_notice", "breach_notice", "consultation",
    "outage_notice", "reachability", "receipt",
)  # fmt: skip

MADE: Final[dict[str, Callable[[], list[bytes]]]] = {
    "itl": _transactions,
    "xml": _documents,
    "minutiae": _minutiae_records,
    "card": _cards,
    "finger-images": _finger_image_records,
    "container": list,
    "message": _messages,
    "wsq": _wsqs,
    "jpeg": _jpegs,
    "jp2": _jp2s,
    "png": _pngs,
    "tiff": _tiffs,
    "bmp": _bmps,
    "pgm": _pgms,
    "slap": _slaps,
}
"""Every format and its small files, each made anew."""
