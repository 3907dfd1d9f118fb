"""Imported before any test: the package sets what ONNX Runtime reads at its import."""

import espalier_recipes  # noqa: F401
