"""Decoding an image file: the tasks that the jail was built for. What :func:`decode` loads is C, and is loaded nowhere else.

:func:`plain` runs nothing but Python and numpy on a file, for the kinds that need no more: WSQ (:mod:`matcher.wsq`) and
pictures without compression (:mod:`matcher._plain_pictures`). So a child may do it again (:data:`AGAIN`).

:func:`decode` has Pillow do it. It holds what the header states to the limits it is given, then checks what the decoder does
not check by itself (where JPEG and JPEG 2000 end, how many tiles and components there are), and only then decodes. It gives
8-bit grey values where there is one way to read the file as such, and refuses else: T for too large or small, D for damaged, U
for a kind of picture that is not read here.
"""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile

from matcher import _jpeg_grammar, _plain_pictures, wsq
from matcher._plain_pictures import check_size
from matcher.jail_terms import RefusalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matcher._plain_pictures import Picture
    from matcher.jail_terms import Task

# Not Image.open, which loads the decoders of forty formats more.
_PILLOW: Final[dict[str, type[ImageFile.ImageFile]]] = {
    "TIFF": TiffImageFile,
    "PNG": PngImageFile,
    "BMP": BmpImageFile,
    "JP2": Jpeg2KImageFile,
    "JPEG": JpegImageFile,
    "PGM": PpmImageFile,
}
_TIFF_COMPRESSIONS: Final = {"raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate"}
_MAX_TILES: Final = 64
_ENOUGH: Final = 10
_PHOTOMETRIC: Final = 262  # TIFF tag PhotometricInterpretation


def plain(arguments: dict[str, Any], data: bytes) -> tuple[list[float], bytes]:
    """Read ``data`` by the ``codec`` in the arguments, with Python and numpy only; return what :func:`decode` does.

    Raises:
        RefusalError: the file is not read; T, D, U, or C where :func:`decode` may read it.

    """
    codec = arguments["codec"]
    size, dpi, pixels = _wsq(data, arguments) if codec == "WSQ" else _plain_pictures.read(codec, data, arguments)
    return [*size, *dpi], pixels


def decode(arguments: dict[str, Any], data: bytes) -> tuple[list[float], bytes]:
    """Decode ``data`` by the ``codec`` in the arguments; return [width, height, dpi across, dpi down] and grey pixels.

    Raises:
        RefusalError: the file is not read; T, D or U.

    """
    size, dpi, pixels = _pillow(data, arguments)
    return [*size, *dpi], pixels


TASKS: Final[Mapping[str, Task]] = {"plain": plain, "decode": decode}
AGAIN: Final = frozenset({"plain"})


def warm() -> None:
    """Decode small pictures of each kind, so that all that decoding loads is loaded.

    And some times over: the interpreter rewrites code that runs often, which each child would do anew in pages of its own.
    """
    limits = {"min_side": 1, "max_side": 64, "max_pixels": 4096}
    for codec, kind in _PILLOW.items():
        for mode in ("L", "RGB"):
            file = io.BytesIO()
            Image.new(mode, (32, 32)).save(file, kind.format)
            for _ in range(_ENOUGH):
                decode({"codec": codec, **limits}, file.getvalue())
                if codec in _plain_pictures.CODECS and mode == "L":
                    plain({"codec": codec, **limits}, file.getvalue())


# --- WSQ -------------------------------------------------------------------------------------------------------------


def _wsq(data: bytes, limits: dict[str, int]) -> Picture:
    try:
        size = wsq.size(data)
        check_size(size, limits)
        if size[0] * size[1] > wsq.MAX_PIXELS_PER_BYTE * len(data):
            raise RefusalError(
                "T",
                f"{size[0]} x {size[1]} pixels from {len(data)} bytes: WSQ gives at most "
                f"{wsq.MAX_PIXELS_PER_BYTE} pixels a byte",
            )
        pixels, dpi = wsq.decode(data)
    except wsq.WsqError as error:
        raise RefusalError("D", str(error)) from error
    return size, (float(dpi),) * 2, pixels.tobytes()


# --- what Pillow decodes ---------------------------------------------------------------------------------------------


def _pillow(data: bytes, arguments: dict[str, Any]) -> Picture:
    codec = arguments["codec"]
    if codec == "JP2":
        _check_codestream(data)
    elif codec == "JPEG":
        _jpeg_grammar.check(data, partial(check_size, limits=arguments))
    try:
        with _PILLOW[codec](io.BytesIO(data)) as image:
            check_size(image.size, arguments)
            _check_kind(image)
            if codec == "PNG":
                _check_stream(data, image.size)
            image.load()
            across, down = image.info.get("dpi", (0.0, 0.0))
            return image.size, (float(across), float(down)), _grey(image)
    except SyntaxError:  # Pillow's word for a header that it does not read
        raise RefusalError("D", "the header is damaged, or of a variant that is not read") from None


