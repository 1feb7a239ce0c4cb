"""Whether this machine has the memory that a test needs."""

from pathlib import Path

import pytest


def require_memory(needed: int) -> None:
    """Skip the test where fewer bytes than it needs are available."""
    available = available_bytes()
    if available < needed:
        pytest.skip(
            f"needs {needed / 1e9:.0f} GB of memory; {available / 1e9:.1f} GB are available here"
        )


def available_bytes(
    meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")
) -> int:
    """Memory that the machine has free, or the container below its limit (cgroup version 2)."""
    lines = meminfo.read_text().splitlines()
    (kilobytes,) = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    free = int(kilobytes) * 1024
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
    except FileNotFoundError:  # no container, or version 1
        return free
    return free if limit == "max" else min(free, int(limit) - used)
