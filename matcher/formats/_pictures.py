"""What the two layouts of finger image records have in common: how they begin, their limits, and the units of resolutions."""

from __future__ import annotations

from typing import Final

from matcher.formats._cursor import FormatError
from matcher.formats.pictures import Units

IDENTIFIER: Final = b"FIR\x00"
MAX_VIEWS: Final = 255
"""The edition of 2005 counts views in one byte; the same limit is held for 2011, which has two."""


def units_of(code: int, place: int) -> Units:
    """Return what a code says that resolutions count by; ``place`` is the view's from 1, 0 for the record.

    Raises:
        FormatError: the code means nothing.

    """
    try:
        return Units(code)
    except ValueError:
        raise FormatError(
            f"{where(place)}scale units are 1 (pixels per inch) or 2 (per centimetre); got {code}"
        ) from None


def where(place: int) -> str:
    """Return how messages name the view, with nothing for the record."""
    return f"view {place}: " if place else ""
