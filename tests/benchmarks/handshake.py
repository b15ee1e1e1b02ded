"""Main Mode and Quick Mode in memory, against the sum of their primitives alone (RFC 2409 5)."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import FunctionType
from typing import TYPE_CHECKING, Any

from conformance.crypto.dh import GROUPS
from conformance.crypto.random import seeded_random
from conformance.ikev1.config import Config, Identification, Phase1Proposal, Phase2Proposal
from conformance.ikev1.endpoint import Endpoint
from conformance.ikev1.events import ChildInstalled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "modp2048"
ENDS = (("10.0.0.1", 500), ("10.0.0.2", 500))
Call = tuple["Callable[..., Any]", tuple[Any, ...]]


def exchange() -> tuple[Endpoint, Endpoint]:
    """PSK, modp2048, AES-128, SHA2-256: six and three messages between two endpoints."""
    one, other = (_endpoint(*ends) for ends in (ENDS, ENDS[::-1]))
    one.initiate(0.0)
    while sent := one.datagrams_to_send(0.0):
        for data, _ in sent:
            other.receive_datagram(data, ENDS[0], 0.0)
        for data, _ in other.datagrams_to_send(0.0):
            one.receive_datagram(data, ENDS[1], 0.0)
    return one, other


def _endpoint(local: tuple[str, int], remote: tuple[str, int]) -> Endpoint:
    local_id, remote_id = (Identification.ipv4_addr(end[0]) for end in (local, remote))
    config = Config(
        psk=b"a key of the benchmark",
        local_id=local_id,
        remote_id=remote_id,
        phase1=(Phase1Proposal("aes128", "sha256", GROUP),),
        phase2=(Phase2Proposal("aes128", "sha256", "tunnel", None),),
        local_selector=local_id,
        remote_selector=remote_id,
    )
    return Endpoint(config, remote, random=seeded_random(sum(local[0].encode())))


def primitives() -> Callable[[], None]:
    """The cryptographic calls of one exchange, recorded, to be made again with nothing between.

    Four exponentiations, every prf, hash, encryption and decryption, with the same arguments.
    """
    calls: list[Call] = []
    with _recording(calls):
        ends = exchange()
    assert all(_installed(end) for end in ends)
    group, random = GROUPS[GROUP], seeded_random(1)
    publics = [group.generate(random).public for _ in ends]

    def replay() -> None:
        pairs = [group.generate(random) for _ in publics]
        for pair, public in zip(pairs, publics, strict=True):
            pair.exchange(public)
        for function, arguments in calls:
            function(*arguments)

    return replay


def _installed(end: Endpoint) -> bool:
    return any(isinstance(event, ChildInstalled) for event in iter(end.next_event, None))


@contextmanager
def _recording(calls: list[Call]) -> Iterator[None]:
    """Note every call that ``ikev1`` makes of the functions in ``crypto.prf`` and ``.ciphers``."""
    users = [module for name, module in sys.modules.items() if ".ikev1" in name]
    replaced: list[tuple[Any, str, Any]] = []
    for module in users:
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType) and value.__module__ in PRIMITIVES:
                replaced.append((module, name, value))
                setattr(module, name, _noting(value, calls))
    try:
        yield
    finally:
        for module, name, value in replaced:
            setattr(module, name, value)


PRIMITIVES = ("conformance.crypto.prf", "conformance.crypto.ciphers")


def _noting(function: Callable[..., Any], calls: list[Call]) -> Callable[..., Any]:
    def noted(*arguments: Any) -> Any:
        calls.append((function, arguments))
        return function(*arguments)

    return noted
