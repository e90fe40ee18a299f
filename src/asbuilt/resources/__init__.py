"""Machines, models, memory arithmetic and speed forecasts: what fits where, before it runs."""
