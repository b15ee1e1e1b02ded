"""The anti-replay window: RFC 4303 3.4.3 as a table, then against a model that forgets nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ipsec.replay import ReplayWindow

# (what arrived before, the number, whether it is accepted), for a window of 32
WINDOW_OF_32 = [
    ([], 0, False),
    ([], 1, True),
    ([], 2**32 - 1, True),
    ([1], 1, False),
    ([1, 2, 3], 2, False),
    ([3], 1, True),
    ([32], 1, True),
    ([33], 1, False),
    ([33], 2, True),
    ([33, 2], 2, False),
    ([100], 69, True),
    ([100], 68, False),
    ([1, 2**32 - 1], 1, False),
    ([2**32 - 32, 2**32 - 1], 2**32 - 32, False),
    ([2**32 - 1], 2**32 - 32, True),
    ([5, 37], 6, True),
    ([5, 36], 5, False),
]


@pytest.mark.parametrize(("before", "number", "accepted"), WINDOW_OF_32)
def test_window_of_32(before: list[int], number: int, *, accepted: bool) -> None:
    window = ReplayWindow(32)
    for sequence in before:
        window.advance(sequence)
    assert window.accepts(number) is accepted


class Model:
    """Every number ever verified, in a set."""

    def __init__(self, size: int) -> None:
        self.size, self.seen = size, {0}

    def accepts(self, sequence: int) -> bool:
        """By the definition alone."""
        return sequence not in self.seen and sequence > max(self.seen) - self.size


@given(
    st.integers(32, 4096),
    st.lists(st.integers(0, 40) | st.integers(0, 5000) | st.integers(0, 2**32 - 1), max_size=60),
)
def test_window_agrees_with_the_model(size: int, arrivals: list[int]) -> None:
    window, model = ReplayWindow(size), Model(size)
    for sequence in arrivals:
        assert window.accepts(sequence) is model.accepts(sequence)
        if window.accepts(sequence):
            window.advance(sequence)
            model.seen.add(sequence)
        assert window.right == max(model.seen)


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=200))
def test_steps_around_the_right_edge(steps: list[int]) -> None:
    """Small steps to both sides meet the edges of the window more often than big numbers do."""
    window, model = ReplayWindow(32), Model(32)
    for step in steps:
        sequence = max(window.right + step, 0)
        assert window.accepts(sequence) is model.accepts(sequence)
        if window.accepts(sequence):
            window.advance(sequence)
            model.seen.add(sequence)


@pytest.mark.parametrize("size", [0, 31, 4097])
def test_sizes_out_of_bounds(size: int) -> None:
    with pytest.raises(ValueError, match=f"replay window of {size}"):
        ReplayWindow(size)


def test_no_extended_number_cycles() -> None:
    """RFC 4303 3.3.3: behind the last one there is none, and a small low half is an old one's."""
    window = ReplayWindow()
    window.advance(2**64 - 2)
    assert window.whole(0xFFFFFFFF) == 2**64 - 1
    assert window.whole(5) == 2**64 - 2**32 + 5
    assert not window.accepts(window.whole(5))
