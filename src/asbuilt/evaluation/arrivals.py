"""When requests of a load are due: decided beforehand, whatever the server does (open loop)."""

from __future__ import annotations

import numpy as np

from asbuilt.blueprint import LoadSpec

__all__ = ["due_times"]


def due_times(load: LoadSpec) -> list[float]:
    """Seconds from the start, those of the warm-up among them; the same for the same `load`.

    "poisson" draws the time between two requests from an exponential distribution, as of many users
    who do not know of each other; "constant" keeps it.
    """
    whole = load.warmup_s + load.duration_s
    if load.arrivals == "constant":
        return [number / load.rate_per_s for number in range(int(whole * load.rate_per_s))]
    random = np.random.default_rng(load.seed)
    expected = whole * load.rate_per_s
    gaps = random.exponential(1 / load.rate_per_s, int(expected + 10 * expected**0.5 + 20))
    times = np.cumsum(gaps)
    return [float(time) for time in times[times < whole]]
