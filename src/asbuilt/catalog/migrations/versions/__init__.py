"""Alembic migrations, applied when a catalogue is opened."""
