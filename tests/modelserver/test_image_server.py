"""Images through a real server: every body form, real photos, and files made to do harm."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Answer, RunningServer
from tests.modelserver.conftest import Door
from tests.modelserver.hostile_images import HOSTILE
from tests.modelserver.image_bodies import FORMS, PREDICT
from tests.modelserver.image_samples import (
    BEST,
    FORMATS,
    SIDE,
    corner_scores,
    oriented,
    picture,
    publish_corners,
    save,
    to_base64,
)

MEMORY_GROWTH_BYTES = 300_000_000
MOST_CPU_SECONDS = 2


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = tmp_path_factory.mktemp("models")
    publish_corners(repository)
    return repository


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[RunningServer]:
    """A server with the image model; do not stop it."""
    running = RunningServer(models)
    yield running
    running.close()


@pytest.fixture(scope="module")
def any_server(models: Path, door: Door) -> Iterator[RunningServer]:
    """The same, with API keys and without."""
    running = door.serve(models)
    yield running
    running.close()


VARIANTS = {**FORMATS, **{f"orientation-{n}": lambda n=n: oriented(n) for n in range(1, 9)}}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", VARIANTS)
def test_same_class_in_every_file_and_body(server: RunningServer, name: str, form: str) -> None:
    """One picture is one class, whatever its file format, its orientation and the request."""
    answer = FORMS[form].send(server, "corners", VARIANTS[name]())
    assert answer.status == 200, answer.body
    index, wnid, probability = FORMS[form].best(answer.json)
    assert index is not None or wnid is not None
    assert index in (BEST, None)
    assert wnid in (f"n{BEST:08d}", None)
    assert probability > 0.5


# Formats that can say how the camera was held: mode, format and options.
ORIENTED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg": ("RGB", "JPEG", {"quality": 90}),
    "jpeg-progressive": ("RGB", "JPEG", {"quality": 90, "progressive": True}),
    "jpeg-cmyk": ("CMYK", "JPEG", {"quality": 90}),
    "png": ("RGB", "PNG", {}),
    "png-palette": ("P", "PNG", {}),
    "png-alpha": ("RGBA", "PNG", {}),
    "webp": ("RGB", "WEBP", {"quality": 90}),
    "webp-lossless": ("RGB", "WEBP", {"lossless": True}),
    "webp-alpha": ("RGBA", "WEBP", {"quality": 90}),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ORIENTED)
def test_every_orientation_in_every_format(
    server: RunningServer, name: str, orientation: int
) -> None:
    """Whatever format says how the camera was held, the picture is turned upright."""
    mode, file_format, options = ORIENTED[name]
    content = oriented(orientation, file_format, mode=mode, **options)
    answer = FORMS["raw"].send(server, "corners", content)
    assert FORMS["raw"].best(answer.json)[0] == BEST


@pytest.mark.parametrize("form", FORMS)
def test_numbers(server: RunningServer, form: str) -> None:
    """Every form answers the very probability that the model's formula gives."""
    small = picture().resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    answer = FORMS[form].send(server, "corners", save(picture(), "PNG"))
    assert FORMS[form].best(answer.json)[2] == pytest.approx(
        float(corner_scores(np.asarray(small))[BEST]), abs=1e-5
    )


def test_several_images_in_one_request(server: RunningServer) -> None:
    """Instances of one request may be different files; answers come in their order."""
    turned = [save(picture().rotate(turn), "PNG") for turn in (0, 90, 180, 270)]
    body = {"instances": [{"b64": to_base64(i)} for i in turned], "parameters": {"top_k": 1}}
    answer = server.request(PREDICT.format("corners"), body)
    found = [p["classes"][0]["label"].split(",")[0] for p in answer.json["predictions"]]
    assert found == [
        "red top left",
        "red bottom left",
        "red bottom right",
        "red top right",
    ]


def test_multipart_with_parameters(server: RunningServer) -> None:
    """A form may hold several files, and plain fields as parameters."""
    edge = b"--edge\r\nContent-Disposition: form-data; name="
    parts = [b'"x"; filename="x"\r\nContent-Type: image/png\r\n\r\n' + FORMATS["png"]()] * 2
    body = b"\r\n".join(edge + part for part in [*parts, b'"top_k"\r\n\r\n2']) + b"\r\n--edge--"
    kind = "multipart/form-data; boundary=edge"
    answer = server.request(PREDICT.format("corners"), body, Content_Type=kind)
    assert [len(p["classes"]) for p in answer.json["predictions"]] == [2, 2]

    unknown = body.replace(b'"top_k"', b'"depth"')
    answer = server.request(PREDICT.format("corners"), unknown, Content_Type=kind)
    assert (answer.status, answer.json["code"]) == (422, "invalid_input")

    empty = server.request(PREDICT.format("corners"), b"--edge--", Content_Type=kind)
    assert (empty.status, empty.json["code"]) == (422, "invalid_input")


def test_curl_without_a_content_type(server: RunningServer) -> None:
    """What curl sends by default is refused with the header that is missing."""
    kind = "application/x-www-form-urlencoded"
    answer = server.request(PREDICT.format("corners"), FORMATS["jpeg"](), Content_Type=kind)
    assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")
    assert "image/jpeg" in answer.json["error"]


