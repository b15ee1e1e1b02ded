"""A network namespace of its own in which the kernel is a peer, both its sides in our hands.

The kernel has its outer addresses on ``wire``, a TUN device where protected packets leave and
arrive, and routes to its protected subnets over ``inside``, another one. Nothing else reaches it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import socket
from contextlib import ExitStack
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from pyroute2 import IPRoute

from conformance.errors import UserError
from conformance.linux.tun import Tun
from conformance.linux.xfrm import Xfrm

if TYPE_CHECKING:
    from conformance.ipsec.packet import Address, Network

MTU = 1500
"""Of both devices, in octets."""
_NEW_NETWORK = 0x40000000
"""CLONE_NEWNET."""


class Ends(NamedTuple):
    """Where the two ends of one IP version stand."""

    kernel: Address
    """The kernel's outer address."""
    reference: Address
    """The reference's outer address, on the kernel's link."""
    kernel_subnet: Network
    """What the kernel protects, behind ``inside``."""
    reference_subnet: Network
    """What the reference protects, reached over ``wire``."""
    elsewhere: Network
    """What nobody protects, behind the reference."""
    beyond: Network
    """Both networks behind the reference."""


_WIRE_4, _WIRE_6 = IPv4Interface("192.0.2.1/24"), IPv6Interface("2001:db8::1/64")
ENDS = {
    4: Ends(
        _WIRE_4.ip,
        _WIRE_4.ip + 1,
        IPv4Network("198.51.100.0/24"),
        IPv4Network("203.0.113.0/25"),
        IPv4Network("203.0.113.128/25"),
        IPv4Network("203.0.113.0/24"),
    ),
    6: Ends(
        _WIRE_6.ip,
        _WIRE_6.ip + 1,
        IPv6Network("2001:db8:1::/64"),
        IPv6Network("2001:db8:2::/64"),
        IPv6Network("2001:db8:3::/64"),
        IPv6Network("2001:db8:2::/47"),
    ),
}
"""By IP version: addresses that are for documentation (RFC 5737, RFC 3849)."""

_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv6/conf/default/disable_ipv6": "0",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/addr_gen_mode": "1",
}
"""What this namespace is told: forward, answer no router, make no address of its own."""


class LinuxHost:
    """The kernel in a new namespace, which the calling process enters for good.

    Raises UserError where it cannot be made: without root, or without XFRM in the kernel.
    """

    def __init__(self) -> None:
        self._undo = ExitStack()
        try:
            self._make()
        except OSError as error:
            self._undo.close()
            hint = "It takes root, and a kernel with XFRM, IPv6 and TUN devices."
            raise UserError(f"cannot make a network namespace: {error}", hint) from error
        except BaseException:
            self._undo.close()
            raise

    def _make(self) -> None:
        _enter_new_namespace()
        for name, value in _SETTINGS.items():
            Path("/proc/sys", name).write_text(value)
        self.wire = self._undo.enter_context(Tun("wire"))
        """Where protected packets leave and arrive."""
        self.inside = self._undo.enter_context(Tun("inside"))
        """Where the packets of the kernel's subnets leave and arrive."""
        _configure()
        self.xfrm = self._undo.enter_context(Xfrm())
        """Its SAs and policies."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def errors(self) -> dict[str, int]:
        """The kernel's counters of packets that XFRM dropped, those that are not zero."""
        lines = Path("/proc/thread-self/net/xfrm_stat").read_text().split("\n")
        counts = {name: int(count) for name, count in map(str.split, filter(None, lines))}
        return {name: count for name, count in counts.items() if count}


def kernel_version() -> str:
    """The release of the kernel that runs, as ``uname`` tells it."""
    return platform.release()


def peer_name() -> str:
    """What the kernel is called as a peer: ``linux-<major>.<minor>``."""
    found = re.match(r"\d+\.\d+", kernel_version())
    return f"linux-{found[0] if found else kernel_version()}"


def _enter_new_namespace() -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_NEW_NETWORK):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _configure() -> None:
    with IPRoute(ext_ack=True) as routes:
        index = {name: socket.if_nametoindex(name) for name in ("lo", "wire", "inside")}
        routes.link("set", index=index["lo"], state="up")
        for name in ("wire", "inside"):
            routes.link("set", index=index[name], mtu=MTU, state="up")
        for own in (_WIRE_4, _WIRE_6):
            length = own.network.prefixlen
            routes.addr("add", index=index["wire"], address=str(own.ip), prefixlen=length)
        for ends in ENDS.values():
            for network, name in (
                (ends.kernel_subnet, "inside"),
                (ends.reference_subnet, "wire"),
                (ends.elsewhere, "wire"),
            ):
                routes.route("add", dst=str(network), oif=index[name])
