"""Fakes and contract suites, for the users of asbuilt and for asbuilt itself."""
