"""Documents of ours, and what is wrong with a text: in one line where, and why; never the value, which may be personal."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from pathlib import Path


_LONGEST = 80  # a place may hold what was sent, such as the name of an unknown field


def first_fault(error: ValidationError) -> str:
    """Return the place and the reason of the first fault that pydantic found."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])[:_LONGEST] or "the whole text"
    return f"{place}: {fault['msg']}"


def toml(path: Path, kind: Any, what: str, example: str) -> Any:
    """Return what a TOML document says, as ``kind``.

    Raises:
        ValueError: it is not TOML, does not say it, or says anything else, such as a misspelt condition; the message names the
            file and `pcsc example`, which prints one.

    """
    # `| None` because pydantic takes a configuration for a union only; no TOML document is a null.
    adapter: TypeAdapter[Any] = TypeAdapter(kind | None, config=ConfigDict(extra="forbid"))
    try:
        return adapter.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error)}; {what}: `{example}` prints one") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}; {what}: `{example}` prints one") from None
