"""Extractions as files that other programs read."""
