"""One SA's work on one packet, whichever its protocol (RFC 4302, RFC 4303, RFC 3173)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec import ah, esp, ipcomp, tunnel
from conformance.ipsec.ip import Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.association import SecurityAssociation
    from conformance.ipsec.header import Header
    from conformance.ipsec.packet import Packet


class Handler(NamedTuple):
    """How a protocol is put on and taken off; what is received is dropped where it is wrong."""

    read_header: Callable[[bytes], Header]
    protect: Callable[[SecurityAssociation, Packet, int, bytes], Packet]
    """(sa, packet, sequence number, iv) -> the packet with the protocol's header."""
    authenticate: Callable[[SecurityAssociation, Packet, int], bytes]
    """(sa, packet, sequence number) -> what ``release`` wants, once the ICV holds."""
    release: Callable[[SecurityAssociation, Packet, bytes], Packet]
    """The packet without the protocol's header."""


HANDLERS: dict[int, Handler] = {
    number: Handler(module.read_header, module.protect, module.authenticate, module.release)
    for number, module in (
        (Protocol.AH, ah),
        (Protocol.ESP, esp),
        (Protocol.IPCOMP, ipcomp),
    )
}
"""Every protocol of an SA by its number."""


def encapsulate(
    sa: SecurityAssociation, inner: Packet, sequence: int, iv: bytes, identification: int = 0
) -> Packet:
    """The packet that carries ``inner`` under the SA, in its mode.

    ``identification`` is the outer header's in tunnel mode; transport mode keeps the inner's.
    Raises PacketDroppedError, and MalformedPacketError where a length does not fit its field.
    """
    carried = tunnel.enter(sa, inner, identification)
    return HANDLERS[sa.protocol].protect(sa, carried, sequence, iv)


def decapsulate(sa: SecurityAssociation, outer: Packet, high: int = 0) -> Packet:
    """The packet that ``outer`` carries: ICV verified, decrypted, padding and mode checked.

    ``high`` is the half of an extended sequence number that is not sent. Raises
    PacketDroppedError. Looks at neither the replay window nor the selectors.
    """
    handler = HANDLERS[sa.protocol]
    low = handler.read_header(outer.payload).sequence or 0
    verified = handler.authenticate(sa, outer, high << 32 | low)
    return tunnel.leave(sa, handler.release(sa, outer, verified))
