"""Security associations and their bundles (RFC 4301 4.4.2, RFC 2401 4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Literal, NamedTuple

from conformance.ipsec.ip import Protocol
from conformance.ipsec.ipcomp import COMPRESSION
from conformance.ipsec.lifetime import UNLIMITED, Lifetime, Usage
from conformance.ipsec.replay import ReplayWindow
from conformance.ipsec.selector import EVERYTHING, Selector
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from conformance.ipsec.tunnel_header import DEFAULT_HEADER, TunnelHeader

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.packet import Address
    from conformance.ipsec.transforms import KeyedCipher, KeyedMac

Direction = Literal["in", "out"]
Mode = Literal["tunnel", "transport"]

MAX_SEQUENCE, MAX_EXTENDED_SEQUENCE = 2**32 - 1, 2**64 - 1
"""The last sequence number of an SA, without and with ESN (RFC 4303 3.3.3)."""
_MAX_CPI = 0xFFFF


class UdpEncapsulation(NamedTuple):
    """The UDP header ahead of an SA's ESP, and what NATs did to the addresses (RFC 3948)."""

    source_port: int = 4500
    destination_port: int = 4500
    original_source: IPv4Address | None = None
    """The source that a transport mode sender sees, NAT-OA, where it differs (RFC 3947 5.2)."""
    original_destination: IPv4Address | None = None
    """The destination that a transport mode sender sees, NAT-OA."""


@dataclass(frozen=True, slots=True, eq=False)
class SecurityAssociation:
    """One one-way SA: parameters that stay, and the usage and window that change.

    AH has no cipher, IPComp neither cipher nor integrity: they are "none", their keys empty.
    Raises ValueError for an unknown algorithm or mode, or a key of the wrong size.
    """

    spi: int
    """The CPI, where the protocol is IPComp."""
    source: Address
    destination: Address
    direction: Direction
    mode: Mode
    cipher: str = "none"
    encryption_key: bytes = field(default=b"", repr=False)
    """With the salt behind it, where the transform has one."""
    integrity: str = "none"
    integrity_key: bytes = field(default=b"", repr=False)
    selector: Selector = EVERYTHING
    lifetime: Lifetime = UNLIMITED
    """Hard: what ends the SA."""
    soft: Lifetime = UNLIMITED
    """What asks for its successor, while it goes on (RFC 4301 4.4.2.1)."""
    protocol: int = Protocol.ESP
    usage: Usage = field(default_factory=Usage)
    replay: ReplayWindow | None = field(default_factory=ReplayWindow, repr=False)
    """None where anti-replay is off, as it must be without integrity (RFC 4303 3.4.3)."""
    esn: bool = False
    """Whether sequence numbers have 64 bits (RFC 4304); the high half is found by the window."""
    compression: str = "none"
    """IPComp's algorithm."""
    udp: UdpEncapsulation | None = None
    """Set where ESP travels in UDP (RFC 3948)."""
    tfc: int = 0
    """Octets up to which a tunnel's packets are padded, to hide their length (RFC 4303 2.7)."""
    tunnel_header: TunnelHeader = DEFAULT_HEADER
    """What a tunnel's outer header takes from the inner one, and gives it (RFC 4301 5.1.2)."""
    keyed_cipher: KeyedCipher = field(init=False, repr=False)
    """The cipher under its key, computed once; ESP's alone."""
    keyed_mac: KeyedMac = field(init=False, repr=False)
    """The integrity algorithm under its key, computed once."""

    def __post_init__(self) -> None:
        if self.mode not in ("tunnel", "transport"):
            raise ValueError(f"an SA's mode is tunnel or transport, not {self.mode}")
        if self.source.version != self.destination.version:
            raise ValueError(f"an SA from {self.source} to {self.destination}")
        if self.protocol not in _CHECKS:
            raise ValueError(f"an SA of protocol {self.protocol}")
        _CHECKS[self.protocol](self)
        cipher = ENCRYPTION.get(self.cipher, ENCRYPTION["null"])
        object.__setattr__(self, "keyed_cipher", cipher.keyed(self.encryption_key))
        keyed_mac = INTEGRITY[self.integrity].keyed(self.integrity_key)
        object.__setattr__(self, "keyed_mac", keyed_mac)

    def expired(self, now: float) -> bool:
        """Whether a hard limit of the lifetime is reached."""
        return self.usage.spent(self.lifetime, now) is not None

    @property
    def last_sequence(self) -> int:
        """The number after which the SA carries nothing more."""
        return MAX_EXTENDED_SEQUENCE if self.esn else MAX_SEQUENCE

    @property
    def iv_size(self) -> int:
        """Octets of the IV that each packet takes."""
        cipher = ENCRYPTION.get(self.cipher)
        return cipher.iv_size if cipher else INTEGRITY[self.integrity].iv_size

    @property
    def counts_ivs(self) -> bool:
        """Whether an IV must never be used twice, and so is the sequence number."""
        cipher = ENCRYPTION.get(self.cipher)
        return cipher.counts if cipher else INTEGRITY[self.integrity].iv_size > 0


