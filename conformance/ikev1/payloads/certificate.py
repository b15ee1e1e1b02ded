"""The Certificate and Certificate Request payloads (RFC 2408 3.9, 3.10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from conformance.ikev1.constants import CertificateEncoding, PayloadType

if TYPE_CHECKING:
    from conformance.ikev1.buffer import Reader, Writer


@dataclass(frozen=True, slots=True)
class _EncodedPayload:
    """An encoding and what is so encoded.

    ```
    | Cert Encoding |                Certificate Data               |
    ```
    """

    encoding: CertificateEncoding
    data: bytes

    @classmethod
    def parse(cls, reader: Reader) -> Self:
        """Read the whole body; raises DecodeError."""
        return cls(CertificateEncoding(reader.u8()), reader.rest())

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.u8(self.encoding)
        writer.octets(self.data)


@dataclass(frozen=True, slots=True)
class CertificatePayload(_EncodedPayload):
    """CERT, RFC 2408 3.9: a certificate, or something about certificates."""

    payload_type: ClassVar[PayloadType] = PayloadType.CERT


@dataclass(frozen=True, slots=True)
class CertificateRequest(_EncodedPayload):
    """CR, RFC 2408 3.10: asks for a certificate; the data name an authority, or are empty."""

    payload_type: ClassVar[PayloadType] = PayloadType.CR
