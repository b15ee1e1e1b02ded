"""What the headers of ESP, AH and IPComp have in common (RFC 4302 2, RFC 4303 2, RFC 3173 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from conformance.ipsec.association import SecurityAssociation


class Header(NamedTuple):
    """The fields that a receiver reads before it knows the SA."""

    spi: int
    """The SPI, or the CPI of IPComp."""
    sequence: int | None = None
    """The low 32 bits of the sequence number; IPComp has none."""


def extended(sa: SecurityAssociation, sequence: int) -> bytes:
    """The high bits that an ICV covers though unsent (RFC 4302 2.5.1, RFC 4303 2.2.1)."""
    return (sequence >> 32).to_bytes(4) if sa.esn else b""
