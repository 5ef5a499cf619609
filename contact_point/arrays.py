"""The memory of numpy's arrays, given back when an array ends: Articles 8(1) and 9.

By itself numpy keeps the blocks of small arrays, seven of each size below a kilobyte, for its next ones: with what was in them,
minutiae of a print for example, for as long as nothing of that size is asked for. Within :func:`unkept` its arrays take their
memory from Python's raw allocator instead (NEP 49), which is the C library's: and that overwrites what is given back to it,
where it was told to (:func:`contact_point.hardening.begin_wiping`).
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME: Final = "unkept"
"""What numpy calls the memory of such an array (``numpy._core.multiarray.get_handler_name``)."""

_RAW: Final = 0  # PYMEM_DOMAIN_RAW
_SET_HANDLER: Final = 304  # PyDataMem_SetHandler in numpy's table of C functions, where it stays (numpy_api.py)
_CAPSULE: Final = ctypes.c_char_p(b"mem_handler")  # NEP 49; a capsule keeps the address of its name


class _Allocator(ctypes.Structure):
    """PyMemAllocatorEx and PyDataMemAllocator: the latter's free has one more argument, the size, at its end."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("ctx", "malloc", "calloc", "realloc", "free"))


class _Handler(ctypes.Structure):
    """PyDataMem_Handler, numpy/_core/include/numpy/ndarraytypes.h."""

    _fields_ = (("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("allocator", _Allocator))


@contextmanager
def unkept() -> Iterator[None]:
    """Give back the memory of every array that is made in the block when the array ends, also where that is later.

    It holds for the thread and what runs in a copy of its context.
    """
    set_handler, handler = _numpy()
    before = set_handler(handler)
    try:
        yield
    finally:
        set_handler(before)


@cache
def _numpy() -> tuple[Callable[[object], object], object]:
    """Return numpy's function that sets a handler and returns the one before, and ours."""
    from numpy._core.multiarray import _ARRAY_API  # noqa: PLC0415 - numpy is loaded by whoever makes arrays

    api: Any = ctypes.pythonapi
    handler = _Handler(NAME.encode(), 1)
    api.PyMem_GetAllocator(ctypes.c_int(_RAW), ctypes.byref(handler.allocator))
    # Arrays may be the last to go when the interpreter ends: what their memory is given back by stays for good.
    api.Py_IncRef(ctypes.py_object(handler))
    api.PyCapsule_New.restype = ctypes.py_object
    capsule = api.PyCapsule_New(ctypes.byref(handler), _CAPSULE, None)
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    table = api.PyCapsule_GetPointer(ctypes.py_object(_ARRAY_API), None)
    functions = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))
    set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(functions[_SET_HANDLER])
    return set_handler, capsule
