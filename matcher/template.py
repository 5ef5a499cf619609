"""One print as the matcher sees it: the minutiae of one impression of one finger.

Coordinates are in pixels at 500 dpi (19.685 pixels per millimetre), x to the right and y down from the top left corner.
A direction is in radians, counter-clockwise from the x axis as one sees it on the image, in the sense of ISO/IEC
19794-2:2005, clause 6: from a ridge ending back along its ridge, from a bifurcation back into its valley.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

DPI: Final = 500
"""Resolution of every template's coordinates, in pixels per inch."""

MAX_MINUTIAE: Final = 255
"""ISO/IEC 19794-2:2005, 7.4.1.4, counts minutiae in one byte."""

LEAST_MINUTIAE: Final = 8
"""Minutiae that a probe needs: tails were fitted on 8 and more; with 6 or 7, strangers reach a score up to twice as often."""

MAX_SIDE: Final = 0x3FFF
"""ISO/IEC 19794-2:2005, 7.4.2.2, keeps a coordinate in 14 bits."""

TAU: Final = 2.0 * np.pi


class MinutiaKind(IntEnum):
    """Minutia types with the codes of ISO/IEC 19794-2:2005, 7.4.2.1."""

    OTHER = 0
    ENDING = 1
    BIFURCATION = 2


class Origin(IntEnum):
    """Who found a print's minutiae: each finds and misses others, so what a score means depends on who did, on both sides."""

    OTHER = 0
    """Software of another maker, or nobody knows who: what is read from a record unless more is known of it."""

    EXTRACTED = 1
    """:mod:`matcher.extraction`; synthetic prints imitate it."""

    MARKED = 2
    """An examiner, by hand or by correcting what software found: few, and not everywhere where the print shows ridges."""


class ImpressionType(IntEnum):
    """How a print of a finger came about, with the codes of ANSI/NIST-ITL 1-2011, Update 2015, table 7."""

    LIVE_PLAIN = 0
    LIVE_ROLLED = 1
    PLAIN = 2
    ROLLED = 3
    LATENT = 4
    LATENT_TRACING = 5
    LATENT_PHOTO = 6
    LATENT_LIFT = 7
    SWIPE = 8
    OPTICAL_PLAIN = 20
    OPTICAL_ROLLED = 21
    NON_OPTICAL_PLAIN = 22
    NON_OPTICAL_ROLLED = 23
    CONTACTLESS_PLAIN = 24
    CONTACTLESS_ROLLED = 25
    NON_OPTICAL_CONTACTLESS_PLAIN = 26
    NON_OPTICAL_CONTACTLESS_ROLLED = 27
    OTHER = 28
    UNKNOWN = 29
    MOVING_CONTACTLESS_ROLLED = 41
    MOVING_CONTACTLESS_PLAIN = 42

    @classmethod
    def of(cls, code: int | None) -> ImpressionType:
        """Return what a code means, UNKNOWN for None and for any that is no finger's."""
        return cls(code) if code is not None and code in _IMPRESSIONS else cls.UNKNOWN

    @property
    def latent(self) -> bool:
        """Whether the print was left somewhere, not taken from a person."""
        return ImpressionType.LATENT <= self <= ImpressionType.LATENT_LIFT

    @property
    def rolled(self) -> bool:
        """Whether the finger is known to have been rolled from nail to nail."""
        return self in _ROLLED


_ORIGINS: Final = frozenset(Origin)
_IMPRESSIONS: Final = frozenset(ImpressionType)
_ROLLED: Final = frozenset(impression for impression in ImpressionType if impression.name.endswith("ROLLED"))


