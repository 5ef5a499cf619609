"""Descriptors once more, slow and obvious: what ``matcher._describe`` must equal up to rounding.

Plain loops and double precision over the definitions in ``matcher.descriptors``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matcher._describe import Network


def cylinder(number: int, points: NDArray[np.float32], network: Network) -> list[float]:
    """Return the squashed cylinder of one minutia of a print: section by section, cell by cell."""
    x, y, turn = (float(value) for value in points[number, :3])
    values = []
    for section_cosine, section_sine in network.sections.T.tolist():
        section = math.atan2(section_sine, section_cosine)
        for across, along, inverse in network.cells.T.tolist():
            total = 0.0
            for k, (u, v, other) in enumerate(points[:, :3].tolist()):
                du, dv = u - x, v - y
                seen_across = du * math.cos(turn) + dv * math.sin(turn)
                seen_along = dv * math.cos(turn) - du * math.sin(turn)
                near = max(0.0, 1.0 - ((seen_across - across) ** 2 + (seen_along - along) ** 2) * inverse)
                same = max(0.0, 1.0 + float(network.focus) * (math.cos(other - turn - section) - 1.0))
                total += near**2 * same**2 if k != number else 0.0
            squashed = float(network.gain) * total
            values.append(squashed / math.sqrt(1.0 + squashed**2))
    return values


def descriptor(number: int, points: NDArray[np.float32], network: Network) -> list[float]:
    """Return the descriptor of one minutia of a print before it is rounded to bytes."""
    values = np.array(cylinder(number, points, network))
    vector = values @ network.weights.astype(np.float64) + network.bias
    vector *= float(network.length) / math.sqrt(float(vector @ vector))
    turn = float(points[number, 2])
    heading = float(network.heading)
    return [*np.clip(vector, -127, 127), heading * math.cos(turn), heading * math.sin(turn)]
