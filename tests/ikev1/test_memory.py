"""What strangers send, however much of it, leaves an endpoint as small as it was."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.random import seeded_random
from conformance.ikev1.endpoint import Endpoint
from conformance.ikev1.message import NON_ESP_MARKER
from conformance.ikev1.policies import FragmentationPolicy, NatPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANY = 1500
WARM = 100
"""Datagrams beforehand, so that tables have the size that they keep."""
MOST = 30_000
"""Octets that may be needed more afterwards; a single entry for each datagram takes more."""
PEER = ("10.0.0.1", 500)

Flood = tuple[Endpoint, "Iterator[tuple[bytes, tuple[str, int]]]"]


def first_message(make_pair: Callable[..., Any], **changes: Any) -> tuple[Endpoint, bytes]:
    """A responder, and what an initiator like it says first."""
    pair = make_pair(**dict.fromkeys(("initiator", "responder"), changes))
    pair.initiator.initiate(0.0)
    ((data, _),) = pair.initiator.datagrams_to_send(0.0)
    return pair.responder, data


def strangers(make_pair: Callable[..., Any]) -> Flood:
    """Other hosts speak from port 4500."""
    end, data = first_message(make_pair)
    config = replace(end.config, nat_traversal=NatPolicy())
    own = Endpoint(config, PEER, random=seeded_random("own"), local=("10.0.0.2", 500))
    hosts = (f"192.0.{number >> 8}.{number & 255}" for number in range(MANY))
    return own, ((NON_ESP_MARKER + data, (host, 4500)) for host in hosts)


def beginners(make_pair: Callable[..., Any]) -> Flood:
    """Somebody begins phase 1 again and again, and can reassemble fragments."""
    end, data = first_message(make_pair, fragmentation=FragmentationPolicy())
    cookies = (number.to_bytes(8) for number in range(1, MANY))
    return end, ((cookie + data[8:], PEER) for cookie in cookies)


def noise_under_an_sa(make_pair: Callable[..., Any], exchange: int) -> Flood:
    """Whoever knows the cookies makes up message IDs."""
    pair = make_pair()
    pair.handshake()
    data = bytearray(pair.sent[6])
    data[18] = exchange
    ids = (number.to_bytes(4) for number in range(1, MANY))
    return pair.responder, ((bytes(data[:20]) + one + bytes(data[24:]), PEER) for one in ids)


FLOODS: dict[str, Callable[[Callable[..., Any]], Flood]] = {
    "strangers": strangers,
    "beginners": beginners,
    "quick-mode": lambda make_pair: noise_under_an_sa(make_pair, 32),
    "informational": lambda make_pair: noise_under_an_sa(make_pair, 5),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_leaves_nothing(make_pair: Callable[..., Any], flood: str) -> None:
    """The events are taken and the timers run, as its owner does."""
    endpoint, datagrams = FLOODS[flood](make_pair)
    now, before = 0.0, 0
    tracemalloc.start()
    try:
        for number, (data, source) in enumerate(datagrams):
            endpoint.receive_datagram(data, source, now)
            now = settle(endpoint, now)
            if number == WARM:
                gc.collect()
                before, _ = tracemalloc.get_traced_memory()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < MOST


def settle(endpoint: Endpoint, now: float) -> float:
    """Take everything out and let all timers run; gives the time when nothing is left to do."""
    while True:
        endpoint.datagrams_to_send(now)
        while endpoint.next_event() is not None:
            pass
        timer = endpoint.get_timer()
        if timer is None:
            return now
        now = max(now, timer)
        endpoint.handle_timer(now)