class TemplateError(ValueError):
    """The minutiae given are not those of a print."""


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """The minutiae of one impression; made by :meth:`of`, which checks them.

    All arrays have the shape ``(n,)`` with 0 <= n <= 255 and are read-only. ``position`` is the finger position code of
    ANSI/NIST-ITL 1-2011, table 8: 1-10 from the right thumb to the left little finger, 0 where unknown. ``origin`` says who
    found the minutiae and ``impression`` how the print came about; two prints are compared by what both say.
    """

    x: NDArray[np.int16]
    y: NDArray[np.int16]
    direction: NDArray[np.float32]
    kind: NDArray[np.uint8]
    quality: NDArray[np.uint8]
    width: int
    height: int
    position: int = 0
    origin: Origin = Origin.OTHER
    impression: ImpressionType = ImpressionType.UNKNOWN

    def __len__(self) -> int:
        """Return the number of minutiae."""
        return len(self.x)

    @classmethod
    def of(
        cls,
        x: ArrayLike,
        y: ArrayLike,
        direction: ArrayLike,
        *,
        width: int,
        height: int,
        kind: ArrayLike | None = None,
        quality: ArrayLike | None = None,
        position: int = 0,
        origin: Origin = Origin.OTHER,
        impression: ImpressionType = ImpressionType.UNKNOWN,
    ) -> Template:
        """Make a template from minutiae in pixels at 500 dpi and radians.

        Coordinates are rounded to whole pixels and directions taken modulo a full turn. ``kind`` defaults to OTHER and
        ``quality`` (0-100, 0 where not stated) to 0.

        Raises:
            TemplateError: the arrays differ in length, hold more than 255 minutiae, hold a value that is not finite,
                or a minutia lies outside the image; or a position, an origin or an impression has no such code.

        """
        xs = np.rint(np.asarray(x, dtype=np.float64)).ravel()
        ys = np.rint(np.asarray(y, dtype=np.float64)).ravel()
        turns = np.asarray(direction, dtype=np.float64).ravel()
        kinds = np.zeros(len(xs)) if kind is None else np.asarray(kind, dtype=np.float64).ravel()
        grades = np.zeros(len(xs)) if quality is None else np.asarray(quality, dtype=np.float64).ravel()
        if not len(xs) == len(ys) == len(turns) == len(kinds) == len(grades):
            raise TemplateError(
                f"a template needs as many y, directions, kinds and qualities as x; got {len(xs)} x, {len(ys)} y, "
                f"{len(turns)} directions, {len(kinds)} kinds, {len(grades)} qualities"
            )
        if len(xs) > MAX_MINUTIAE:
            raise TemplateError(
                f"a template holds at most {MAX_MINUTIAE} minutiae (ISO/IEC 19794-2:2005, 7.4.1.4); got {len(xs)}: "
                "keep those of best quality"
            )
        if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
            raise TemplateError(
                f"an image side is 1 to {MAX_SIDE} pixels (ISO/IEC 19794-2:2005, 7.4.2.2); got {width} x {height}"
            )
        _check_codes(position, origin, impression)
        for name, values, top in (
            ("x", xs, width - 1),
            ("y", ys, height - 1),
            ("kind", kinds, 2),
            ("quality", grades, 100),
        ):
            wrong = ~((values >= 0) & (values <= top))  # also true for NaN
            if wrong.any():
                raise TemplateError(
                    f"every {name} must be 0 to {top}; minutia {int(np.argmax(wrong))} has {values[wrong][0]:g}"
                )
        if not np.isfinite(turns).all():
            raise TemplateError("every direction must be a finite number of radians")
        arrays = (
            xs.astype(np.int16),
            ys.astype(np.int16),
            _turn(turns),
            kinds.astype(np.uint8),
            grades.astype(np.uint8),
        )
        for array in arrays:
            array.flags.writeable = False
        return cls(
            *arrays,
            width=int(width),
            height=int(height),
            position=int(position),
            origin=Origin(origin),
            impression=ImpressionType(impression),
        )


def _check_codes(position: int, origin: int, impression: int) -> None:
    """Refuse what is no code of a finger's position, of who found the minutiae, or of how the print came about."""
    if not 0 <= position <= 10:
        raise TemplateError(f"a finger position is 0 (unknown) or 1-10 (ANSI/NIST-ITL 1-2011, table 8); got {position}")
    if origin not in _ORIGINS:
        raise TemplateError(
            f"an origin is 0 (another maker's), 1 (extracted here) or 2 (marked by an examiner); got {origin}"
        )
    if impression not in _IMPRESSIONS:
        raise TemplateError(
            f"an impression is that of a finger, 0-8, 20-29, 41 or 42 (ANSI/NIST-ITL 1-2011, table 7); got {impression}"
        )


def _turn(radians: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return directions in [0, 2 pi), safe against rounding up to 2 pi in single precision."""
    turned = np.mod(radians, TAU).astype(np.float32)
    turned[turned >= np.float32(TAU)] = 0.0
    return turned


def expected_minutiae(template: Template) -> float:
    """Return how many minutiae a print is expected to have: the sum of their probabilities, a quality not stated being 1."""
    return float(np.where(template.quality == 0, 100, template.quality).sum()) / 100.0
