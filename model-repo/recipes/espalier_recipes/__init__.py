"""Recipes: from a data folder to validated bundles of a model repository."""
