"""The generic payload header, on its own and in chains (RFC 2408 3.2)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from conformance.ikev1.constants import PayloadType
from conformance.ikev1.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from conformance.ikev1.buffer import Reader, Writer

HEADER_SIZE = 4
"""Octets of the generic payload header."""


def read_generic(reader: Reader) -> tuple[PayloadType, AbstractContextManager[Reader]]:
    """Read a generic header: the type of the payload that follows, and a block over the body.

    ```
    | Next Payload  |   RESERVED    |         Payload Length        |
    ```
    """
    following, reserved, length = PayloadType(reader.u8()), reader.u8(), reader.u16()
    if reserved:
        raise DecodeError(f"reserved octet of a generic header is {reserved}")
    if length < HEADER_SIZE:
        raise DecodeError(f"payload length {length} is shorter than the generic header")
    return following, reader.block(length - HEADER_SIZE)


@contextmanager
def write_generic(writer: Writer, following: PayloadType) -> Iterator[None]:
    """Append a generic header whose length covers what the block writes."""
    writer.u8(following)
    writer.u8(0)
    with writer.block(extra=HEADER_SIZE):
        yield
