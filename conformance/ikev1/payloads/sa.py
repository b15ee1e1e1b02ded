"""The SA payload with its proposals and transforms (RFC 2408 3.4-3.6, RFC 2407 4.6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from conformance.ikev1.attributes import read_attributes
from conformance.ikev1.buffer import Layout
from conformance.ikev1.constants import SIT_IDENTITY_ONLY, Doi, PayloadType, Protocol
from conformance.ikev1.errors import DecodeError

if TYPE_CHECKING:
    from conformance.ikev1.attributes import Attribute
    from conformance.ikev1.buffer import Reader, Writer

_TRANSFORM = Layout("BBH")
_PROPOSAL = Layout("BBBB")
_SITUATION = Layout("II")
_PROTOCOLS = tuple(Protocol(number) for number in range(256))


class Transform(NamedTuple):
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

    @property
    def payload_type(self) -> PayloadType:
        """Its number in the chain of a proposal."""
        return PayloadType.T

    @classmethod
    def parse(cls, reader: Reader) -> Transform:
        """Read the whole body; raises DecodeError."""
        number, transform_id, reserved = reader.fields(_TRANSFORM)
        return cls(number, transform_id, read_attributes(reader), reserved)

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.fields(_TRANSFORM, self.number, self.transform_id, self.reserved)
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

    payload_type: ClassVar[PayloadType] = PayloadType.P
    number: int
    """Proposals of the same number are meant together, of different numbers as alternatives."""
    protocol: Protocol
    spi: bytes
    """The sender's inbound SPI; in phase 1 empty or the sender's cookie."""
    transforms: tuple[Transform, ...]

    @classmethod
    def parse(cls, reader: Reader) -> Proposal:
        """Read the whole body; raises DecodeError."""
        number, protocol, spi_size, count = reader.fields(_PROPOSAL)
        spi = reader.octets(spi_size)
        chain = reader.chain(PayloadType.T, "transforms") if reader.remaining else ()
        transforms = tuple([Transform.parse(reader) for _ in chain])
        if len(transforms) != count:
            raise DecodeError(f"{count} transforms announced, {len(transforms)} there")
        return cls(number, _PROTOCOLS[protocol], spi, transforms)

    def write(self, writer: Writer) -> None:
        """Append the body."""
        sizes = len(self.spi), len(self.transforms)
        writer.fields(_PROPOSAL, self.number, self.protocol, *sizes)
        writer.octets(self.spi)
        writer.chain(self.transforms)


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
        number, situation = reader.fields(_SITUATION)
        doi = Doi(number)
        if doi is not Doi.IPSEC or situation != SIT_IDENTITY_ONLY:
            return cls((), doi, situation, reader.rest())
        chain = reader.chain(PayloadType.P, "proposals")
        return cls(tuple([Proposal.parse(reader) for _ in chain]), doi, situation)

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.fields(_SITUATION, self.doi, self.situation)
        writer.chain(self.proposals)
        writer.octets(self.opaque)
