"""What both sides of the jail's wall agree on: limits, the form of requests and answers, and how a task refuses.

A task module takes :class:`RefusalError` from here. Standard library only, and little of it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

CPU_SECONDS: Final = 2
"""Of one child, in its life."""

ADDRESS_SPACE: Final = 512 << 20
"""Bytes of one child, with all that it has loaded."""

LENGTHS: Final = struct.Struct("<II")
"""The first word of a request: how many bytes of JSON follow, the task's name and its arguments, and then of data."""

ANSWER: Final = struct.Struct("<IIId")
"""The first word of an answer: which of the child's answers it is, from 1, how many bytes follow of a letter and JSON and then
of data, and the CPU seconds that the child has used in its life."""

END: Final = b"answered"
"""The last bytes of an answer, so that the status of a child that died amid an answer is not taken for the rest of it."""

MAX_CONTENT: Final = 1 << 20
"""Bytes of a letter and JSON in an answer: as Python objects they may take thirty times that."""

TOKEN_BYTES: Final = 8
STATUS: Final = struct.Struct(f"<{TOKEN_BYTES}si")
"""The last word of a child that died: the token that no child can know, and the exit status, negative for a signal."""

SPENT: Final = struct.Struct("<d")
"""CPU seconds."""

Task = Callable[[Any, bytes], tuple[Any, bytes]]
"""Arguments, whatever JSON has, and data; gives the same two."""


class RefusalError(Exception):
    """A task refuses its data: a capital letter that tells the kind, such as D for damaged, and the reason.

    K is for what exceeds the child's own limits; O is taken.
    """

    def __init__(self, letter: str, reason: str) -> None:
        super().__init__(reason)
        self.letter = letter
