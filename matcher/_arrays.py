"""Arrays as the kernels need them: of the type and shape that they rely on, and where a line of the cache begins."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LINE: Final = 64  # bytes


def expect(name: str, array: NDArray[Any], dtype: type[np.generic], shape: tuple[int | None, ...]) -> None:
    """Refuse an array of another type or shape; None stands for any length.

    Raises:
        ValueError: it is of another one, or not contiguous in C order.

    """
    fits = len(array.shape) == len(shape) and all(
        wanted in {None, got} for wanted, got in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits or not array.flags.c_contiguous:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(
            f"{name} must be {np.dtype(dtype)} of shape ({wanted}), contiguous in C order; got {array.dtype} of shape "
            f"{array.shape}{'' if array.flags.c_contiguous else ', not contiguous'}"
        )


def aligned(rows: int, dtype: type[np.generic], width: tuple[int, ...]) -> NDArray[Any]:
    """Return so many rows, unwritten, none of whose 64 bytes lie across two lines of the cache if a row is a multiple of 64."""
    size = rows * math.prod(width) * np.dtype(dtype).itemsize
    room = np.empty(size + _LINE - 1, dtype=np.uint8)
    skipped = -room.ctypes.data % _LINE
    return room[skipped : skipped + size].view(dtype).reshape(rows, *width)
