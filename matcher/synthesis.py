"""Synthetic fingers: people who never lived, for tests, demonstrations and measurements at national scale.

A :class:`Finger` is drawn from a seed. It has a pattern class with its natural frequency, a field of ridge orientation
(the zero-pole model of Sherlock and Monro 1993, bent as Vizcaya and Gerhardt 1996 do, or an arch), a field of ridge
period of about 9 pixels at 500 dpi, and an oval pad that can touch a scanner. Two products come of it:

:meth:`Finger.template`
    minutiae straight from the model, without an image, for galleries of any size. They keep their spacing, lie along
    the ridges, and point to where the model needs more ridges: a field of unit tangents t and ridge period T needs
    div(t / T) more ridges per unit of area on the side to which t points, and each minutia, ending or bifurcation,
    makes one more on the side to which it points. In loops the number of ridges also grows from the open side to the
    side of the delta, in whorls downwards. All that is fitted to fingers 101-105 of FVC2002 DB1_B to DB3_B, so that
    strangers score as high against these templates as against real ones: ``benchmarks.false_candidates --validate``
    shows how well that holds.

:meth:`Finger.image`
    a live-scan picture. The ridge pattern grows from noise by repeated filtering with Gabor filters tuned to the local
    orientation and period, as in SFinGe (Cappelli, Maio, Maltoni 2002); an impression then turns, shifts and stretches
    it, presses it wet or dry, soils it, and shows the part that touched.

Both have the same pattern class, the same size and the same turns, shifts and stretches, but a flow and minutiae of
their own: a rendered finger is enrolled by extracting its minutiae, and compares with rendered impressions only. Neither
product can stand for real mates in a statement about accuracy.

Everything is determined by (seed, person, position, impression), on one machine and one version of numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from matcher.template import MinutiaKind, Origin, Template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Real = NDArray[np.float64]
    Flags = NDArray[np.bool_]

WIDTH: Final = 320
"""Width of an impression in pixels at 500 dpi, unless another is asked for."""

HEIGHT: Final = 416
"""Height of an impression in pixels at 500 dpi, unless another is asked for."""

MAX_SIDE: Final = 2048
"""No scanner platen for one finger is longer: 104 mm."""


class Pattern(IntEnum):
    """Pattern classes, as in Wilson, Candela and Watson 1994; a loop is named for the side of the image it opens to."""

    ARCH = 0
    TENTED_ARCH = 1
    LEFT_LOOP = 2
    RIGHT_LOOP = 3
    WHORL = 4


class SynthesisError(ValueError):
    """What was asked for is no finger or no impression."""


# Of all fingers 3.7 % arch, 2.9 % tented arch, 65.5 % loop, 27.9 % whorl (Wilson, Candela and Watson 1994). A loop is
# taken to open to the little finger 13 times in 14; on a print of the right hand that is to the right.
_FREQUENCY: Final = {
    True: np.cumsum([0.037, 0.029, 0.047, 0.608, 0.279]),  # right hand
    False: np.cumsum([0.037, 0.029, 0.608, 0.047, 0.279]),
}
_SIZE: Final = (0.0, 1.12, 1.0, 1.0, 0.97, 0.86)  # thumb to little finger, relative to an index finger
_HALF_WIDTH, _HALF_LENGTH, _ROUNDNESS = 126.0, 168.0, 2.3  # of an index finger's pad, a superellipse
_CANDIDATES: Final = 240  # places tried for minutiae
_PAD: Final = (1.07, 1.19)  # what a template may show, relative to the half axes of the pad in an image
_OPPOSITE: Final = 9.0  # pixels, least distance of minutiae that point opposite ways
_ABREAST: Final = 12.0  # pixels, least distance across the ridges of minutiae that point the same way,
_BEHIND: Final = (15.0, 50.0)  # and along them, from one minutia to another
_SURENESS: Final = 8.0  # log odds that a minutia points to where ridges are needed, for 0.01 more a pixel and ridge
_GROWTH: Final = (  # log odds that it points right, and up, if it can, for each pattern class
    (0.0, -0.4),
    (0.0, -0.4),
    (4.0, 0.0),
    (-4.0, 0.0),
    (0.0, -3.0),
)
_RADIANS: Final = np.pi / 180.0
_LIFT: Final = np.array([0.0, 34.0, 62.0, 52.0, 0.0, -52.0, -62.0, -34.0, 0.0]) * _RADIANS  # bends of a core


class _Arch(NamedTuple):
    """How steep ridges rise to an arch, the height at which they do most, and how far up and across that reaches."""

    steep: float
    height: float
    reach: float
    width: float


@dataclass(frozen=True, slots=True, eq=False)
class _Flow:
    """Ridge orientation and period around the centre of the pad: u to the right and v up, in pixels.

    ``poles`` has a row (u, v, sign, apex) for each singularity, sign +1 for a core and -1 for a delta; ``bends`` the
    corrections of Vizcaya and Gerhardt at eight directions around it, in radians, the first towards the apex.
    """

    poles: Real
    bends: Real
    arch: _Arch
    period: float
    waves: Real

    def orientation(self, u: Real, v: Real) -> Real:
        """Return the angle of the ridge at each place in radians, counter-clockwise, up to half turns."""
        angle = self._arching(u, v)
        for (pole_u, pole_v, sign, apex), bend in zip(self.poles, self.bends, strict=True):
            around = np.arctan2(v - pole_v, u - pole_u)
            eighth = np.mod(around - apex, 2 * np.pi) * (4 / np.pi)
            angle += 0.5 * sign * (around + np.interp(eighth, np.arange(9.0), bend))
        return angle

    def _arching(self, u: Real, v: Real) -> Real:
        """Return the slope that an arch has, and other patterns above and below their singularities a little of."""
        steep = self.arch.steep * np.exp(-np.square((v - self.arch.height) / self.arch.reach))
        return np.asarray(-np.arctan(steep * np.sin(np.clip(u / self.arch.width, -2.2, 2.2))))

    def ridge_period(self, u: Real, v: Real) -> Real:
        """Return the distance from ridge to ridge in pixels; it grows towards the joint."""
        relative = 1.0 - 0.0004 * v
        for amplitude, du, dv, phase in self.waves:
            relative = relative + amplitude * np.cos(du * u + dv * v + phase)
        return np.asarray(self.period * relative)

    def surplus(self, u: Real, v: Real, angle: Real) -> Real:
        """Return div(t / T): how many more ridges begin than end per square pixel along the tangent at ``angle``."""
        step = 3.0
        du, dv = step * np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])[:, :, None]
        near = self.orientation(u + du, v + dv)
        near_u, near_v = np.cos(near), np.sin(near)
        same_way = np.sign(np.cos(angle) * near_u + np.sin(angle) * near_v)
        outward = same_way * (du * near_u + dv * near_v) / self.ridge_period(u + du, v + dv)
        return np.asarray(outward.sum(axis=0) / (2 * step * step))


@dataclass(frozen=True, slots=True, eq=False)
class _Placement:
    """How one impression lies on the platen: it stretches the skin, then turns and shifts it.

    ``bumps`` are rows (u, v, du, dv) of smooth pushes; ``touch`` is the centre and relative size of what touches.
    """

    turn: float
    shift: tuple[float, float]
    bumps: Real
    touch: tuple[float, float, float]

    def _push(self, u: Real, v: Real) -> tuple[Real, Real]:
        """Return how far the skin at each place is pushed."""
        push_u, push_v = np.zeros_like(u), np.zeros_like(v)
        for bump_u, bump_v, du, dv in self.bumps:
            near = np.exp((np.square(u - bump_u) + np.square(v - bump_v)) * (-0.5 / 80.0**2))
            push_u += du * near
            push_v += dv * near
        return push_u, push_v

    def on_image(self, u: Real, v: Real, width: int, height: int) -> tuple[Real, Real]:
        """Return the pixel coordinates of places on the pad."""
        push_u, push_v = self._push(u, v)
        u, v = u + push_u, v + push_v
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return width / 2 + self.shift[0] + cos * u - sin * v, height / 2 - self.shift[1] - sin * u - cos * v

    def on_pad(self, x: Real, y: Real, width: int, height: int) -> tuple[Real, Real]:
        """Return the places on the pad seen at pixel coordinates: the inverse of :meth:`on_image` to 0.1 pixel."""
        right, up = x - width / 2 - self.shift[0], height / 2 - self.shift[1] - y
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        u0, v0 = cos * right + sin * up, cos * up - sin * right
        u, v = u0, v0
        for _ in range(3):
            push_u, push_v = self._push(u, v)
            u, v = u0 - push_u, v0 - push_v
        return u, v


@dataclass(frozen=True, slots=True, eq=False)
class _Minutiae:
    """The minutiae that templates of a finger show, and where its impressions tend to lie on it.

    ``on_pad`` are u, v, direction and whether it is an ending; ``habit`` the centre of what touches and its size relative
    to the pad, whose half axes are ``half``.
    """

    on_pad: tuple[Real, Real, Real, Flags]
    half: Real
    habit: tuple[float, float, float]
    flow: _Flow

    def touching(self, rng: np.random.Generator) -> Flags:
        """Return which minutiae lie in the part that touches in one impression."""
        u, v = self.on_pad[:2]
        about = rng.normal(size=3)
        size = min(1.15, max(0.55, self.habit[2] + 0.07 * about[2]))
        off_u, off_v = self.habit[0] + 8.0 * about[0], self.habit[1] + 16.0 * about[1]
        touching: Flags = _radius(u - off_u, v - off_v, self.half) < 0.95 * size
        return touching & (_radius(u, v, self.half) < 0.95)


class Finger:
    """One synthetic finger, the same for the same (seed, person, position).

    ``position`` is the finger position code 1-10 of ANSI/NIST-ITL 1-2011, table 8. Lengths are in pixels at 500 dpi.
    A finger and its template take about a millisecond of CPU time. Minutiae are placed when the first template is asked
    for, the ridge pattern is grown when the first image is, and both are kept.

    Raises:
        SynthesisError: a number is negative, or the position is not 1-10.

    """

    def __init__(self, seed: int, person: int = 0, position: int = 1) -> None:
        if seed < 0 or person < 0:
            raise SynthesisError(f"a seed and a person are numbers from 0 up; got seed {seed}, person {person}")
        if not 1 <= position <= 10:
            raise SynthesisError(f"a finger position is 1-10 (ANSI/NIST-ITL 1-2011, table 8); got {position}")
        self.seed = seed
        self.person = person
        self.position = position
        rng = self._generator()
        frequency = _FREQUENCY[position <= 5]
        self.pattern = Pattern(min(4, int(np.searchsorted(frequency, rng.random(), side="right"))))
        size = min(1.15, _SIZE[(position - 1) % 5 + 1] * rng.normal(1.0, 0.05))
        self._half = (_HALF_WIDTH * size, _HALF_LENGTH * size)
        self._flow = _flow(self.pattern, rng)

    def _generator(self, *purpose: int) -> np.random.Generator:
        """Return the random numbers of this finger for one purpose."""
        key = (self.person, self.position, *purpose)
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key)))

    def _radius(self, u: Real, v: Real) -> Real:
        """Return 0 at the centre of the pad and 1 at its edge."""
        return _radius(u, v, self._half)

    @cached_property
    def _minutiae(self) -> _Minutiae:
        """The minutiae of the whole pad."""
        return _place_minutiae(self.pattern, np.array(self._half) * _PAD, self._generator(0, 1))

    def template(self, impression: int = 0, *, width: int = WIDTH, height: int = HEIGHT) -> Template:
        """Return the minutiae of one impression straight from the model, as an extractor of good quality might.

        Impressions of a finger differ in placement, stretch and the part that touched. One minutia in twenty is missed,
        positions are off by a pixel and directions by four degrees (standard deviations), the kind of 6 % is mistaken,
        3 % lie elsewhere, by 25 pixels, and 5 % point elsewhere, by half a radian.

        Raises:
            SynthesisError: the impression is negative, or the image no platen.

        """
        placement, _ = self._impression(impression, width, height)
        rng = self._generator(impression, 2)
        u, v, direction, ending = self._minutiae.on_pad
        x, y = placement.on_image(u, v, width, height)
        ahead_x, ahead_y = placement.on_image(u + 4 * np.cos(direction), v + 4 * np.sin(direction), width, height)
        wrong = np.where(rng.random(len(u)) < 0.05, 0.5, 0.07)
        direction = np.arctan2(y - ahead_y, ahead_x - x) + wrong * rng.normal(size=len(u))
        error = np.where(rng.random(len(u)) < 0.03, 25.0, 1.0)
        x, y = x + error * rng.normal(size=len(u)), y + error * rng.normal(size=len(u))
        ending = ending ^ (rng.random(len(u)) < 0.06)
        seen = self._minutiae.touching(rng) & (rng.random(len(u)) > 1 / 20)
        seen &= (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        return Template.of(
            x[seen],
            y[seen],
            direction[seen],
            width=width,
            height=height,
            kind=np.where(ending[seen], MinutiaKind.ENDING, MinutiaKind.BIFURCATION),
            quality=np.rint(97 - np.minimum(35, rng.exponential(5.0, int(seen.sum())))),
            position=self.position,
            origin=Origin.EXTRACTED,
        )

    def _impression(self, impression: int, width: int, height: int) -> tuple[_Placement, np.random.Generator]:
        """Return how an impression lies, and the random numbers for the rest of it."""
        if impression < 0:
            raise SynthesisError(f"impressions are numbered from 0 up; got {impression}")
        if not (64 <= width <= MAX_SIDE and 64 <= height <= MAX_SIDE):
            raise SynthesisError(f"an impression is 64 to {MAX_SIDE} pixels wide and high; got {width} x {height}")
        rng = self._generator(impression)
        about = rng.normal(size=8)
        reach = np.array(self._half)
        bumps = np.empty((3, 4))
        bumps[:, :2] = rng.uniform(-0.8, 0.8, (3, 2)) * reach
        bumps[:, 2:] = np.clip(rng.normal(0.0, 3.5, (3, 2)), -8.0, 8.0)
        placement = _Placement(
            turn=float(np.clip(6.5 * about[0], -15.0, 15.0)) * _RADIANS,
            shift=(float(np.clip(7 * about[1], -16, 16)), float(np.clip(9 * about[2], -22, 22))),
            bumps=bumps,
            touch=(9.0 * about[3], 13.0 * about[4], float(np.clip(0.95 + 0.05 * about[5], 0.8, 1.04))),
        )
        return placement, rng

    def _touch(self, placement: _Placement, u: Real, v: Real) -> Real:
        """Return 0 in the middle of the part that touches, 1 at its edge, more outside it."""
        touch_u, touch_v, size = placement.touch
        return np.maximum(self._radius(u, v), self._radius(u - touch_u, v - touch_v) / size)

    @cached_property
    def _ridges(self) -> NDArray[np.float32]:
        """The ridge pattern of the whole pad, -1 in a valley and 1 on a ridge, two samples a pixel along each axis."""
        return _grow(self._flow, self._generator(0, 0))

    def image(self, impression: int = 0, *, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
        """Return one impression as a live scan of shape (height, width) at 500 dpi, ridges dark on white.

        The first image of a finger grows its ridge pattern; the others share it.

        Raises:
            SynthesisError: the impression is negative, or the image no platen.

        """
        placement, rng = self._impression(impression, width, height)
        y, x = np.mgrid[0:height, 0:width].astype(np.float64)
        u, v = placement.on_pad(x, y, width, height)
        ridges = _sample(self._ridges, u, v)
        return _press(ridges, self._touch(placement, u, v), rng)


def population(seed: int, persons: int, *, impression: int = 0) -> Iterator[list[Template]]:
    """Yield for each person the templates of ten fingers, positions 1-10 in order.

    Person k has the templates of ``Finger(seed, k, position)``.

    Raises:
        SynthesisError: a number is negative.

    """
    if persons < 0:
        raise SynthesisError(f"a population has 0 or more persons; got {persons}")
    for person in range(persons):
        yield [Finger(seed, person, position).template(impression) for position in range(1, 11)]


def _radius(u: Real, v: Real, half: Real | tuple[float, float]) -> Real:
    """Return 0 at the centre of a pad with these half axes and 1 at its edge."""
    wide, long = np.abs(u / half[0]), np.abs(v / half[1])
    return np.asarray((wide**_ROUNDNESS + long**_ROUNDNESS) ** (1 / _ROUNDNESS))


# --- templates -------------------------------------------------------------------------------------------------------


def _place_minutiae(pattern: Pattern, half: Real, rng: np.random.Generator) -> _Minutiae:
    """Draw the minutiae of a pad with these half axes."""
    flow = _fitted_flow(pattern, rng)
    u, v = rng.uniform(-1.0, 1.0, (2, _CANDIDATES)) * half[:, None]
    inside = _radius(u, v, half) < 1.0
    u, v = u[inside], v[inside]
    angle = flow.orientation(u, v)
    density = 6.8e-4 * np.exp(np.clip(rng.normal(0.0, 0.2), -0.6, 0.6))
    needed = np.clip(flow.surplus(u, v, angle) * (100.0 * flow.period), -3.0, 3.0)
    grows_u, grows_v = np.array(_GROWTH[pattern]) + rng.normal(0.0, 2.0, 2)
    forwards = _SURENESS * needed + grows_u * np.cos(angle) + grows_v * np.sin(angle)
    direction = angle + np.pi * (rng.random(len(u)) > 1.0 / (1.0 + np.exp(-forwards)))
    order = rng.exponential(size=len(u)) / (1.0 + 0.3 * np.abs(needed))
    kept = _apart(u, v, direction, order, rng.uniform(*_BEHIND, len(u)), int(3.0 * density * half.prod()))
    u, v, direction = _with_short_ridges(flow, u[kept], v[kept], direction[kept], rng)
    habit = (8.0 * rng.normal(), 27.0 * rng.normal(), rng.normal(0.86, 0.15))
    return _Minutiae((u, v, direction, rng.random(len(u)) < 0.69), half, habit, flow)


def _apart(u: Real, v: Real, direction: Real, order: Real, behind: Real, wanted: int) -> NDArray[np.intp]:
    """Return the indices of up to ``wanted`` places in ascending order that leave each other room.

    A minutia is followed on its own ridge by none that points the same way for a while, ``behind``: two ridges that end
    the same way leave space between them for one.
    """
    cosine, sine = np.cos(direction), np.sin(direction)
    places = np.stack([u, v, np.ones(len(u)), cosine, sine])
    nought = np.zeros(len(u))
    along = np.stack([cosine, sine, -u * cosine - v * sine, nought, nought], axis=1)
    across = np.stack([-sine, cosine, u * sine - v * cosine, nought, nought], axis=1)
    same_way = np.stack([nought, nought, nought, cosine, sine], axis=1)
    seen_from = np.stack([along, across, same_way], axis=1)
    barred = np.zeros(len(u), dtype=np.bool_)
    kept: list[int] = []
    for index in np.argsort(order).tolist():
        if not barred[index]:
            kept.append(index)
            ahead, aside, agrees = seen_from[index] @ places
            ahead, aside = ahead * ahead, aside * aside
            follows = ahead * (1.0 / behind[index] ** 2) + aside * (1.0 / _ABREAST**2) < 1.0
            barred |= np.where(agrees > 0.0, follows, ahead + aside < _OPPOSITE**2)
            if len(kept) == wanted:
                break
    return np.array(kept, dtype=np.intp)


def _with_short_ridges(
    flow: _Flow, u: Real, v: Real, direction: Real, rng: np.random.Generator
) -> tuple[Real, Real, Real]:
    """Return the minutiae and, for one in twenty, the other end of a short ridge or bridge, where there is room."""
    count = len(u)
    along = np.where(rng.random(count) < 0.6, rng.uniform(-2.0, 22.0, count), rng.uniform(10.0, 50.0, count))
    across = rng.normal(0.0, 7.0, count)
    cosine, sine = np.cos(direction), np.sin(direction)
    end_u, end_v = u + along * cosine - across * sine, v + along * sine + across * cosine
    nearest = np.hypot(end_u[:, None] - u, end_v[:, None] - v).min(axis=1)
    has = (rng.random(count) < 1 / 20) & (nearest > _OPPOSITE)
    back = flow.orientation(end_u[has], end_v[has])
    back += np.pi * (np.cos(back - direction[has]) > 0.0)
    return np.append(u, end_u[has]), np.append(v, end_v[has]), np.append(direction, back)


def _fitted_flow(pattern: Pattern, rng: np.random.Generator) -> _Flow:
    """Draw the fields of a template's finger, with the spread that fits to real minutiae have."""
    poles = _fitted_poles(pattern, rng)
    core, delta = rng.normal(0.4, 0.15), rng.normal(0.0, 0.2)
    bends = np.where(poles[:, 2:3] > 0, core, delta) * _LIFT + rng.normal(0.0, 0.05, (len(poles), 9))
    bends[:, 8] = bends[:, 0]
    about = rng.normal(size=4)
    if pattern == Pattern.ARCH:
        arch = _Arch(1.5 + 0.3 * about[0], -60.0 + 30.0 * about[1], 190.0, max(45.0, 70.0 + 20.0 * about[3]))
    else:
        steep = 0.5 if pattern == Pattern.WHORL else 0.85
        reach, width = max(70.0, 145.0 + 30.0 * about[2]), max(60.0, 118.0 + 20.0 * about[3])
        arch = _Arch(steep + 0.2 * about[0], 53.0 + 33.0 * about[1], reach, width)
    return _Flow(poles, bends, arch=arch, period=9.0, waves=np.empty((0, 4)))


