"""How long an SA serves: limits in time, octets and packets, soft and hard (RFC 4301 4.4.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from conformance.ipsec.association import SecurityAssociation

Limit = Literal["seconds", "bytes", "packets"]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Limits of an SA, in the order in which they are looked at; None is no limit."""

    bytes: int | None = None
    """Octets of the packets carried, their own headers included."""
    packets: int | None = None
    seconds: float | None = None
    """Since the SA was installed."""


UNLIMITED = Lifetime()
"""An SA that serves until somebody removes it."""


@dataclass(slots=True)
class Usage:
    """What an SA has carried, since when, and the last sequence number sent."""

    packets: int = 0
    bytes: int = 0
    """Octets of the packets that were protected or accepted."""
    sequence: int = 0
    """The last sequence number sent; the first one sent is 1 (RFC 4303 3.3.3)."""
    since: float = 0.0
    """When the SA was installed, in seconds of its owner's clock."""
    told: frozenset[bool] = frozenset()
    """Of which lifetimes it was told already that they are spent: False soft, True hard."""

    def count(self, size: int) -> None:
        """Add one packet of so many octets that was protected or accepted."""
        self.packets += 1
        self.bytes += size

    def spent(self, lifetime: Lifetime, now: float) -> Limit | None:
        """The first limit that is reached, or None."""
        if lifetime is UNLIMITED:
            return None
        seconds = lifetime.seconds
        used: tuple[tuple[Limit, float, float | None], ...] = (
            ("bytes", self.bytes, lifetime.bytes),
            ("packets", self.packets, lifetime.packets),
            # The sum is what timers are set to; a difference may be rounded to less.
            ("seconds", now, None if seconds is None else self.since + seconds),
        )
        reached = (name for name, value, limit in used if limit is not None and value >= limit)
        return next(reached, None)


@dataclass(frozen=True, slots=True)
class LifetimeReached:
    """An SA has come to a limit: a soft one asks for another SA, a hard one ends this one."""

    sa: SecurityAssociation
    limit: Limit
    hard: bool


def reached(sa: SecurityAssociation, now: float) -> list[LifetimeReached]:
    """The limits that the SA has come to since this was last asked, each told once."""
    found = []
    for hard, lifetime in ((False, sa.soft), (True, sa.lifetime)):
        limit = None if hard in sa.usage.told else sa.usage.spent(lifetime, now)
        if limit is not None:
            sa.usage.told |= {hard}
            found.append(LifetimeReached(sa, limit, hard))
    return found
