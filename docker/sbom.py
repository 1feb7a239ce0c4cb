"""Prints the software bill of materials of an image, in CycloneDX 1.6 JSON; standard library only.

It lists what is installed beside the running Python and, on Debian, the system's packages.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

_DPKG_STATUS = Path("/var/lib/dpkg/status")
_OS_RELEASE = Path("/etc/os-release")
_MAIN = "modelserver"

Component = dict[str, Any]


def bill() -> dict[str, Any]:
    """The bill of the running Python's environment and the system below it."""
    python = {c["name"]: c for c in map(_distribution, metadata.distributions())}
    main = python.pop(_MAIN)
    interpreter = ".".join(map(str, sys.version_info[:3]))
    parts = [
        {"type": "platform", "name": "cpython", "version": interpreter},
        *sorted(python.values(), key=lambda component: component["name"]),
        *debian_packages(_read(_DPKG_STATUS), os_release(_read(_OS_RELEASE))),
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": main | {"type": "application"}},
        "components": parts,
    }


def debian_packages(status: str, release: str) -> Iterator[Component]:
    """The installed packages of dpkg's status file.

    Args:
        status: the text of the file, empty where there is none.
        release: as in "debian-12".
    """
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if not fields.get("Status", "").endswith(" installed"):
            continue
        name, version = fields["Package"], fields["Version"]
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}"
        purl += f"?arch={fields['Architecture']}&distro={release}"
        yield {"type": "library", "name": name, "version": version, "bom-ref": purl, "purl": purl}


def os_release(text: str) -> str:
    """The system's name and version, as in "debian-12"."""
    fields = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return f"{fields.get('ID', 'unknown')}-{fields.get('VERSION_ID', 'unknown')}"


def _distribution(distribution: metadata.Distribution) -> Component:
    about = distribution.metadata
    name = re.sub(r"[-_.]+", "-", about["Name"]).lower()
    purl = f"pkg:pypi/{name}@{quote(distribution.version)}"
    component = {"type": "library", "name": name, "version": distribution.version}
    component |= {"bom-ref": purl, "purl": purl}
    if licence := _licence(about):
        component["licenses"] = [licence]
    return component


def _licence(about: Any) -> Component | None:
    """What a package says of its licence: an SPDX expression, else free text."""
    if about["License-Expression"]:
        return {"expression": about["License-Expression"]}
    trove = [
        c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or () if "License ::" in c
    ]
    text = trove[0] if trove else (about["License"] or "").split("\n")[0]
    return {"license": {"name": text}} if text else None


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)