def _check_esp(sa: SecurityAssociation) -> None:
    cipher, mac = ENCRYPTION.get(sa.cipher), INTEGRITY.get(sa.integrity)
    if cipher is None or mac is None or mac.ah_only or (cipher.icv_size and mac.icv_size):
        raise ValueError(f"ESP has no transform {sa.cipher} with {sa.integrity}")
    if not cipher.alone and not mac.icv_size:
        raise ValueError(f"{sa.cipher} needs integrity")
    if sa.udp is not None and not isinstance(sa.source, IPv4Address):
        raise ValueError("ESP travels in UDP over IPv4 alone")
    if sa.replay is not None and not mac.icv_size and not cipher.icv_size:
        raise ValueError("anti-replay needs integrity")
    _check_keys(sa, cipher.key_size, mac.key_size)


def _check_ah(sa: SecurityAssociation) -> None:
    mac = INTEGRITY.get(sa.integrity)
    if mac is None or not mac.icv_size or sa.cipher != "none" or sa.udp is not None:
        raise ValueError(f"AH has no transform {sa.integrity} with {sa.cipher}, UDP {sa.udp}")
    _check_keys(sa, 0, mac.key_size)


def _check_ipcomp(sa: SecurityAssociation) -> None:
    if sa.compression not in COMPRESSION or not 0 < sa.spi <= _MAX_CPI or sa.udp is not None:
        raise ValueError(f"no IPComp {sa.compression} with CPI {sa.spi}, UDP {sa.udp}")
    if (sa.cipher, sa.integrity) != ("none", "none"):
        raise ValueError(f"IPComp has no {sa.cipher} and no {sa.integrity}")
    _check_keys(sa, 0, 0)


def _check_keys(sa: SecurityAssociation, encryption: int, integrity: int) -> None:
    for key, size, name in (
        (sa.encryption_key, encryption, sa.cipher),
        (sa.integrity_key, integrity, sa.integrity),
    ):
        if len(key) != size:
            raise ValueError(f"{name} takes a key of {size} octets, not {len(key)}")


_CHECKS: dict[int, Callable[[SecurityAssociation], None]] = {
    Protocol.ESP: _check_esp,
    Protocol.AH: _check_ah,
    Protocol.IPCOMP: _check_ipcomp,
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """The SAs that protect one packet together, outermost first (RFC 2401 4.3).

    In tunnel mode the innermost makes the tunnel and the others are in transport mode. Raises
    ValueError for SAs that cannot stand together.
    """

    sas: tuple[SecurityAssociation, ...]

    def __post_init__(self) -> None:
        if not self.sas:
            raise ValueError("a bundle without any SA")
        ends = {(sa.source, sa.destination, sa.direction) for sa in self.sas}
        if len(ends) != 1:
            raise ValueError("the SAs of a bundle join the same ends, one way")
        if any(sa.mode == "tunnel" for sa in self.sas[:-1]):
            raise ValueError("only the innermost SA of a bundle makes a tunnel")
        order = [_ORDER.index(sa.protocol) for sa in self.sas]
        if order != sorted(set(order)):
            raise ValueError("a bundle has AH ahead of ESP ahead of IPComp, each at most once")
        if self.udp is not None and self.sas[0].udp is None:
            raise ValueError("AH does not travel in UDP")

    @property
    def outer(self) -> SecurityAssociation:
        """The SA whose header comes first on the wire."""
        return self.sas[0]

    @property
    def inner(self) -> SecurityAssociation:
        """The SA that is applied first, whose mode and selector are the bundle's."""
        return self.sas[-1]

    @property
    def udp(self) -> UdpEncapsulation | None:
        """The UDP encapsulation of its ESP, if any."""
        return next((sa.udp for sa in self.sas if sa.udp is not None), None)


_ORDER = (Protocol.AH, Protocol.ESP, Protocol.IPCOMP)


def bundled(sa: SecurityAssociation | Bundle) -> Bundle:
    """A bundle as it is, an SA as a bundle of its own."""
    return sa if isinstance(sa, Bundle) else Bundle((sa,))
