"""Measures a model on this machine and turns what was found into a deployment."""
