"""Reading protected packets out of a capture, with the keys beside it (RFC 4303 3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.esp import EspHeader, decapsulate
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError, Protocol
from conformance.ipsec.sad import Mode, SecurityAssociation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one captured ESP packet turned out to be."""

    outer: Ipv4Packet
    spi: int
    sequence: int
    inner: Ipv4Packet | None = None
    """The packet inside, where a key opened it."""
    reason: DropReason | None = None
    """Why no key opened it."""
    detail: str = ""


def key_only_sa(
    *,
    spi: int,
    source: IPv4Address,
    destination: IPv4Address,
    mode: Mode,
    cipher: str,
    encryption_key: bytes,
    integrity: str,
    integrity_key: bytes,
) -> SecurityAssociation:
    """An SA that only reads: no window, no selector, no limits; ValueError as for any SA."""
    return SecurityAssociation(
        spi=spi,
        source=source,
        destination=destination,
        direction="in",
        mode=mode,
        cipher=cipher,
        encryption_key=encryption_key,
        integrity=integrity,
        integrity_key=integrity_key,
        replay=None,
    )


def inspect(sas: Iterable[SecurityAssociation], packet: bytes) -> Inspection | None:
    """Open a captured IPv4 packet with the SA it names; None where it is no whole ESP packet.

    Neither windows nor counters are read or moved, so any SA may be passed, in any order.
    """
    try:
        outer = Ipv4Packet.parse(packet)
        if outer.protocol != Protocol.ESP or outer.is_fragment:
            return None
        spi, sequence = EspHeader.parse(outer.payload)
    except (MalformedPacketError, PacketDroppedError):
        return None
    named = [sa for sa in sas if (sa.spi, sa.destination) == (spi, outer.destination)]
    drop = PacketDroppedError(DropReason.IN_NO_STATE)
    # An SPI may be used again within a capture: the ICV tells whose packet it is.
    for sa in named:
        try:
            return Inspection(outer, spi, sequence, inner=decapsulate(sa, outer))
        except PacketDroppedError as error:
            drop = error
    return Inspection(outer, spi, sequence, reason=drop.reason, detail=drop.detail)
