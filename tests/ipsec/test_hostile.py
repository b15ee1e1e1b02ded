"""Hostile packets never raise, never pass, never move the window; the benchmark takes a million."""

from __future__ import annotations

import pytest
from hostile import run


@pytest.mark.parametrize("seed", range(3))
def test_hostile_packets(seed: int) -> None:
    outcome = run(3000, seed)
    assert (outcome.arrived, outcome.moved) == (0, 0)
    # Only fragments that wait for others are neither: a bounded number of them.
    assert outcome.packets - outcome.dropped < 1000
    assert {"InHdrError", "InStateIcvError", "InPolBlock", "InNoStates"} < set(outcome.reasons)
    assert outcome.grown < 2**20
