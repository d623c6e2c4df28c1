"""File permissions that count for root too: CI runs as root, which may else read everything."""

import contextlib
import ctypes
from collections.abc import Iterator

_VERSION_3 = 0x20080522
_MAY_IGNORE_PERMISSIONS = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextlib.contextmanager
def permissions_count() -> Iterator[None]:
    """Within it this thread may do to files what their mode says, whoever it is (Linux: capset)."""
    before = _get()
    dropped = (_Capabilities * 2)(*before)
    dropped[0].effective = before[0].effective & ~_MAY_IGNORE_PERMISSIONS
    _set(dropped)
    try:
        yield
    finally:
        _set(before)


def _get() -> ctypes.Array[_Capabilities]:
    found = (_Capabilities * 2)()
    _call("capget", found)
    return found


def _set(capabilities: ctypes.Array[_Capabilities]) -> None:
    _call("capset", capabilities)


def _call(name: str, capabilities: ctypes.Array[_Capabilities]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(ctypes.byref(_Header(_VERSION_3, 0)), capabilities):
        raise OSError(ctypes.get_errno(), name)
