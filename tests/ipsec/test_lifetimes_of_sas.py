"""Limits in seconds, octets and packets, soft and hard: what they let pass and tell (RFC 4301)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conformance.crypto.random import seeded_random
from conformance.ipsec.drops import DropReason
from conformance.ipsec.engine import AuditEvent, DataPlane, Protected
from conformance.ipsec.lifetime import Lifetime

if TYPE_CHECKING:
    from conftest import MakeInner, MakeSa

    from conformance.ipsec.lifetime import LifetimeReached

SIZE = 24
"""Octets of the inner packets."""


class Host:
    """A data plane with one outbound SA, installed at second 100."""

    def __init__(self, make_sa: MakeSa, make_inner: MakeInner, **changes: Any) -> None:
        self.plane = DataPlane(seeded_random("lifetimes"))
        self.sa = make_sa(**changes)
        self.inner = make_inner("tunnel")
        assert self.inner.total_length == SIZE
        self.plane.sad.add(self.sa, now=100.0)

    def send(self, now: float = 100.0) -> DropReason | None:
        """Why a packet is dropped; None where it leaves."""
        sent = self.plane.outbound(self.inner, now=now)
        assert isinstance(sent, (AuditEvent, Protected))
        return sent.reason if isinstance(sent, AuditEvent) else None

    def events(self) -> list[tuple[str, bool]]:
        """Every limit that was told of since."""
        found: list[LifetimeReached] = []
        while (event := self.plane.next_event()) is not None:
            assert event.sa is self.sa
            found.append(event)
        return [(event.limit, event.hard) for event in found]


@pytest.mark.parametrize(
    ("soft", "hard", "told"),
    [
        (Lifetime(packets=2), Lifetime(packets=4), ["", "packets soft", "", "packets hard"]),
        (Lifetime(bytes=30), Lifetime(bytes=80), ["", "bytes soft", "", "bytes hard"]),
        (Lifetime(), Lifetime(packets=4), ["", "", "", "packets hard"]),
        (Lifetime(bytes=SIZE), Lifetime(packets=4), ["bytes soft", "", "", "packets hard"]),
    ],
)
def test_what_is_told_packet_by_packet(
    soft: Lifetime, hard: Lifetime, told: list[str], make_sa: MakeSa, make_inner: MakeInner
) -> None:
    """Each limit once; the packet that reaches a hard one is the last that leaves."""
    host = Host(make_sa, make_inner, soft=soft, lifetime=hard)
    for expected in told:
        assert host.send() is None
        events = [f"{limit} {'hard' if is_hard else 'soft'}" for limit, is_hard in host.events()]
        assert events == ([expected] if expected else [])
    assert host.send() is DropReason.OUT_EXPIRED
    assert host.events() == []


def test_seconds_count_from_the_installation(make_sa: MakeSa, make_inner: MakeInner) -> None:
    host = Host(make_sa, make_inner, soft=Lifetime(seconds=50), lifetime=Lifetime(seconds=60))
    assert host.plane.get_timer() == 150.0
    assert host.send(149.9) is None
    assert host.events() == []
    host.plane.handle_timer(150.0)
    assert host.events() == [("seconds", False)]
    assert host.plane.get_timer() == 160.0
    assert host.send(159.9) is None
    host.plane.handle_timer(160.0)
    assert host.events() == [("seconds", True)]
    assert host.send(160.0) is DropReason.OUT_EXPIRED
    assert host.plane.get_timer() is None


def test_an_sa_that_is_too_old_carries_nothing_even_before_its_timer(
    make_sa: MakeSa, make_inner: MakeInner
) -> None:
    host = Host(make_sa, make_inner, lifetime=Lifetime(seconds=60))
    assert host.send(160.0) is DropReason.OUT_EXPIRED


def test_nothing_is_told_of_an_sa_that_was_removed(make_sa: MakeSa, make_inner: MakeInner) -> None:
    host = Host(make_sa, make_inner, lifetime=Lifetime(seconds=60))
    host.plane.sad.remove(host.sa)
    host.plane.handle_timer(1000.0)
    assert host.events() == []


def test_an_inbound_sa_ends_too(make_sa: MakeSa, make_inner: MakeInner) -> None:
    host = Host(make_sa, make_inner)
    bob = DataPlane(seeded_random("bob"))
    bob.sad.add(make_sa(direction="in", lifetime=Lifetime(seconds=5, packets=9)), now=100.0)
    wires = []
    for _ in range(2):
        sent = host.plane.outbound(host.inner)
        assert isinstance(sent, Protected)
        wires.append(sent.wire)
    assert not isinstance(bob.inbound(wires[0], 104.9), AuditEvent)
    late = bob.inbound(wires[1], 105.0)
    assert isinstance(late, AuditEvent)
    assert late.reason is DropReason.IN_EXPIRED


@given(since=st.floats(0, 1e9), seconds=st.floats(0.001, 1e6))
@example(since=4.1, seconds=60.3)
def test_a_timer_is_never_too_early(make_sa: MakeSa, since: float, seconds: float) -> None:
    """Whatever the sum of the two was rounded to."""
    plane = DataPlane(seeded_random("lifetimes"))
    plane.sad.add(make_sa(soft=Lifetime(seconds=seconds)), now=since)
    timer = plane.get_timer()
    assert timer is not None
    plane.handle_timer(timer)
    assert plane.next_event() is not None
