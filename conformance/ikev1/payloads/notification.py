"""The Notification and Delete payloads (RFC 2408 3.14, 3.15)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.constants import Doi, NotifyType, PayloadType, Protocol
from conformance.ikev1.errors import DecodeError

if TYPE_CHECKING:
    from conformance.ikev1.buffer import Reader, Writer


@dataclass(frozen=True, slots=True)
class Notification:
    """N: an error or status about an SA.

    ```
    |              Domain of Interpretation  (DOI)                  |
    |  Protocol-ID  |   SPI Size    |      Notify Message Type      |
    |                Security Parameter Index (SPI)                 |
    |                       Notification Data                       |
    ```
    """

    payload_type: ClassVar[PayloadType] = PayloadType.N
    notify_type: NotifyType
    protocol: Protocol = Protocol.ISAKMP
    spi: bytes = b""
    """The SA it speaks of; both cookies for an ISAKMP SA."""
    data: bytes = b""
    doi: Doi = Doi.IPSEC

    @classmethod
    def parse(cls, reader: Reader) -> Notification:
        """Read the whole body; raises DecodeError."""
        doi, protocol, spi_size = Doi(reader.u32()), Protocol(reader.u8()), reader.u8()
        notify_type, spi = NotifyType(reader.u16()), reader.octets(spi_size)
        return cls(notify_type, protocol, spi, reader.rest(), doi)

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.u32(self.doi)
        writer.u8(self.protocol)
        writer.u8(len(self.spi))
        writer.u16(self.notify_type)
        writer.octets(self.spi)
        writer.octets(self.data)


@dataclass(frozen=True, slots=True)
class Delete:
    """D: SAs that the sender has removed from its database.

    ```
    |              Domain of Interpretation  (DOI)                  |
    |  Protocol-Id  |   SPI Size    |           # of SPIs           |
    |             Security Parameter Index(es) (SPI) ...            |
    ```
    """

    payload_type: ClassVar[PayloadType] = PayloadType.D
    protocol: Protocol
    spis: tuple[bytes, ...]
    """The sender's inbound SPIs, or the cookie pair of an ISAKMP SA; all of one size."""
    doi: Doi = Doi.IPSEC

    @classmethod
    def parse(cls, reader: Reader) -> Delete:
        """Read the whole body; raises DecodeError."""
        doi, protocol = Doi(reader.u32()), Protocol(reader.u8())
        spi_size, count = reader.u8(), reader.u16()
        if count and not spi_size:
            raise DecodeError(f"{count} SPIs of no octets")
        with reader.block(spi_size * count) as inner:
            spis = tuple(inner.octets(spi_size) for _ in range(count))
        return cls(protocol, spis, doi)

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.u32(self.doi)
        writer.u8(self.protocol)
        writer.u8(len(self.spis[0]) if self.spis else 0)
        writer.u16(len(self.spis))
        for spi in self.spis:
            writer.octets(spi)
