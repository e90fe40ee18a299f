"""Shared by all tests."""

from __future__ import annotations

from hypothesis import settings

# Shared machines are slow now and then: examples are bounded, time is not.
settings.register_profile("asbuilt", deadline=None, print_blob=True)
settings.load_profile("asbuilt")
