"""Capture of the packets on the lab's bridge, and its form as pcapng."""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from dpkt import pcapng

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ETH_P_ALL = 0x0003
ETHERNET = 14
"""Octets of an Ethernet header."""
ADDRESSES = {
    0x0800: (slice(26, 30), slice(30, 34)),
    0x86DD: (slice(22, 38), slice(38, 54)),
}
"""EtherType -> where source and destination stand in the frame."""
PACKET_OUTGOING = 4
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1
PACKET_STATISTICS, STATISTICS = 6, struct.Struct("=II")
"""What the kernel counts of a packet socket since it was last asked: packets, and those dropped."""
SO_RCVBUFFORCE = 33
"""As SO_RCVBUF, beyond what the host lets others have; a lab's runner may."""
BUFFER = 8 << 20
"""Octets of the socket's receive buffer; a cell's packets are a few kilobytes."""
SNAP = 65535
LOOPBACK = "lo"


@dataclass(frozen=True, slots=True)
class Packet:
    """One captured IP packet."""

    time: float
    """Seconds since the epoch."""
    frame: bytes
    """The Ethernet frame."""

    @property
    def ip(self) -> bytes:
        """The IP packet, link padding included."""
        return self.frame[ETHERNET:]

    @property
    def addresses(self) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]:
        """Source and destination."""
        source, destination = packed_ends(self.frame)
        return ip_address(source), ip_address(destination)


def packed_ends(frame: bytes) -> tuple[bytes, bytes]:
    """Source and destination of the IP packet in a frame, as octets; KeyError where it has none."""
    source, destination = ADDRESSES[int.from_bytes(frame[12:14], "big")]
    return frame[source], frame[destination]


class Capture:
    """Collects what passes an interface, in a thread of its own, until it is closed."""

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.bind((interface, ETH_P_ALL))
        # What this host sends to itself is seen as it leaves and once more as it arrives.
        self._skipped = PACKET_OUTGOING if interface == LOOPBACK else None
        # A bridge passes up what it forwards between its ports only while it is promiscuous.
        index = socket.if_nametoindex(interface)
        request = struct.pack("IHH8s", index, PACKET_MR_PROMISC, 0, b"")
        self._socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
        self._sent: dict[bytes, list[Packet]] = defaultdict(list)
        self._lost, self._counting = 0, threading.Lock()
        self._thread = threading.Thread(target=self._collect, name="capture", daemon=True)
        self._closing = False
        self._socket.settimeout(0.2)
        self._thread.start()

    def _collect(self) -> None:
        while not self._closing:
            try:
                frame, place = self._socket.recvfrom(SNAP)
            except TimeoutError:
                continue
            if place[2] == self._skipped:
                continue
            if int.from_bytes(frame[12:14], "big") in ADDRESSES:
                self._sent[packed_ends(frame)[0]].append(Packet(time.time(), frame))

    def among(self, addresses: Iterable[str]) -> list[Packet]:
        """The packets since the last ``clear`` with both ends among ``addresses``, in order."""
        ends = {ip_address(address).packed for address in addresses}
        found = [
            packet
            for end in ends
            for packet in list(self._sent.get(end, ()))
            if packed_ends(packet.frame)[1] in ends
        ]
        return sorted(found, key=lambda packet: packet.time)

    @property
    def lost(self) -> int:
        """How many packets came so fast that they were not captured, since the beginning."""
        with self._counting:
            told = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, STATISTICS.size)
            self._lost += STATISTICS.unpack(told)[1]
            return self._lost

    def clear(self) -> None:
        """Forget what was captured."""
        self._sent = defaultdict(list)

    def close(self) -> None:
        """End the capture."""
        self._closing = True
        self._thread.join()
        self._socket.close()


def pcapng_of(packets: Sequence[Packet]) -> bytes:
    """The packets as a pcapng file."""
    file = io.BytesIO()
    writer = pcapng.Writer(file, snaplen=SNAP)
    for packet in packets:
        writer.writepkt(packet.frame, ts=packet.time)
    return file.getvalue()
