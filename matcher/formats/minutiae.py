"""What a finger minutiae record says, whichever standard wrote it down.

A :class:`Record` has one or more :class:`FingerView`, each one impression of one finger. A view holds its minutiae as the
record has them, in pixels of the record's own resolution, and once more as the matcher sees them, as a template at 500
dpi. Beside its minutiae a view may carry extended data: how many ridges lie between two minutiae, where the cores and
deltas are, how good each zone of the image is, or what a vendor wished to add. They are kept, in the record's pixels.

What a record had that its standard does not allow, and was read all the same, is named by one of the codes of
:data:`~matcher.formats.deviations.DEVIATIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from matcher.formats._cursor import FormatError
from matcher.formats.deviations import Deviation
from matcher.formats.scaling import PER_CM_OF_500_DPI, dpi, scaled
from matcher.template import DPI, MAX_SIDE, ImpressionType, Template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VIEWS_OF_A_POSITION: Final = 16
"""A view's number has 4 bits (ISO/IEC 19794-2:2005, 7.4.1.2; INCITS 378-2004, 6.5.1)."""

NOT_REPORTED: Final = 254
"""A quality that nobody tried to assess (ISO/IEC 19794-2:2011, INCITS 378-2009); in the editions before, that is 0."""

FAILED: Final = 255
"""A quality that could not be computed."""


class Format(StrEnum):
    """Who defined the bytes."""

    ISO_2005 = "ISO/IEC 19794-2:2005"
    ISO_2011 = "ISO/IEC 19794-2:2011"
    INCITS_2004 = "INCITS 378-2004"
    INCITS_2007 = "INCITS 378, draft of 2007"
    INCITS_2009 = "INCITS 378-2009"
    INCITS_2009_AM1 = "INCITS 378-2009/AM1-2010"
    CARD_NORMAL = "ISO/IEC 19794-2:2005, card format, normal size"
    CARD_COMPACT = "ISO/IEC 19794-2, card format, compact size"


HAS_NOT_REPORTED: Final = frozenset(
    {
        Format.ISO_2011,
        Format.INCITS_2007,
        Format.INCITS_2009,
        Format.INCITS_2009_AM1,
    }
)
"""The formats in which qualities of 254 and 255 have a meaning."""

SHARED_IMPRESSIONS: Final = frozenset(
    {
        ImpressionType.LIVE_PLAIN,
        ImpressionType.LIVE_ROLLED,
        ImpressionType.PLAIN,
        ImpressionType.ROLLED,
        ImpressionType.SWIPE,
    }
)
"""What all formats have a code for, and the same one."""

_FROM_20: Final = {code: int(code) for code in ImpressionType if 20 <= code <= 29}
_IMPRESSIONS: Final[Mapping[Format, Mapping[ImpressionType, int]]] = {
    Format.ISO_2005: {},
    Format.INCITS_2004: {ImpressionType.CONTACTLESS_PLAIN: 9},
    Format.ISO_2011: {code: int(code) for code in ImpressionType if code.latent or code in {24, 28, 29}},
    Format.INCITS_2007: _FROM_20,
    Format.INCITS_2009: _FROM_20,
    Format.INCITS_2009_AM1: _FROM_20,
}
"""The impressions that a format has codes for beside the shared ones."""

_NINE: Final = {Format.INCITS_2004: ImpressionType.CONTACTLESS_PLAIN, Format.ISO_2011: ImpressionType.LIVE_ROLLED}
"""Code 9, which table 7 of ANSI/NIST-ITL does not have: live without contact, and rolled vertically."""


@dataclass(frozen=True, slots=True)
class Quality:
    """A score of a whole view, 0-100, 254 not reported, 255 failed, with the algorithm that gave it, 0 where not stated."""

    score: int
    owner: int = 0
    algorithm: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """What captured a view. ``certified`` are the bits of compliance before 2011, ``certifications`` those of 2011.

    ``certifications`` is None where the record says that it states none, else pairs of authority and scheme.
    """

    id: int = 0
    vendor: int = 0
    technology: int = 0
    certified: int = 0
    certifications: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True, slots=True)
