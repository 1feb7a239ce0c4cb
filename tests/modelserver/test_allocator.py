"""Freed memory leaves the process; tests/modelserver/test_image_server.py measures that it does."""

import ctypes
import subprocess
import sys

import pytest

from modelserver.allocator import return_large_blocks


def test_a_c_library_without_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the C library has no such setting, nothing happens."""
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not return_large_blocks()


PROBE = """
import resource, threading
from modelserver.allocator import return_large_blocks

def faults(size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        pixels = bytearray(size)
        del pixels
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 100

print(return_large_blocks())
thread = threading.Thread(target=lambda: print(faults(600_000), faults(5_000_000)))
thread.start()
thread.join()
"""


def test_the_memory_of_a_photo_is_used_again() -> None:
    """The pixels of a photo do not come from the system page by page; those of a huge one do."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    known, photo, huge = done.stdout.split()
    if known == "False":
        pytest.skip("the C library has no such settings")
    assert float(photo) < 20  # of 146 pages
    assert float(huge) > 100  # of 1220; fewer where pages are huge too
