"""The ISAKMP message: header, payload chain, and encryption along an IV chain.

RFC 2408 3.1 and 3.2, RFC 2409 Appendix B.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from conformance.crypto.ciphers import CIPHERS, decrypt_cbc, encrypt_cbc
from conformance.ikev1.buffer import GENERIC_SIZE, PAYLOAD_TYPES, Layout, Reader, Writer
from conformance.ikev1.constants import (
    FLAG_ENCRYPTION,
    VERSION_1_0,
    ExchangeType,
    NotifyType,
    PayloadType,
)
from conformance.ikev1.errors import DecodeError
from conformance.ikev1.payloads import Payload, parse_payload

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER_SIZE = 28
"""Octets of the ISAKMP header."""
COOKIE_SIZE = 8
ALIGNMENT = 4
"""A message in the clear may be padded to a multiple of so many octets (RFC 2408 3.6)."""
NO_COOKIE = bytes(COOKIE_SIZE)
"""The responder's cookie in the first message."""

NON_ESP_MARKER = bytes(4)
"""In front of IKE on port 4500, where ESP has an SPI (RFC 3948 2.2)."""

P = TypeVar("P")

_HEADER = Layout("8s8sBBBBII")
_EXCHANGE_TYPES = tuple(ExchangeType(number) for number in range(256))


@dataclass(frozen=True, slots=True)
class Header:
    """The ISAKMP header.

    ```
    |                          Initiator Cookie (8)                 |
    |                          Responder Cookie (8)                 |
    |  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
    |                          Message ID                           |
    |                            Length                             |
    ```
    """

    cookie_i: bytes
    cookie_r: bytes
    exchange: ExchangeType
    message_id: int = 0
    flags: int = 0
    next_payload: PayloadType = PayloadType.NONE
    version: int = VERSION_1_0
    length: int = 0
    """Octets of the whole message, padding included."""

    @classmethod
    def parse(cls, reader: Reader) -> Header:
        """Read the header alone; raises DecodeError."""
        cookie_i, cookie_r, following, version, number, flags, message_id, length = reader.fields(
            _HEADER
        )
        exchange, next_payload = _EXCHANGE_TYPES[number], PAYLOAD_TYPES[following]
        return cls(cookie_i, cookie_r, exchange, message_id, flags, next_payload, version, length)

    def write(self, writer: Writer, flags: int, length: int) -> None:
        """Append the header with the flags and length that its message turned out to have."""
        writer.fields(
            _HEADER,
            self.cookie_i,
            self.cookie_r,
            self.next_payload,
            self.version,
            self.exchange,
            flags,
            self.message_id,
            length,
        )

    @property
    def encrypted(self) -> bool:
        """Whether the encryption flag is set."""
        return bool(self.flags & FLAG_ENCRYPTION)

    @property
    def message_id_octets(self) -> bytes:
        """M-ID as the hashes and IVs take it."""
        return self.message_id.to_bytes(4)


@dataclass(frozen=True, slots=True)
class CipherState:
    """A cipher and its key at one point of an IV chain; using it gives the next point."""

    cipher: str
    key: bytes = field(repr=False)
    iv: bytes
    """The last ciphertext block of the message before, or the first IV."""

    @property
    def block_size(self) -> int:
        """Octets of one block."""
        return CIPHERS[self.cipher].block_size

    def encrypt(self, plain: bytes) -> tuple[bytes, CipherState]:
        """Pad with zeros to whole blocks (RFC 2409 Appendix B) and encrypt."""
        padded = plain + bytes(-len(plain) % self.block_size)
        data = encrypt_cbc(self.cipher, self.key, self.iv, padded)
        return data, CipherState(self.cipher, self.key, data[-self.block_size :])

    def decrypt(self, data: bytes) -> tuple[bytes, CipherState]:
        """Decrypt whole blocks; raises DecodeError where there are none or half of one."""
        if not data or len(data) % self.block_size:
            raise DecodeError(
                f"{len(data)} encrypted octets are not whole blocks of {self.block_size}",
                NotifyType.UNEQUAL_PAYLOAD_LENGTHS,
            )
        plain = decrypt_cbc(self.cipher, self.key, self.iv, data)
        return plain, CipherState(self.cipher, self.key, data[-self.block_size :])


