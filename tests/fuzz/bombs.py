"""Files that are small, or soon written, and would cost a careless reader gigabytes or minutes: each must be refused early.

They are made here and not stored. :data:`BOMBS` names each with the target it is for and the refusal it must meet;
:func:`timed` measures the CPU time until then: 20 milliseconds for a picture whose header states too much, where nothing
else is to be looked at, ten times that for what takes some reading.
"""

from __future__ import annotations

import struct
import time
import zlib
from dataclasses import dataclass
from typing import Final

from matcher.jail import Jail
from tests.fuzz import seeds
from tests.fuzz.run import again
from tests.fuzz.targets import MODULES, TARGETS

MOST_FOR_A_HEADER: Final = 20.0
MOST_FOR_A_FILE: Final = 200.0
"""CPU milliseconds."""

_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Timed:
    """How a bomb was refused: CPU milliseconds are the least of some tries, in the jail those of the child too."""

    name: str
    bytes: int
    outcome: str
    cpu_ms: float
    late: bool


def timed() -> list[Timed]:
    """Give each bomb to its target some times; late is one that costs too much or is not refused as it must be."""
    place = Jail(places=1, warm=1, modules=MODULES)
    try:
        return [_timed(name, place) for name in BOMBS]
    finally:
        place.close()


def _timed(name: str, place: Jail) -> Timed:
    target_name, data, expected = BOMBS[name]
    target = TARGETS[target_name]
    finding = again(target, data)
    if finding is not None:
        return Timed(name, len(data), f"{finding.what} at {finding.where}", 0.0, late=True)
    least = float("inf")
    for _ in range(_TRIES):
        before, begun = place.spent(), time.process_time()
        outcome = target.outcome(data, place)
        least = min(least, (time.process_time() - begun + place.spent() - before) * 1000)
    most = MOST_FOR_A_HEADER if outcome == "SizeError" else MOST_FOR_A_FILE
    return Timed(name, len(data), outcome, round(least, 1), late=least > most or outcome != expected)


# --- pictures that claim to be large -----------------------------------------------------------------------------------


def _wsq(width: int, height: int) -> bytes:
    """Return tables and the first block's header of a small picture, and a size that is not its own."""
    data = bytearray(seeds.wsq())
    at = data.index(b"\xff\xa2") + 6
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data[:657]) + b"\xff\xa1"


def _jp2(width: int, height: int) -> bytes:
    data = bytearray(seeds.encoded("JPEG2000", irreversible=True, quality_layers=[20]))
    at = data.index(b"ihdr") + 4
    data[at : at + 8] = struct.pack(">II", height, width)
    at = data.index(b"\xff\x4f\xff\x51") + 8
    data[at : at + 8] = struct.pack(">II", width, height)
    data[at + 16 : at + 24] = struct.pack(">II", width, height)
    return bytes(data)


def _tiled_jp2() -> bytes:
    """Return a picture of 64 x 72 whose tiles are of one pixel."""
    data = bytearray(seeds.encoded("JPEG2000", no_jp2=True))
    data[24:32] = struct.pack(">II", 1, 1)
    return bytes(data)


