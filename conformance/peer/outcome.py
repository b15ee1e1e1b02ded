"""How a negotiation has ended, as seen from the history since some moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.peer.history import History


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the lists of a connection ended at some moment; from the beginning by default."""

    succeeded: int = 0
    """Pairs of SAs that were installed, and peers that an Authentication Only exchange proved."""
    failures: int = 0
    rejections: int = 0
    notifies: int = 0

    @classmethod
    def at(cls, history: History, succeeded: int) -> Mark:
        """Where they end now."""
        return cls(
            succeeded,
            history.failures.total,
            history.rejections.total,
            history.notifies.total,
        )

    def has_ended(self, history: History, succeeded: int) -> bool:
        """Whether a negotiation has succeeded or something has failed since."""
        return succeeded > self.succeeded or history.failures.total > self.failures

    def outcome(
        self, history: History, succeeded: int, *, in_time: bool, seconds: float
    ) -> dict[str, Any]:
        """Established or why not, every notify since, and the first value that differed."""
        established = succeeded > self.succeeded
        told = [*history.rejections.since(self.rejections), *history.failures.since(self.failures)]
        reason = told[-1]["reason"] if told else f"no result within {seconds:g} s"
        differing = [fact["divergence"] for fact in told if fact["divergence"]]
        return {
            "established": established,
            "timed_out": not in_time,
            "failure": None if established else reason,
            "notifies": [fact["type"] for fact in history.notifies.since(self.notifies)],
            "divergence": None if established or not differing else differing[-1],
        }
