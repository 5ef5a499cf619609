"""The files in ``model/``: arrays under their names, with the version of their form."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def read(data: bytes, what: str, *, version: int, names: Collection[str], error: type[ValueError]) -> dict[str, Any]:
    """Return the arrays in the bytes of an ``.npz`` file; ``what`` the file is called in messages.

    Raises:
        ValueError: of the kind ``error``: the bytes are no such file, or not one of this version with these names.

    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as fault:  # noqa: BLE001 - numpy and zipfile raise many kinds on damaged bytes
        raise error(f"{what} is an .npz file of arrays; this is none: {fault}") from None
    found = arrays.pop("version", np.array(0))
    if found.shape != () or found != version:
        raise error(f"{what} of version {version} is needed; got {found}: train it again")
    if set(arrays) != set(names):
        raise error(f"{what} holds {', '.join(names)}; got {', '.join(sorted(arrays)) or 'nothing'}")
    return arrays


def write(version: int, arrays: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file; equal arrays give equal bytes."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, version=np.array(version, dtype=np.int32), **arrays)
    return file.getvalue()
