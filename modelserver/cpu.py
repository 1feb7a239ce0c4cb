"""How many CPUs this process may use: the container's limit, not the host's core count."""

import math
import os
from pathlib import Path


def available_cpus(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the CPUs this process may use, at least 1.

    The smallest of the scheduler's affinity mask and the cgroup quota, version 2 (`cpu.max`) or
    version 1 (`cpu.cfs_quota_us`); a quota of 1.5 CPUs counts as 2, because a thread that is
    throttled a little beats a core left idle.
    """
    cpus = float(len(os.sched_getaffinity(0)))
    for quota, period in (_cgroup_v2(cgroup), _cgroup_v1(cgroup)):
        if quota > 0 and period > 0:
            cpus = min(cpus, quota / period)
    return max(1, math.ceil(cpus))


def _cgroup_v2(cgroup: Path) -> tuple[float, float]:
    """(quota, period) in microseconds; (0, 0) when there is no limit."""
    fields = _read(cgroup / "cpu.max").split()
    if len(fields) != 2 or fields[0] == "max":
        return 0, 0
    return float(fields[0]), float(fields[1])


def _cgroup_v1(cgroup: Path) -> tuple[float, float]:
    quota = _read(cgroup / "cpu" / "cpu.cfs_quota_us")
    period = _read(cgroup / "cpu" / "cpu.cfs_period_us")
    return float(quota or 0), float(period or 0)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
