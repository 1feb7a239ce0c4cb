"""docker/sbom.py: a complete bill of materials that scanners can read."""

import importlib.util
import json
import subprocess
import sys
from importlib import metadata
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / "docker" / "sbom.py"

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10
Description: GNU C Library
 Version: 0 of a continued line

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: g++
Status: install ok installed
Architecture: amd64
Version: 4:12.2.0-3
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module; it is no part of a package."""
    spec = importlib.util.spec_from_file_location("sbom", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bill() -> Any:
    """The bill of the environment that the tests run in."""
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_form(bill: Any) -> None:
    """The fields that CycloneDX 1.6 requires are there, and references are unique."""
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    components = bill["components"]
    assert all(part["type"] and part["name"] and part["version"] for part in components)
    references = [part["bom-ref"] for part in components if "bom-ref" in part]
    assert len(references) == len(set(references))


def test_subject(bill: Any) -> None:
    """The bill is about the server."""
    subject = bill["metadata"]["component"]
    assert (subject["type"], subject["name"]) == ("application", "modelserver")


def test_every_package_is_listed(bill: Any) -> None:
    """Each installed Python package is there with its version and package address."""
    addresses = {part.get("purl") for part in bill["components"]}
    for name in ("flask", "numpy", "onnxruntime", "prometheus-client", "waitress"):
        assert f"pkg:pypi/{name}@{metadata.version(name)}" in addresses


def test_licences(bill: Any) -> None:
    """Licences are SPDX expressions where a package gives one."""
    found = {part["name"]: part.get("licenses") for part in bill["components"]}
    assert found["flask"] == [{"expression": "BSD-3-Clause"}]


def test_debian_packages(script: ModuleType) -> None:
    """Installed packages are listed, removed ones are not, and addresses are quoted."""
    found = list(script.debian_packages(STATUS, "debian-12"))
    assert [(part["name"], part["version"]) for part in found] == [
        ("libc6", "2.36-9+deb12u10"),
        ("g++", "4:12.2.0-3"),
    ]
    assert found[1]["purl"] == "pkg:deb/debian/g%2B%2B@4%3A12.2.0-3?arch=amd64&distro=debian-12"


@pytest.mark.parametrize(
    ("text", "release"),
    [('ID=debian\nVERSION_ID="12"\n', "debian-12"), ("", "unknown-unknown")],
)
def test_release(text: str, release: str, script: ModuleType) -> None:
    """The system's release is read from /etc/os-release."""
    assert script.os_release(text) == release
