"""Says what a benchmark ran on."""

import os
import platform
from importlib import metadata
from pathlib import Path


def describe_machine(*libraries: str) -> str:
    """Processor, CPUs, Python and the versions of libraries, in one line."""
    versions = [f"{name} {metadata.version(name)}" for name in libraries]
    parts = [_processor(), f"{os.cpu_count()} CPUs", f"Python {platform.python_version()}"]
    return ", ".join([*parts, *versions]) + "."


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
