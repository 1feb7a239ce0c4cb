"""Every way to damage an artefact, and what the server must say about it."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILES = (
    "manifest.json",
    "model.onnx",
    "faqs.json",
    "parity.json",
    "report.json",
    "report.md",
    "example/request.json",
    "example/response.json",
)
"""Every file of an FAQ artefact."""


@dataclass(frozen=True)
class Damage:
    """What is done to a folder, and the part of the log line that must name it."""

    name: str
    apply: Callable[[Path], object]
    said: str


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"}")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def _remove(path: Path) -> None:
    path.unlink()


def _link_outside(path: Path) -> None:
    outside = path.parents[3] / path.name
    shutil.move(path, outside)
    path.symlink_to(outside)


def _link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nothing")


def _link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


_TO_A_FILE = {
    "truncated": _truncate,
    "emptied": _empty,
    "longer": _append,
    "bit-flipped": _flip,
    "missing": _remove,
    "linked-outside": _link_outside,
    "linked-to-nothing": _link_to_nothing,
    "linked-to-itself": _link_to_itself,
    "folder": _make_folder,
    "pipe": _make_pipe,
}


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Change the manifest."""

    def apply(folder: Path) -> None:
        path = folder / "manifest.json"
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values))

    return apply


def _list_file(name: str) -> Callable[[Path], None]:
    """List a file under a name that leads out of the folder."""

    def change(values: dict[str, Any]) -> None:
        values["files"][name] = values["files"]["report.md"]

    return _edit(change)


def _add(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("unlisted")

    return apply


def _link_folder_outside(folder: Path) -> None:
    (folder / "weights").symlink_to(folder.parents[2])


_TO_THE_FOLDER = [
    Damage("extra-file", _add("weights.bin"), "/weights.bin: is not listed in manifest.json"),
    Damage("extra-file-below", _add("a/b.bin"), "/a/b.bin: is not listed in manifest.json"),
    Damage("extra-link", _link_folder_outside, "/weights: is not listed in manifest.json"),
    Damage(
        "moved-name", lambda folder: folder.parent.rename(folder.parents[1] / "other"), "/other"
    ),
    Damage("moved-version", lambda folder: folder.rename(folder.parent / "7"), "/7: holds faq ver"),
    Damage("padded-version", lambda folder: folder.rename(folder.parent / "01"), "/01: holds faq"),
    Damage("word-version", lambda folder: folder.rename(folder.parent / "v1"), "/v1: a version is"),
    Damage("no-version", shutil.rmtree, "no artefact <name>/<version>/manifest.json in it"),
]

_TO_THE_MANIFEST = [
    *[
        Damage(f"lists-{name!r}"[:40], _list_file(name), "/manifest.json: files: ")
        for name in ("/etc/hostname", "../report.md", "a/../../report.md", "a\\b", "", "\0", "..")
    ],
    Damage("lists-a-folder", _list_file("example"), "/example: is not a file"),
    Damage("lists-long-name", _list_file("x" * 5000), "xxx: cannot be read: File name too long"),
    *[
        Damage(
            f"does-not-list-{name}",
            _edit(lambda values, name=name: values["files"].pop(name)),
            f"{name}",
        )
        for name in FILES[1:]
    ],
    Damage(
        "wrong-size",
        _edit(lambda values: values["files"]["model.onnx"].update(bytes=1)),
        "/model.onnx: expected 1 bytes, got ",
    ),
    Damage(
        "wrong-hash",
        _edit(lambda values: values["files"]["model.onnx"].update(sha256="0" * 64)),
        "/model.onnx: expected SHA-256 0000",
    ),
    Damage(
        "wrong-name", _edit(lambda values: values.update(name="other")), "holds other version 1"
    ),
    Damage("wrong-version", _edit(lambda values: values.update(version=2)), "holds faq version 2"),
    Damage("schema", _edit(lambda values: values.update(schema_version=2)), "this server reads 1"),
    Damage("field", _edit(lambda values: values.update(x=2)), "/manifest.json: unknown field x"),
    Damage(
        "unknown-task",
        _edit(lambda values: values.update(task="poem")),
        "/manifest.json: task: expected one of faq, ",
    ),
    Damage(
        "other-task",
        _edit(lambda values: values.update(task="tensor")),
        "golden request: this machine does not answer as recorded: response.predictions[0]: ",
    ),
    Damage(
        "other-cleaning",
        _edit(lambda values: values["preprocessing"].update(text_cleaning=0)),
        "/manifest.json: preprocessing.text_cleaning: ",
    ),
    Damage(
        "other-input",
        _edit(lambda values: values["inputs"][0].update(name="text")),
        "/manifest.json: a faq model with 4 FAQs has the input ",
    ),
    Damage(
        "other-output",
        _edit(lambda values: values["outputs"][0].update(shape=[-1, 5])),
        "/manifest.json: a faq model with 4 FAQs has the input ",
    ),
    Damage(
        "other-default",
        _edit(lambda values: values["parameters"].update(top_k=3)),
        "golden request: this machine does not answer as recorded: response.predictions[0].matches",
    ),
]


def every_damage() -> list[Damage]:
    """All of them: each way for each file, then folders and manifests."""
    return [
        *[
            Damage(
                f"{name}-{way}", lambda folder, do=do, name=name: do(folder / name), f"/{name}: "
            )
            for name in FILES
            for way, do in _TO_A_FILE.items()
        ],
        *_TO_THE_FOLDER,
        *_TO_THE_MANIFEST,
    ]
