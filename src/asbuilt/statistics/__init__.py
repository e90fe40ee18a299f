"""Intervals, tests and sample sizes: what a number of observations can prove."""
