"""The anti-replay window of an inbound SA (RFC 4302 and RFC 4303 3.4.3, appendices)."""

from __future__ import annotations

MIN_WINDOW, MAX_WINDOW = 32, 4096
"""32 is the least RFC 4303 3.4.3 allows; 4096 is this engine's own bound."""

_SUBSPACE = 2**32
_LAST_SUBSPACE = _SUBSPACE - 1
"""Sequence numbers end with it; none cycles (RFC 4303 3.3.3)."""


class ReplayWindow:
    """Which sequence numbers have been seen; the right edge is the highest that was verified.

    Raises ValueError for a size outside 32 .. 4096.
    """

    __slots__ = ("_mask", "_seen", "right", "size")

    def __init__(self, size: int = 64) -> None:
        if not MIN_WINDOW <= size <= MAX_WINDOW:
            raise ValueError(f"replay window of {size}: {MIN_WINDOW} to {MAX_WINDOW} are possible")
        self.size = size
        """How many sequence numbers the window spans."""
        self.right = 0
        """The highest sequence number verified so far; 0 before the first packet."""
        self._seen = 0
        self._mask = (1 << size) - 1

    def whole(self, low: int) -> int:
        """The 64-bit number whose low half arrived: the one nearest the window.

        RFC 4303 A2.2; negative for one that would be older than the SA.
        """
        high, edge = divmod(self.right, _SUBSPACE)
        left = edge - self.size + 1
        if left >= 0:
            high += low < left and high < _LAST_SUBSPACE
        else:
            high -= low >= left + _SUBSPACE
        return high * _SUBSPACE + low

    def accepts(self, sequence: int) -> bool:
        """Whether the number is new; asked before the ICV is verified, and changes nothing."""
        if sequence > self.right:
            return True
        behind = self.right - sequence
        return sequence > 0 and behind < self.size and not self._seen >> behind & 1

    def advance(self, sequence: int) -> None:
        """Mark the number as seen; only for a packet whose ICV held."""
        ahead = sequence - self.right
        if ahead > 0:
            # A long jump clears the window: no shift by billions of bits.
            self._seen = (self._seen << ahead & self._mask | 1) if ahead < self.size else 1
            self.right = sequence
        else:
            self._seen |= 1 << -ahead
