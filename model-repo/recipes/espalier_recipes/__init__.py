"""Recipes: from a data folder to validated bundles of a model repository."""

import os

# ONNX Runtime's builds send usage data and can end the process at its exit; read when it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
