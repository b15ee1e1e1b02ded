"""What a capture shows of the traffic to protect: seen as AH or ESP, decrypted, or in clear."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from conformance.ipsec.icmp import IcmpType, echo_of
from conformance.ipsec.inspect import Inspection, inspect, key_only_sa
from conformance.ipsec.ip import MalformedPacketError, Protocol
from conformance.ipsec.packet import parse_packet
from conformance.record.records import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.drivers import Connection
    from conformance.drivers.base import Role
    from conformance.ipsec.sad import SecurityAssociation
    from conformance.record.wireshark import EspKey
    from conformance.runner.capture import Packet

PROTOCOLS = {"ah": Protocol.AH, "esp": Protocol.ESP, "ipcomp": Protocol.IPCOMP}
WAYS: dict[Role, str] = {"initiator": "forward", "responder": "backward"}
"""Who sends -> which way that is."""


def read_traffic(
    packets: Sequence[Packet],
    connection: Connection,
    addresses: tuple[str, str],
    keys: Iterable[EspKey],
    pings: tuple[int, int],
    *,
    asks: Role = "initiator",
    in_use: bool = False,
) -> Traffic:
    """Count the cell's packets; ``connection`` is the initiator's view of it.

    ``addresses`` are initiator and responder on the wire, ``pings`` those sent and answered, and
    ``asks`` is the end that pings.

    A packet counts as decrypted where its ICV holds and it carries the echo message that
    belongs there, between the addresses of the SA's selectors. Of a device ``in_use`` other
    packets may pass, too: those that open are not counted at all.
    """
    sas = [_reader(key) for key in keys]
    seen = [inspected for packet in packets if (inspected := inspect(sas, packet.ip))]
    ends = dict(zip(WAYS.values(), addresses, strict=True))
    by_way = {
        way: [packet for packet in seen if str(packet.outer.source) == end]
        for way, end in ends.items()
    }
    opened = {
        way: [packet for packet in inspected if _is_expected(packet, way, asks, connection)]
        for way, inspected in by_way.items()
    }
    if in_use:
        by_way = {
            way: [one for one in inspected if one.inner is None or one in opened[way]]
            for way, inspected in by_way.items()
        }
    clear = sum(_is_clear(packet, connection) for packet in packets)
    closed = next((packet for packet in seen if packet.inner is None), None)
    why = f"; SPI {closed.spi:#010x}: {closed.reason} {closed.detail}" if closed else ""
    return Traffic(
        forward_seen=len(by_way["forward"]),
        backward_seen=len(by_way["backward"]),
        forward_decrypted=len(opened["forward"]),
        backward_decrypted=len(opened["backward"]),
        cleartext_seen=clear,
        reason="{} echo requests sent, {} answered".format(*pings) + why,
    )


def _reader(key: EspKey) -> SecurityAssociation:
    compresses = key.protocol == "ipcomp"
    return key_only_sa(
        spi=key.spi,
        source=ip_address(key.source),
        destination=ip_address(key.destination),
        mode="tunnel" if key.mode == "tunnel" else "transport",
        protocol=PROTOCOLS[key.protocol],
        cipher=key.cipher,
        encryption_key=key.key,
        integrity=key.integrity,
        integrity_key=key.integrity_key,
        compression="deflate" if compresses else "none",
        esn=key.esn,
    )


def _is_expected(packet: Inspection, way: str, asks: Role, connection: Connection) -> bool:
    if packet.inner is None:
        return False
    echo = echo_of(packet.inner)
    ends = [
        connection.traffic_address(connection.local),
        connection.traffic_address(connection.remote),
    ]
    expected = ends if way == "forward" else ends[::-1]
    found = [str(packet.inner.source), str(packet.inner.destination)]
    due = IcmpType.ECHO if way == WAYS[asks] else IcmpType.ECHO_REPLY
    return echo is not None and echo.type is due and found == expected


def _is_clear(packet: Packet, connection: Connection) -> bool:
    """Whether a packet that the SA's selectors cover went without protection: the cell's echoes."""
    try:
        outer = parse_packet(packet.ip)
    except MalformedPacketError:
        return False
    ends = {
        connection.traffic_address(connection.local),
        connection.traffic_address(connection.remote),
    }
    return {str(outer.source), str(outer.destination)} == ends and echo_of(outer) is not None