class RidgeCounts:
    """How many ridges lie between minutiae: triples of two minutiae's numbers from 1 and the count.

    ``method`` 0 says nothing of which pairs these are, 1 four neighbours of each minutia, 2 eight.
    """

    method: int
    counts: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Core:
    """A core; ``direction`` in radians as of minutiae, None where not stated."""

    x: int
    y: int
    direction: float | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """A delta with the directions of its three valleys, or none."""

    x: int
    y: int
    directions: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class CoresAndDeltas:
    """The singular points of a view, in pixels of its image."""

    cores: tuple[Core, ...] = ()
    deltas: tuple[Delta, ...] = ()


@dataclass(frozen=True, slots=True)
class ZonalQuality:
    """The quality of each zone of the image, row by row, each zone ``cell`` pixels wide and high and ``bits`` in ``data``.

    ``algorithm`` is the owner's and its own number; ISO/IEC 19794-2:2005 has none.
    """

    cell: tuple[int, int]
    bits: int
    data: bytes
    algorithm: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class OtherArea:
    """Extended data of another type; ``code`` None means the view's whole block, which could not be divided."""

    code: int | None
    data: bytes


Area = RidgeCounts | CoresAndDeltas | ZonalQuality | OtherArea


@dataclass(frozen=True, slots=True, eq=False)
class FingerView:
    """One impression of one finger.

    ``x``, ``y``, ``direction``, ``kind`` and ``quality`` have the shape ``(n,)`` with n <= 255 and are read-only: pixels of
    an image of ``size`` at ``per_cm`` pixels per centimetre (each: across, down), radians as of a template, the codes of
    :class:`~matcher.template.MinutiaKind`, and 0-100 with the two codes 254 and 255 where the format has them. ``template``
    is the same at 500 dpi, 0 for every quality that is not reported.

    ``impression`` is the format's own code, of which :func:`impression_of` tells the meaning.
    ``captured`` is year, month, day, hour, minute, second and millisecond (ISO/IEC 19794-2:2011), as they were stated.
    ``ending`` says where ridge endings were placed: 0 at the fork of the valley, 1 at the end of the ridge.
    """

    position: int
    number: int
    impression: int
    qualities: tuple[Quality, ...]
    size: tuple[int, int]
    per_cm: tuple[int, int]
    x: NDArray[np.uint16]
    y: NDArray[np.uint16]
    direction: NDArray[np.float64]
    kind: NDArray[np.uint8]
    quality: NDArray[np.uint8]
    template: Template
    extended: tuple[Area, ...] = ()
    device: Device = field(default_factory=Device)
    captured: tuple[int, ...] | None = None
    ending: int = 0

    @property
    def score(self) -> int | None:
        """Return the first quality of the whole view, 0-100, None where none is reported."""
        return next((quality.score for quality in self.qualities if quality.score <= 100), None)

    @classmethod
    def of(cls, template: Template, *, number: int = 0, impression: int | None = None) -> FingerView:
        """Make a view at 500 dpi from a template, its quality the mean of its minutiae's.

        Without ``impression`` it has the code for the template's that all formats share, or the nearest.
        """
        score = round(float(template.quality.mean())) if len(template) else 0
        return cls(
            position=template.position,
            number=number,
            impression=_nearest(template.impression) if impression is None else impression,
            qualities=(Quality(score),),
            size=(template.width, template.height),
            per_cm=(PER_CM_OF_500_DPI, PER_CM_OF_500_DPI),
            x=_kept(template.x.astype(np.uint16)),
            y=_kept(template.y.astype(np.uint16)),
            direction=_kept(template.direction.astype(np.float64)),
            kind=template.kind,
            quality=template.quality,
            template=template,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A finger minutiae record; ``product`` is the owner and type that INCITS 378 names as its maker, else 0 and 0."""

    format: Format
    views: tuple[FingerView, ...]
    product: tuple[int, int] = (0, 0)
    deviations: tuple[Deviation, ...] = ()

    @classmethod
    def of(cls, templates: Sequence[Template], format: Format) -> Record:  # noqa: A002 - the name of the field
        """Make a record of templates at 500 dpi, one view each, views of one position numbered from 0.

        In the formats whose header states one image size, every view gets the largest width and height. A quality of 0,
        which in a template means "not stated", is written as the format says that. So is how the print came about; where
        the format has no code for that, it has that of the nearest, live and plain where nothing is known.

        Raises:
            FormatError: there are no templates, more than 255, or more than 16 of one finger position.

        """
        if not 1 <= len(templates) <= 255:
            raise FormatError(
                f"a record holds 1 to 255 views (ISO/IEC 19794-2:2005, 7.3); got {len(templates)} templates"
            )
        seen: dict[int, int] = {}
        views = []
        for template in templates:
            number = seen.get(template.position, 0)
            if number == VIEWS_OF_A_POSITION:
                raise FormatError(
                    f"a record holds at most {VIEWS_OF_A_POSITION} views of one finger position (7.4.1.2); "
                    f"position {template.position} has more: write several records"
                )
            seen[template.position] = number + 1
            views.append(
                FingerView.of(template, number=number, impression=impression_code(template.impression, format))
            )
        if format in {Format.ISO_2005, Format.INCITS_2004}:
            largest = max(view.size[0] for view in views), max(view.size[1] for view in views)
            views = [replace(view, size=largest) for view in views]
        if format in HAS_NOT_REPORTED:
            views = [_unreported(view) for view in views]
        return cls(format, tuple(views))


def impression_of(code: int, format: Format) -> ImpressionType:  # noqa: A002 - the name of the record's field
    """Return what an impression type's code means in a format, UNKNOWN where nothing.

    All took their codes from ANSI/NIST-ITL 1-2011, table 7; one that an edition does not list means there what it does here.
    """
    if code == 9:
        return _NINE.get(format, ImpressionType.UNKNOWN)
    return ImpressionType.of(code)


def impression_code(impression: ImpressionType, format: Format) -> int:  # noqa: A002 - the name of the record's field
    """Return a format's code for an impression type, or for the nearest that it has one for."""
    return _IMPRESSIONS.get(format, {}).get(impression, _nearest(impression))


def _nearest(impression: ImpressionType) -> ImpressionType:
    """Return the impression type nearest to this one of those that all formats share; live and plain where nothing is known."""
    if impression in SHARED_IMPRESSIONS:
        return impression
    if impression.latent:
        return ImpressionType.PLAIN
    return ImpressionType.LIVE_ROLLED if impression.rolled else ImpressionType.LIVE_PLAIN


def view_of(
    *,
    position: int,
    number: int,
    impression: int,
    means: ImpressionType,
    qualities: tuple[Quality, ...],
    size: tuple[int, int],
    per_cm: tuple[int, int],
    minutiae: tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.float64], NDArray[np.uint8], NDArray[np.uint8]],
    dots_per_inch: tuple[float, float] | None = None,
) -> FingerView:
    """Make a view from what a record states, with its template.

    ``minutiae`` are x, y, direction, kind and quality; ``means`` is what ``impression`` does. ``dots_per_inch`` is what
    ``per_cm`` means where it does not follow the rule of :func:`~matcher.formats.scaling.dpi`.

    Raises:
        FormatError: the size, the resolution or a minutia cannot be, and which.

    """
    x, y, direction, kind, quality = minutiae
    width, height = size
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise FormatError(f"an image side is 1 to {MAX_SIDE} pixels; the record states {width} x {height}")
    across, down = dots_per_inch or (dpi(per_cm[0]), dpi(per_cm[1]))
    if len(x) and (x.max() >= width or y.max() >= height):
        # Either the coordinate or the size is wrong, or the resolution: nobody can tell which, so nothing is clipped.
        raise FormatError(f"a minutia lies outside the image of {width} x {height}")
    template = scaled(
        x,
        y,
        direction,
        kind=kind,
        quality=np.where(quality >= NOT_REPORTED, 0, quality),
        size=size,
        scale=(DPI / across, DPI / down),
        position=position,
        impression=means,
    )
    return FingerView(
        position=position,
        number=number,
        impression=impression,
        qualities=qualities,
        size=size,
        per_cm=per_cm,
        x=_kept(x),
        y=_kept(y),
        direction=_kept(direction),
        kind=_kept(kind),
        quality=_kept(quality),
        template=template,
    )


def _unreported(view: FingerView) -> FingerView:
    quality = _kept(np.where(view.quality == 0, NOT_REPORTED, view.quality).astype(np.uint8))
    qualities = tuple(Quality(quality.score or NOT_REPORTED) for quality in view.qualities)
    return replace(view, quality=quality, qualities=qualities)


def _kept(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, or a copy of it, that nobody can write to."""
    kept = array if array.flags.owndata else array.copy()
    kept.flags.writeable = False
    return kept
