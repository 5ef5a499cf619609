"""What a template that is kept says beside its minutiae: who found them, and how the print came about.

ISO/IEC 19794-2:2005 has no place for the first and five codes for the second, so both are kept in an area of extended data
of our own, of a type that is left to vendors (7.5.1.2: neither byte of it is 0). Readers that do not know it pass over it by
its length, and read the minutiae as before. Its content is four letters, which tell it from areas of others who chose the
same type, then the two codes, then an empty area: who takes an area's length to count its header, as in INCITS 378, sees two
areas that end with the block all the same.

An area can be written by anybody. What it says is for records that we kept ourselves, and of no account in any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from matcher.formats._cursor import FormatError
from matcher.formats.minutiae import SHARED_IMPRESSIONS, Area, FingerView, OtherArea
from matcher.template import ImpressionType, Origin, Template

if TYPE_CHECKING:
    from collections.abc import Sequence

TYPE: Final = 0x5043
LETTERS: Final = b"pcsc"

_EMPTY: Final = TYPE.to_bytes(2) + (4).to_bytes(2)
_LENGTH: Final = len(LETTERS) + 2 + len(_EMPTY)
_SAID: Final = SHARED_IMPRESSIONS | {ImpressionType.UNKNOWN}


def own_area(template: Template) -> tuple[Area, ...]:
    """Return the area to be kept with a template; none for another maker's, whose impression the record itself can say."""
    if template.origin is Origin.OTHER and template.impression in _SAID:
        return ()
    return (OtherArea(TYPE, LETTERS + bytes([template.origin, template.impression]) + _EMPTY),)


def with_own_area(view: FingerView) -> Template:
    """Return the template of a view with what our own area says of it, if there is one.

    Raises:
        FormatError: there are several, or it says what no version of ours writes.

    """
    found = _own(view.extended)
    if not found:
        return view.template
    data = found[0]
    origin, impression = data[len(LETTERS) : len(LETTERS) + 2] if len(data) == _LENGTH else (-1, -1)
    if len(found) > 1 or origin not in set(Origin) or impression not in set(ImpressionType):
        raise FormatError(
            f"a template that was kept says once, in {_LENGTH} bytes of extended data, who found its minutiae (0 to "
            f"{max(Origin)}) and how the print came about (ANSI/NIST-ITL 1-2011, table 7); got {len(found)} area(s), the first "
            f"of {len(data)} bytes: {data[:16].hex()}: enrol the print again"
        )
    return replace(view.template, origin=Origin(origin), impression=ImpressionType(impression))


def _own(areas: Sequence[Area]) -> list[bytes]:
    """Return the contents of areas of ours."""
    return [
        area.data
        for area in areas
        if isinstance(area, OtherArea) and area.code == TYPE and area.data.startswith(LETTERS)
    ]
