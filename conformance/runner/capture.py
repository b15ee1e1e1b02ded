"""Capture of the IPv4 packets on the lab's bridge, and its form as pcapng."""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from dpkt import pcapng

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ETH_P_IP = 0x0800
ETHERNET = 14
"""Octets of an Ethernet header."""
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1
BUFFER = 8 << 20
"""Octets of the socket's receive buffer; a cell's packets are a few kilobytes."""
SNAP = 65535


@dataclass(frozen=True, slots=True)
class Packet:
    """One captured IPv4 packet."""

    time: float
    """Seconds since the epoch."""
    frame: bytes
    """The Ethernet frame."""

    @property
    def ip(self) -> bytes:
        """The IPv4 packet, link padding included."""
        return self.frame[ETHERNET:]

    @property
    def addresses(self) -> tuple[IPv4Address, IPv4Address]:
        """Source and destination."""
        return IPv4Address(self.ip[12:16]), IPv4Address(self.ip[16:20])


class Capture:
    """Collects what passes an interface, in a thread of its own, until it is closed."""

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.bind((interface, ETH_P_IP))
        # A bridge passes up what it forwards between its ports only while it is promiscuous.
        index = socket.if_nametoindex(interface)
        request = struct.pack("IHH8s", index, PACKET_MR_PROMISC, 0, b"")
        self._socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
        self._packets: list[Packet] = []
        self._thread = threading.Thread(target=self._collect, name="capture", daemon=True)
        self._closing = False
        self._socket.settimeout(0.2)
        self._thread.start()

    def _collect(self) -> None:
        while not self._closing:
            try:
                frame = self._socket.recv(SNAP)
            except TimeoutError:
                continue
            if len(frame) >= ETHERNET + 20:
                self._packets.append(Packet(time.time(), frame))

    def among(self, networks: Iterable[IPv4Network]) -> list[Packet]:
        """The packets since the last ``clear`` with both ends in ``networks``."""
        wanted = tuple(networks)
        return [packet for packet in list(self._packets) if _is_among(packet, wanted)]

    def clear(self) -> None:
        """Forget what was captured."""
        self._packets = []

    def close(self) -> None:
        """End the capture."""
        self._closing = True
        self._thread.join()
        self._socket.close()


def _is_among(packet: Packet, networks: Sequence[IPv4Network]) -> bool:
    return all(any(end in network for network in networks) for end in packet.addresses)


def pcapng_of(packets: Sequence[Packet]) -> bytes:
    """The packets as a pcapng file."""
    file = io.BytesIO()
    writer = pcapng.Writer(file, snaplen=SNAP)
    for packet in packets:
        writer.writepkt(packet.frame, ts=packet.time)
    return file.getvalue()
