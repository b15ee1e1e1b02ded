"""A million hostile packets at the boundary: none raises, none gets through, memory stays flat."""

from __future__ import annotations

import random
import time
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from esp_packets import SPI, inner, receiver, sender

from conformance.ipsec.ip import Ipv4Packet

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 1_000_000
_SEED = 4303


class Outcome(NamedTuple):
    """What became of them."""

    packets: int
    seconds: float
    dropped: int
    arrived: int
    moved: int
    """How often the replay window moved."""
    reasons: dict[str, int]
    grown: int
    """Octets by which memory grew over the second half."""


def run(count: int = COUNT, seed: int = _SEED) -> Outcome:
    """Give Bob so many random, truncated and mutated packets, a good one now and then."""
    source = random.Random(seed)
    alice, bob = sender(), receiver()
    (window,) = (sa.replay for sa in bob.sad)
    assert window is not None
    arrived = moved = halfway = 0
    started = time.process_time()
    tracemalloc.start()
    for number in range(count):
        if number % 1000 == 0:
            assert bob.inbound(alice.outbound(inner(), 0.0)[0], 0.0) == (inner(),)
        if number == count // 2:
            halfway = tracemalloc.get_traced_memory()[0]
        hostile = _MAKERS[number % len(_MAKERS)](source, alice.outbound(inner(), 0.0)[0])
        right = window.right
        arrived += bool(bob.inbound(hostile, number * 1e-3))
        moved += window.right != right
    grown = tracemalloc.get_traced_memory()[0] - halfway
    tracemalloc.stop()
    seconds = time.process_time() - started
    reasons = {reason.value: times for reason, times in bob.counters.most_common()}
    return Outcome(count, seconds, sum(reasons.values()), arrived, moved, reasons, grown)


def _random(source: random.Random, _good: bytes) -> bytes:
    return source.randbytes(source.randrange(200))


def _truncated(source: random.Random, good: bytes) -> bytes:
    return good[: source.randrange(len(good))]


def _flipped(source: random.Random, good: bytes) -> bytes:
    at = source.randrange(len(good))
    return good[:at] + bytes((good[at] ^ 1 << source.randrange(8),)) + good[at + 1 :]


def _flipped_behind_the_header(source: random.Random, good: bytes) -> bytes:
    return good[:20] + _flipped(source, good[20:])


def _forged_header(source: random.Random, good: bytes) -> bytes:
    """A header that holds, around anything: fragments, AH, IPComp, UDP, ICMP for Bob."""
    payload = SPI.to_bytes(4) * 2 + source.randbytes(source.randrange(120))
    return replace(
        Ipv4Packet.parse(good),
        protocol=source.choice((1, 4, 17, 41, 50, 51, 59, 60, 108, 253)),
        payload=payload,
        identification=source.randrange(0x10000),
        flags=source.choice((0, 0, 1, 2)),
        fragment_offset=source.choice((0, 0, 0, source.randrange(0x2000))),
    ).build()


def _grown(source: random.Random, good: bytes) -> bytes:
    packet = Ipv4Packet.parse(good)
    return replace(
        packet, payload=packet.payload + source.randbytes(1 + source.randrange(64))
    ).build()


_MAKERS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _random,
    _truncated,
    _flipped,
    _flipped_behind_the_header,
    _forged_header,
    _grown,
)


def show(outcome: Outcome) -> None:
    """Print what became of them."""
    print(f"{outcome.packets} hostile packets in {outcome.seconds:.0f} s of CPU time:")
    print(
        f"  dropped {outcome.dropped}, arrived {outcome.arrived}, moved the window {outcome.moved}"
    )
    print(f"  memory grew by {outcome.grown} octets in the second half")
    for reason, times in outcome.reasons.items():
        print(f"  {reason:20}{times:9}")
