"""Observations that follow each other in time and depend on each other: for how many they count."""

from __future__ import annotations

import numpy as np

__all__ = ["independent_share"]


def independent_share(values: np.ndarray, percent: float) -> float:
    """How many independent observations each of `values`, in the order of time, is worth: at most 1.

    That is 1 over the autocorrelation time, both of the ranks of the values and of whether they lie
    above the percentile, whichever is longer. Requests that queue behind each other are slow together.
    """
    _, ranks = np.unique(values, return_inverse=True)
    limit = np.quantile(ranks, percent / 100, method="inverted_cdf")
    return 1 / max(_autocorrelation_time(ranks), _autocorrelation_time(ranks > limit))


def _autocorrelation_time(series: np.ndarray) -> float:
    """Summed in pairs for as long as these are positive and fall (the initial monotone sequence of Geyer
    1992), where what is left is noise; 1 for independent values."""
    centred = series - series.mean()
    n = len(centred)
    spectrum = np.fft.rfft(centred, 2 * n)
    correlations = np.fft.irfft(spectrum * spectrum.conj())[:n]
    if n < 2 or correlations[0] <= 0:
        return 1.0
    pairs = correlations[: n // 2 * 2].reshape(-1, 2).sum(axis=1) / correlations[0]
    positive = pairs[: np.argmax(pairs <= 0)] if np.any(pairs <= 0) else pairs
    return max(1.0, 2 * float(np.minimum.accumulate(positive).sum()) - 1)