def _png(width: int, height: int, zeros: int = 100) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (header, b"IDAT" + zlib.compress(bytes(zeros), 9), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def _patched(data: bytes, at: int, form: str, *values: int) -> bytes:
    new = struct.pack(form, *values)
    return data[:at] + new + data[at + len(new) :]


def _tiff(width: int, height: int) -> bytes:
    """Return a TIFF whose first two entries are set: Pillow writes width and height there."""
    data = seeds.encoded("TIFF")
    at = int.from_bytes(data[4:8], "little") + 2
    return _patched(_patched(data, at, "<HHII", 256, 4, 1, width), at + 12, "<HHII", 257, 4, 1, height)


def _jpeg(width: int, height: int) -> bytes:
    data = seeds.encoded("JPEG")
    return _patched(data, data.index(b"\xff\xc0") + 5, ">HH", height, width)


# --- transactions and records of many parts ----------------------------------------------------------------------------


def _tagged(kind: bytes, rest: bytes) -> bytes:
    """Return a tagged record with its length."""
    bare = len(kind) + len(b".001:") + len(rest) + 1
    digits = next(size for size in range(1, 9) if len(str(bare + size)) == size)
    return kind + b".001:%d" % (bare + digits) + rest + b"\x1c"


def _itl(two: bytes, records: int = 1) -> bytes:
    listed = b"".join(b"\x1e2\x1f%02d" % (place % 100) for place in range(records))
    return _tagged(b"1", b"\x1d1.002:0502\x1d1.003:1\x1f%d" % records + listed) + two


def _xml(inside: str, prologue: str = "") -> bytes:
    name = "NISTBiometricInformationExchangePackage"
    space = 'xmlns="http://biometrics.nist.gov/standard/2011"'
    return f'<?xml version="1.0"?>{prologue}<{name} {space}>{inside}</{name}>'.encode()


def _container(signature: bytes) -> bytes:
    """Return a stored container with another signature block."""
    data = (seeds.CORPUS / "container" / "ecdsa.read.bin").read_bytes()
    without = data[: len(data) - int.from_bytes(data[6:8])]
    return _patched(without, 6, ">H", len(signature)) + signature


_LAUGHS: Final = "<!DOCTYPE a [<!ENTITY l0 'ha'>{}]>".format(
    "".join(f"<!ENTITY l{place} '{f'&l{place - 1};' * 10}'>" for place in range(1, 12))
)
_FIELDS: Final = b"".join(b"\x1d2.%03d:x" % (2 + place % 990) for place in range(16_000))


BOMBS: Final[dict[str, tuple[str, bytes, str]]] = {
    "WSQ of 16000 x 16000": ("wsq-image", _wsq(16_000, 16_000), "SizeError"),
    "WSQ of 4000 x 4000": ("wsq-image", _wsq(4_000, 4_000), "SizeError"),
    "WSQ of 65535 x 65535": ("wsq-image", _wsq(65_535, 65_535), "SizeError"),
    "JPEG 2000 of 9000 x 9000": ("jp2-image", _jp2(9_000, 9_000), "SizeError"),
    "JPEG 2000 of 4608 tiles": ("jp2-image", _tiled_jp2(), "SizeError"),
    "PNG of 30000 x 30000": ("png-image", _png(30_000, 30_000), "SizeError"),
    "TIFF of 30000 x 30000": ("tiff-image", _tiff(30_000, 30_000), "SizeError"),
    "BMP of 30000 x 30000": ("bmp-image", _patched(seeds.encoded("BMP"), 18, "<ii", 30_000, 30_000), "SizeError"),
    "PGM of 30000 x 30000": ("pgm-image", b"P5 30000 30000 255\n" + bytes(100), "SizeError"),
    "JPEG of 30000 x 30000": ("jpeg-image", _jpeg(30_000, 30_000), "SizeError"),
    "ITL, 16000 fields in a record": ("itl", _itl(_tagged(b"2", _FIELDS)), "LimitError"),
    "ITL, 32000 records": ("itl", _itl(_tagged(b"2", b"\x1d2.002:00") * 32_000, 32_000), "LimitError"),
    "ITL, a number of 5000 digits": ("itl", _itl(_tagged(b"2", b"\x1d2.002:" + b"9" * 5000)), "read"),
    "ITL, an amputated finger of 5000 digits": (
        "file",
        _itl(_tagged(b"2", b"\x1d2.002:00\x1d2.084:" + b"9" * 5000 + b"\x1fXX")),
        "read",
    ),
    "XML, entities of entities": ("xml", _xml("&l11;", _LAUGHS), "UnsupportedError"),
    "XML, 100000 levels": ("xml", _xml("<a>" * 100_000), "LimitError"),
    "message, 100000 levels": ("message", b"[" * 100_000, "WireError"),
    "minutiae record, 255 views of nothing": (
        "minutiae",
        b"FMR\x00 20\x00\x00\x00\x04\x14\x00\x00\x01\x2c\x01\x90\x00\xc5\x00\xc5\xff\x00" + bytes(1020),
        "FormatError",
    ),
    "finger images, 255 views of nothing": (
        "finger-images",
        b"FIR\x00010\x00" + (4112).to_bytes(6) + b"\x00\x00\x00\x1f\xff\x01" + bytes(4092),
        "FormatError",
    ),
    "container, 5000 levels of DER": (
        "container",
        _container(b"\x30\x80" * 5000),
        "MalformedError",
    ),
}
"""Each bomb by what it is: the target, the file, and the outcome that it must have."""
