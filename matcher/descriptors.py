"""What a minutia's neighbourhood looks like, in 64 bytes that one multiply-add compares.

A descriptor is made in four steps.

1. A cylinder, after R. Cappelli, M. Ferrara, D. Maltoni, "Minutia Cylinder-Code", IEEE PAMI 32(12), 2010, section 3: the
   neighbours of a minutia, as it sees them, spread over places around it and over differences in direction. Values are
   real, and the bumps are polynomials, so that every machine computes the same.
2. A squashing, in place of MCC's sigmoid: whether there is a neighbour says more than how many.
3. A projection to 62 dimensions that a discriminant analysis has learnt from corresponding minutiae of mated prints: what
   differs between impressions of one finger counts little, what differs between fingers much. It is in ``model/``, beside a
   text that says from what and by which command it was made.
4. A vector of constant length in steps of a byte. Two more bytes hold the cosine and sine of the minutia's own
   direction, so that the inner product of two descriptors compares neighbourhood and direction at once.

Prints are held upright within the tolerance that the direction part has; a neighbourhood alone does not depend on rotation.
"""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from matcher import _describe, _model_file
from matcher._describe import AT_ONCE, Network, Work

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIMENSIONS: Final = 64
"""Bytes of one descriptor, each -127 to 127."""

VERSION: Final = 1
"""Of the model's form; a file of another one is refused."""

MODEL: Final = "descriptors.npz"
"""The file in ``matcher/model`` that ships; ``descriptors.toml`` beside it says where it comes from."""

_PARTS: Final = ("cells", "sections", "focus", "gain", "weights", "bias", "length", "heading")


class ModelError(ValueError):
    """The file is no model of descriptors, or one of another version."""


def describe(starts: NDArray[np.int64], points: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return the descriptors (n, 64) of all minutiae of the prints packed in ``points``.

    Print f owns the rows ``starts[f]`` to ``starts[f + 1]`` of ``points`` (n, 5): x and y upwards in pixels at 500 dpi,
    direction, its cosine and sine; as in :class:`matcher._kernels.Prints`. About 0.14 ms of CPU time for a print of 33
    minutiae. Thread-safe; no state but the model, which is loaded at the first call.

    Raises:
        ModelError: the model that ships is damaged.
        ValueError: the arrays do not have these shapes and types.

    """
    return described(starts, points, model())


def described(starts: NDArray[np.int64], points: NDArray[np.float32], network: Network) -> NDArray[np.int8]:
    """Return the descriptors that another model gives; see :func:`describe`."""
    _check(starts, points)
    out = np.zeros((len(points), len(network.bias) + 2), dtype=np.int8)
    _describe.describe(np.ascontiguousarray(starts), np.ascontiguousarray(points), network, _work(network), out)
    return out


def cylinders(starts: NDArray[np.int64], points: NDArray[np.float32], network: Network) -> NDArray[np.float32]:
    """Return the squashed cylinders (n, sections * cells), what a projection is learnt from; see :func:`describe`."""
    _check(starts, points)
    out = np.zeros((len(points), network.sections.shape[1] * network.cells.shape[1]), dtype=np.float32)
    _describe.cylinders(np.ascontiguousarray(starts), np.ascontiguousarray(points), network, _work(network), out)
    return out


@functools.cache
def model() -> Network:
    """Return the model that ships, loaded once.

    Raises:
        ModelError: its file is damaged.

    """
    return parse((files("matcher") / "model" / MODEL).read_bytes())


def parse(data: bytes) -> Network:
    """Return the model in the bytes of an ``.npz`` file.

    Raises:
        ModelError: the bytes are no model, or not one of this version.

    """
    arrays = _model_file.read(data, "a model of descriptors", version=VERSION, names=_PARTS, error=ModelError)
    c, s, d = arrays["cells"].size // 3, arrays["sections"].size // 2, DIMENSIONS - 2
    shapes = {"cells": (3, c), "sections": (2, s), "weights": (s * c, d), "bias": (d,)}
    for name in _PARTS:
        array, shape = arrays[name], shapes.get(name, ())
        if array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
            raise ModelError(
                f"{name} of a model of descriptors is finite float32 of shape {shape}; got {array.dtype} of {array.shape}"
            )
    if s * c % AT_ONCE or not (arrays["cells"][2] > 0).all():
        raise ModelError(
            f"a model of descriptors has cells of some radius, times sections a multiple of {AT_ONCE}; got {c} x {s}"
        )
    return Network(**{name: arrays[name] if name in shapes else arrays[name][()] for name in _PARTS})


def serialized(network: Network) -> bytes:
    """Return the file of a model; equal models give equal bytes."""
    return _model_file.write(VERSION, network._asdict())


def _check(starts: NDArray[np.int64], points: NDArray[np.float32]) -> None:
    if points.dtype != np.float32 or points.ndim != 2 or points.shape[1] != 5:
        raise ValueError(f"points are float32 of shape (n, 5); got {points.dtype} of shape {points.shape}")
    if starts.dtype != np.int64 or starts.ndim != 1 or not len(starts):
        raise ValueError(f"starts are int64 of shape (prints + 1,); got {starts.dtype} of shape {starts.shape}")
    if starts[0] != 0 or starts[-1] != len(points) or (np.diff(starts) < 0).any():
        raise ValueError(f"starts ascend from 0 to the {len(points)} points; got {starts[0]} to {starts[-1]}")


def _work(network: Network) -> Work:
    cells, sections = network.cells.shape[1], network.sections.shape[1]
    cylinder = np.zeros(sections * cells, dtype=np.float32)
    return Work(
        ground=np.zeros(cells, dtype=np.float32),
        sums=cylinder.reshape(sections, cells),
        cylinder=cylinder,
        vector=np.zeros(len(network.bias), dtype=np.float32),
    )
