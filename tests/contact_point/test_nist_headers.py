"""What an image says of itself in its first bytes, against images made by the codecs themselves."""

from __future__ import annotations

import importlib
import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_point.nist import headers
from contact_point.nist.headers import Header

if TYPE_CHECKING:
    from pathlib import Path

CODEC: Any = importlib.import_module("_wsq")
WIDTH, HEIGHT = 96, 64
PIXELS = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)


def encoded(codec: str, **options: Any) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(PIXELS).save(file, codec, **options)
    return file.getvalue()


IMAGES = {
    "PNG": encoded("PNG"),
    "JPEGB": encoded("JPEG"),
    "JP2": encoded("JPEG2000", irreversible=True),
    "JP2L": encoded("JPEG2000", irreversible=False),
    "WSQ20": bytes(CODEC.compress(PIXELS.tobytes(), HEIGHT, WIDTH, 12)),
}


@pytest.mark.parametrize("compression", IMAGES)
def test_the_header_of_each_codec_tells_compression_and_size(compression: str) -> None:
    assert headers.read(IMAGES[compression]) == Header(compression, WIDTH, HEIGHT)


def test_a_bare_codestream_of_jpeg_2000_tells_its_size() -> None:
    assert headers.read(encoded("JPEG2000", no_jp2=True, irreversible=True)) == Header("JP2", WIDTH, HEIGHT)


def test_a_lossless_jpeg_is_told_from_a_lossy_one() -> None:
    frame = struct.pack(">HHBHHB", 0xFFC3, 11, 8, HEIGHT, WIDTH, 1) + b"\1\x11\0"
    assert headers.read(b"\xff\xd8" + frame) == Header("JPEGL", WIDTH, HEIGHT)


@pytest.mark.parametrize("data", [b"", b"\xff", PIXELS.tobytes(), b"II*\0", b"\xff\xd8"])
def test_bytes_of_no_codec_have_no_header(data: bytes) -> None:
    assert headers.read(data) is None


@pytest.mark.parametrize("compression", IMAGES)
def test_a_header_that_is_cut_tells_no_size_and_never_another(compression: str) -> None:
    for length in range(400):
        header = headers.read(IMAGES[compression][:length])
        assert header is None or (header.width, header.height) in {(WIDTH, HEIGHT), (0, 0)}


@given(st.sampled_from(sorted(IMAGES)), st.data())
def test_no_bytes_raise(compression: str, data: st.DataObject) -> None:
    image = bytearray(IMAGES[compression][:300])
    for at in data.draw(st.lists(st.integers(0, 299), max_size=8)):
        image[at % len(image)] = data.draw(st.integers(0, 255))
    headers.read(bytes(image))


def test_boxes_and_segments_without_end_are_left() -> None:
    assert headers.read(b"\xff\xd8" + b"\xff\xe0\0\2" * 100_000) == Header("JPEGB", 0, 0)
    assert headers.read(b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x08free" * 100_000 + b"\xff\x4f\xff\x51") in {
        None,
        Header("JP2", 0, 0),
    }


def test_the_reference_prints_tell_the_size_that_another_decoder_finds(shared_data: Path) -> None:
    importlib.import_module("wsq")  # teaches Pillow the format
    files = [*(shared_data / "wsq").glob("*.wsq"), *(shared_data / "jp2").glob("*.jp2")]
    assert len(files) >= 10
    for file in files:
        data = file.read_bytes()
        header = headers.read(data)
        assert header is not None
        with PIL.Image.open(io.BytesIO(data)) as image:
            assert (header.width, header.height) == image.size, file.name
