"""The Identification payload: who a peer is, or which traffic it stands for.

RFC 2407 4.6.2, RFC 3554 3 (lists).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, ClassVar

from conformance.crypto import names
from conformance.ikev1.buffer import Reader, Writer
from conformance.ikev1.constants import IdType, PayloadType
from conformance.ikev1.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Addresses = tuple[int, int, int]
"""IP version, first and last address as integers."""


def _address(version: int, data: bytes) -> Addresses:
    return version, int.from_bytes(data), int.from_bytes(data)


def _subnet(version: int, data: bytes) -> Addresses:
    half = len(data) // 2
    mask = int.from_bytes(data[half:])
    first = int.from_bytes(data[:half]) & mask
    return version, first, first | (mask ^ ((1 << 8 * half) - 1))


def _range(version: int, data: bytes) -> Addresses:
    half = len(data) // 2
    return version, int.from_bytes(data[:half]), int.from_bytes(data[half:])


# type: (octets of data, IP version, what they mean)
_ADDRESS_FORMS: dict[int, tuple[int, int, Callable[[int, bytes], Addresses]]] = {
    IdType.IPV4_ADDR: (4, 4, _address),
    IdType.IPV4_ADDR_SUBNET: (8, 4, _subnet),
    IdType.IPV4_ADDR_RANGE: (8, 4, _range),
    IdType.IPV6_ADDR: (16, 6, _address),
    IdType.IPV6_ADDR_SUBNET: (32, 6, _subnet),
    IdType.IPV6_ADDR_RANGE: (32, 6, _range),
}
_VERSIONS: dict[int, type[IPv4Address | IPv6Address]] = {4: IPv4Address, 6: IPv6Address}
_NAMES: dict[int, Callable[[bytes], str]] = {
    IdType.DER_ASN1_DN: names.name_text,
    IdType.DER_ASN1_GN: names.general_text,
}
"""How names in DER are shown."""
_TEXT_TYPES = (IdType.FQDN, IdType.USER_FQDN)


@dataclass(frozen=True, slots=True)
class Identification:
    """ID: IDii and IDir in phase 1, IDci and IDcr in phase 2.

    ```
    |   ID Type     |  Protocol ID  |             Port              |
    |                     Identification Data                       |
    ```
    """

    payload_type: ClassVar[PayloadType] = PayloadType.ID
    type: int
    data: bytes
    protocol: int = 0
    """IP protocol, 0 for any; in phase 1 it is 0 or UDP."""
    port: int = 0
    """0 for any; in phase 1 it is 0 or 500."""

    @classmethod
    def ipv4_addr(cls, address: str, protocol: int = 0, port: int = 0) -> Identification:
        """ID_IPV4_ADDR; raises ValueError."""
        return cls(IdType.IPV4_ADDR, IPv4Address(address).packed, protocol, port)

    @classmethod
    def ipv6_addr(cls, address: str, protocol: int = 0, port: int = 0) -> Identification:
        """ID_IPV6_ADDR; raises ValueError."""
        return cls(IdType.IPV6_ADDR, IPv6Address(address).packed, protocol, port)

    @classmethod
    def ipv4_subnet(cls, network: str, protocol: int = 0, port: int = 0) -> Identification:
        """ID_IPV4_ADDR_SUBNET from CIDR notation; raises ValueError."""
        subnet = IPv4Network(network)
        data = subnet.network_address.packed + subnet.netmask.packed
        return cls(IdType.IPV4_ADDR_SUBNET, data, protocol, port)

    @classmethod
    def selector(cls, network: str, protocol: int = 0, port: int = 0) -> Identification:
        """A client identity from CIDR notation: an address when it is one host, else a subnet."""
        subnet = ip_network(network)
        kinds = {
            4: (IdType.IPV4_ADDR, IdType.IPV4_ADDR_SUBNET),
            6: (IdType.IPV6_ADDR, IdType.IPV6_ADDR_SUBNET),
        }
        host, net = kinds[subnet.version]
        packed = subnet.network_address.packed
        if subnet.prefixlen == subnet.max_prefixlen:
            return cls(host, packed, protocol, port)
        return cls(net, packed + subnet.netmask.packed, protocol, port)

    @classmethod
    def fqdn(cls, name: str) -> Identification:
        """ID_FQDN."""
        return cls(IdType.FQDN, name.encode())

    @classmethod
    def user_fqdn(cls, name: str) -> Identification:
        """ID_USER_FQDN."""
        return cls(IdType.USER_FQDN, name.encode())

    @classmethod
    def key_id(cls, data: bytes) -> Identification:
        """ID_KEY_ID, an opaque string."""
        return cls(IdType.KEY_ID, data)

    @classmethod
    def dn(cls, name: str | bytes) -> Identification:
        """ID_DER_ASN1_DN from RFC 4514 text or from DER (Certificate.subject); raises ValueError.

        In what is expected of a peer a value may be "*".
        """
        return cls(
            IdType.DER_ASN1_DN, names.name_from_text(name) if isinstance(name, str) else name
        )

    @classmethod
    def general_name(cls, kind: str, text: str) -> Identification:
        """ID_DER_ASN1_GN of kind dns, email, uri, ip or dn; raises ValueError."""
        return cls(IdType.DER_ASN1_GN, names.general_name(kind, text))

    @classmethod
    def of_several(cls, members: Iterable[Identification]) -> Identification:
        """ID_LIST (RFC 3554 3)."""
        writer = Writer()
        for one in members:
            writer.chain([one])
        return cls(IdType.LIST, writer.data)

    @classmethod
    def parse(cls, reader: Reader) -> Identification:
        """Read the whole body; raises DecodeError."""
        id_type, protocol, port = IdType(reader.u8()), reader.u8(), reader.u16()
        return cls(id_type, reader.rest(), protocol, port)

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.u8(self.type)
        writer.u8(self.protocol)
        writer.u16(self.port)
        writer.octets(self.data)

    @property
    def addresses(self) -> Addresses | None:
        """The addresses that it covers; None where it names none or has the wrong length."""
        size, version, meaning = _ADDRESS_FORMS.get(self.type, (-1, 0, _address))
        return meaning(version, self.data) if len(self.data) == size else None

    @property
    def members(self) -> tuple[Identification, ...] | None:
        """The identities of an ID_LIST, itself for any other type.

        None for a list that is empty or malformed or holds another one (RFC 3554 3).
        """
        if self.type != IdType.LIST:
            return (self,)
        reader, found = Reader(self.data), list[Identification]()
        try:
            while reader.remaining:
                found += [Identification.parse(reader) for _ in reader.chain(PayloadType.ID)]
        except DecodeError:
            return None
        nested = any(one.type == IdType.LIST for one in found)
        return None if nested or not found else tuple(found)

    def is_same(self, other: Identification) -> bool:
        """Whether the other, in phase 1, is the identity that this one asks for."""
        if (self.type, other.type) == (IdType.DER_ASN1_DN, IdType.DER_ASN1_DN):
            return names.same_name(self.data, other.data)
        if self.type in _TEXT_TYPES:
            return (self.type, self.data.lower()) == (other.type, other.data.lower())
        return (self.type, self.data) == (other.type, other.data)

    def covers_same(self, other: Identification) -> bool:
        """Whether both select the same traffic, in whatever form they say so."""
        mine, theirs = self.addresses, other.addresses
        if mine is None or theirs is None:
            return self == other
        return (mine, self.protocol, self.port) == (theirs, other.protocol, other.port)

    def __str__(self) -> str:
        ports = f" protocol {self.protocol} port {self.port}" if self.protocol or self.port else ""
        return f"{IdType(self.type).label} {self._value()}{ports}"

    def _value(self) -> str:
        if self.type in _TEXT_TYPES:
            return self.data.decode("ascii", "backslashreplace")
        if addresses := self.addresses:
            version, first, last = addresses
            return _span(_VERSIONS[version], first, last)
        if self.type == IdType.LIST and self.members:
            return f"[{', '.join(map(str, self.members))}]"
        try:
            return _NAMES[self.type](self.data) if self.type in _NAMES else self.data.hex()
        except ValueError:
            return self.data.hex()


def _span(build: type[IPv4Address | IPv6Address], first: int, last: int) -> str:
    low, high = build(first), build(last)
    size = last - first + 1
    if size == 1:
        return str(low)
    if size > 0 and size & (size - 1) == 0 and first % size == 0:
        return f"{low}/{low.max_prefixlen - (size.bit_length() - 1)}"
    return f"{low}-{high}"


def selector_of_host(address: str) -> Identification:
    """The identity that RFC 2409 5.5 implies for a peer when client identities are absent."""
    return Identification.selector(str(ip_address(address)))