def _fitted_poles(pattern: Pattern, rng: np.random.Generator) -> Real:
    """Draw the singularities of a template's finger, with the places that fits to real minutiae have."""
    about = rng.normal(size=8)
    up, down = np.pi / 2, -np.pi / 2
    u, v = 8 * about[0], 8 + 22 * about[1]
    if pattern == Pattern.ARCH:
        return np.empty((0, 4))
    if pattern == Pattern.TENTED_ARCH:
        return np.array([[u, v, 1, up], [u + 8 * about[2], v - 95 - 18 * about[3], -1, down]])
    if pattern == Pattern.WHORL:
        gap, lean = abs(42 + 16 * about[2]), 11 * about[3]
        return np.array(
            [
                [u + lean, v + gap / 2, 1, up],
                [u - lean, v - gap / 2, 1, down],
                [u - 110 + 19 * about[4], v - 125 + 28 * about[5], -1, down],
                [u + 110 + 19 * about[6], v - 125 + 28 * about[7], -1, down],
            ]
        )
    side = 1.0 if pattern == Pattern.LEFT_LOOP else -1.0
    delta = (u + side * np.clip(75 + 26 * about[2], 10, 150), v - 132 + 31 * about[3])
    return np.array([[u, v, 1, up - side * (0.25 + 0.1 * about[4])], [*delta, -1, down]])


