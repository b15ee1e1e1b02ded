"""Payloads whose body is one value: KE, HASH, SIG, NONCE, VID (RFC 2408 3.7, 3.11-3.13, 3.16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from conformance.ikev1.constants import PayloadType

if TYPE_CHECKING:
    from conformance.ikev1.buffer import Reader, Writer


@dataclass(frozen=True, slots=True)
class _DataPayload:
    """A body that is one value."""

    data: bytes

    @classmethod
    def parse(cls, reader: Reader) -> Self:
        """Read the whole body."""
        return cls(reader.rest())

    def write(self, writer: Writer) -> None:
        """Append the body."""
        writer.octets(self.data)


@dataclass(frozen=True, slots=True)
class KeyExchange(_DataPayload):
    """KE, RFC 2408 3.7: the public Diffie-Hellman value, g^xi or g^xr."""

    payload_type: ClassVar[PayloadType] = PayloadType.KE


@dataclass(frozen=True, slots=True)
class Hash(_DataPayload):
    """HASH, RFC 2408 3.11: HASH_I, HASH_R or HASH(n)."""

    payload_type: ClassVar[PayloadType] = PayloadType.HASH


@dataclass(frozen=True, slots=True)
class Signature(_DataPayload):
    """SIG, RFC 2408 3.12: SIG_I or SIG_R."""

    payload_type: ClassVar[PayloadType] = PayloadType.SIG


@dataclass(frozen=True, slots=True)
class Nonce(_DataPayload):
    """NONCE, RFC 2408 3.13: Ni or Nr."""

    payload_type: ClassVar[PayloadType] = PayloadType.NONCE


@dataclass(frozen=True, slots=True)
class VendorId(_DataPayload):
    """VID, RFC 2408 3.16: a constant by which implementations recognise each other."""

    payload_type: ClassVar[PayloadType] = PayloadType.VID
