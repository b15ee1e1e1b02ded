"""Ordered selectors, found without a look at each: the first that covers a packet (RFC 4301 4.4.1).

Selectors of one shape (the same prefix lengths, the same fields that name one value) share a table,
so a look-up costs as many steps as there are shapes, however many selectors there are.
"""

from __future__ import annotations

from bisect import insort
from operator import attrgetter
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from conformance.ipsec.selector import AddressRange, ports_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from conformance.ipsec.packet import Network, Packet
    from conformance.ipsec.selector import PortRange, Selector

T = TypeVar("T")


class _Shape(NamedTuple):
    """What the selectors of one table have in common."""

    version: int
    source_shift: int
    """Bits of the source address that are not looked at."""
    destination_shift: int
    has_protocol: bool
    has_source_port: bool
    """Whether one source port is named; a range is checked afterwards."""
    has_destination_port: bool


class _Entry(NamedTuple, Generic[T]):
    rank: int
    selector: Selector
    value: T


_RANK = attrgetter("rank")
_Table = dict["Hashable", list[_Entry[T]]]


class SelectorIndex(Generic[T]):
    """Values by selector, of which the one of the lowest rank is found first."""

    def __init__(self) -> None:
        self._tables: dict[_Shape, _Table[T]] = {}

    def add(self, selector: Selector, rank: int, value: T) -> None:
        """Add a value; among equal ranks the earlier one comes first."""
        shape = _shape_of(selector)
        table = self._tables.setdefault(shape, {})
        insort(
            table.setdefault(_key_of(selector, shape), []), _Entry(rank, selector, value), key=_RANK
        )

    def remove(self, selector: Selector, rank: int) -> None:
        """Remove what was added so; raises KeyError where nothing was."""
        shape = _shape_of(selector)
        table = self._tables[shape]
        key = _key_of(selector, shape)
        kept = [entry for entry in table[key] if (entry.rank, entry.selector) != (rank, selector)]
        if len(kept) == len(table[key]):
            raise KeyError(selector)
        table[key] = kept
        if not kept:
            del table[key]
        if not table:
            del self._tables[shape]

    def find(
        self,
        packet: Packet,
        ports: tuple[int, int] | None = None,
        accept: Callable[[T], bool] = lambda _: True,
    ) -> T | None:
        """The first value whose selector covers the packet and that is accepted, or None.

        ``ports``, where they are known from elsewhere than the packet.
        """
        shown = ports or ports_of(packet)
        found: _Entry[T] | None = None
        for shape, table in self._tables.items():
            if shape.version != packet.source.version:
                continue
            for entry in table.get(_key_of_packet(packet, shown, shape), ()):
                if found is not None and entry.rank >= found.rank:
                    break
                if entry.selector.covers(packet, shown) and accept(entry.value):
                    found = entry
                    break
        return found.value if found else None


def _shape_of(selector: Selector) -> _Shape:
    source, destination = _network(selector.source), _network(selector.destination)
    return _Shape(
        source.version,
        source.max_prefixlen - source.prefixlen,
        destination.max_prefixlen - destination.prefixlen,
        selector.protocol != 0,
        _names_one(selector.source_port),
        _names_one(selector.destination_port),
    )


def _network(addresses: Network | AddressRange) -> Network:
    return addresses.network if isinstance(addresses, AddressRange) else addresses


def _names_one(ports: PortRange) -> bool:
    return ports.first == ports.last


def _key_of(selector: Selector, shape: _Shape) -> Hashable:
    return (
        int(_network(selector.source).network_address) >> shape.source_shift,
        int(_network(selector.destination).network_address) >> shape.destination_shift,
        selector.protocol,
        selector.source_port.first if shape.has_source_port else None,
        selector.destination_port.first if shape.has_destination_port else None,
    )


def _key_of_packet(packet: Packet, ports: tuple[int, int], shape: _Shape) -> Hashable:
    return (
        int(packet.source) >> shape.source_shift,
        int(packet.destination) >> shape.destination_shift,
        packet.protocol if shape.has_protocol else 0,
        ports[0] if shape.has_source_port else None,
        ports[1] if shape.has_destination_port else None,
    )
