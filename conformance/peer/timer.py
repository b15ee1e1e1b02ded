"""The one timer of an endpoint on the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE = 0.01
"""Seconds that always pass between two calls, so that a deadline that stays past cannot spin."""


class Timer:
    """Calls ``handle`` when ``due`` says so; ``arm`` it after everything that may change that."""

    def __init__(self, due: Callable[[], float | None], handle: Callable[[], None]) -> None:
        self._due = due
        self._handle = handle
        self._loop = asyncio.get_running_loop()
        self._waits: asyncio.TimerHandle | None = None
        self._last = float("-inf")

    def arm(self) -> None:
        """Wait for the present deadline, and no other."""
        due = self._due()
        when = None if due is None else max(due, self._last + PAUSE)
        if self._waits is not None:
            if self._waits.when() == when:
                return
            self._waits.cancel()
        self._waits = None if when is None else self._loop.call_at(when, self._fire)

    def _fire(self) -> None:
        self._waits = None
        self._last = self._loop.time()
        self._handle()
        self.arm()

    def cancel(self) -> None:
        """Never call again unless armed anew."""
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None