@dataclass(frozen=True, slots=True)
class Message:
    """A message in the clear, with the octets from which it was parsed."""

    header: Header
    payloads: tuple[Payload, ...]
    bodies: tuple[bytes, ...]
    """The body of each payload as it stood on the wire: what the hashes cover."""
    chain: bytes
    """All payloads with their generic headers, without padding."""
    padding: bytes = b""

    def all(self, cls: type[P]) -> list[P]:
        """Every payload of a class, in order."""
        return [payload for payload in self.payloads if isinstance(payload, cls)]

    def one(self, cls: type[P]) -> P:
        """The first payload of a class; the state tables have seen to it that there is one."""
        return self.all(cls)[0]

    def body(self, payload_type: PayloadType) -> bytes:
        """The body of the first payload of a type, as received."""
        types = [payload.payload_type for payload in self.payloads]
        return self.bodies[types.index(payload_type)]

    @property
    def after_first(self) -> bytes:
        """What follows the first payload, headers included: the cover of HASH(1) and HASH(2)."""
        return self.chain[GENERIC_SIZE + len(self.bodies[0]) :] if self.bodies else b""


def parse_header(data: bytes) -> Header:
    """The header of a datagram, its length and version checked; raises DecodeError."""
    header = Header.parse(Reader(data))
    major, minor = divmod(header.version, 16)
    if major != VERSION_1_0 >> 4:
        raise DecodeError(f"major version {major}", NotifyType.INVALID_MAJOR_VERSION)
    if header.version > VERSION_1_0:
        raise DecodeError(f"minor version {minor}", NotifyType.INVALID_MINOR_VERSION)
    if header.length != len(data):
        raise DecodeError(
            f"length field says {header.length}, datagram has {len(data)} octets",
            NotifyType.UNEQUAL_PAYLOAD_LENGTHS,
        )
    return header


def parse_message(
    header: Header, data: bytes, state: CipherState | None = None
) -> tuple[Message, CipherState | None]:
    """The message of a datagram, decrypted where its flag says so, and the next cipher state.

    Raises DecodeError, also where it is encrypted and no key stands.
    """
    body = data[HEADER_SIZE:]
    if header.encrypted:
        if state is None:
            raise DecodeError("encrypted before there is a key", NotifyType.INVALID_FLAGS)
        body, state = state.decrypt(body)
    return _parse_chain(header, body), state


def _parse_chain(header: Header, body: bytes) -> Message:
    reader = Reader(body)
    payloads, bodies = [], []
    for payload_type in reader.chain(header.next_payload):
        bodies.append(reader.peek())
        payloads.append(parse_payload(payload_type, reader))
    padding = reader.rest()
    if padding and not header.encrypted and not _aligns(body, padding):
        raise DecodeError(f"{len(padding)} octets after the last payload")
    chain = body[: len(body) - len(padding)]
    return Message(header, tuple(payloads), tuple(bodies), chain, padding)


def _aligns(body: bytes, padding: bytes) -> bool:
    """Whether octets after the last payload only fill the message to 4 octets (RFC 2408 3.6)."""
    return len(padding) < ALIGNMENT and len(body) % ALIGNMENT == 0


def write_chain(payloads: Sequence[Payload], following: PayloadType = PayloadType.NONE) -> bytes:
    """All payloads, each behind a generic header that names the next, the last one following."""
    writer = Writer()
    writer.chain(payloads, following)
    return writer.data


def write_body(payload: Payload) -> bytes:
    """The body of a payload alone: what HASH_I and HASH_R cover of SA and ID."""
    writer = Writer()
    payload.write(writer)
    return writer.data


def write_datagram(
    header: Header, chain: bytes, state: CipherState | None = None
) -> tuple[bytes, CipherState | None]:
    """The wire form of a payload chain, encrypted where a cipher state is given."""
    flags = header.flags
    if state is not None:
        chain, state = state.encrypt(chain)
        flags |= FLAG_ENCRYPTION
    writer = Writer()
    header.write(writer, flags, HEADER_SIZE + len(chain))
    writer.octets(chain)
    return writer.data, state
