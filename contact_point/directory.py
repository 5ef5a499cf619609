"""The directory of competent authorities, as it comes with the program or as an installation keeps its own.

The file is TOML. A fault in it is named with the file and the key, so that who maintains the directory finds it at once.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from contact_point.parsing import first_fault
from pcsc.authorities import Directory, DirectoryError

if TYPE_CHECKING:
    from pathlib import Path

MODEL: Final = "models/directory.toml"

# The same way as for installation.toml: an unknown key is a fault, also inside an entry.
_DIRECTORY: Final = TypeAdapter(cast("Any", Directory | None), config=ConfigDict(extra="forbid"))


def read_directory(path: Path | None = None) -> Directory:
    """Return the directory in a file; without one, the directory that comes with the program.

    Raises:
        DirectoryError: the file is no directory; the message names the file and the key.
        OSError: the file cannot be read.

    """
    name = MODEL if path is None else str(path)
    data = files("contact_point").joinpath(MODEL).read_bytes() if path is None else path.read_bytes()
    try:
        return cast("Directory", _DIRECTORY.validate_python(_read_tables(data)))
    except ValidationError as error:
        raise DirectoryError(
            f"{name}: {first_fault(error)}; correct the entry, and leave out what is not stated"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DirectoryError(f"{name} is not TOML: {error}") from None


def _read_tables(data: bytes) -> dict[str, Any]:
    """Return the tables of a directory; None would be a directory to the adapter, and never comes from TOML."""
    return tomllib.loads(data.decode())
