"""IKEv1 fragmentation: large messages in parts that no path drops ([MS-IKEE], payload 132).

```
HDR, FRAGMENT(1)  -->
HDR, FRAGMENT(2)  -->    which together are one message, encrypted or not
```
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from conformance.ikev1.buffer import GENERIC_SIZE
from conformance.ikev1.constants import ExchangeType, NotifyType, PayloadType
from conformance.ikev1.errors import DecodeError, LocalError, PeerError
from conformance.ikev1.message import (
    HEADER_SIZE,
    parse_header,
    parse_message,
    write_chain,
    write_datagram,
)
from conformance.ikev1.payloads import Fragment
from conformance.ikev1.vendor_ids import VENDOR_IDS

if TYPE_CHECKING:
    from conformance.ikev1.message import Header
    from conformance.ikev1.policies import FragmentationPolicy

_FRAGMENT_HEADER = 4
_OVERHEAD = HEADER_SIZE + GENERIC_SIZE + _FRAGMENT_HEADER
_MOST_FRAGMENTS = 255
_LARGEST_MESSAGE = 0x10000
_BASE = VENDOR_IDS["FRAGMENTATION"].data

ANNOUNCEMENTS = {"cisco": _BASE + bytes.fromhex("c0000000"), "microsoft": _BASE}
"""The Vendor ID of each flavour; Cisco's flags mean Main and Aggressive Mode."""
_OPENING = (ExchangeType.MAIN_MODE, ExchangeType.AGGRESSIVE)


def split(datagram: bytes, identifier: int, policy: FragmentationPolicy) -> list[bytes]:
    """The fragments of a datagram, or the datagram alone where it is small enough.

    Their headers are of phase 1 and in the clear, whatever they carry, as all implementations do.
    Raises LocalError where 255 fragments do not suffice.
    """
    if len(datagram) <= policy.size:
        return [datagram]
    room = policy.size - _OVERHEAD
    parts = [datagram[start : start + room] for start in range(0, len(datagram), max(room, 1))]
    if room < 1 or len(parts) > _MOST_FRAGMENTS:
        raise LocalError(f"{len(datagram)} octets do not fit fragments of {policy.size}")
    header = parse_header(datagram)
    exchange = header.exchange if header.exchange in _OPENING else ExchangeType.MAIN_MODE
    outer = replace(
        header, exchange=exchange, message_id=0, flags=0, next_payload=PayloadType.FRAGMENT
    )
    return [
        write_datagram(
            outer, write_chain([Fragment(identifier, number, number == len(parts), part)])
        )[0]
        for number, part in enumerate(parts, 1)
    ]


def is_fragment(header: Header) -> bool:
    """Whether a datagram is a part of another."""
    return header.next_payload is PayloadType.FRAGMENT and not header.encrypted


@dataclass(slots=True)
class Reassembly:
    """The parts of one message; those of an older one are given up."""

    identifier: int | None = None
    _parts: dict[int, bytes] = field(default_factory=dict, repr=False)
    _count: int | None = None

    def take(self, header: Header, data: bytes) -> bytes | None:
        """The whole message once its last missing part is there; raises PeerError."""
        try:
            message, _ = parse_message(header, data)
        except DecodeError as error:
            raise PeerError(error.notify, error.reason) from error
        fragment = message.one(Fragment)
        if fragment.identifier != self.identifier:
            self.identifier, self._parts, self._count = fragment.identifier, {}, None
        if fragment.last:
            self._count = fragment.number
        self._parts.setdefault(fragment.number, fragment.data)
        if sum(len(part) for part in self._parts.values()) > _LARGEST_MESSAGE:
            self.identifier, self._parts, self._count = None, {}, None
            raise PeerError(NotifyType.PAYLOAD_MALFORMED, "the fragments make too large a message")
        return self._whole()

    def _whole(self) -> bytes | None:
        if self._count is None or any(n not in self._parts for n in range(1, self._count + 1)):
            return None
        whole = b"".join(self._parts[number] for number in range(1, self._count + 1))
        self.identifier, self._parts, self._count = None, {}, None
        return whole
