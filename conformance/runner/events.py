"""What happens to the SAs of a cell while they stand (RFC 3706 5.4, RFC 2407 4.5.4)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.runner.end import End

SILENCE = 3.5
"""Seconds without traffic; every peer asks whether the other is there after one."""
REKEY = 15.0
"""Seconds for a pair of SAs to be replaced at both ends; every peer begins after six."""
LOOK = 0.25
"""Seconds between two looks."""
PINGS, PATIENCE = 100, 10.0
"""Echo requests that are more octets than any end lets its SAs carry, and seconds for a reply."""


def _stay_silent(_: Sequence[End]) -> str | None:
    time.sleep(SILENCE)
    return None  # the capture tells whether they asked


def _await_rekey(ends: Sequence[End]) -> str | None:
    """Both ends must come to hold SAs with other SPIs."""
    before = [end.held.child.spi_in if end.held.child else 0 for end in ends]
    deadline = time.monotonic() + REKEY
    while time.monotonic() < deadline:
        time.sleep(LOOK)
        held = [end.peer.sas(end.connection, end.log).child for end in ends]
        if all(child and child.spi_in != old for child, old in zip(held, before, strict=True)):
            return None
    return f"not both ends held new SAs after {REKEY:g} s"


def _carry_much(ends: Sequence[End]) -> str | None:
    """More passes than the end that began lets its SAs carry; then as for any rekey."""
    first = ends[0]
    _, answered = first.peer.ping(first.connection, PINGS, PATIENCE)
    return _await_rekey(ends) if answered else f"none of {PINGS} echo requests was answered"


EVENTS: dict[str, Callable[[Sequence[End]], str | None]] = {
    "dpd": _stay_silent,
    "rekey": _await_rekey,
    "rekey-bytes": _carry_much,
}
"""Level of ``event`` -> lets it happen, and tells what did not."""
