"""Writes what the examples render, for a reviewer to read: `python -m tests.charts.golden`."""

from pathlib import Path

import yaml

from tests.charts.engines import Helm4
from tests.charts.scenarios import EXAMPLES, read

FOLDER = Path(__file__).parent / "golden"
REMAKE = "python -m tests.charts.golden"


def golden(helm4: Helm4, name: str) -> str:
    """The objects of an example as one text."""
    objects = helm4.render(read(EXAMPLES[name]), namespace="scoring").objects
    return yaml.safe_dump_all(objects, sort_keys=True, width=100)


def main() -> None:
    """Write the file of each example."""
    helm4 = Helm4()
    FOLDER.mkdir(exist_ok=True)
    for name in EXAMPLES:
        (FOLDER / f"{name}.yaml").write_text(golden(helm4, name))
    helm4.close()


if __name__ == "__main__":
    main()
