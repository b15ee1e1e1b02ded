"""What must hold before a run against a device, and who is in the way where it does not."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import closing, suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.errors import UserError
from conformance.peer.sockets import IKE_PORT, NATT_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBE = 5.0
"""Seconds for an ICMP message from the device or a router; unanswered ARP takes three."""
IP_RECVERR = 11
LOOPBACK = "lo"
_WITH_ETHERNET_HEADER = {1, 772}
"""ARPHRD_ETHER and ARPHRD_LOOPBACK of Linux."""
_PROC = Path("/proc")
_UNREACHABLE = {
    errno.ECONNREFUSED: "it answers that nothing listens there",
    errno.EHOSTUNREACH: "no host answers at this address",
    errno.ENETUNREACH: "there is no route to it",
    errno.EACCES: "a firewall forbids it",
    errno.EPERM: "a firewall of this host forbids it",
}


def check_here(address: IPv4Address) -> None:
    """UserError where the address is not ours, a port is taken, or root is needed."""
    if os.geteuid() != 0:
        raise UserError(
            "a run against a device needs root",
            "It binds UDP port 500, opens raw sockets for ESP and AH, and captures.",
        )
    for port in (IKE_PORT, NATT_PORT):
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            try:
                probe.bind((str(address), port))
            except OSError as error:
                raise _cannot_bind(address, port, error) from error


def _cannot_bind(address: IPv4Address, port: int, error: OSError) -> UserError:
    if error.errno == errno.EADDRINUSE:
        owner = port_owner(address, port)
        by = f" by {owner}" if owner else ""
        hint = "Stop it, or run from an address that it does not listen on."
        return UserError(f"UDP port {port} of {address} is taken{by}", hint)
    if error.errno == errno.EADDRNOTAVAIL:
        hint = "here.address must be one that `ip address` lists."
        return UserError(f"{address} is no address of this host", hint)
    return UserError(f"cannot bind UDP port {port} of {address}: {error.strerror}")


def port_owner(address: IPv4Address, port: int) -> str | None:
    """Name and process id of whoever holds a UDP port here; None where that is not seen."""
    inodes = {inode for held, inode in _udp_sockets() if held in _spellings(address, port)}
    for folder in _PROC.glob("[0-9]*"):
        if inodes & set(_sockets_of(folder)):
            return f"{(folder / 'comm').read_text().strip()} (process {folder.name})"
    return None


def _spellings(address: IPv4Address, port: int) -> set[str]:
    """As ``/proc/net/udp`` shows them: the address in the machine's order of octets, or any."""
    return {
        f"{int.from_bytes(one.packed, 'little'):08X}:{port:04X}"
        for one in (address, IPv4Address(0))
    }


def _udp_sockets() -> Iterator[tuple[str, str]]:
    """Local end and inode of every UDP socket."""
    for line in (_PROC / "net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        yield fields[1], fields[9]


def _sockets_of(folder: Path) -> Iterator[str]:
    """The inodes of a process's sockets, as far as it may be looked at and still has them."""
    with suppress(OSError):
        for link in (folder / "fd").iterdir():
            with suppress(OSError):  # the folder's own descriptor, for one, is gone by now
                target = str(link.readlink())
                if target.startswith("socket:["):
                    yield target[8:-1]


def check_device(here: IPv4Address, device: IPv4Address) -> None:
    """UserError where the device says, or a router does, that nobody is there.

    Silence is no proof: many devices drop what is no IKE.
    """
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        probe.settimeout(PROBE)
        # Without it Linux tells a UDP socket of closed ports alone, not of absent hosts.
        probe.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        try:
            probe.bind((str(here), 0))
            probe.connect((str(device), IKE_PORT))
            probe.send(b"")
            probe.recv(1)
        except TimeoutError:
            return
        except OSError as error:
            why = _UNREACHABLE.get(error.errno or 0, error.strerror)
            raise UserError(
                f"{device}, UDP port {IKE_PORT}: {why}",
                "Check device.address, the way there, and whether the device's IKE is on.",
            ) from error


def interface_to(device: IPv4Address, routes: str | None = None) -> str:
    """The interface that packets to the device leave by, from ``/proc/net/route`` (or a text)."""
    if device.is_loopback:
        return LOOPBACK
    text = (_PROC / "net/route").read_text() if routes is None else routes
    found = [row for row in map(str.split, text.splitlines()[1:]) if _covers(row, device)]
    if not found:
        raise UserError(f"there is no route to {device}", "Give the interface with --interface.")
    return max(found, key=lambda row: (int(row[7], 16).bit_count(), -int(row[6])))[0]


def check_interface(name: str, folder: Path = Path("/sys/class/net")) -> None:
    """UserError where there is no such interface, or its packets have no Ethernet header."""
    try:
        kind = int((folder / name / "type").read_text())
    except OSError as error:
        raise UserError(f"there is no interface {name!r}", "`ip link` lists them.") from error
    if kind not in _WITH_ETHERNET_HEADER:
        raise UserError(
            f"interface {name} is no Ethernet: its packets cannot be captured",
            "Reach the device over Ethernet, or over a bridge or veth.",
        )


def _covers(row: list[str], device: IPv4Address) -> bool:
    destination, mask = (int(row[column], 16) for column in (1, 7))
    return int.from_bytes(device.packed, "little") & mask == destination
