"""Export trained Python models to artefacts that `modelserver` serves."""

import modelserver  # noqa: F401  # before onnxruntime, whose telemetry it switches off
