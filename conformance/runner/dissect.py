"""The IKE messages of a capture, decrypted with a phase 1 key: what really went over the wire.

It reads passively, with the codec of the reference but none of its state machine. RFC 2408,
RFC 2409 Appendix B (IV chains).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from conformance.crypto.ciphers import CIPHERS
from conformance.ikev1.constants import ExchangeType, PayloadType
from conformance.ikev1.errors import DecodeError, PeerError
from conformance.ikev1.fragments import Reassembly, is_fragment
from conformance.ikev1.keys import phase1_iv, phase2_iv
from conformance.ikev1.message import (
    NON_ESP_MARKER,
    CipherState,
    Header,
    Message,
    parse_header,
    parse_message,
)
from conformance.ikev1.payloads import Delete, Notification
from conformance.ipsec.ip import MalformedPacketError
from conformance.ipsec.packet import parse_packet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from conformance.record.wireshark import IkeKey
    from conformance.runner.capture import Packet

IKE_PORT, NATT_PORT = 500, 4500
PHASE_1 = (ExchangeType.MAIN_MODE, ExchangeType.AGGRESSIVE, ExchangeType.BASE)
NO_KEY = "neither end tells the key of this ISAKMP SA"
UDP = 17
UDP_HEADER = struct.Struct(">HHHH")


@dataclass(frozen=True, slots=True)
class WireMessage:
    """One IKE message of the capture, decoded as far as keys allow."""

    time: float
    """Seconds since the epoch."""
    source: str
    """The address that sent it."""
    header: Header
    message: Message | None
    """None where it could not be decrypted or decoded."""
    retransmission: bool = False
    """Whether the same datagram was seen before."""
    trouble: str = ""
    """Why there is no message."""
    fragments: int = 1
    """In how many datagrams it came ([MS-IKEE] 3.3)."""
    floated: bool = False
    """Whether it went between ports 4500 (RFC 3947 4)."""

    @property
    def notifications(self) -> list[Notification]:
        """Its Notify payloads."""
        return self.message.all(Notification) if self.message else []

    @property
    def deletes(self) -> list[Delete]:
        """Its Delete payloads."""
        return self.message.all(Delete) if self.message else []


class Dissector:
    """Follows the IV chains of one ISAKMP SA through its messages."""

    def __init__(self, cipher: str, hash_name: str, keys: Iterable[IkeKey]) -> None:
        self._cipher, self._hash = cipher, hash_name
        self._keys: Mapping[bytes, bytes] = {key.cookie_initiator: key.key for key in keys}
        self._public: dict[bytes, list[bytes]] = {}
        self._phase1: dict[bytes, CipherState] = {}
        self._others: dict[tuple[bytes, int, int], CipherState] = {}
        self._seen: set[bytes] = set()
        self._parts: dict[str, tuple[Reassembly, int]] = {}

    def read(self, datagram: Datagram) -> WireMessage | None:
        """Decode the next datagram; None where it has no ISAKMP header, or is but a fragment."""
        try:
            header = parse_header(datagram.data)
            if not is_fragment(header):
                return replace(self._decode(datagram, header), floated=datagram.floated)
            whole, parts = self._collect(datagram, header)
            if not whole:
                return None
            message = self._decode(replace(datagram, data=whole), parse_header(whole))
        except (DecodeError, PeerError):
            return None
        return replace(message, fragments=parts, floated=datagram.floated)

    def _collect(self, datagram: Datagram, header: Header) -> tuple[bytes | None, int]:
        """The whole message once its last fragment is there, and of how many it was made."""
        reassembly, parts = self._parts.pop(datagram.source, (Reassembly(), 0))
        whole = reassembly.take(header, datagram.data)
        if not whole:
            self._parts[datagram.source] = (reassembly, parts + 1)
        return whole, parts + 1

    def _decode(self, datagram: Datagram, header: Header) -> WireMessage:
        time, source, data = datagram.time, datagram.source, datagram.data
        if data in self._seen:
            return WireMessage(time, source, header, None, retransmission=True)
        self._seen.add(data)
        if header.encrypted and header.cookie_i not in self._keys:
            return WireMessage(time, source, header, None, trouble=NO_KEY)
        try:
            message, state = parse_message(header, data, self._state(header))
        except DecodeError as error:
            return WireMessage(time, source, header, None, trouble=str(error))
        self._advance(header, message, state)
        return WireMessage(time, source, header, message)

    def _state(self, header: Header) -> CipherState | None:
        key = self._keys.get(header.cookie_i)
        if not header.encrypted or key is None:
            return None
        if header.message_id == 0:
            return self._phase1.get(header.cookie_i) or self._first_state(header, key)
        stood = self._others.get((header.cookie_i, header.exchange, header.message_id))
        return stood or self._phase2_state(header, key)

    def _first_state(self, header: Header, key: bytes) -> CipherState | None:
        public = self._public.get(header.cookie_i, [])
        if len(public) != 2:  # noqa: PLR2004 - g^xi and g^xr
            return None
        g_xi, g_xr = public
        iv = phase1_iv(self._hash, g_xi, g_xr, CIPHERS[self._cipher].block_size)
        return CipherState(self._cipher, key, iv)

    def _phase2_state(self, header: Header, key: bytes) -> CipherState | None:
        # Aggressive Mode may end without an encrypted message: then its first IV is its last block.
        phase1 = self._phase1.get(header.cookie_i) or self._first_state(header, key)
        if phase1 is None:
            return None
        iv = phase2_iv(self._hash, phase1.iv, header.message_id_octets, phase1.block_size)
        return CipherState(self._cipher, key, iv)

    def _advance(self, header: Header, message: Message, state: CipherState | None) -> None:
        if header.exchange in PHASE_1 and not header.encrypted:
            types = [payload.payload_type for payload in message.payloads]
            if PayloadType.KE in types:
                self._public.setdefault(header.cookie_i, []).append(message.body(PayloadType.KE))
        if state is not None and header.message_id == 0:
            self._phase1[header.cookie_i] = state
        elif state is not None:
            self._others[header.cookie_i, header.exchange, header.message_id] = state


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram with an IKE message in it."""

    time: float
    """Seconds since the epoch."""
    source: str
    """The address that sent it."""
    data: bytes
    """Without the non-ESP marker."""
    floated: bool
    """Whether it went to or from port 4500."""


