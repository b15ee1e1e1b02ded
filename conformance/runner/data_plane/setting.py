"""What a cell's words mean: addresses, selectors and the SAs of both ends, keys from the seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from conformance.crypto.random import seeded_random
from conformance.ipsec.association import Bundle, SecurityAssociation, UdpEncapsulation
from conformance.ipsec.ip import Protocol
from conformance.ipsec.packet import host_network
from conformance.ipsec.replay import ReplayWindow
from conformance.ipsec.sad import Usage
from conformance.ipsec.selector import Selector
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from conformance.linux.host import ENDS
from conformance.linux.local import PROTOCOL
from conformance.matrix.data_plane import KERNEL, NO_WINDOW

if TYPE_CHECKING:
    from conformance.ipsec.association import Direction
    from conformance.ipsec.packet import Address, Network, Packet
    from conformance.matrix.data_plane import DataCell

_End = TypeVar("_End")

_FAMILIES = {"ipv4": (4, 4), "ipv6": (6, 6), "4in6": (4, 6), "6in4": (6, 4)}
"""IP versions inside and outside."""
_NUMBERS = {"ah": Protocol.AH, "esp": Protocol.ESP, "ipcomp": Protocol.IPCOMP}
_FIRST_SPI, _SPIS, _CPIS = 0x100, 0xFFFFFF00, 0xFE00
"""Lower numbers are IANA's (RFC 4303 2.1); CPIs have 16 bits (RFC 3173 3.3)."""
_TOLD_BY_PROTOCOL = ("selector", "sealed-next-header")
NOBODY = 254
"""Another number for experiments (RFC 3692 2.1), which no selector of a cell has."""
_BEFORE_CYCLE = 2**32 - 11
"""An ESN cell begins here, so that its packets have both high halves."""


@dataclass(frozen=True, slots=True)
class _Key:
    """One SA's name and keys."""

    protocol: Protocol
    spi: int
    encryption: bytes
    integrity: bytes


class Setting:
    """One cell's addresses and keys; both ends' SAs are made of it."""

    def __init__(self, cell: DataCell, seed: str) -> None:
        self.cell = cell
        self.seed = seed
        self.random = seeded_random(seed)
        """For keys, payloads, and the IVs of the reference."""
        self.inner_version, self.outer_version = _FAMILIES[cell.family]
        self.kernel_sends = cell.direction.startswith(KERNEL)
        """Whether the kernel encrypts."""
        self.first = _BEFORE_CYCLE if cell.esn == "yes" else 0
        """The sequence number ahead of the first one."""
        self.outer = self._outer()
        """Source and destination of what goes over the wire."""
        self.networks = self._networks()
        """Source and destination network of what is protected."""
        self.addresses = self._addresses()
        """Source and destination of what is protected."""
        self._keys = [self._key(name) for name in cell.protocol.split("+")]

    def _turned(self, reference: _End, kernel: _End) -> tuple[_End, _End]:
        return (kernel, reference) if self.kernel_sends else (reference, kernel)

    def _outer(self) -> tuple[Address, Address]:
        ends = ENDS[self.outer_version]
        return self._turned(ends.reference, ends.kernel)

    def _networks(self) -> tuple[Network, Network]:
        if self.cell.mode == "transport":
            source, destination = self.outer
            return host_network(source), host_network(destination)
        ends = ENDS[self.inner_version]
        return self._turned(ends.reference_subnet, ends.kernel_subnet)

    def _addresses(self) -> tuple[Address, Address]:
        if self.cell.mode == "transport":
            return self.outer
        source, destination = self.networks
        return source[7], destination[9]

    def _key(self, name: str) -> _Key:
        protocol = _NUMBERS[name]
        span = _CPIS if protocol == Protocol.IPCOMP else _SPIS
        return _Key(
            protocol,
            _FIRST_SPI + int.from_bytes(self.random(4)) % span,
            self.random(ENCRYPTION[self.cell.cipher].key_size) if name == "esp" else b"",
            self.random(INTEGRITY[self.cell.integrity].key_size) if name != "ipcomp" else b"",
        )

    def bundle(self, direction: Direction) -> Bundle:
        """The cell's SAs for one end, unused: in tunnel mode the innermost makes the tunnel."""
        *around, inner = self._keys
        return Bundle(
            (
                *(self._sa(key, direction, "transport") for key in around),
                self._sa(inner, direction, self.cell.mode),
            )
        )

    def _sa(self, key: _Key, direction: Direction, mode: str) -> SecurityAssociation:
        cell, source, destination = self.cell, *self.outer
        is_esp, is_ipcomp = key.protocol == Protocol.ESP, key.protocol == Protocol.IPCOMP
        return SecurityAssociation(
            spi=key.spi,
            source=source,
            destination=destination,
            direction=direction,
            mode="tunnel" if mode == "tunnel" else "transport",
            cipher=cell.cipher if is_esp else "none",
            encryption_key=key.encryption,
            integrity="none" if is_ipcomp else cell.integrity,
            integrity_key=key.integrity,
            selector=self._selector(direction),
            protocol=key.protocol,
            usage=Usage(sequence=0 if is_ipcomp else self.first),
            replay=None if is_ipcomp else self._window(),
            esn=cell.esn == "yes" and not is_ipcomp,
            compression="deflate" if is_ipcomp else "none",
            udp=UdpEncapsulation() if is_esp and cell.udp == "yes" else None,
        )

    def _selector(self, direction: Direction) -> Selector:
        """What is protected; a sender of what is outside has a wider one than its receiver.

        In transport mode only an upper layer protocol can be outside.
        """
        tells = direction == "in" and self.cell.case in _TOLD_BY_PROTOCOL
        if direction == "out" and self.cell.case == "selector" and self.cell.mode == "tunnel":
            ends = ENDS[self.inner_version]
            return Selector(*self._turned(ends.beyond, ends.kernel_subnet))
        return Selector(*self.networks, protocol=PROTOCOL if tells else 0)

    def outside(self, packet: Packet) -> Packet:
        """``packet`` as the receiver's selector does not cover it."""
        changed: dict[str, Any] = {"protocol": NOBODY}
        if self.cell.mode == "tunnel":
            far_end = "destination" if self.kernel_sends else "source"
            changed = {far_end: ENDS[self.inner_version].elsewhere[7]}
        return replace(packet, **changed)

    def _window(self) -> ReplayWindow | None:
        if self.cell.window == NO_WINDOW:
            return None
        window = ReplayWindow(int(self.cell.window))
        window.right = self.first
        return window
