"""How useful a print is for a search, and what the person who takes it can do better.

The extractor gives each minutia a probability that it is really there. Their sum, the *expected minutiae*, is what a search
has to go by: over 320 prints of FVC2002, whose mates were compared with them, it ranks the prints as their median mate score
does (Spearman's correlation 0.80), and none of area, contrast, clarity of ridges or ridge direction added to it on fingers
that the fit had not seen. So the quality is made of it alone, on the scale of 0 to 100 of ISO/IEC 29794-1.

What can be done about it, the picture tells: windows of 2.4 mm are looked at for ink, contrast and the period of their
ridges. Each :class:`Reason` stands for an advice to the capturer. It speaks of the print that was given and of nothing that
it is compared with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from matcher.images import at_500, check_print
from matcher.template import LEAST_MINUTIAE, expected_minutiae

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matcher.images import Image
    from matcher.template import Template

PER_ROOT: Final = 12.0
"""Quality is this times the root of the expected minutiae. The median mate score grows with that root; 70 expected
minutiae, which one FVC2002 print in twenty has, are 100."""

_WINDOW: Final = 48  # pixels at 500 dpi: 2.4 mm, some five ridges
_STEP: Final = 24
_AT_ONCE: Final = 256  # windows whose spectra are in memory at once, 2.5 MB
_PIXELS_PER_MM: Final = 500 / 25.4
_BLANK_CONTRAST: Final = 10.0  # standard deviation of grey values
_CLEAR: Final = 0.4  # share of a window's variation that lies at one frequency and direction
_PERIODS: Final = (3.0, 20.0)  # pixels; what is slower is uneven ink
_WINDOWS_FOR_PERIOD, _SHARE_FOR_PERIOD = 12, 0.25  # fewer clear ones may be of what lies under a latent print

# Where the median mate score falls off: below (above) each lie 2-5 % of the prints of FVC2002, with scores a third lower.
_LEAST_AREA: Final = 130.0  # square millimetres
_LEAST_CONTRAST: Final = 20.0
_LEAST_CLEAR: Final = 0.1  # share of the windows with ink
_DARKEST: Final = 65.0
_LIGHTEST: Final = 230.0
_FEW_MINUTIAE: Final = 10.0  # expected

# At 500 dpi the ridges of the prints at hand are 6.6 to 11.6 pixels apart; at twice or half of that, another resolution
# was meant. A print searched at a wrong resolution has no mates.
_SHORTEST_PERIOD: Final = 5.2
_LONGEST_PERIOD: Final = 14.5


class Reason(StrEnum):
    """What is wrong with a print."""

    FEW_MINUTIAE = "few-minutiae"
    TOO_SMALL = "too-small"
    TOO_FAINT = "too-faint"
    TOO_LIGHT = "too-light"
    TOO_DARK = "too-dark"
    UNCLEAR = "unclear"
    RESOLUTION = "resolution"

    @property
    def advice(self) -> str:
        """What to do about it, in a sentence to the capturer."""
        return _ADVICE[self]


_ADVICE: Final = {
    Reason.FEW_MINUTIAE: "little of the ridges could be made out: take the print again, the whole fingertip flat on the glass",
    Reason.TOO_SMALL: "the print covers little skin: place the whole fingertip, or roll it from nail to nail",
    Reason.TOO_FAINT: "ridges and valleys hardly differ: clean finger and scanner, ink evenly",
    Reason.TOO_LIGHT: "the print is light, as dry fingers leave it: moisten the finger, press a little more",
    Reason.TOO_DARK: "the print is dark, as wet fingers or much ink leave it: dry the finger, press a little less",
    Reason.UNCLEAR: "the ridges are smudged or overlaid: hold the finger still, clear the background",
    Reason.RESOLUTION: "the ridges are not as far apart as at the stated resolution: state the scanner's true resolution",
}


@dataclass(frozen=True, slots=True)
class Quality:
    """What a print is worth: ``value`` from 0 to 100, and the reasons that lower it, the gravest first.

    ``expected_minutiae`` is the sum of the minutiae's probabilities; ``area`` the skin shown, in square millimetres;
    ``ridge_period`` the median distance of its ridges in pixels at 500 dpi, None where too few are clear.
    """

    value: int
    reasons: tuple[Reason, ...]
    expected_minutiae: float
    area: float
    ridge_period: float | None

    @property
    def usable(self) -> bool:
        """Whether a search with it means anything: enough minutiae, and at the resolution that was stated."""
        return self.value > 0 and Reason.RESOLUTION not in self.reasons


def measure(image: Image, template: Template) -> Quality:
    """Return the quality of a print from its image and the minutiae extracted from it; about 10 ms for 384 x 384.

    Raises:
        SizeError: the image covers more skin than one finger's.

    """
    check_print(image)
    expected = expected_minutiae(template)
    pixels = at_500(image).pixels
    windows = _windows(pixels.astype(np.float32))
    contrast = windows.std(axis=(1, 2))
    inked = contrast > _BLANK_CONTRAST
    clarity, periods = _ridges(windows)
    clear = inked & (clarity > _CLEAR)
    area = int(np.count_nonzero(inked)) * (_STEP / _PIXELS_PER_MM) ** 2
    enough = max(_WINDOWS_FOR_PERIOD, _SHARE_FOR_PERIOD * np.count_nonzero(inked))
    period = float(np.median(periods[clear])) if np.count_nonzero(clear) >= enough else None
    found = {
        Reason.RESOLUTION: period is not None and not _SHORTEST_PERIOD <= period <= _LONGEST_PERIOD,
        Reason.FEW_MINUTIAE: expected < _FEW_MINUTIAE,
        Reason.TOO_SMALL: area < _LEAST_AREA,
    }
    if inked.any():
        grey = float(np.median(windows[inked].mean(axis=(1, 2))))
        found |= {
            Reason.TOO_FAINT: float(np.median(contrast[inked])) < _LEAST_CONTRAST,
            Reason.TOO_LIGHT: grey > _LIGHTEST,
            Reason.TOO_DARK: grey < _DARKEST,
            Reason.UNCLEAR: bool(np.count_nonzero(clear) < _LEAST_CLEAR * np.count_nonzero(inked)),
        }
    value = 0 if len(template) < LEAST_MINUTIAE else min(100, round(PER_ROOT * math.sqrt(expected)))
    return Quality(value, tuple(reason for reason, there in found.items() if there), expected, area, period)


def _windows(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return overlapping windows, shape (n, _WINDOW, _WINDOW); one padded with white where the print is smaller."""
    short = [max(0, _WINDOW - side) for side in pixels.shape]
    padded = np.pad(pixels, ((0, short[0]), (0, short[1])), constant_values=255.0)
    every = np.lib.stride_tricks.sliding_window_view(padded, (_WINDOW, _WINDOW))[::_STEP, ::_STEP]
    return every.reshape(-1, _WINDOW, _WINDOW)


