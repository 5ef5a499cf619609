"""Finger minutiae records as other systems write them: ISO/IEC 19794-2:2005 and :2011, INCITS 378-2004, -2009, -2009/AM1.

All begin with the same 4 bytes, and two pairs of them with the same 8: the version " 20" is ISO/IEC's of 2005 and INCITS' of
2004, "030" is ISO/IEC's of 2011, INCITS' of 2009 and of its draft. So :func:`read` reads a record in every layout that its
version allows, and takes

- the one layout that fits to the last byte with nothing to forgive; where two do, the record is refused, for nobody
  writes such bytes by chance;
- else the one layout that fits with something forgiven, which is then named in :attr:`Record.deviations`;
- else the layout of INCITS 378 with ISO/IEC's directions, 256 to a full turn, where some are beyond the 179 that INCITS has:
  a converter that changed the header and left the minutiae writes such records, one of the standard's samples among them;
- else none, and the message says of each layout why not.

What is forgiven has one meaning only: every byte is still accounted for. A minutia outside its image, or a type that does
not exist, is refused, since what else is wrong cannot be known.

:func:`read_iso19794_2` and :func:`write_iso19794_2` are for templates that are kept: one format, lengths as stated. Every
template that is read here is another maker's (:class:`~matcher.template.Origin`), whatever its record says; only for a record
that we kept ourselves is it believed, and only where the caller says that this is one.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from matcher.formats import _image_per_view, _one_image, _representations
from matcher.formats._cursor import FormatError
from matcher.formats._grammar import IDENTIFIER, START
from matcher.formats._own_area import own_area, with_own_area
from matcher.formats.deviations import Deviation
from matcher.formats.minutiae import Format, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matcher.formats._grammar import Grammar
    from matcher.template import Template

MAX_BYTES: Final = 1_000_000
"""Twice what 255 views of 255 minutiae need. With extended data the standards allow 17 MB, which nobody has cause to send."""

_GRAMMARS: Final = _one_image.GRAMMARS | _image_per_view.GRAMMARS | _representations.GRAMMARS
_READERS: Final[Mapping[Format, Callable[[bytes, Grammar], Record]]] = (
    dict.fromkeys(_one_image.GRAMMARS, _one_image.read)
    | dict.fromkeys(_image_per_view.GRAMMARS, _image_per_view.read)
    | dict.fromkeys(_representations.GRAMMARS, _representations.read)
)
_WRITERS: Final[Mapping[Format, Callable[[Record, Grammar], bytes]]] = (
    dict.fromkeys(_one_image.GRAMMARS, _one_image.write)
    | dict.fromkeys(_image_per_view.GRAMMARS, _image_per_view.write)
    | dict.fromkeys(_representations.GRAMMARS, _representations.write)
)
_OF_VERSION: Final = {
    _one_image.VERSION: (Format.ISO_2005, Format.INCITS_2004),
    _one_image.VERSION_WITH_ZERO: (Format.ISO_2005, Format.INCITS_2004),
    b"030\x00": (Format.ISO_2011, Format.INCITS_2009, Format.INCITS_2007),
    b"035\x00": (Format.INCITS_2009_AM1,),
}

_ISO_STEPS: Final = 256

_PASSED_OVER: Final = frozenset({"extended-data-unread", "extended-length", "quality", "reserved"})
"""What a record that was kept may have: it was made before these were looked at, and touches no minutia."""


def read(data: bytes) -> Record:
    """Read a finger minutiae record, whichever of the standards it follows. The cost is linear in its length.

    Raises:
        FormatError: the bytes are no whole record of any of them, and why.

    """
    formats = _OF_VERSION.get(data[4:START], ()) if data[:4] == IDENTIFIER else ()
    if not formats:
        versions = ", ".join(repr(version) for version in _OF_VERSION)
        raise FormatError(
            f"a finger minutiae record begins with {IDENTIFIER!r} and a version, one of {versions}; got {data[:START]!r}"
        )
    records, errors = [], []
    for each in formats[::-1] if _has_short_length(data) else formats:
        try:
            records.append(read_as(data, each))
        except FormatError as error:
            errors.append(f"{each}: {error}")
    fits = [record for record in records if not record.deviations] or records or _with_iso_directions(data, formats)
    if len(fits) > 1:
        names = " and ".join(record.format for record in fits)
        raise FormatError(f"the bytes fit {names} alike, and say something else in each: ask the sender which is meant")
    if not fits:
        raise FormatError("the bytes are no whole record: " + "; ".join(errors))
    return fits[0]


def _with_iso_directions(data: bytes, formats: Sequence[Format]) -> list[Record]:
    """Return the records that the bytes are in layouts of INCITS 378 with directions of ISO/IEC 19794-2."""
    records = []
    for each in formats:
        grammar = _GRAMMARS[each]
        if grammar.steps == _ISO_STEPS:
            continue
        with contextlib.suppress(FormatError):
            record = _READERS[each](data, replace(grammar, steps=_ISO_STEPS))
            text = (
                f"directions are counted in {grammar.steps} steps ({grammar.minutiae}); some are beyond: all were read as "
                f"ISO/IEC's {_ISO_STEPS} steps"
            )
            noted = (Deviation(0, "direction-steps", text), *record.deviations)
            records.append(replace(record, deviations=noted))
    return records


def _has_short_length(data: bytes) -> bool:
    """Whether the length is INCITS 378-2004's in 2 bytes: in 4, no record read here has any but 0 in the first 2, or few.

    It decides nothing, but a reason stands first if it is about the layout that was meant.
    """
    return int.from_bytes(data[START : START + 2]) > MAX_BYTES >> 16


def read_as(data: bytes, format: Format) -> Record:  # noqa: A002 - the name of the record's field
    """Read a record of the one format that it is known to have; its identifier and version are not looked at again.

    Raises:
        FormatError: it is no such record.

    """
    if len(data) > MAX_BYTES:
        raise FormatError(f"a finger minutiae record has at most {MAX_BYTES} bytes here; got {len(data)}")
    if format not in _READERS:
        raise FormatError(f"{format}, has no record header: read it as a card's data")
    return _READERS[format](data, _GRAMMARS[format])


def write(record: Record) -> bytes:
    """Write a record in its format; the same record always gives the same bytes.

    What was read comes out as it was, but for what :attr:`Record.deviations` names, reserved bits and, in ISO/IEC
    19794-2:2011, minutiae of 6 bytes that state no quality. A record for another format is made of its templates, with
    :meth:`Record.of`. In formats that have no code for it, a quality not reported becomes 0.

    Raises:
        FormatError: the record does not fit into its format, and what of it.

    """
    if not 1 <= len(record.views) <= 255:
        raise FormatError(f"a record holds 1 to 255 views; got {len(record.views)}")
    if record.format not in _WRITERS:
        raise FormatError(f"{record.format}, has no record header: write it as a card's data")
    return _WRITERS[record.format](record, _GRAMMARS[record.format])


def read_iso19794_2(data: bytes, *, ours: bool = False) -> list[Template]:
    """Read an ISO/IEC 19794-2:2005 finger minutiae record; one template a view, coordinates brought to 500 dpi.

    Extended data (ridge counts, cores, deltas) are passed over. Quality 0 means "not reported". ``ours`` says that the record
    was written by :func:`write_iso19794_2` and has been in our keeping since: then each template is of the origin and
    impression that it had when it was written. A record of anybody else is of another maker, and its impression the one that
    its standard has a code for.

    Raises:
        FormatError: the bytes are not one whole, valid record.

    """
    magic = IDENTIFIER + _one_image.VERSION
    if len(data) >= START and data[:START] != magic:
        raise FormatError(f"a record of ISO/IEC 19794-2:2005 begins with {magic!r}; got {data[:START]!r}")
    record = read_as(data, Format.ISO_2005)
    for deviation in record.deviations:
        if deviation.code not in _PASSED_OVER:
            raise FormatError(deviation.text)
    return [with_own_area(view) if ours else view.template for view in record.views]


def write_iso19794_2(templates: Sequence[Template]) -> bytes:
    """Write templates as one ISO/IEC 19794-2:2005 record at 500 dpi, one view each.

    Reading it again as ours gives x, y, kind, quality, position, origin and impression as they were, but for the impression
    of another maker's template that is not known, which becomes live and plain; and directions to 1.40625 degrees. A record
    has one image size, so every view gets the largest width and height. A view's own quality is the mean of its minutiae's.

    Templates of ours have 14 bytes of extended data each, which tell their origin and are of use to nobody else; a record to
    be given away without them is ``write(Record.of(templates, Format.ISO_2005))``.

    Raises:
        FormatError: there are no templates, more than 255, or more than 16 of one finger position.

    """
    record = Record.of(templates, Format.ISO_2005)
    views = tuple(replace(view, extended=own_area(view.template)) for view in record.views)
    return write(replace(record, views=views))
