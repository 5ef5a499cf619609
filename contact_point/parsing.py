"""What is wrong with a text that was to be parsed, in one line: where, and why; never the value, which may be personal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


_LONGEST = 80  # a place may hold what was sent, such as the name of an unknown field


def first_fault(error: ValidationError) -> str:
    """Return the place and the reason of the first fault that pydantic found."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])[:_LONGEST] or "the whole text"
    return f"{place}: {fault['msg']}"
