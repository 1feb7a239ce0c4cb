"""Serve ONNX artefacts as a real-time scoring service over HTTP."""

__version__ = "0.1.0"
