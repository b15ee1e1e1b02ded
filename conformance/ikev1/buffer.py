"""A bounds-checked cursor over octets and its writing twin, in network byte order (RFC 2408 3).

The only user of struct.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from conformance.ikev1.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")


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
        return self.octets(self.remaining)

    def peek(self) -> bytes:
        """All octets not yet read, left unread."""
        return self._data[self._position : self._end]

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
        """A reader over the next size octets, which must have read them all when the block ends."""
        start = self._advance(size)
        inner = Reader(self._data, start, self._position)
        yield inner
        if inner.remaining:
            raise DecodeError(f"{inner.remaining} octets left over in a block of {size}")

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
        size = len(self._data) - position - 2 + extra
        _U16.pack_into(self._data, position, size)
