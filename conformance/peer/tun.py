"""A TUN device: the host's own packets, taken before they leave and given after they came (Linux).

It carries either family and vanishes with the process, and its addresses and routes with it.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import socket
import struct
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.errors import UserError
from conformance.peer import netlink
from conformance.peer.netlink import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.packet import Address, Network
    from conformance.peer.fields import IpInterface

_DEVICE = Path("/dev/net/tun")
_SET_INTERFACE = 0x400454CA
_TUN, _NO_INFORMATION = 0x1, 0x1000
_NAME_SIZE = 16
_LARGEST = 0xFFFF
_AT_ONCE = 64
"""Packets that are read before others get their turn."""
_ROOT = "Run it as root, or give it CAP_NET_ADMIN."

_log = logging.getLogger(__name__)


class Tun:
    """One device, up; ``receive`` takes every packet that the host routes into it.

    Raises UserError where the device cannot be made.
    """

    def __init__(self, name: str, mtu: int, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._undo = ExitStack()
        self._given: IpInterface | None = None
        try:
            self._file = os.open(_DEVICE, os.O_RDWR | os.O_NONBLOCK)
            self._undo.callback(os.close, self._file)
            request = struct.pack("16sH22x", name.encode(), _TUN | _NO_INFORMATION)
            answer = fcntl.ioctl(self._file, _SET_INTERFACE, request)
            self.name = answer[:_NAME_SIZE].rstrip(b"\0").decode()
            """As the kernel calls it: "" or "x%d" lets it choose a number."""
            self._index = socket.if_nametoindex(self.name)
            netlink.bring_up(self._index, mtu)
        except OSError as error:
            self._undo.close()
            hint = _ROOT if error.errno in (errno.EPERM, errno.EACCES) else ""
            text = f"cannot make the TUN device {name}: {error.strerror}"
            raise UserError(text, hint) from error
        self._loop.add_reader(self._file, self._readable)
        self._undo.callback(self._loop.remove_reader, self._file)

    def give_address(self, address: IpInterface) -> None:
        """The host gets an address here, in the place of an earlier one; raises UserError."""
        if address == self._given:
            return
        try:
            netlink.add_address(self._index, address)
            if self._given is not None:
                netlink.remove_address(self._index, self._given)
        except OSError as error:
            raise UserError(f"cannot give {self.name} {address}: {error.strerror}") from error
        self._given = address

    def add_route(self, network: Network, remote: Address) -> None:
        """Everything for ``network`` goes through the tunnel, but what carries the tunnel itself.

        Raises UserError.
        """
        source = self._given.ip if self._given else None
        halves: list[Network] = [network] if network.prefixlen else [*network.subnets()]
        try:
            if remote in network:
                self._keep(netlink.route_to(remote))
            for part in halves:
                netlink.add_route(Route(part, self._index, source=source))
        except OSError as error:
            text = f"cannot route {network} through {self.name}: {error.strerror}"
            raise UserError(text, "`ip route` shows what is there already.") from error

    def _keep(self, route: Route) -> None:
        try:
            netlink.add_route(route)
        except FileExistsError:
            return
        self._undo.callback(netlink.remove_route, route)

    def _readable(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(self._file, _LARGEST)
            except BlockingIOError:
                return
            except OSError as error:  # somebody took the link down
                _log.warning("%s: %s", self.name, error)
                return
            self._receive(packet)

    def send(self, packet: bytes) -> None:
        """Give the host a packet, as if it had come in here; one that it refuses is lost."""
        try:
            os.write(self._file, packet)
        except OSError as error:
            _log.warning("%s: %d octets lost: %s", self.name, len(packet), error)

    def close(self) -> None:
        """Undo everything."""
        self._undo.close()
