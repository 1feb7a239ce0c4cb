"""Export trained Python models to artefacts that `modelserver` serves."""
