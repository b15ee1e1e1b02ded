"""Two ways of doing the same work, timed in turns in one run: what counts is their ratio."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 31
"""Each way has so many turns, in alternation, so that both see the same weather."""
MAKINGS = 3
TURN = 0.01
"""Seconds that a turn lasts at least: a way that is fast is then as warm as one that is slow."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median seconds of one piece of work, done in two ways."""

    ours: float
    other: float

    @property
    def ours_to_other(self) -> float:
        """How many times the other's time ours takes."""
        return self.ours / self.other


def compare(
    ours: Callable[[], object], other: Callable[[], object], pieces: tuple[int, int] = (1, 1)
) -> Ratio:
    """Time both in turns, in seconds of this process alone and without the garbage collector.

    A call does so many ``pieces`` of work, ours and the other's, of which one is told.
    """
    ways = [(work, _repetitions(work), list[float]()) for work in (ours, other)]
    for _ in range(ROUNDS):
        for work, repeat, spent in ways:
            spent.append(_time(work, repeat) / repeat)
    each = (median(spent) / count for (*_, spent), count in zip(ways, pieces, strict=True))
    return Ratio(*each)


def compare_makings(
    ours: Callable[[], Callable[[], object]],
    other: Callable[[], Callable[[], object]],
    pieces: tuple[int, int] = (1, 1),
) -> Ratio:
    """The median of three comparisons of ways made anew: where their data lies is a matter of luck.

    What allocates much can take twice as long in one heap as in another.
    """
    found = [compare(ours(), other(), pieces) for _ in range(MAKINGS)]
    return sorted(found, key=lambda ratio: ratio.ours_to_other)[MAKINGS // 2]


def _repetitions(work: Callable[[], object]) -> int:
    """How often it is done in a turn."""
    repeat = 1
    while _time(work, repeat) < TURN:
        repeat *= 2
    return repeat


def _time(work: Callable[[], object], repeat: int) -> float:
    gc.collect()
    gc.disable()
    try:
        start = process_time()
        for _ in range(repeat):
            work()
        return process_time() - start
    finally:
        gc.enable()
