"""Text vectorizers of scikit-learn as exact ONNX graphs."""
