"""Freed memory leaves the process; tests/modelserver/test_image_server.py measures that it does."""

import ctypes

import pytest

from modelserver.allocator import return_large_blocks


def test_a_c_library_without_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the C library has no such setting, nothing happens."""
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not return_large_blocks()
