"""Taking bytes apart from front to back, never past the end; numbers that fit into their bits; the error for both."""

from __future__ import annotations


class FormatError(ValueError):
    """The bytes are not a record that is read here, or the values do not fit into one."""


class Cursor:
    """A place in some bytes. Every step says first what it wants and is refused where less remains."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Return how many bytes remain."""
        return len(self.data) - self.at

    def take(self, size: int, refusal: str) -> bytes:
        """Step over ``size`` bytes and return them.

        Raises:
            FormatError: fewer remain; ``refusal`` is the message up to the number that remain.

        """
        if self.left < size:
            raise FormatError(f"{refusal}; {self.left} remain")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int, refusal: str) -> int:
        """Step over a big-endian number of ``size`` bytes and return it; refused as by :meth:`take`."""
        return int.from_bytes(self.take(size, refusal))


def fitting(value: int, bits: int, what: str) -> int:
    """Return a number that has at most so many bits.

    Raises:
        FormatError: it has more, or is negative.

    """
    if not 0 <= value < 1 << bits:
        raise FormatError(f"{what} is 0 to {(1 << bits) - 1}; got {value}")
    return value
