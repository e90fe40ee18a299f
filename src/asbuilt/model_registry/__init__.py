"""Registered models as files: blobs by content, immutable manifests, one atomic reference to the one that serves."""
