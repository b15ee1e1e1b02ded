"""Main Mode and Quick Mode in memory, between two endpoints of one process (RFC 2409 5)."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING
from unittest.mock import patch

from conformance.crypto.random import seeded_random
from conformance.ikev1.association import Association
from conformance.ikev1.config import Config, Identification, Phase1Proposal, Phase2Proposal
from conformance.ikev1.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.ikev1.events import ChildInstalled, IsakmpEstablished

GROUP = "modp2048"
ENDS = (("10.0.0.1", 500), ("10.0.0.2", 500))
Pair = tuple[Endpoint, Endpoint]


def exchange(pfs: str | None = None) -> Pair:
    """PSK, modp2048, AES-128, SHA2-256: six and three messages between two endpoints."""
    pair = _endpoint(*ENDS, pfs), _endpoint(*ENDS[::-1], pfs)
    pair[0].initiate(0.0)
    _deliver(pair)
    return pair


@contextmanager
def main_mode_alone() -> Iterator[None]:
    """Here exchange() ends with Main Mode."""
    with patch.object(Association, "start_quick_mode", lambda *_: None):
        yield


class QuickMode:
    """Quick Mode after Quick Mode under one ISAKMP SA, as long as it is called."""

    def __init__(self, pfs: str | None = None) -> None:
        self._pair = exchange(pfs)

    def __call__(self) -> Pair:
        """Three messages; the events of the ones before are forgotten."""
        for end in self._pair:
            events(end)
        self._pair[0].start_quick_mode(0.0)
        _deliver(self._pair)
        return self._pair


def events(end: Endpoint) -> list[object]:
    """Everything that happened at one end since it was last asked."""
    return list(iter(end.next_event, None))


def check(pair: Pair, kind: type[ChildInstalled | IsakmpEstablished]) -> None:
    """That the exchange has had its result at both ends, so that it is no failure that is timed."""
    assert all(any(isinstance(one, kind) for one in events(end)) for end in pair)


def _deliver(pair: Pair) -> None:
    one, other = pair
    while sent := one.datagrams_to_send(0.0):
        for data, _ in sent:
            other.receive_datagram(data, ENDS[0], 0.0)
        for data, _ in other.datagrams_to_send(0.0):
            one.receive_datagram(data, ENDS[1], 0.0)


def _endpoint(local: tuple[str, int], remote: tuple[str, int], pfs: str | None) -> Endpoint:
    seed = sum(local[0].encode())
    return Endpoint(_config(local[0], remote[0], pfs), remote, random=seeded_random(seed))


@cache
def _config(local: str, remote: str, pfs: str | None) -> Config:
    """Made once: it is told to an endpoint, and no part of its exchanges."""
    local_id, remote_id = Identification.ipv4_addr(local), Identification.ipv4_addr(remote)
    return Config(
        psk=b"a key of the benchmark",
        local_id=local_id,
        remote_id=remote_id,
        phase1=(Phase1Proposal("aes128", "sha256", GROUP),),
        phase2=(Phase2Proposal("aes128", "sha256", "tunnel", pfs),),
        local_selector=local_id,
        remote_selector=remote_id,
    )
