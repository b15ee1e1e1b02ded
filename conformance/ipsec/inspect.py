"""Reading protected packets out of a capture, with the keys beside it (RFC 4303 3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.ipsec import tunnel, udp
from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError, Protocol
from conformance.ipsec.packet import PARSERS, Packet, parse_packet
from conformance.ipsec.protection import HANDLERS, decapsulate
from conformance.ipsec.sad import Mode, SecurityAssociation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.ipsec.header import Header
    from conformance.ipsec.packet import Address


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one captured AH or ESP packet turned out to be."""

    outer: Packet
    """As captured; ESP in UDP without its UDP header."""
    spi: int
    """The outermost one."""
    sequence: int
    """The outermost one, low half."""
    inner: Packet | None = None
    """The packet inside, where keys opened it."""
    reason: DropReason | None = None
    """Why no key opened it."""
    detail: str = ""
    protocols: tuple[int, ...] = ()
    """What protected it, outermost first, as far as it was opened."""
    in_udp: bool = False
    """Whether it came in UDP."""


def key_only_sa(
    *,
    spi: int,
    source: Address,
    destination: Address,
    mode: Mode,
    cipher: str = "none",
    encryption_key: bytes = b"",
    integrity: str = "none",
    integrity_key: bytes = b"",
    protocol: int = Protocol.ESP,
    compression: str = "none",
    esn: bool = False,
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
        protocol=protocol,
        compression=compression,
        esn=esn,
        replay=None,
    )


def inspect(sas: Iterable[SecurityAssociation], packet: bytes) -> Inspection | None:
    """Open a captured packet with the SAs it names; None where it is no whole AH or ESP packet.

    Neither windows nor counters are read or moved, so any SAs may be passed, in any order.
    """
    known = tuple(sas)
    try:
        captured = parse_packet(packet)
        outer, in_udp = _without_udp(captured)
        if outer.protocol not in (Protocol.AH, Protocol.ESP) or outer.is_fragment:
            return None
        spi, sequence = _header(outer)
    except (MalformedPacketError, PacketDroppedError):
        return None
    opened: list[int] = []
    inner = outer
    try:
        while not opened or inner.protocol in HANDLERS:
            inner, sa = _open(known, inner)
            opened.append(sa.protocol)
            if sa.mode == "tunnel":
                break
        else:
            inner = _uncompressed(known, inner)
    except PacketDroppedError as drop:
        reason, detail = drop.reason, drop.detail
        return Inspection(
            outer, spi, sequence or 0, None, reason, detail, tuple(opened), in_udp=in_udp
        )
    return Inspection(outer, spi, sequence or 0, inner, protocols=tuple(opened), in_udp=in_udp)


def _without_udp(packet: Packet) -> tuple[Packet, bool]:
    if not isinstance(packet, Ipv4Packet) or packet.protocol != Protocol.UDP:
        return packet, False
    within, *ports = udp.unwrap(packet)
    if udp.PORT not in ports:
        return packet, False
    return within, True


def _header(packet: Packet) -> Header:
    return HANDLERS[packet.protocol].read_header(packet.payload)


def _open(sas: Sequence[SecurityAssociation], packet: Packet) -> tuple[Packet, SecurityAssociation]:
    name = (_header(packet).spi, packet.destination, packet.protocol)
    drop = PacketDroppedError(DropReason.IN_NO_STATE)
    # An SPI may be used again within a capture: the ICV tells whose packet it is.
    for sa in sas:
        if (sa.spi, sa.destination, sa.protocol) == name:
            try:
                return decapsulate(sa, packet), sa
            except PacketDroppedError as error:
                drop = error
    raise drop


def _uncompressed(sas: Sequence[SecurityAssociation], packet: Packet) -> Packet:
    """What a tunnel of IPComp carries that was not worth compressing (RFC 3173 2.2)."""
    tunnels = (
        sa for sa in sas if (sa.protocol, sa.destination) == (Protocol.IPCOMP, packet.destination)
    )
    makes = next((sa for sa in tunnels if sa.mode == "tunnel"), None)
    return tunnel.leave(makes, packet) if makes and packet.protocol in PARSERS else packet
