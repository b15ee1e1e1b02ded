"""Hostile packets never raise, never pass, never move the window; the benchmark takes a million."""

from __future__ import annotations

from hostile import run


def test_hostile_packets() -> None:
    outcome = run(4000, seed=1)
    assert (outcome.arrived, outcome.moved) == (0, 0)
    # Only fragments that wait for others are neither: a bounded number of them.
    assert outcome.packets - outcome.dropped < 1000
    assert {"InHdrError", "InStateIcvError", "InPolBlock", "InNoStates"} < set(outcome.reasons)
    assert outcome.grown < 2**20
