"""How large packets become under SAs, before they are protected (RFC 4301 8.2.1)."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from conformance.ipsec.association import bundled
from conformance.ipsec.ip import HEADER_SIZE, MAX_TOTAL_LENGTH, Protocol
from conformance.ipsec.ip6 import HEADER_SIZE as HEADER_SIZE_6
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.association import Bundle, SecurityAssociation

UDP_SIZE = 8
"""Octets of a UDP header (RFC 768)."""
HEADER_SIZES = {4: HEADER_SIZE, 6: HEADER_SIZE_6}
"""Octets of the IP header of each version, without options and extension headers."""
_ESP_HEADER, _ESP_TRAILER, _ESP_ALIGNMENT = 8, 2, 4
_AH_HEADER = 12
_AH_ALIGNMENT = {4: 4, 6: 8}


def _esp_size(sa: SecurityAssociation, length: int) -> int:
    cipher, mac = ENCRYPTION[sa.cipher], INTEGRITY[sa.integrity]
    hidden = sa.tfc if sa.mode == "tunnel" else 0
    plain = max(length, hidden) + _ESP_TRAILER
    padded = plain + -plain % max(_ESP_ALIGNMENT, cipher.block_size, mac.block_size)
    return _ESP_HEADER + cipher.iv_size + padded + cipher.icv_size + mac.icv_size


def _ah_size(sa: SecurityAssociation, length: int) -> int:
    mac = INTEGRITY[sa.integrity]
    size = _AH_HEADER + mac.iv_size + mac.icv_size
    return size + -size % _AH_ALIGNMENT[sa.source.version] + length


def _ipcomp_size(_: SecurityAssociation, length: int) -> int:
    """What does not become smaller is not compressed (RFC 3173 2.2): no more than before."""
    return length


_SIZES: dict[int, Callable[[SecurityAssociation, int], int]] = {
    Protocol.ESP: _esp_size,
    Protocol.AH: _ah_size,
    Protocol.IPCOMP: _ipcomp_size,
}


def wire_size(
    sa: SecurityAssociation | Bundle, inner_length: int, header: int | None = None
) -> int:
    """Octets on the wire of an inner packet so long: the most, where IPComp may save some.

    ``header`` is how many of them stay ahead of transport mode's payload: of the IP header, if
    not told.
    """
    bundle = bundled(sa)
    ahead = HEADER_SIZES[bundle.inner.source.version] if header is None else header
    payload = inner_length - ahead
    for one in reversed(bundle.sas):
        if one.mode == "tunnel":
            ahead, payload = HEADER_SIZES[one.source.version], ahead + payload
        payload = _SIZES[one.protocol](one, payload)
    return ahead + payload + (UDP_SIZE if bundle.udp else 0)


def largest_inner(sa: SecurityAssociation | Bundle, mtu: int, header: int | None = None) -> int:
    """The longest inner packet that becomes no longer than ``mtu``; 0 where none does."""
    bundle = bundled(sa)
    least = header or HEADER_SIZES[bundle.inner.source.version]
    lengths = range(0 if bundle.inner.mode == "tunnel" else least, MAX_TOTAL_LENGTH + 1)
    fitting = bisect_right(lengths, mtu, key=lambda length: wire_size(bundle, length, header))
    return lengths[fitting - 1] if fitting else 0