# --- images ----------------------------------------------------------------------------------------------------------


def _flow(pattern: Pattern, rng: np.random.Generator) -> _Flow:
    """Draw the orientation and period fields of a finger of this pattern."""
    poles = _poles(pattern, rng)
    bends = np.zeros((len(poles), 9))
    for bend, pole in zip(bends, poles, strict=True):
        if pole[2] > 0:
            bend[:] = _LIFT * rng.normal(1.0, 0.12)
        bend[:8] += rng.normal(0.0, 0.06, 8)
        bend[8] = bend[0]
    waves = np.empty((4, 4))
    waves[:, 0] = 0.06
    waves[:, 1:3] = rng.normal(0.0, 0.05, (4, 2))
    waves[:, 3] = rng.uniform(0.0, 2 * np.pi, 4)
    steep = rng.normal(0.95, 0.2) if pattern == Pattern.ARCH else rng.normal(0.25, 0.08)
    period = np.clip(rng.normal(9.0, 0.55), 7.8, 10.4)
    return _Flow(poles, bends, arch=_Arch(float(steep), -40.0, 130.0, 110.0), period=float(period), waves=waves)


def _poles(pattern: Pattern, rng: np.random.Generator) -> Real:
    """Draw the singularities of a pattern: rows (u, v, sign, apex)."""
    about = rng.normal(size=10)
    up, down = np.pi / 2, -np.pi / 2
    u, v = 6 * about[0], 14 + 14 * about[1]
    if pattern == Pattern.ARCH:
        return np.empty((0, 4))
    if pattern == Pattern.TENTED_ARCH:
        return np.array([[u, v, 1, up], [u + 4 * about[2], v - 62 - 12 * about[3], -1, down]])
    if pattern == Pattern.WHORL:
        gap = 14 + 14 * abs(about[2])
        lean = 10 * about[3]
        return np.array(
            [
                [u + lean, v + gap / 2, 1, up],
                [u - lean, v - gap / 2, 1, down],
                [u - 84 + 9 * about[4], v - 88 + 14 * about[5], -1, down],
                [u + 84 + 9 * about[6], v - 88 + 14 * about[7], -1, down],
            ]
        )
    side = 1.0 if pattern == Pattern.LEFT_LOOP else -1.0  # the delta lies opposite to where the loop opens
    delta = (u + side * (72 + 10 * about[2]), v - 84 + 14 * about[3])
    return np.array([[u, v, 1, up + side * (-0.25 + 0.1 * about[4])], [*delta, -1, down]])


