"""What reading forgives, in either encoding and in sets of minutiae: each deviation's code and meaning.

The codes never change; who counts what a sender does wrong may rely on them. Every deviation is made by :func:`deviation`,
whose text begins with the sentence of its code, so that no code can be without one. :class:`Findings` are those of one
reading of a transaction: a record names each code once, with its first field and how many there are, for a sender who errs
does so in every field, and a hostile one should not make long lists.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from contact_point.nist.transaction import Deviation

if TYPE_CHECKING:
    from collections.abc import Mapping

DEVIATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Tags
        "short-tag": "A tag has fewer than three digits after the point; Annex B, B.1.5, counts 2.5 and 2.005 as one field.",
        "long-tag": "A tag has zeros that it does not need; Annex B, B.1.5, counts 2.000005 and 2.005 as one field.",
        "foreign-tag": "A tag names another record type than its record; it is read as a field of the record it stands in.",
        # Lengths and separators
        "length-zeros": "LEN has leading zeros; they are ignored.",
        "length-misstated": "LEN is not the record's length (Annex B, B.1.5); the FS before the next record ends the record.",
        "length-missing": "The record has no LEN (Annex B, B.1.5); its FS ends it.",
        "missing-separator": "No FS ends the record (Annex B, B.1.1); LEN and what follows do.",
        "stray-separator": "GS stands with no field between it and the next separator; nothing is left out.",
        "trailing-separator": "US or RS ends a field although it stands between items; the last item is read as empty.",
        "trailing-bytes": "NUL, line ends or spaces follow the last record; they are left out.",
        # Fields
        "empty-field": "A field has no value, where the standard leaves the field out; it is read as empty.",
        "field-repeated": "A field is given more than once, where RS repeats a value within one; each is read, in order.",
        "opaque-record": "A record of no standard type has content without tags; it is kept whole, as field 0.",
        "position-padding": "FGP is filled up with 0, which is the code of an unknown finger, instead of 255.",
        "not-mapped": "Elements or attributes have no field here and were left out.",
        "record-not-mapped": "Records of this type are not mapped from XML to fields; its XML is kept whole, as field 0.",
        # Designations and the list of records
        "designation-missing": "The record has no IDC (section 7.3.1), or one that is no number.",
        "designation-misplaced": "IDC is not the record's second field (Annex B, B.1.5).",
        "designation-mismatch": "The record has another IDC than 1.003 CNT lists for it (section 7.3.1); the record's is read.",
        "content-missing": "1.003 CNT is absent or cannot be read; the records are read as they come.",
        "content-count": "1.003 CNT states another count of records than it lists; the list is read.",
        "content-zeros": "1.003 CNT states its count or a record type with leading zeros; they are ignored.",
        "content-order": "The records stand in another order than 1.003 CNT lists; they are read as they come.",
        "record-missing": "1.003 CNT lists a record that is not there.",
        "record-unlisted": "A record is there that 1.003 CNT does not list; it is read.",
        # Editions and character sets
        "version-older": "1.002 VER names an edition before ANSI/NIST-ITL 1-2011 Update 2015 (0502), whose fields may differ.",
        "version-unknown": "1.002 VER is absent or names no edition known here; it is read as the Update 2015.",
        "type-1-not-ascii": "Type-1 holds bytes outside 7-bit ASCII (section 5.5); they are kept.",
        "charset-undeclared": "Text is not 7-bit ASCII and 1.015 DCS declares nothing else; it is read as UTF-8 where it is "
        "UTF-8, else as Latin-1.",
        "charset-violated": "Text is not in the character set that 1.015 DCS declares; what cannot be read shows as "
        "replacement characters, or as Latin-1 where no field is in the declared set.",
        "charset-unknown": "1.015 DCS names a user-defined or reserved character set, several, or cannot be read; the bytes "
        "are kept, and only 7-bit ASCII shows as text.",
        "code-extension": "STX or ETX switches the character set within a text, as up to ITL 1-2007; the bytes are kept.",
        # Sets of minutiae
        "no-position": "A set of minutiae names no finger position (table 8); it is read as unknown.",
        "count-misstated": "A set states another count of minutiae than follow; those that are there are read.",
        "minutiae-left-out": "A set has more minutiae than a template holds; the best are kept, in their order.",
        "angle-360": "An angle is 360, beyond the 0 to 359 degrees that there are; it is read as 0.",
        "quality-unknown": "A quality is over 100; it is read as not reported.",
        "offset-not-applied": "The coordinates have an offset or a rotation, which was not applied.",
        "size-differs": "A set states another size than its image has; the set's is used.",
        "no-region": "There is no region of interest (8.9.7.1); it is taken as the whole image.",
        "frame-unknown": "The size of the image is not known; coordinates count from the outermost minutiae.",
        "laterally-reversed": "The print is said to be mirrored; the minutiae are read as they are in the image.",
        "not-interpreted": "Features in a form that is not public are kept as they came, not interpreted.",
    }
)
"""Each code, and one sentence that says what it means and how the bytes were read."""


def deviation(place: int, field: int, code: str, what: str = "") -> Deviation:
    """Return a deviation whose text says what its code means and, where it helps, what came.

    ``what`` holds numbers, codes, names of fields and of elements, and no value of a person's.
    """
    return Deviation(place, field, code, DEVIATIONS[code] + (f" Here: {what}." if what else ""))


class Findings:
    """The deviations of one reading, at most one of each code in a record or of the transaction."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str], tuple[int, str, int]] = {}

    def note(self, place: int, code: str, field: int = 0, what: str = "") -> None:
        """Remember a deviation, as for :func:`deviation`; the first of a code in a record is kept, the others are counted."""
        first, said, count = self._found.get((place, code), (field, what, 0))
        self._found[place, code] = first, said, count + 1

    def deviations(self) -> tuple[Deviation, ...]:
        """Return what was noted, in the records' order."""
        found = sorted(self._found.items(), key=lambda entry: entry[0][0])
        return tuple(
            deviation(place, field, code, ", ".join(filter(None, (what, _times(count)))))
            for (place, code), (field, what, count) in found
        )


def _times(count: int) -> str:
    return f"{count} times in this record" if count > 1 else ""