def ike_datagrams(packets: Iterable[Packet]) -> Iterator[Datagram]:
    """IKE to or from port 500, and that beside ESP at port 4500 (RFC 3948 2.2)."""
    for packet in packets:
        payload = udp_of(packet.ip)
        ports = UDP_HEADER.unpack_from(payload)[:2] if payload else ()
        data, source = payload[UDP_HEADER.size :], str(packet.addresses[0])
        if NATT_PORT in ports and data.startswith(NON_ESP_MARKER):
            yield Datagram(packet.time, source, data.removeprefix(NON_ESP_MARKER), floated=True)
        elif IKE_PORT in ports:
            yield Datagram(packet.time, source, data, floated=False)


def udp_of(ip: bytes) -> bytes:
    """UDP header and payload of an IP packet; empty where it carries something else."""
    try:
        outer = parse_packet(ip)
    except MalformedPacketError:
        return b""
    whole = outer.protocol == UDP and not outer.is_fragment
    return outer.payload if whole and len(outer.payload) >= UDP_HEADER.size else b""


def dissect(
    packets: Iterable[Packet], cipher: str, hash_name: str, keys: Iterable[IkeKey]
) -> list[WireMessage]:
    """Every IKE message of the capture in order, decrypted where ``keys`` has its ISAKMP SA."""
    dissector = Dissector(cipher, hash_name, keys)
    read = (dissector.read(datagram) for datagram in ike_datagrams(packets))
    return [message for message in read if message is not None]
