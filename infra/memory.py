"""Give freed memory back to the system, where the C library is glibc; elsewhere nothing is done.

glibc keeps freed blocks of up to 32 MiB once blocks of their size have been freed (its threshold for `mmap` grows), in
one arena a thread. Pictures are a few MiB and pass between threads, so a process of 300 MiB would stay at 800.
What an encoder frees in smaller blocks leaves holes among blocks in use, a hundred MiB of them.
Source: mallopt(3), M_MMAP_THRESHOLD and M_ARENA_MAX; setting the first one switches its growth off. malloc_trim(3).
"""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
MMAP_BYTES = 256 * 1024
ARENAS = 2


def return_freed_memory() -> bool:
    """Map every block of 256 KiB and more by itself, share two arenas; call before threads start. True if done."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, MMAP_BYTES)) and bool(mallopt(_M_ARENA_MAX, ARENAS))


def return_holes() -> bool:
    """Give back the whole pages of holes among blocks in use, in all arenas: some ms. True if there were any."""
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError):
        return False