_ORIENTATIONS: Final = 16
_PERIODS: Final = np.array([0.82, 1.0, 1.22])
_ROUNDS: Final = 10
_GRID: Final = (432, 324)  # rows and columns of a grown pattern at 500 dpi: the largest pad and a margin
_ACROSS, _ALONG = 0.42, 0.65  # reach of a filter, a standard deviation in ridge periods


def _grow(flow: _Flow, rng: np.random.Generator) -> NDArray[np.float32]:
    """Grow ridges from noise, at 250 dpi, and return them at 1000 dpi.

    Each round filters the pattern everywhere with the Gabor filter of the local orientation and period, taken between
    the nearest filters of the bank, and levels the result.
    """
    rows, columns = _GRID[0] // 2, _GRID[1] // 2
    v, u = np.meshgrid(_GRID[0] / 2 - 2.0 * np.arange(rows), 2.0 * np.arange(columns) - _GRID[1] / 2, indexing="ij")
    share = _shares(flow.orientation(u, v), flow.ridge_period(u, v) / flow.period)
    bank = _bank(flow.period / 2, rows, columns)
    pattern = rng.standard_normal((rows, columns), dtype=np.float32)
    for _ in range(_ROUNDS):
        filtered = np.fft.irfft2(np.fft.rfft2(pattern) * bank, s=(rows, columns))
        grown = np.einsum("krc,krc->rc", filtered, share)
        pattern = np.tanh(grown * (1.2 / grown.std()))
    strength = _smooth(np.square(grown), 2.0 * flow.period)
    return _enlarge(grown / np.sqrt(2.0 * np.maximum(strength, 0.05 * strength.mean())), 4)


