"""The SA payload with its proposals and transforms (RFC 2408 3.4-3.6, RFC 2407 4.6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.attributes import Attribute
from conformance.ikev1.constants import SIT_IDENTITY_ONLY, Doi, PayloadType, Protocol
from conformance.ikev1.errors import DecodeError
from conformance.ikev1.payloads.chain import read_generic, write_generic

if TYPE_CHECKING:
    from conformance.ikev1.buffer import Reader, Writer


@dataclass(frozen=True, slots=True)
class Transform:
    """One way to protect.

    ```
    |  Transform #  | Transform-Id  |           RESERVED2           |
    |                       SA Attributes ...                       |
    ```
    """

    number: int
    transform_id: int
    """KEY_IKE in phase 1; in phase 2 the transform of the proposal's protocol."""
    attributes: tuple[Attribute, ...]
    reserved: int = 0

    @classmethod
    def parse(cls, reader: Reader) -> Transform:
        """Read the whole body; raises DecodeError."""
        number, transform_id, reserved = reader.u8(), reader.u8(), reader.u16()
        attributes = []
        while reader.remaining:
            attributes.append(Attribute.parse(reader))
        return cls(number, transform_id, tuple(attributes), reserved)

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.u8(self.number)
        writer.u8(self.transform_id)
        writer.u16(self.reserved)
        for attribute in self.attributes:
            attribute.write(writer)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A protocol with the transforms offered for it, in order of preference.

    ```
    |  Proposal #   |  Protocol-Id  |    SPI Size   |# of Transforms|
    |                        SPI (variable)                         |
    ```
    """

    number: int
    """Proposals of the same number are meant together, of different numbers as alternatives."""
    protocol: Protocol
    spi: bytes
    """The sender's inbound SPI; in phase 1 empty or the sender's cookie."""
    transforms: tuple[Transform, ...]

    @classmethod
    def parse(cls, reader: Reader) -> Proposal:
        """Read the whole body; raises DecodeError."""
        number, protocol = reader.u8(), Protocol(reader.u8())
        spi_size, count = reader.u8(), reader.u8()
        spi = reader.octets(spi_size)
        transforms = []
        following = PayloadType.T if reader.remaining else PayloadType.NONE
        while following is PayloadType.T:
            following, body = read_generic(reader)
            with body as inner:
                transforms.append(Transform.parse(inner))
        _check_end(following, len(transforms), count)
        return cls(number, protocol, spi, tuple(transforms))

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.u8(self.number)
        writer.u8(self.protocol)
        writer.u8(len(self.spi))
        writer.u8(len(self.transforms))
        writer.octets(self.spi)
        for index, transform in enumerate(self.transforms, 1):
            last = index == len(self.transforms)
            with write_generic(writer, PayloadType.NONE if last else PayloadType.T):
                transform.write(writer)


def _check_end(following: PayloadType, found: int, count: int) -> None:
    if following is not PayloadType.NONE:
        raise DecodeError(f"payload {following.label} among transforms")
    if found != count:
        raise DecodeError(f"{count} transforms announced, {found} there")


@dataclass(frozen=True, slots=True)
class SecurityAssociation:
    """SA: what is offered, or the one thing chosen of it.

    ```
    |              Domain of Interpretation  (DOI)                  |
    |                           Situation                           |
    |                         Proposals ...                         |
    ```
    """

    payload_type: ClassVar[PayloadType] = PayloadType.SA
    proposals: tuple[Proposal, ...]
    doi: Doi = Doi.IPSEC
    situation: int = SIT_IDENTITY_ONLY
    opaque: bytes = b""
    """What follows a DOI or situation that we do not know; then there are no proposals."""

    @classmethod
    def parse(cls, reader: Reader) -> SecurityAssociation:
        """Read the whole body; raises DecodeError."""
        doi, situation = Doi(reader.u32()), reader.u32()
        if doi is not Doi.IPSEC or situation != SIT_IDENTITY_ONLY:
            return cls((), doi, situation, reader.rest())
        proposals, following = [], PayloadType.P
        while following is PayloadType.P:
            following, body = read_generic(reader)
            with body as inner:
                proposals.append(Proposal.parse(inner))
        if following is not PayloadType.NONE:
            raise DecodeError(f"payload {following.label} among proposals")
        return cls(tuple(proposals), doi, situation)

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.u32(self.doi)
        writer.u32(self.situation)
        for index, proposal in enumerate(self.proposals, 1):
            last = index == len(self.proposals)
            with write_generic(writer, PayloadType.NONE if last else PayloadType.P):
                proposal.write(writer)
        writer.octets(self.opaque)
