"""Turns an exported model into an artefact that has proved itself through the server's own code.

Every converter ends here: it hands over the ONNX file, what the task needs, and examples with the
original model's answers. Nothing becomes visible unless all of it holds.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from converters.errors import ParityFailed, UnsupportedModel, UsageError
from converters.output_folder import check_writable
from converters.parity import PARITY_NAME, Examples, Parity, compare
from converters.report import Report, write_report
from converters.session_options import choose_session_options
from modelserver.artefact import GOLDEN_RESPONSE, Draft, new_artefact
from modelserver.artefact_folders import next_version
from modelserver.cpu import available_cpus
from modelserver.errors import ArtefactError, ServingError
from modelserver.manifest import Manifest, Tolerances, check_model_name
from modelserver.model import ServedModel
from modelserver.runtime import OnnxModel

_LIBRARIES = (
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "scikit-learn",
    "skl2onnx",
    "torch",
    "keras",
    "tensorflow",
    "tf2onnx",
)


@dataclass(frozen=True, slots=True)
class Publication:
    """Everything a converter knows about the model it hands over.

    Args:
        task: name of the task that serves it.
        onnx_model: the serialised ONNX model.
        golden_request: a body that the server can answer: JSON of the task API, or a file.
        examples: instances, and the original model's outputs for them, for parity.
        golden_name: where the golden request goes; the ending tells what it is.
        files: further files of the artefact, name to JSON value.
        max_batch_rows: most rows that one inference should get.
        tolerances: how far a golden number may be off on another machine.
        preprocessing, parameters, evaluation: see docs/artefact.md.
    """

    task: str
    onnx_model: bytes
    golden_request: Mapping[str, Any] | bytes
    examples: Examples
    golden_name: str = "example/request.json"
    files: Mapping[str, Any] = field(default_factory=dict)
    max_batch_rows: int = 32
    tolerances: Tolerances = field(default_factory=lambda: Tolerances(1e-4, 1e-4))
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an artefact goes: <repository>/<name>/<version>/."""

    repository: Path
    name: str
    version: int

    @classmethod
    def choose(cls, repository: str, name: str, version: int | None) -> "Place":
        """Check the name and take the next free version unless one is given.

        Raises:
            UsageError: the name is not one the server takes, the version exists, or nothing can be
                written there.
        """
        try:
            check_model_name(name)
        except ValueError as error:
            raise UsageError(f"--name: {error}") from error
        folder = Path(repository)
        number = next_version(folder, name) if version is None else version
        place = cls(folder, name, number)
        if number < 1 or place.folder.exists():
            raise UsageError(
                f"{place.folder}: is not a new version; leave --version out for the next free one"
            )
        check_writable(place.folder)
        return place

    @property
    def folder(self) -> Path:
        """The artefact's folder."""
        return self.repository / self.name / str(self.version)


def publish(publication: Publication, place: Place, report: Report) -> Path:
    """Write, prove and show an artefact.

    Args:
        publication: the model.
        place: where it goes.
        report: gets a section on parity and one on files, and is stored in the artefact.

    Returns:
        The artefact's folder.

    Raises:
        ParityFailed: the exported model does not answer like the original.
        UnsupportedModel: the server could not serve it.
    """
    try:
        with new_artefact(place.repository, place.name, place.version) as draft:
            _fill(draft, publication, place, report)
            # The whole of what the server does at start, hashes and golden request included.
            ServedModel.load(draft.folder, available_cpus())
    except (ArtefactError, ServingError) as error:
        raise UnsupportedModel(f"the server could not serve this model: {error}") from error
    return place.folder


def _fill(draft: Draft, publication: Publication, place: Place, report: Report) -> None:
    """Put everything into the draft: model, golden pair, parity and report, manifest last."""
    path = draft.write("model.onnx", publication.onnx_model)
    for name, value in publication.files.items():
        draft.write_json(name, value)
    if isinstance(publication.golden_request, bytes):
        draft.write(publication.golden_name, publication.golden_request)
    else:
        draft.write_json(publication.golden_name, publication.golden_request)
    draft.write_json(GOLDEN_RESPONSE, {"predictions": []})
    manifest = _manifest(publication, place, OnnxModel(path, threads=1))
    manifest = choose_session_options(draft, manifest, publication.examples)

    # Sealed once without answers, so that the server's own loading code can be used to get them.
    model = ServedModel.assemble(draft.seal(manifest), available_cpus())
    # Through JSON and back: what is stored is what a client would read.
    draft.write_json(GOLDEN_RESPONSE, json.loads(json.dumps(model.answer_golden())))
    parity = compare(model, publication.examples)
    draft.write_json(PARITY_NAME, publication.examples.shortened().to_json())
    _report_parity(report, parity)
    if not parity.holds:
        raise ParityFailed(
            f"the ONNX model differs from the original by up to {parity.largest:.3g} on "
            f"{parity.compared} examples; allowed is {parity.tolerance:.3g}. "
            f"Worst: {json.dumps(list(parity.worst[:3]), ensure_ascii=False)}"
        )
    report.section(
        "Artefact",
        {
            "folder": str(place.folder),
            "model.onnx": f"{len(publication.onnx_model) / 1e6:.2f} MB",
            "task": publication.task,
            "session options": dict(manifest.session_options) or "those of ONNX Runtime",
        },
    )
    write_report(draft, report)
    draft.seal(_with_parity(manifest, parity))


def _manifest(publication: Publication, place: Place, onnx_model: OnnxModel) -> Manifest:
    return Manifest(
        name=place.name,
        version=place.version,
        task=publication.task,
        inputs=onnx_model.inputs,
        outputs=onnx_model.outputs,
        tolerances=publication.tolerances,
        created=_now(),
        batching={"max_batch_rows": publication.max_batch_rows},
        preprocessing=publication.preprocessing,
        parameters=publication.parameters,
        evaluation=publication.evaluation,
        libraries=_library_versions(),
    )


def _with_parity(manifest: Manifest, parity: Parity) -> Manifest:
    summary = {
        "compared": parity.compared,
        "largest": parity.largest,
        "tolerance": parity.tolerance,
    }
    return replace(manifest, parity=summary)


def _report_parity(report: Report, parity: Parity) -> None:
    report.section(
        "Parity with the original model",
        {
            "examples compared": parity.compared,
            "largest difference": parity.largest,
            "allowed": parity.tolerance,
            "verdict": "equal within tolerance" if parity.holds else "DIFFERENT",
        },
    )
    if parity.worst:
        report.table("Worst examples", parity.worst)


def _library_versions() -> dict[str, str]:
    versions = {}
    for library in _LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _now() -> str:
    """The time in UTC; SOURCE_DATE_EPOCH makes a conversion repeatable byte for byte."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