def _shares(angle: Real, relative_period: Real) -> NDArray[np.float32]:
    """Return for each filter of the bank its share in the result at each place; they add up to 1."""
    turn = np.mod(angle * (_ORIENTATIONS / np.pi), _ORIENTATIONS)
    level = np.interp(relative_period, _PERIODS, np.arange(len(_PERIODS)))
    off_turn = np.abs(turn - np.arange(_ORIENTATIONS)[:, None, None])
    by_turn = np.maximum(0.0, 1.0 - np.minimum(off_turn, _ORIENTATIONS - off_turn))
    by_level = np.maximum(0.0, 1.0 - np.abs(level - np.arange(len(_PERIODS))[:, None, None]))
    share = by_turn[:, None] * by_level[None]
    return np.asarray(share.reshape(-1, *angle.shape), dtype=np.float32)


def _bank(period: float, rows: int, columns: int) -> NDArray[np.float32]:
    """Return the spectra of the Gabor filters, orientations by periods, on the half plane of a real transform.

    Their reach is short, so that ridges begin, end and fork where the fields ask for it; a longer one smooths such
    places away.
    """
    up = -np.fft.fftfreq(rows)[:, None]
    right = np.fft.rfftfreq(columns)[None, :]
    spectra = np.empty((_ORIENTATIONS, len(_PERIODS), rows, columns // 2 + 1), dtype=np.float32)
    for turn in range(_ORIENTATIONS):
        angle = np.pi * turn / _ORIENTATIONS
        across, along = up * np.cos(angle) - right * np.sin(angle), up * np.sin(angle) + right * np.cos(angle)
        for level, relative in enumerate(_PERIODS):
            length = period * relative
            off = np.minimum(np.abs(across - 1 / length), np.abs(across + 1 / length))
            exponent = np.square(off * _ACROSS * length) + np.square(along * _ALONG * length)
            spectra[turn, level] = np.exp(-2.0 * np.pi**2 * exponent)
    return spectra.reshape(-1, rows, columns // 2 + 1)


def _enlarge(pattern: NDArray[np.float32], times: int) -> NDArray[np.float32]:
    """Return the pattern with ``times`` as many samples along each axis, none of its frequencies changed."""
    rows, columns = pattern.shape
    spectrum = np.fft.rfft2(pattern)
    wide = np.zeros((rows * times, columns * times // 2 + 1), dtype=spectrum.dtype)
    wide[: rows // 2, : columns // 2] = spectrum[: rows // 2, : columns // 2]
    wide[-(rows // 2) :, : columns // 2] = spectrum[-(rows // 2) :, : columns // 2]
    return np.asarray(np.fft.irfft2(wide, s=(rows * times, columns * times)) * times**2, dtype=np.float32)


def _sample(ridges: NDArray[np.float32], u: Real, v: Real) -> Real:
    """Return the ridge pattern at places on the pad, a valley where it ends, linear between samples."""
    row, column = _GRID[0] - 2.0 * v, 2.0 * u + _GRID[1]
    rows, columns = ridges.shape
    outside = (row < 0) | (row > rows - 2) | (column < 0) | (column > columns - 2)
    row, column = np.clip(row, 0, rows - 2), np.clip(column, 0, columns - 2)
    top, left = row.astype(np.intp), column.astype(np.intp)
    down, right = row - top, column - left
    above = ridges[top, left] * (1 - right) + ridges[top, left + 1] * right
    below = ridges[top + 1, left] * (1 - right) + ridges[top + 1, left + 1] * right
    return np.where(outside, -1.0, above * (1 - down) + below * down)


def _smooth(values: NDArray[np.float32], size: float) -> NDArray[np.float32]:
    """Return the values smoothed by a Gaussian of standard deviation ``size`` / 2 samples."""
    down, right = np.fft.fftfreq(values.shape[0])[:, None], np.fft.rfftfreq(values.shape[1])[None, :]
    low_pass = np.exp(-2.0 * np.square(np.pi * size / 2) * (np.square(down) + np.square(right))).astype(np.float32)
    return np.asarray(np.fft.irfft2(np.fft.rfft2(values) * low_pass, s=values.shape), dtype=np.float32)


def _cloud(rng: np.random.Generator, shape: tuple[int, ...], size: float) -> NDArray[np.float32]:
    """Return smooth noise of mean 0 and standard deviation 1 whose spots are about ``size`` pixels wide."""
    smooth = _smooth(rng.standard_normal(shape, dtype=np.float32), size)
    return np.asarray((smooth - smooth.mean()) / smooth.std(), dtype=np.float32)


def _press(ridges: Real, touch: Real, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the grey levels of ridges pressed on the platen: more or less moist, with pores, dirt and noise."""
    shape = ridges.shape
    moist, dry, firm = np.clip(rng.normal(0.0, 1.0, 3), -2.0, 2.0)
    contact = 1.0 / (1.0 + np.exp(40.0 * (touch + 0.025 * _cloud(rng, shape, 7) - 0.95)))
    rough = (0.30 + 0.08 * dry) * _cloud(rng, shape, 4)
    width = -0.08 + 0.16 * moist + 0.16 * _cloud(rng, shape, 44) + rough - 1.2 * (1 - contact)
    ink = contact / (1.0 + np.exp(-9.0 * (ridges + width)))
    pores = np.maximum(0.0, _cloud(rng, shape, 2.2) - 1.7)
    ink = ink * (1.0 - np.minimum(0.7, 0.55 * pores))
    dark = (190.0 + 15.0 * firm) * (1.0 + 0.06 * _cloud(rng, shape, 60))
    grey = _smooth((250.0 - 9.0 * contact - dark * ink).astype(np.float32), 1.1)
    return np.rint(np.clip(grey + 2.0 * rng.standard_normal(shape), 0.0, 255.0)).astype(np.uint8)
