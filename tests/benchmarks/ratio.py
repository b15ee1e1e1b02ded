"""Two ways of doing the same work, timed in turns in one run: what counts is their ratio."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 31
"""Each way runs so often, in turns, so that both see the same weather."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median seconds of one piece of work, done in two ways."""

    ours: float
    other: float

    @property
    def ours_to_other(self) -> float:
        """How many times the other's time ours takes."""
        return self.ours / self.other


def compare(ours: Callable[[], object], other: Callable[[], object], repeat: int = 1) -> Ratio:
    """Time both in turns, ``repeat`` calls a turn, without the garbage collector."""
    ours(), other()  # what is done once, such as filling caches, is not what is compared
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, spent in zip((ours, other), times, strict=True):
            spent.append(_time(work, repeat))
    return Ratio(median(times[0]), median(times[1]))


def _time(work: Callable[[], object], repeat: int) -> float:
    gc.collect()
    gc.disable()
    try:
        start = perf_counter()
        for _ in range(repeat):
            work()
        return (perf_counter() - start) / repeat
    finally:
        gc.enable()
