"""Makes freed memory leave the process."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # the parameters' numbers in glibc's malloc.h
_LARGE_BYTES = 4 * 2**20
_KEPT_BYTES = 4 * 2**20


def return_large_blocks() -> bool:
    """Have the C library give every freed block of over 4 MiB back to the system at once.

    By default glibc raises that size to that of the last large block freed, up to 32 MiB, and
    then keeps such blocks, in an arena for each thread: after one large image on each thread a
    process held several times the memory of an image, for good.

    Of smaller blocks each arena keeps up to 4 MiB. Glibc would keep 128 KiB once the other size
    is set, and the memory of every photo would go and come back page by page: 240 page faults,
    half a millisecond, for one of 500 x 375.

    Returns:
        Whether the C library has such settings; glibc has, musl needs none.
    """
    kept = _call("mallopt", _TRIM_THRESHOLD, _KEPT_BYTES)
    return _call("mallopt", _MMAP_THRESHOLD, _LARGE_BYTES) and kept


def return_free_memory() -> bool:
    """Have the C library give free memory back to the system, such as that of a model just freed.

    A session is thousands of small blocks, which glibc keeps; after fifty models it would keep
    those of several.

    Returns:
        Whether there was any.
    """
    return _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> bool:
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return False
    return bool(function(*arguments))
