"""The fragment payload of IKEv1 fragmentation, number 132 ([MS-IKEE])."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.constants import PayloadType
from conformance.ikev1.errors import DecodeError

if TYPE_CHECKING:
    from conformance.ikev1.buffer import Reader, Writer

_LAST = 1


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of an ISAKMP message, header included.

    ```
    |          Fragment ID          | Fragment No.  |     Flags     |
    |                            Data ...                           |
    ```
    """

    payload_type: ClassVar[PayloadType] = PayloadType.FRAGMENT
    identifier: int
    """The same for all parts of a message."""
    number: int
    """From 1."""
    last: bool
    data: bytes = field(repr=False)

    @classmethod
    def parse(cls, reader: Reader) -> Fragment:
        """Read the whole body; raises DecodeError."""
        identifier, number, flags = reader.u16(), reader.u8(), reader.u8()
        if not number or not reader.remaining:
            raise DecodeError(f"fragment {number} of {reader.remaining} octets")
        return cls(identifier, number, bool(flags & _LAST), reader.rest())

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.u16(self.identifier)
        writer.u8(self.number)
        writer.u8(_LAST if self.last else 0)
        writer.octets(self.data)
