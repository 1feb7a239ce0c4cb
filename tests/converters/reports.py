"""What the report of every conversion of a deep network tells."""

import json
from pathlib import Path
from typing import Any


def read_costs(folder: Path) -> dict[str, float]:
    """Seconds of the export, peak memory in MB and size in MB, as an artefact's report has them."""
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    conversion = report["Conversion"]
    (export,) = [text for name, text in conversion.items() if name.startswith("exporting with ")]
    return {
        "seconds": float(export.removesuffix(" s")),
        "peak_mb": float(conversion["peak memory"].removesuffix(" MB")),
        "size_mb": float(report["Artefact"]["model.onnx"].removesuffix(" MB").replace(",", "")),
    }
