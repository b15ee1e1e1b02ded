"""The payloads of NAT traversal (RFC 3947 3.2 and 5.2, and its drafts under private numbers)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, ClassVar, Self

from conformance.ikev1.constants import IdType, PayloadType
from conformance.ikev1.errors import DecodeError

if TYPE_CHECKING:
    from conformance.ikev1.buffer import Reader, Writer

_SIZES = {IdType.IPV4_ADDR: 4, IdType.IPV6_ADDR: 16}
_ID_TYPES = {4: IdType.IPV4_ADDR, 6: IdType.IPV6_ADDR}
_RESERVED = 3


@dataclass(frozen=True, slots=True)
class NatOriginalAddress:
    """NAT-OA: an address of the packet as its sender knows it.

    ```
    |    ID Type    |                   RESERVED                    |
    |           IPv4 (4 octets) or IPv6 address (16 octets)         |
    ```
    """

    payload_type: ClassVar[PayloadType] = PayloadType.NAT_OA
    address: IPv4Address | IPv6Address

    @classmethod
    def parse(cls, reader: Reader) -> Self:
        """Read the whole body; raises DecodeError."""
        id_type, reserved = IdType(reader.u8()), reader.octets(_RESERVED)
        if any(reserved):
            raise DecodeError(f"reserved octets of NAT-OA are {reserved.hex()}")
        if id_type not in _SIZES:
            raise DecodeError(f"NAT-OA with an ID of type {id_type.label}")
        return cls(ip_address(reader.octets(_SIZES[id_type])))

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.u8(_ID_TYPES[self.address.version])
        writer.octets(bytes(_RESERVED))
        writer.octets(self.address.packed)

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class NatOriginalAddressDraft(NatOriginalAddress):
    """NAT-OA as the drafts to 03 number it."""

    payload_type: ClassVar[PayloadType] = PayloadType.NAT_OA_DRAFT


@dataclass(frozen=True, slots=True)
class NatOriginalAddressLateDraft(NatOriginalAddress):
    """NAT-OA as the drafts from 04 number it."""

    payload_type: ClassVar[PayloadType] = PayloadType.NAT_OA_LATE_DRAFT
