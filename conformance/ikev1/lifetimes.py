"""The life of an SA: soft and hard limits in time and octets, replacement and overlap.

RFC 2407 4.5 (SA Life Type and Duration), RFC 2408 4.3 (modification by a new SA, then Delete),
RFC 2409 5.5. Nothing here sends; the endpoint asks what is due.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from conformance.ikev1.policies import LifetimePolicy
    from conformance.ikev1.status import Lifetimes

KILOBYTE = 1024
"""Octets of the unit of life type 2."""

K = TypeVar("K", int, bytes)


class Due(Enum):
    """What is to be done with an SA."""

    REPLACE = "replace"
    """Its soft limit is reached."""
    EXPIRE = "expire"
    """Its hard limit is reached."""
    RETIRE = "retire"
    """Its successor has stood for the whole overlap."""


@dataclass(slots=True)
class Life:
    """One SA with its limits."""

    policy: LifetimePolicy
    begun: float
    seconds: int
    kilobytes: int | None
    is_answer: bool
    """Whether the peer began its negotiation."""
    octets: int = 0
    tried: float | None = None
    """When its replacement was last begun."""
    retire_at: float | None = None
    """When it goes; None while it has no successor."""

    @property
    def hard_octets(self) -> int | None:
        """Octets after which it must not be used; None without a limit."""
        return None if self.kilobytes is None else self.kilobytes * KILOBYTE

    def get_timer(self) -> float:
        """When to look again, as far as time alone decides."""
        hard = self.begun + self.seconds
        if self._used_up(1.0):
            return self.begun
        if self.retire_at is not None:
            return min(hard, self.retire_at)
        if not self.policy.rekey:
            return hard
        if self.tried is not None:
            return min(hard, self.tried + self.policy.retry)
        soft = self.begun if self._is_worn else self._soft_time
        return min(hard, soft)

    def due(self, now: float) -> Due | None:
        """What is to be done now; None for nothing."""
        if now < self.get_timer():
            return None
        if now >= self.begun + self.seconds or self._used_up(1.0):
            return Due.EXPIRE
        return Due.REPLACE if self.retire_at is None else Due.RETIRE

    @property
    def _soft_time(self) -> float:
        return self.begun + self.seconds * self.policy.soft

    @property
    def _is_worn(self) -> bool:
        """Whether it has carried what it may before it is replaced."""
        own = self.policy.soft_octets
        return self._used_up(self.policy.soft) or (own is not None and self.octets >= own)

    def _used_up(self, part: float) -> bool:
        return self.hard_octets is not None and self.octets >= self.hard_octets * part


@dataclass(slots=True)
class Lives(Generic[K]):
    """The SAs of one kind, by what names them; without a policy they live for ever.

    Both ends may replace the same SA at once. Then two successors stand, and both ends keep the
    one of the larger key, which names a pair of SAs alike at both ends.
    """

    policy: LifetimePolicy | None = None
    lives: dict[K, Life] = field(default_factory=dict)
    keys: dict[K, tuple[K, ...]] = field(default_factory=dict)
    """What both ends compare successors by."""
    successors: dict[K, list[K]] = field(default_factory=dict)
    """The SAs that replace one."""

    def begin(
        self,
        name: K,
        key: tuple[K, ...],
        limits: Lifetimes,
        now: float,
        *,
        is_answer: bool,
        replaces: K | None = None,
    ) -> None:
        """An SA stands from now on; the one that it replaces goes after the overlap."""
        if self.policy is None or limits.seconds is None:
            return
        self.lives[name] = Life(self.policy, now, limits.seconds, limits.kilobytes, is_answer)
        self.keys[name] = tuple(sorted(key, reverse=True))
        old = replaces if replaces is not None else self._being_replaced(name)
        if old in self.lives:
            self._succeed(old, name, now)

    def end(self, name: K) -> None:
        """An SA is gone."""
        for table in (self.lives, self.keys, self.successors):
            table.pop(name, None)

    def count(self, name: K, octets: int) -> None:
        """Packets of an SA passed."""
        if name in self.lives:
            self.lives[name].octets += octets

    def get_timer(self) -> float | None:
        """When something is next due; None for never."""
        return min((life.get_timer() for life in self.lives.values()), default=None)

    def due(self, now: float) -> list[tuple[K, Due]]:
        """What is to be done now; a replacement is asked for once per attempt."""
        found = [(name, life.due(now)) for name, life in list(self.lives.items())]
        return [(name, due) for name, due in found if due and not self._settled(name, due, now)]

    def _settled(self, name: K, due: Due, now: float) -> bool:
        """Whether the peer has replaced it already; else note that we begin to."""
        if due is not Due.REPLACE:
            return False
        life = self.lives[name]
        claimed = {one for many in self.successors.values() for one in many}
        for other, younger in self.lives.items():
            if younger.is_answer and younger.begun > life.begun and other not in claimed:
                self._succeed(name, other, now)
                return True
        life.tried = now
        return False

    def _being_replaced(self, name: K) -> K | None:
        """The SA that the peer's new one replaces as well as one of ours."""
        tried = [
            old
            for old, life in self.lives.items()
            if old != name and self.lives[name].is_answer and life.tried is not None
        ]
        return tried[0] if tried else None

    def _succeed(self, old: K, new: K, now: float) -> None:
        if self.policy is None:
            return
        successors = self.successors.setdefault(old, [])
        successors.append(new)
        self.lives[old].retire_at = now + self.policy.overlap
        standing = [one for one in successors if one in self.lives]
        best = max(standing, key=lambda one: self.keys[one])
        for one in standing:
            if one != best:
                self.lives[one].retire_at = now + self.policy.overlap
