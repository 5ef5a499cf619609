"""What the readers of records forgive: each deviation's code and meaning.

The codes never change; who counts what a sender does wrong may rely on them. A code means the same in every format.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DEVIATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Records
        "version": "The version is written in a way of its own.",
        "record-length": "The header states another length than the record has.",
        "trailing-zeros": "Zeros follow the record; they are left out.",
        "reserved": "Bits or bytes that should be 0 are not; they are passed over.",
        "quality": "A quality of a view has no meaning; it is read as not reported.",
        "extended-length": "Lengths of extended data count, or do not count, their own header, other than the format says.",
        # Minutiae
        "direction-steps": "Directions are beyond the 179 of INCITS 378; they are read as steps of ISO/IEC 19794-2.",
        "minutia-quality": "A minutia's quality is 254 or 255 in a format without such codes; it is read as not reported.",
        "extended-data-length": "The stated length of the extended data is wrong, and they end with the record.",
        "extended-data-unread": "Extended data make no sense; they are kept as they are.",
        "card-order": "The minutiae of a card are not in the order that the card asks for.",
        # Images
        "count-misstated": "The header counts other views than there are.",
        "positions-misstated": "The header counts other positions than there are.",
        "view-count": "A view counts the views of its position wrongly.",
        "view-number": "A view has the number of another view of its position.",
        "position": "The code of a position has no meaning.",
        "impression": "The code of an impression type has no meaning.",
        "compression": "The code of a compression has no meaning.",
        "technology": "The code of a capture technology has no meaning.",
        "acquisition-level": "The code of an image acquisition level has no meaning.",
        "capture-time": "The time of capture is no date; it is read as unknown.",
        "image-resolution": "No image resolution is stated; the scan's is taken.",
        "resolution": "An image is said to be finer than its scan.",
        "extended-type": "A block of extended data is of the reserved type 0.",
        "certifications": "Certifications are there although the record says that it has none; reading cannot meet this.",
    }
)
"""Each code, and one sentence that says what it means and, where that is not plain, how the bytes were read."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing in which the bytes differ from their standard and were read all the same.

    ``view`` is the view's place in the record from 1, 0 for the record as a whole. ``code`` is one of :data:`DEVIATIONS`;
    ``text`` says what was expected, what came and how it was read.
    """

    view: int
    code: str
    text: str
