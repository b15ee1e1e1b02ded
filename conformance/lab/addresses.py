"""The lab's address plan: every side of every peer has a number, and in it an address per cell.

Container N owns, outside, ``10.77.N.k`` and ``fd77::N:k`` for the slots k of a batch of cells, and
inside the subnets ``10.(100+N).k.0/24`` and ``fd78:N:k::/64``, each with one host.
"""

from __future__ import annotations

from conformance.errors import UserError
from conformance.resources import peer_names

SIDES = ("a", "b")
"""Side a initiates, side b responds; so a peer can be paired with itself."""
SLOTS = range(1, 201)
"""What a cell may have of its own: so many can be configured at once."""

SUBNET, SUBNET_6 = "10.77.0.0/16", "fd77::/64"
GATEWAY, GATEWAY_6 = "10.77.0.1", "fd77::1"
TRANSLATOR = "10.77.0.254"
"""The lab's NAT, over which a cell's initiator reaches its responder where it shall."""

_FIRST, _LAST = 10, 99


def number(peer: str, side: str) -> int:
    """Return N: 10 and up, in the order of the peers' names and sides.

    Raises:
        UserError: there is no such peer, or there are more than the plan holds.
    """
    peers = peer_names()
    if peer not in peers:
        raise UserError(f"There is no peer {peer!r}.", f"Peers: {', '.join(peers)}.")
    found = _FIRST + len(SIDES) * peers.index(peer) + SIDES.index(side)
    if found > _LAST:
        raise UserError("There are more peers than the lab has addresses for.")
    return found


def own_address(container: int) -> str:
    """Return the address by which the engine knows the container; no cell uses it."""
    return f"10.77.0.{container}"


def outer(container: int, slot: int, version: int = 4) -> str:
    """Return the address IKE and ESP run over, of IP version 4 or 6."""
    return {4: f"10.77.{container}.{slot}", 6: f"fd77::{container}:{slot}"}[version]


def inner(container: int, slot: int, version: int = 4) -> str:
    """Return the one host behind the container that takes part in a cell."""
    return {4: f"10.{100 + container}.{slot}.1", 6: f"fd78:{container}:{slot}::1"}[version]


def inner_subnet(container: int, slot: int, version: int = 4) -> str:
    """Return the subnet of that host, which the container protects for the cell."""
    host = inner(container, slot, version)
    return {4: f"{host[:-1]}0/24", 6: f"{host[:-1]}/64"}[version]
