"""The example client: a folder of photos in, a contact sheet out."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, RunningServer
from tests.modelserver.image_samples import FORMATS, oriented, publish_corners

SCRIPT = ROOT / "examples" / "photos" / "classify.py"
GREEN = (0x34, 0xA8, 0x53)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with an image model; do not stop it."""
    repository = tmp_path_factory.mktemp("models")
    publish_corners(repository)
    running = RunningServer(repository)
    yield running
    running.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos in three formats."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(oriented(6))
    (folder / "b.png").write_bytes(FORMATS["png"]())
    (folder / "c.webp").write_bytes(FORMATS["webp"]())
    return folder


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def green_pixels(sheet: Path) -> int:
    with Image.open(sheet) as image:
        pixels = np.asarray(image.convert("RGB"))
    return int((pixels == GREEN).all(axis=-1).sum())


def test_contact_sheet(server: RunningServer, photos: Path, tmp_path: Path) -> None:
    """Every photo is posted, and its bars are as long as its classes are probable."""
    sheet = tmp_path / "sheet.png"
    done = run(str(photos), "--url", server.url, "--model", "corners", "--output", str(sheet))
    assert done.returncode == 0, done.stderr
    assert "3 of 3 photos classified" in done.stdout
    assert "3/3" in done.stderr
    with Image.open(sheet) as image:
        assert image.width > image.height
    # The model is sure: one bar of a photo is nearly full, the others nearly empty.
    assert green_pixels(sheet) > 3 * 0.5 * 240 * 22 * 0.7


def test_refused_photos(server: RunningServer, photos: Path, tmp_path: Path) -> None:
    """A photo that the server refuses is named with the server's reason; the others are drawn."""
    (photos / "d.jpg").write_bytes(FORMATS["jpeg"]()[:300])
    sheet = tmp_path / "sheet.png"
    done = run(str(photos), "--url", server.url, "--model", "corners", "--output", str(sheet))
    assert done.returncode == 1
    assert "d.jpg: " in done.stderr
    assert "cut short" in done.stderr
    assert "3 of 4 photos classified" in done.stdout
    assert sheet.is_file()


def test_what_cannot_work(photos: Path, tmp_path: Path, server: RunningServer) -> None:
    """No photos, an unknown model and a server that is not there end with a reason each."""
    (tmp_path / "empty").mkdir()
    sheet = str(tmp_path / "sheet.png")
    done = run(str(tmp_path / "empty"), "--model", "corners", "--output", sheet)
    assert (done.returncode, "no photos in it" in done.stderr) == (2, True)
    done = run(str(photos), "--url", server.url, "--model", "other", "--output", sheet)
    assert (done.returncode, "other" in done.stderr) == (1, True)
    done = run(str(photos), "--url", "http://127.0.0.1:9", "--model", "x", "--output", sheet)
    assert (done.returncode, "refused" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
