"""Two endpoints in memory, joined by a network that can lose, repeat and change datagrams."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from conformance.crypto.random import seeded_random
from conformance.ikev1.config import Config, Identification, Phase1Proposal, Phase2Proposal
from conformance.ikev1.endpoint import Endpoint

if TYPE_CHECKING:
    from conformance.ikev1.events import Event

E = TypeVar("E")
Tamper = Callable[[int, bytes], Iterable[bytes]]
"""Takes the number of a datagram (from 1) and gives those to deliver in its place."""

INITIATOR, RESPONDER = ("10.0.0.1", 500), ("10.0.0.2", 500)
PHASE1 = Phase1Proposal("aes128", "sha256", "ecp256")
PHASE2 = Phase2Proposal("aes128", "sha256", "tunnel", None)


@dataclass
class Pair:
    """Initiator and responder with one clock; events are kept as they come."""

    initiator: Endpoint
    responder: Endpoint
    now: float = 0.0
    sent: list[bytes] = field(default_factory=list)
    """Every datagram in order, as its sender gave it."""
    initiator_events: list[Event] = field(default_factory=list)
    responder_events: list[Event] = field(default_factory=list)

    def deliver(self, tamper: Tamper = lambda _, data: [data]) -> None:
        """Carry datagrams to and fro until nobody has anything to say."""
        while True:
            ways = (
                (self.initiator.datagrams_to_send(self.now), self.responder, INITIATOR),
                (self.responder.datagrams_to_send(self.now), self.initiator, RESPONDER),
            )
            if not any(datagrams for datagrams, _, _ in ways):
                break
            for datagrams, receiver, source in ways:
                for data, _ in datagrams:
                    self.sent.append(data)
                    for one in tamper(len(self.sent), data):
                        receiver.receive_datagram(one, source, self.now)
        self.initiator_events += take_events(self.initiator)
        self.responder_events += take_events(self.responder)

    def handshake(self, tamper: Tamper = lambda _, data: [data]) -> None:
        """Main Mode and Quick Mode from the initiator."""
        self.initiator.initiate(self.now)
        self.deliver(tamper)

    def pass_time(self, tamper: Tamper = lambda _, data: [data], limit: int = 40) -> None:
        """Let timers fire, each at its own time, until none is left."""
        for _ in range(limit):
            timers = [t for t in (self.initiator.get_timer(), self.responder.get_timer()) if t]
            if not timers:
                return
            self.now = min(timers)
            self.initiator.handle_timer(self.now)
            self.responder.handle_timer(self.now)
            self.deliver(tamper)
        raise AssertionError("the timers never came to rest")

    def of_initiator(self, cls: type[E]) -> list[E]:
        """The initiator's events of a class."""
        return [event for event in self.initiator_events if isinstance(event, cls)]

    def of_responder(self, cls: type[E]) -> list[E]:
        """The responder's events of a class."""
        return [event for event in self.responder_events if isinstance(event, cls)]


def take_events(endpoint: Endpoint) -> list[Event]:
    """All events that wait."""
    events = []
    while (event := endpoint.next_event()) is not None:
        events.append(event)
    return events


def make(
    phase1: Phase1Proposal = PHASE1,
    phase2: Phase2Proposal = PHASE2,
    *,
    initiator: dict[str, Any] | None = None,
    responder: dict[str, Any] | None = None,
    initiator_deviations: tuple[str, ...] = (),
    responder_deviations: tuple[str, ...] = (),
) -> Pair:
    """A pair that agrees, less what the overrides of either Config change."""
    ids = [Identification.ipv4_addr(address) for address, _ in (INITIATOR, RESPONDER)]
    nets = [Identification.selector(net) for net in ("10.1.0.0/24", "10.2.0.0/24")]

    def config(mine: int, overrides: dict[str, Any] | None) -> Config:
        yours = 1 - mine
        base = Config(
            b"secret", ids[mine], ids[yours], (phase1,), (phase2,), nets[mine], nets[yours]
        )
        return replace(base, **(overrides or {}))

    return Pair(
        Endpoint(
            config(0, initiator),
            RESPONDER,
            random=seeded_random("initiator"),
            deviations=initiator_deviations,
        ),
        Endpoint(
            config(1, responder),
            INITIATOR,
            random=seeded_random("responder"),
            deviations=responder_deviations,
        ),
    )


@pytest.fixture
def make_pair() -> Callable[..., Pair]:
    """The maker of pairs; see make() for its arguments."""
    return make
