"""What every payload offers: its type, and parse and write over its body (RFC 2408 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from conformance.ikev1.buffer import Reader, Writer
    from conformance.ikev1.constants import PayloadType


class Payload(Protocol):
    """A frozen dataclass for the body of one payload."""

    @property
    def payload_type(self) -> PayloadType:
        """The number that the preceding next-payload field carries."""

    def write(self, writer: Writer) -> None:
        """Append the body."""


class ParsedPayload(Payload, Protocol):
    """A payload whose body has a structure."""

    @classmethod
    def parse(cls, reader: Reader) -> Self:
        """Read the whole body; raises DecodeError."""


@dataclass(frozen=True, slots=True)
class OpaquePayload:
    """The body of a payload whose structure is not looked into: CERT, CR, NAT-D, unknown ones."""

    payload_type: PayloadType
    data: bytes

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.octets(self.data)
