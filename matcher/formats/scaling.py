"""From the pixels of a record to those of a template: 500 dpi, and the image as it was before somebody squashed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from matcher.formats._cursor import FormatError
from matcher.template import DPI, ImpressionType, Origin, Template, TemplateError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

CM_PER_INCH: Final = 2.54
PER_CM_OF_500_DPI: Final = 197
"""500 dpi as the standards count it, in whole pixels per centimetre."""

_LEAST_PER_CM, _MOST_PER_CM = 40, 800
_LEAST_OF_ISO: Final = 99


def nominal_dpi(per_cm: int) -> float:
    """Return the resolution that a record means by whole pixels per centimetre: 197 is 500 dpi, 394 is 1000, 99 is 250.

    A number that a multiple of 50 dpi rounds to means that multiple; so does 99, the least that ISO/IEC 19794-2 allows,
    which is 250 dpi rounded up. Any other is taken as it stands.
    """
    exact = per_cm * CM_PER_INCH
    even = round(exact / 50) * 50
    return float(even) if per_cm in {round(even / CM_PER_INCH), _LEAST_OF_ISO} else exact


def dpi(per_cm: int) -> float:
    """Return the resolution that a record of minutiae means, as :func:`nominal_dpi`.

    Raises:
        FormatError: no print is taken at such a resolution.

    """
    if not _LEAST_PER_CM <= per_cm <= _MOST_PER_CM:
        raise FormatError(
            f"a print has {_LEAST_PER_CM} to {_MOST_PER_CM} pixels per centimetre (100 to 2000 dpi); "
            f"the header states {per_cm}"
        )
    return nominal_dpi(per_cm)


def scaled(
    x: ArrayLike,
    y: ArrayLike,
    direction: ArrayLike,
    *,
    kind: ArrayLike,
    quality: ArrayLike,
    size: tuple[float, float],
    scale: tuple[float, float],
    position: int,
    origin: Origin = Origin.OTHER,
    impression: ImpressionType = ImpressionType.UNKNOWN,
) -> Template:
    """Return the template of minutiae that lie inside an image of ``size``, both multiplied by ``scale``.

    Directions are taken as they stand. Rounding pushes no minutia out of the image.

    Raises:
        FormatError: the result is no template, with :class:`TemplateError`'s reason.

    """
    width, height = (max(1, round(side * by)) for side, by in zip(size, scale, strict=True))
    try:
        return Template.of(
            np.minimum(np.asarray(x) * scale[0], width - 1),
            np.minimum(np.asarray(y) * scale[1], height - 1),
            direction,
            kind=kind,
            quality=quality,
            width=width,
            height=height,
            position=position,
            origin=origin,
            impression=impression,
        )
    except TemplateError as error:
        raise FormatError(str(error)) from error


def unstretch(template: Template, width: int, height: int, dpi: float = DPI) -> Template:
    """Undo the squashing of an image to the record's declared size before its minutiae were taken.

    ``width`` and ``height`` are the true image's, in pixels at ``dpi``; the template's own are those it was squashed to.
    Directions are those of the un-squashed ridges. The result is at 500 dpi.

    Raises:
        FormatError: the true size or resolution is not positive, or too large for a template.

    """
    if not (width > 0 and height > 0 and 1 <= dpi <= 10_000):
        raise FormatError(f"the true size must be positive, at 1 to 10000 dpi; got {width} x {height} at {dpi:g} dpi")
    stretch_x, stretch_y = width / template.width, height / template.height
    to_500 = DPI / dpi
    return scaled(
        template.x * stretch_x,
        template.y * stretch_y,
        np.arctan2(stretch_y * np.sin(template.direction), stretch_x * np.cos(template.direction)),
        kind=template.kind,
        quality=template.quality,
        size=(width, height),
        scale=(to_500, to_500),
        position=template.position,
        origin=template.origin,
        impression=template.impression,
    )