def _ridges(windows: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each window the share of its variation at its strongest frequency, and that frequency's period in pixels."""
    pieces = [_piece(windows[at : at + _AT_ONCE]) for at in range(0, len(windows), _AT_ONCE)]
    shares, periods = zip(*pieces, strict=True)
    return np.concatenate(shares), np.concatenate(periods)


def _piece(windows: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    centred = windows - windows.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.rfft2(centred * _TAPER)) ** 2
    total = power.sum(axis=(1, 2)) + 1e-9
    strongest = np.argmax((power * _BAND).reshape(len(power), -1), axis=1)
    down, across = np.unravel_index(strongest, _FREQUENCY.shape)
    each = np.arange(len(power))
    peak = np.zeros(len(power))
    last = _FREQUENCY.shape[1] - 1
    for y in (-1, 0, 1):
        for x in (-1, 0, 1):
            column = across + x
            inside = (column >= 0) & (column <= last)
            peak += np.where(inside, power[each, (down + y) % _WINDOW, np.clip(column, 0, last)], 0.0)
    return peak / total, 1.0 / np.maximum(_FREQUENCY[down, across], _SLOWEST)


_FREQUENCY: Final = np.hypot(np.fft.fftfreq(_WINDOW)[:, np.newaxis], np.fft.rfftfreq(_WINDOW))
_SLOWEST, _FASTEST = 1.0 / _PERIODS[1], 1.0 / _PERIODS[0]
_BAND: Final = (_FREQUENCY >= _SLOWEST) & (_FREQUENCY <= _FASTEST)
_TAPER: Final = np.outer(np.hanning(_WINDOW), np.hanning(_WINDOW)).astype(np.float32)
