"""Recipes: each one file, read from top to bottom, copied by whoever needs another."""
