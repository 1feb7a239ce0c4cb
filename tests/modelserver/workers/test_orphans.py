"""Process 1 of a container is the parent of every process whose own parent has ended."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.modelserver.samples import publish_times

Serve = Callable[..., RunningServer]


@pytest.fixture
def as_process_1() -> tuple[str, ...]:
    """A command that runs another one as process 1, with an orphan that ends when told."""
    command = ("unshare", "--pid", "--fork", "--kill-child")
    if not shutil.which("unshare"):
        pytest.skip("no unshare")
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("not allowed to make a process namespace")
    return command


def children(pid: int) -> list[int]:
    """The processes that a process is the parent of."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_process_1(
    serve: Serve, tmp_path: Path, as_process_1: tuple[str, ...], workers: str
) -> None:
    """As process 1 of a container the server obeys SIGTERM, and clears away ended orphans."""
    publish_times(tmp_path / "models", 1)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # The shell starts an orphan, then becomes the server, which keeps its process id.
    shell = ("sh", "-c", f'(cat "{fifo}" >/dev/null 2>&1 &) ; exec "$@"', "sh")
    server = serve(tmp_path / "models", "--workers", workers, prefix=(*as_process_1, *shell))
    (inner,) = children(server.process.pid)
    (orphan,) = (pid for pid in children(inner) if Path(f"/proc/{pid}/comm").read_text() == "cat\n")
    fifo.write_bytes(b"")  # now cat ends
    for _ in range(10_000):
        if not Path(f"/proc/{orphan}").exists():
            break
        assert server.request("/livez", management=True).status == 200
    else:
        pytest.fail(Path(f"/proc/{orphan}/status").read_text())
    assert server.request("/v1/models/times:predict", {"instances": [3]}).status == 200
    os.kill(inner, signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0
