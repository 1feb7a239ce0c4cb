"""Serve ONNX artefacts as a real-time scoring service over HTTP."""

import os

__version__ = "0.1.0"

# ONNX Runtime 1.32 for Linux reports its use to its makers, and reads this while it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
