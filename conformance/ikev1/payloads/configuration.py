"""The Attribute payload of the Transaction exchange (draft-dukes-ike-mode-cfg-02 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.attributes import Attribute
from conformance.ikev1.constants import ConfigurationType, PayloadType
from conformance.ikev1.errors import DecodeError

if TYPE_CHECKING:
    from conformance.ikev1.buffer import Reader, Writer


@dataclass(frozen=True, slots=True)
class Configuration:
    """ATTR: attributes asked for, told or acknowledged; no repr shows them, for one is a password.

    ```
    |     Type      !   RESERVED    !           Identifier          |
    |                         Attributes ...                        |
    ```
    """

    payload_type: ClassVar[PayloadType] = PayloadType.ATTR
    type: ConfigurationType
    identifier: int
    """Names a transaction within its messages."""
    attributes: tuple[Attribute, ...] = ()

    @classmethod
    def parse(cls, reader: Reader) -> Configuration:
        """Read the whole body; raises DecodeError."""
        kind, reserved, identifier = ConfigurationType(reader.u8()), reader.u8(), reader.u16()
        if reserved:
            raise DecodeError(f"reserved octet of an Attribute payload is {reserved}")
        attributes = []
        while reader.remaining:
            attributes.append(Attribute.parse(reader))
        return cls(kind, identifier, tuple(attributes))

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.u8(self.type)
        writer.u8(0)
        writer.u16(self.identifier)
        for attribute in self.attributes:
            attribute.write(writer)

    def value(self, number: int) -> bytes | None:
        """The value of the first attribute of a type; None where there is none."""
        return next((one.value for one in self.attributes if one.type == number), None)

    def __repr__(self) -> str:
        numbers = ", ".join(str(one.type) for one in self.attributes)
        return f"Configuration({self.type.label}, {self.identifier}, attributes {numbers})"
