"""The peer as a whole: its sockets, its connections, and which packet belongs to which."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_address
from typing import TYPE_CHECKING

from conformance.crypto.random import system_random
from conformance.ipsec.engine import AuditEvent, DataPlane
from conformance.ipsec.udp import kind_of
from conformance.peer.connection import Connection
from conformance.peer.host import CommandError, Host
from conformance.peer.log import describe_drop
from conformance.peer.natt_port import NON_IKE_MARKER
from conformance.peer.raw_sockets import RawSockets
from conformance.peer.sockets import IKE_PORT, NATT_PORT, UdpSocket

if TYPE_CHECKING:
    from conformance.ipsec.engine import Accepted
    from conformance.ipsec.packet import Address as IpAddress
    from conformance.peer.host import Address
    from conformance.peer.raw_sockets import EspOpener, EspTransport
    from conformance.peer.requests import Configure
    from conformance.peer.sockets import UdpOpener

_log = logging.getLogger(__name__)


class ReferencePeer:
    """One reference peer on one outer address; ``open`` it on a running event loop.

    ``ports`` are those of IKE and NAT-T, 0 for any; ``open_esp`` makes the ESP transport,
    ``open_udp`` each port.
    """

    def __init__(
        self,
        name: str,
        address: IpAddress,
        inner: IpAddress,
        *,
        ports: tuple[int, int] = (IKE_PORT, NATT_PORT),
        open_esp: EspOpener = RawSockets,
        open_udp: UdpOpener = UdpSocket.open,
    ) -> None:
        self.name = name
        self.address = address
        self.inner = inner
        self.connections: dict[str, Connection] = {}
        """By name; at most one for each remote."""
        self.stopping = asyncio.Event()
        """Set by the command ``shutdown``."""
        self._ports = ports
        self._open_esp = open_esp
        self._open_udp = open_udp
        self._plane = DataPlane(system_random)
        self._udp: list[UdpSocket] = []
        self._esp: EspTransport | None = None

    def sibling(self, address: IpAddress) -> ReferencePeer:
        """The same on another address, not open yet."""
        return ReferencePeer(
            self.name,
            address,
            self.inner,
            ports=self._ports,
            open_esp=self._open_esp,
            open_udp=self._open_udp,
        )

    async def open(self) -> None:
        """Bind the sockets; UserError where one cannot be, and then none stays."""
        try:
            for port, receive in zip(
                self._ports, (self._receive_ike, self.receive_natt), strict=True
            ):
                self._udp.append(await self._open_udp(self.address, port, receive))
            self._esp = self._open_esp(self.address, self._receive_packet)
        except BaseException:
            self.close()
            raise
        _log.info("%s on %s, UDP ports %s", self.name, self.address, self.ports)

    def close(self) -> None:
        """Forget every connection and close the sockets."""
        self.reset()
        for udp in self._udp:
            udp.close()
        self._udp.clear()
        if self._esp is not None:
            self._esp.close()
            self._esp = None

    @property
    def ports(self) -> list[int]:
        """The UDP ports that are bound: IKE, NAT-T."""
        return [udp.port for udp in self._udp]

    def configure(self, settings: Configure) -> Connection:
        """A new connection, in the place of any of the same name or remote."""
        ike, natt = self._udp
        host = Host(
            self.address,
            ike.port,
            settings.inner or self.inner,
            self._plane.sad,
            ike.send,
            natt.send,
            self._send_packet,
        )
        connection = Connection(settings, host)
        for old in list(self.connections.values()):
            if old.settings.name == settings.name or old.settings.remote == settings.remote:
                self.remove(old)
        self.connections[settings.name] = connection
        _log.info("%s: configured with %s", connection, settings.remote)
        return connection

    def connection(self, name: str) -> Connection:
        """The connection of this name; CommandError where there is none."""
        if name not in self.connections:
            raise CommandError(f"no connection is called {name}")
        return self.connections[name]

    def remove(self, connection: Connection) -> None:
        """Forget one connection without a word to its remote."""
        connection.close()
        del self.connections[connection.settings.name]
        _log.info("%s: removed", connection)

    def reset(self) -> None:
        """Forget every connection."""
        for connection in list(self.connections.values()):
            self.remove(connection)

    def _with(self, remote: str) -> Connection | None:
        connections = self.connections.values()
        return next((one for one in connections if str(one.settings.remote) == remote), None)

    def _receive_ike(self, data: bytes, address: Address) -> None:
        if data.startswith(NON_IKE_MARKER):
            self._receive_in_udp(data.removeprefix(NON_IKE_MARKER), address)
        else:
            self._feed(data, address)

    def _feed(self, data: bytes, address: Address) -> None:
        connection = self._with(address[0])
        if connection is None:
            _log.warning("ignored %d octets of %s: no connection with it", len(data), address)
            return
        connection.receive_datagram(data, address)

    def receive_natt(self, data: bytes, address: Address) -> None:
        """Take a datagram that came to port 4500 (RFC 3948 2)."""
        if kind_of(data) == "esp":
            self._receive_in_udp(data, address)
        else:
            self._feed(data, address)

    def _receive_in_udp(self, esp: bytes, address: Address) -> None:
        source = ip_address(address[0]), address[1]
        self._accept(self._plane.inbound_datagram(esp, source, self.address), via=address)

    def _receive_packet(self, packet: bytes) -> None:
        """Take a whole packet with AH or ESP in it."""
        self._accept(self._plane.inbound(packet))

    def _accept(self, result: Accepted | AuditEvent, via: Address | None = None) -> None:
        """Hand a packet to the connection whose SAs brought it, in UDP from ``via`` or in IP."""
        if isinstance(result, AuditEvent):
            connection = self._with(str(result.source))
            if connection is None:
                _log.warning("%s", describe_drop(result))
            else:
                connection.note_drop(result)
            return
        spi = result.sa.spi
        owner = next(one for one in self.connections.values() if spi in one.traffic.children)
        if via is not None:
            owner.heard(via)
        owner.traffic.receive(result)

    def _send_packet(self, packet: bytes, destination: IpAddress) -> None:
        if self._esp is None:
            raise RuntimeError("the peer is not open")
        self._esp.send(packet, destination)