def test_one_bad_image_names_itself(server: RunningServer) -> None:
    """The error of a request with several images says which one is wrong."""
    good = {"b64": to_base64(FORMATS["jpeg"]())}
    cut = {"b64": to_base64(FORMATS["jpeg"]()[:500])}
    answer = server.request(PREDICT.format("corners"), {"instances": [good, cut]})
    assert (answer.status, answer.json["code"]) == (400, "undecodable")
    assert answer.json["error"].startswith("instances[1]: ")


def peak_bytes(server: RunningServer) -> int:
    """The most memory that the server's process has had at a time."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def cpu_seconds(server: RunningServer) -> float:
    """The processor time that the server's process has used."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def modest(server: RunningServer) -> Iterator[Callable[[bytes], Answer]]:
    """Send files: no answer costs two seconds, and the server does not grow by 300 MB.

    Args:
        server: a new one, because the most memory that it ever had is compared; it is closed.
    """
    seconds: list[float] = []

    def send(content: bytes) -> Answer:
        started = cpu_seconds(server)
        answer = FORMS["raw"].send(server, "corners", content)
        seconds.append(cpu_seconds(server) - started)
        return answer

    try:
        for form in FORMS.values():  # everything is loaded and has been used once
            assert form.send(server, "corners", FORMATS["webp"]()).status == 200
        before = peak_bytes(server)
        yield send
        assert max(seconds) < MOST_CPU_SECONDS
        assert peak_bytes(server) - before < MEMORY_GROWTH_BYTES
        # Nothing but our own lines, and no word of a file in them.
        assert all(line.startswith("{") for line in server.lines)
        assert all(json.loads(line)["event"] != "internal_error" for line in server.lines)
    finally:
        server.close()


@pytest.mark.parametrize(
    "door", ["open", pytest.param("keyed", marks=pytest.mark.slow)], indirect=True
)
def test_hostile_images(models: Path, door: Door) -> None:
    """No hostile file gets a 5xx, costs two seconds, or makes the process grow by 300 MB."""
    with modest(door.serve(models)) as send:
        wrong = {}
        for name, (make, statuses) in HOSTILE.items():
            answer = send(make())
            if answer.status not in statuses:
                wrong[name] = (answer.status, answer.body)
        assert not wrong


def flipped(content: bytes, seed: int) -> bytes:
    """A file with one bit flipped anywhere."""
    random = np.random.default_rng(seed)
    position, bit = int(random.integers(len(content))), int(random.integers(8))
    changed = content[position] ^ (1 << bit)
    return content[:position] + bytes([changed]) + content[position + 1 :]


def test_flipped_bits(models: Path, door: Door) -> None:
    """Nor does a file with a flipped bit, header bits included."""
    with modest(door.serve(models)) as send:
        for name in FORMATS:
            content = FORMATS[name]()
            for seed in range(60):
                # The first bytes say how large the picture is; half of the flips go there.
                head = content[:64] if seed % 2 else content
                damaged = flipped(head, seed) + content[len(head) :]
                answer = send(damaged)
                assert answer.status in (200, 400, 413, 415), (name, seed, answer.body)


def test_cut_files(models: Path, door: Door) -> None:
    """Nor does a file of any format that is cut at any tenth."""
    with modest(door.serve(models)) as send:
        for name in FORMATS:
            content = FORMATS[name]()
            for tenths in range(10):
                answer = send(content[: len(content) * tenths // 10])
                # Half of an animation still has its first frame.
                wanted = (200, 400) if name == "gif-animated" else (400,)
                assert answer.status in wanted, (name, tenths, answer.body)


def test_collections_of_odd_files(models: Path, door: Door, shared_data: Path) -> None:
    """Of PngSuite the valid files are scored and the broken ones refused; so are turned photos."""
    suite = sorted((shared_data / "nasty" / "images" / "pngsuite").glob("*.png"))
    photos = sorted((shared_data / "nasty" / "images" / "exif_orientation").glob("*.jpg"))
    assert (len(suite), len(photos)) == (175, 6)
    with modest(door.serve(models)) as send:
        for path in [*suite, *photos]:
            answer = send(path.read_bytes())
            wanted = (400, 413) if path.name.startswith("x") else (200,)
            assert answer.status in wanted, (path.name, answer.body)


SMALL = [name for name in HOSTILE if name.partition(":")[0] in ("structure", "other", "broken")]


@pytest.mark.parametrize("form", FORMS)
def test_hostile_images_in_every_body(any_server: RunningServer, form: str) -> None:
    """A bad file gets the same status in every body form."""
    for name in SMALL:
        make, statuses = HOSTILE[name]
        answer = FORMS[form].send(any_server, "corners", make())
        assert answer.status in statuses, (name, answer.body)
        assert answer.json["error"]


@pytest.mark.parametrize("form", FORMS)
def test_truncated_images_in_every_body(any_server: RunningServer, form: str) -> None:
    """A file cut at any tenth is the caller's error in every body form."""
    for name in ("jpeg", "png", "webp", "gif", "bmp"):
        content = FORMATS[name]()
        for tenths in range(10):
            cut = content[: len(content) * tenths // 10]
            answer = FORMS[form].send(any_server, "corners", cut)
            assert answer.status == 400, (name, tenths, answer.body)
