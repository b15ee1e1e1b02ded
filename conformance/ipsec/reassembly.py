"""Reassembly of fragments in bounded memory (RFC 791 3.2, RFC 8200 4.5, RFC 5722)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.ecn import CE, ECN_MASK, NOT_ECT
from conformance.ipsec.fragments import (
    UNIT,
    FragmentKey,
    Piece,
    behind_fragment_header,
    key_of,
    piece_of,
)
from conformance.ipsec.ip import (
    MAX_TOTAL_LENGTH,
    MORE_FRAGMENTS,
    Ipv4Packet,
    MalformedPacketError,
)
from conformance.ipsec.ip6 import Ipv6Packet, chained
from conformance.ipsec.packet import parse_packet

if TYPE_CHECKING:
    from conformance.ipsec.packet import Packet


class Limits(NamedTuple):
    """How much may be kept of packets that are not whole yet."""

    packets: int = 64
    octets: int = 1 << 20
    """Of all packets together; a packet larger than this is never whole."""
    pieces: int = 256
    """Of one packet."""
    seconds: float = 60.0
    """From a packet's first fragment on (RFC 8200 4.5, RFC 1122 3.3.2)."""


@dataclass(slots=True)
class _Parts:
    """What has arrived of one packet; nothing more is kept once it is spoiled."""

    began: float
    pieces: dict[int, Piece] = field(default_factory=dict)
    first: Packet | None = None
    end: int | None = None
    """Where the packet ends, once its last fragment was seen."""
    octets: int = 0
    congestion: set[int] = field(default_factory=set)
    """The ECN fields seen."""
    spoiled: bool = False

    @property
    def complete(self) -> Packet | None:
        """The first fragment, once all are there: what adds up without overlap has no holes."""
        return self.first if self.octets == self.end else None

    def fault_of(self, piece: Piece) -> str:
        """Why a piece cannot belong to the same packet as the others, or nothing."""
        ends = {self.end, None if piece.more else piece.end} - {None}
        last = max((one.end for one in (*self.pieces.values(), piece)), default=0)
        if len(ends) > 1 or any(end is not None and end < last for end in ends):
            return f"octets {piece.start} to {piece.end} behind the end"
        if any(one.start < piece.end and piece.start < one.end for one in self.pieces.values()):
            return f"octets {piece.start} to {piece.end} overlap"
        return ""

    def add(self, packet: Packet, piece: Piece) -> None:
        """Keep a piece that fits."""
        self.pieces[piece.start] = piece
        self.octets += len(piece.data)
        self.congestion.add(packet.tos & ECN_MASK)
        self.first = self.first if piece.start else packet
        self.end = self.end if piece.more else piece.end


