"""What the images install is what the project asks for and is tested with, hash by hash."""

import configparser
import re
from functools import cache

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

KINDS = ["cpu", "gpu"]


@cache
def locked(kind: str) -> dict[str, str]:
    """Name and version of each package of a requirements file."""
    text = (ROOT / "docker" / f"requirements-{kind}.txt").read_text()
    pins = re.findall(
        r"^([a-z0-9-]+)==(\S+)( \\\n    --hash=sha256:[0-9a-f]{64})?", text, re.MULTILINE
    )
    assert all(hashed for *_, hashed in pins), "every package needs a hash"
    assert len(pins) == len(re.findall(r"^\w", text, re.MULTILINE)), "a line that is no pin"
    return {name: version for name, version, _ in pins}


def asked(kind: str) -> list[Requirement]:
    """What setup.cfg says the server needs on that device, with the fast HTTP server."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    lines = config["options"]["install_requires"] + extras[kind] + extras["fast"]
    return [Requirement(line) for line in lines.splitlines() if line.strip()]


def constraints() -> dict[str, str]:
    """The versions that the tests run on."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.mark.parametrize("kind", KINDS)
def test_setup_is_satisfied(kind: str) -> None:
    """Everything that setup.cfg asks for is there, in a version that it accepts."""
    for requirement in asked(kind):
        name = canonicalize_name(requirement.name)
        assert name in locked(kind), f"{name} is missing: run `make lock-images`"
        assert locked(kind)[name] in requirement.specifier, f"{name}: run `make lock-images`"


@pytest.mark.parametrize("kind", KINDS)
def test_versions_are_those_that_are_tested(kind: str) -> None:
    """A package that the tests use has the same version in the images."""
    tested = constraints()
    differ = {n: v for n, v in locked(kind).items() if tested.get(n, v) != v}
    assert differ == {}, "run `make lock-images`"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_trains(kind: str) -> None:
    """The images serve; what trains, converts or tests has no place in them."""
    heavy = {"torch", "scikit-learn", "scipy", "onnx", "skl2onnx", "keras", "tensorflow", "pytest"}
    assert not heavy & locked(kind).keys()


def test_one_onnx_runtime_each() -> None:
    """Each image has the runtime of its device and not the other one."""
    runtimes = {"onnxruntime", "onnxruntime-gpu"}
    assert runtimes & locked("cpu").keys() == {"onnxruntime"}
    assert runtimes & locked("gpu").keys() == {"onnxruntime-gpu"}


def test_images_differ_in_the_runtime_only() -> None:
    """What is not of the runtime or of NVIDIA is the same in both."""
    own = re.compile(r"onnxruntime|nvidia-")
    cpu, gpu = ({n: v for n, v in locked(k).items() if not own.match(n)} for k in KINDS)
    assert cpu == gpu


def test_build_tools_are_pinned() -> None:
    """What builds the package is pinned and hashed like what runs."""
    assert list(locked("build")) == ["setuptools"]
