"""Libraries of machine learning, without what they tell developers on the user's terminal."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_libraries"]

_LOGGERS = ("transformers", "trl", "peft", "accelerate", "datasets", "torch")


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """While it is entered, progress bars and warnings of transformers, TRL, PEFT, datasets and torch are
    silent, and the hub is not asked for anything. What was set before is set again."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read once, when huggingface_hub is imported
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")  # read once as well; some bars have no switch of their own
    import datasets
    from huggingface_hub import constants
    from transformers.utils import logging as library

    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    bars, maps = library.is_progress_bar_enabled(), datasets.are_progress_bars_disabled()
    offline, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        library.disable_progress_bar()
        datasets.disable_progress_bars()
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if bars:
            library.enable_progress_bar()
        if not maps:
            datasets.enable_progress_bars()
