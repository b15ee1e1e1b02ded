"""A bounds-checked cursor over octets and its writing twin, in network byte order (RFC 2408 3).

The only user of struct.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from conformance.ikev1.constants import PayloadType
from conformance.ikev1.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.ikev1.payloads.base import Payload

GENERIC_SIZE = 4
"""Octets of the generic payload header (RFC 2408 3.2)."""
PAYLOAD_TYPES = tuple(PayloadType(number) for number in range(256))
"""By the octet that stands for each."""

_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_WORD_SIZE = 4


class Layout(struct.Struct):
    """Fields of fixed size that follow each other, as struct spells them."""

    def __init__(self, fields: str) -> None:
        super().__init__(">" + fields)


_GENERIC = Layout("BBH")


class Reader:
    """Reads from front to back; raises DecodeError at the first missing octet."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._position = start
        self._end = len(data) if end is None else end

    @property
    def remaining(self) -> int:
        """Octets not yet read."""
        return self._end - self._position

    def octets(self, count: int) -> bytes:
        """The next count octets."""
        start = self._position
        end = start + count
        if not start <= end <= self._end:
            raise self._missing(count)
        self._position = end
        return self._data[start:end]

    def rest(self) -> bytes:
        """All octets not yet read."""
        start, self._position = self._position, self._end
        return self._data[start : self._end]

    def peek(self) -> bytes:
        """All octets not yet read, left unread."""
        return self._data[self._position : self._end]

    def words(self) -> tuple[int, ...]:
        """All octets not yet read as words of four; none where one is short. Leaves them unread."""
        count, short = divmod(self.remaining, _WORD_SIZE)
        words = struct.Struct(f">{0 if short else count}I")
        return words.unpack_from(self._data, self._position)

    def fields(self, layout: Layout) -> tuple[Any, ...]:
        """The fields of a layout."""
        start = self._position
        end = start + layout.size
        if end > self._end:
            raise self._missing(layout.size)
        self._position = end
        return layout.unpack_from(self._data, start)

    def u8(self) -> int:
        """An unsigned octet."""
        return self._data[self._advance(1)]

    def u16(self) -> int:
        """Two octets."""
        start = self._position
        if start + 2 > self._end:
            raise self._missing(2)
        self._position = start + 2
        return self._data[start] << 8 | self._data[start + 1]

    def u32(self) -> int:
        """Four octets."""
        (value,) = _U32.unpack_from(self._data, self._advance(4))
        return int(value)

    @contextmanager
    def block(self, size: int) -> Iterator[Reader]:
        """Confines reading to the next size octets, which must all be read when the block ends."""
        end, start = self._end, self._advance(size)
        self._position, self._end = start, self._position
        yield self
        if self.remaining:
            raise self._left_over()
        self._end = end

    def chain(self, first: PayloadType, only: str = "") -> Iterator[PayloadType]:
        """The types of a chain, reading confined to the body of each, which must be read whole.

        ```
        | Next Payload  |   RESERVED    |         Payload Length        |
        ```
        In a chain of one type only is their name.
        """
        following, end = first, self._end
        while following is not PayloadType.NONE:
            payload_type = following
            if only and payload_type is not first:
                raise DecodeError(f"payload {payload_type.label} among {only}")
            start = self._position + GENERIC_SIZE
            if start > end:
                raise self._missing(GENERIC_SIZE)
            number, reserved, length = _GENERIC.unpack_from(self._data, self._position)
            self._position, body_end = start, start - GENERIC_SIZE + length
            if reserved or not start <= body_end <= end:
                raise self._bad_header(reserved, length)
            self._end, following = body_end, PAYLOAD_TYPES[number]
            yield payload_type
            if self._position != body_end:
                raise self._left_over()
            self._end = end

    def _left_over(self) -> DecodeError:
        return DecodeError(f"{self.remaining} octets left over in a block")

    def _bad_header(self, reserved: int, length: int) -> DecodeError:
        if reserved:
            return DecodeError(f"reserved octet of a generic header is {reserved}")
        if length < GENERIC_SIZE:
            return DecodeError(f"payload length {length} is shorter than the generic header")
        return self._missing(length - GENERIC_SIZE)

    def _advance(self, count: int) -> int:
        start = self._position
        if not 0 <= count <= self._end - start:
            raise self._missing(count)
        self._position = start + count
        return start

    def _missing(self, count: int) -> DecodeError:
        return DecodeError(f"{count} octets wanted, {self.remaining} there")


class Writer:
    """Appends network byte order; block() fills in the length it encloses."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def data(self) -> bytes:
        """All that was written."""
        return bytes(self._data)

    def octets(self, data: bytes) -> None:
        """Append octets as they are."""
        self._data += data

    def fields(self, layout: Layout, *values: Any) -> None:
        """Append the fields of a layout."""
        self._data += layout.pack(*values)

    def u8(self, value: int) -> None:
        """Append one octet."""
        self._data.append(value)

    def u16(self, value: int) -> None:
        """Append two octets."""
        self._data += _U16.pack(value)

    def u32(self, value: int) -> None:
        """Append four octets."""
        self._data += _U32.pack(value)

    @contextmanager
    def block(self, extra: int = 0) -> Iterator[None]:
        """Write a two-octet length in front of the block: its size plus extra octets before it.

        The length of a payload covers its generic header, so there extra is 4 (RFC 2408 3.2).
        """
        position = len(self._data)
        self._data += b"\0\0"
        yield
        self._fill(position, extra)

    def chain(self, payloads: Sequence[Payload], following: PayloadType = PayloadType.NONE) -> None:
        """Append payloads, each behind a generic header that names the next (RFC 2408 3.2)."""
        types = [*(payload.payload_type for payload in payloads[1:]), following]
        for payload, next_payload in zip(payloads, types, strict=False):
            position = len(self._data) + 2
            self._data += _GENERIC.pack(next_payload, 0, 0)
            payload.write(self)
            self._fill(position, extra=GENERIC_SIZE)

    def _fill(self, position: int, extra: int) -> None:
        """Write the length of what follows its two octets, plus extra, into them."""
        _U16.pack_into(self._data, position, len(self._data) - position - 2 + extra)