class Reassembly:
    """Fragments on their way to whole packets; the owner tells the time in seconds.

    Where a fragment overlaps another, or lies behind the end, the packet is given up with all
    fragments that are still to come (RFC 5722 4). The oldest packet makes room for new ones.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._parts: dict[FragmentKey, _Parts] = {}
        self.octets = 0
        """How much is kept."""
        self.evicted = 0
        """Packets given up for want of room."""

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, packet: Packet, now: float) -> Packet | None:
        """The packet itself where it is whole, the one that it completes, or None.

        Raises PacketDroppedError with IN_REASSEMBLY for a fragment that is refused.
        """
        if not packet.is_fragment:
            return packet
        piece, key = piece_of(packet), key_of(packet)
        if not piece.data or (piece.more and len(piece.data) % UNIT):
            raise _refused(f"a fragment of {len(piece.data)} octets")
        parts = self._parts_of(key, now)
        if parts.spoiled:
            raise _refused("a fragment of a packet that was given up")
        if parts.pieces.get(piece.start) == piece:  # a duplicate
            return None
        if fault := self._fault_of(parts, packet, piece):
            self._spoil(parts)
            raise _refused(fault)
        parts.add(packet, piece)
        self.octets += len(piece.data)
        if (first := parts.complete) is None:
            self._make_room(key)
            return None
        self._forget(key)
        return _joined(parts, first)

    @property
    def deadline(self) -> float | None:
        """When ``expire`` has something to do, or None."""
        oldest = next(iter(self._parts.values()), None)
        return oldest.began + self._limits.seconds if oldest else None

    def expire(self, now: float) -> list[Packet]:
        """Give up the packets whose time is over; the first fragments of those, if seen.

        Their senders are told with ICMP time exceeded, code 1 (RFC 792, RFC 4443 3.3).
        """
        over = [key for key, parts in self._parts.items() if self._is_over(parts, now)]
        firsts = [self._forget(key).first for key in over]
        return [first for first in firsts if first is not None]

    def _is_over(self, parts: _Parts, now: float) -> bool:
        # As the deadline is computed: a difference may be rounded to less.
        return now >= parts.began + self._limits.seconds

    def _parts_of(self, key: FragmentKey, now: float) -> _Parts:
        known = self._parts.get(key)
        if known is not None and not self._is_over(known, now):
            return known
        if known is not None:
            self._forget(key)
        while len(self._parts) >= self._limits.packets:
            self._evict(next(iter(self._parts)))
        self._parts[key] = _Parts(now)
        return self._parts[key]

    def _fault_of(self, parts: _Parts, packet: Packet, piece: Piece) -> str:
        if piece.end > _limit(packet):
            return f"a packet of {piece.end} octets"
        if len(parts.pieces) >= self._limits.pieces:
            return f"more than {self._limits.pieces} fragments"
        if parts.octets + len(piece.data) > self._limits.octets:
            return f"more than {self._limits.octets} octets"
        return parts.fault_of(piece)

    def _make_room(self, key: FragmentKey) -> None:
        while self.octets > self._limits.octets:
            self._evict(
                next(one for one, parts in self._parts.items() if one != key and parts.octets)
            )

    def _evict(self, key: FragmentKey) -> None:
        self._forget(key)
        self.evicted += 1

    def _forget(self, key: FragmentKey) -> _Parts:
        parts = self._parts.pop(key)
        self.octets -= parts.octets
        return parts

    def _spoil(self, parts: _Parts) -> None:
        self.octets -= parts.octets
        parts.pieces.clear()
        parts.first, parts.octets, parts.spoiled = None, 0, True


def _refused(detail: str) -> PacketDroppedError:
    return PacketDroppedError(DropReason.IN_REASSEMBLY, detail)


def _limit(packet: Packet) -> int:
    """Where the data of a packet with these headers must end (RFC 791 3.1, RFC 8200 3)."""
    if isinstance(packet, Ipv4Packet):
        return MAX_TOTAL_LENGTH + len(packet.payload) - packet.total_length
    around = packet.headers[: -1 - len(behind_fragment_header(packet))]
    return MAX_TOTAL_LENGTH - sum(header.size for header in around)


def _joined(parts: _Parts, first: Packet) -> Packet:
    data = b"".join(parts.pieces[start].data for start in sorted(parts.pieces))
    one = replace(first, tos=_congested(parts, first.tos))
    whole = _joined_4(one, data) if isinstance(one, Ipv4Packet) else _joined_6(one, data)
    try:
        return parse_packet(whole.build())
    except MalformedPacketError as error:
        raise _refused(str(error)) from error


def _joined_4(first: Ipv4Packet, data: bytes) -> Packet:
    return replace(first, flags=first.flags & ~MORE_FRAGMENTS, payload=data)


def _joined_6(first: Ipv6Packet, data: bytes) -> Packet:
    within = behind_fragment_header(first)
    number, _ = chained(within, first.protocol)
    around = first.headers[: -1 - len(within)]
    return replace(first, headers=around, protocol=number, payload=data)


def _congested(parts: _Parts, tos: int) -> int:
    """The first fragment's traffic class, with the congestion that any met (RFC 3168 5.3)."""
    if CE not in parts.congestion:
        return tos
    if NOT_ECT in parts.congestion:
        raise _refused("congestion, and a fragment Not-ECT")
    return tos | CE