def _check_stream(data: bytes, size: tuple[int, int]) -> None:
    """Check that the pixels of an 8-bit grey PNG are all that its compressed data hold.

    Decoders stop at the last row. What comes behind it would travel, and be kept, unseen.
    """
    depth, colour, _, _, interlaced = data[24:29]
    if (depth, colour, interlaced) != (8, 0, 0):
        return
    stream, at = [], 8
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            stream.append(data[at + 8 : at + 8 + length])
        at += 12 + length
    whole = (size[0] + 1) * size[1]  # a byte for the filter before each row
    inflating = zlib.decompressobj()
    held = inflating.decompress(b"".join(stream), whole + 1)
    if len(held) != whole or inflating.unused_data or inflating.unconsumed_tail:
        raise RefusalError("D", "the compressed data of a PNG hold its rows and nothing else (ISO/IEC 15948, 10.1)")


def _check_codestream(data: bytes) -> None:
    """Check what JPEG 2000 says beyond Pillow's header: tiles, components, subsampling, and that it ends."""
    code = _codestream(data)
    if code[:4] != b"\xff\x4f\xff\x51" or len(code) < 42:
        raise RefusalError("D", "a JPEG 2000 codestream begins with SOC and SIZ; this one does not")
    if not code.rstrip(b"\x00").endswith(b"\xff\xd9"):
        raise RefusalError("D", "a JPEG 2000 codestream ends with FFD9 (EOC); this one is cut short")
    x1, y1, _x0, _y0, tile_x, tile_y, tile_x0, tile_y0, components = struct.unpack_from(">8IH", code, 8)
    if not (tile_x and tile_y) or -(-(x1 - tile_x0) // tile_x) * -(-(y1 - tile_y0) // tile_y) > _MAX_TILES:
        raise RefusalError("T", f"a JPEG 2000 picture has at most {_MAX_TILES} tiles; this one has more")
    steps = code[42 : 42 + 3 * components]
    if components not in {1, 3} or len(steps) < 3 * components or set(steps[1::3] + steps[2::3]) != {1}:
        raise RefusalError("U", "a JPEG 2000 print has one component, or three of full size; this one has not")


def _codestream(data: bytes) -> bytes:
    """Return the contiguous codestream of a JP2 file, or the data if they are one already."""
    if data[:2] == b"\xff\x4f":
        return data
    at = 0
    while at + 8 <= len(data):
        length, header = int.from_bytes(data[at : at + 4]), 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16]), 16
        elif length == 0:
            length = len(data) - at
        if length < header or at + length > len(data):
            break
        if data[at + 4 : at + 8] == b"jp2c":
            return data[at + header : at + length]
        at += length
    raise RefusalError("D", "a JP2 file holds a codestream box (jp2c); this one has none that is whole")


def _check_kind(image: ImageFile.ImageFile) -> None:
    if getattr(image, "n_frames", 1) != 1:
        raise RefusalError("U", f"a file holds one picture; this one has {getattr(image, 'n_frames', 1)}")
    compression = image.info.get("compression", "raw")
    if image.format == "TIFF" and compression not in _TIFF_COMPRESSIONS:
        raise RefusalError("U", f"a TIFF here is uncompressed, packbits, LZW or deflate; this one is {compression}")
    from_white = isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0
    if from_white and image.mode.startswith("I;16"):  # Pillow turns 8-bit pictures round, but not these
        raise RefusalError("U", "a 16-bit TIFF here counts up from black; this one counts up from white")


def _grey(image: Image.Image) -> bytes:
    """Return 8-bit grey pixels, 0 black, where there is one way to read them."""
    if image.mode.startswith("I;16"):
        high = 0 if image.mode.endswith("B") else 1
        return image.tobytes()[high::2]
    if image.mode in {"LA", "RGBA"}:
        if image.getchannel("A").getextrema() != (255, 255):
            raise RefusalError("U", "a print is opaque; this picture has transparent pixels")
        image = image.convert(image.mode[:-1])
    if image.mode not in {"1", "L", "P", "RGB"} or "transparency" in image.info:
        raise RefusalError("U", f"a print is grey, colour or 16-bit grey; this picture is {image.mode}")
    return (image if image.mode == "L" else image.convert("L")).tobytes()
