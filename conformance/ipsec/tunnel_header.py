"""How a tunnel's outer header follows from the inner one, and what it may change (RFC 4301 5.1.2).

::

    field               entering the tunnel                 leaving it
    DS field            copied, fixed or mapped             the outer one discarded, or taken over
    ECN field           copied, or begun anew               RFC 6040's table, or an older rule
    DF                  copied, set or clear                no change
    TTL, hop limit      fixed, or copied                    no change
    flow label          fixed, or copied                    no change
    options, extension headers: never copied
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.ecn import ECN_MASK, Egress, Ingress, entering, leaving
from conformance.ipsec.ip import DONT_FRAGMENT, Ipv4Packet
from conformance.ipsec.ip6 import MINIMUM_MTU

if TYPE_CHECKING:
    from conformance.ipsec.packet import Packet

_DSCP_SHIFT, _MAX_DSCP = 2, 0x3F
_MAX_TTL, _MAX_FLOW_LABEL = 0xFF, 0xFFFFF


@dataclass(frozen=True, slots=True)
class TunnelHeader:
    """The policy of one SA's outer header; ValueError where a value outgrows its field."""

    df: Literal["copy", "set", "clear"] = "copy"
    """RFC 4301 8.1; an IPv6 packet is copied as set where it may be told to shrink."""
    dscp: Literal["copy"] | int | Mapping[int, int] = "copy"
    """A map has the outer value of each inner one that is not copied (RFC 4301 4.4.2.1)."""
    dscp_received: Literal["discard", "overwrite"] = "discard"
    """Whether the inner DSCP is overwritten with the outer one (RFC 4301 5.1.2)."""
    ecn: Ingress = "normal"
    ecn_received: Egress = "rfc6040"
    ttl: Literal["copy"] | int = 64
    flow_label: Literal["copy"] | int = 0
    """Copied by end systems alone (RFC 4301 5.1.2.2); zero around an IPv4 packet then."""

    def __post_init__(self) -> None:
        dscps = self.dscp.values() if isinstance(self.dscp, Mapping) else (self.dscp,)
        limits = (
            *((dscp, 0, _MAX_DSCP) for dscp in dscps),
            (self.ttl, 1, _MAX_TTL),
            (self.flow_label, 0, _MAX_FLOW_LABEL),
        )
        for value, low, high in limits:
            if value != "copy" and not low <= value <= high:
                raise ValueError(f"{value} in a tunnel header's field of {low} to {high}")

    def around(self, inner: Packet, outer: Packet) -> Packet:
        """``outer``, which carries ``inner``, with the fields that this policy decides."""
        ttl = inner.ttl if self.ttl == "copy" else self.ttl
        whole = replace(outer, ttl=ttl, tos=self._dscp(inner.tos) | self._ecn(inner.tos))
        if isinstance(whole, Ipv4Packet):
            return replace(whole, flags=self._flags(inner))
        return replace(whole, flow_label=self._flow_label(inner))

    def _dscp(self, tos: int) -> int:
        dscp = tos >> _DSCP_SHIFT
        if isinstance(self.dscp, int):
            dscp = self.dscp
        elif self.dscp != "copy":
            dscp = self.dscp.get(dscp, dscp)
        return dscp << _DSCP_SHIFT

    def _ecn(self, tos: int) -> int:
        return entering(tos & ECN_MASK, self.ecn)

    def _flags(self, inner: Packet) -> int:
        if isinstance(inner, Ipv4Packet):
            of_inner = inner.flags & DONT_FRAGMENT
        else:  # RFC 4213 3.2.2, as newer versions of Linux have it
            of_inner = DONT_FRAGMENT if inner.total_length > MINIMUM_MTU else 0
        return {"copy": of_inner, "set": DONT_FRAGMENT, "clear": 0}[self.df]

    def _flow_label(self, inner: Packet) -> int:
        if self.flow_label != "copy":
            return self.flow_label
        return 0 if isinstance(inner, Ipv4Packet) else inner.flow_label

    def off(self, outer: Packet, inner: Packet) -> Packet:
        """``inner`` as it leaves the tunnel; drops with IN_CONGESTION what MUST be (RFC 6040 4.2).

        That is congestion told to ends that would not hear of it but by a loss.
        """
        ecn = leaving(inner.tos & ECN_MASK, outer.tos & ECN_MASK, self.ecn_received).ecn
        if ecn is None:
            raise PacketDroppedError(DropReason.IN_CONGESTION, "congestion, and inner Not-ECT")
        dscp = outer.tos if self.dscp_received == "overwrite" else inner.tos
        tos = dscp & ~ECN_MASK | ecn
        return inner if tos == inner.tos else replace(inner, tos=tos)


DEFAULT_HEADER = TunnelHeader()
"""As RFC 4301 5.1.2 and RFC 6040 say where nothing is configured."""
