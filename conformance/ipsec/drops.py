"""Why the data plane refused a packet, named after the counters of Linux's XFRM (RFC 4301)."""

from __future__ import annotations

from enum import StrEnum


class DropReason(StrEnum):
    """A named reason; ``In`` for packets from the wire, ``Out`` for packets to protect."""

    IN_HEADER = "InHdrError"
    """No packet, or too short for the fields of ESP, AH or IPComp (RFC 4303 2)."""
    IN_FRAGMENT = "InFragment"
    """A fragment was offered for ESP or AH processing, or came out cut to deceive a filter.

    RFC 4302 3.4.1, RFC 4303 3.4.1; RFC 4301 7.2.
    """
    IN_REASSEMBLY = "InReassembly"
    """A fragment overlaps another, or its packet would be too large (RFC 8200 4.5, RFC 5722)."""
    IN_NO_STATE = "InNoStates"
    """No SA has this SPI, destination and protocol (RFC 4303 3.4.2)."""
    IN_EXPIRED = "InStateExpired"
    """The SA's hard lifetime in bytes or packets is spent (RFC 4301 4.4.2.1)."""
    IN_SEQUENCE = "InStateSeqError"
    """Sequence number zero, repeated, or left of the window (RFC 4303 3.4.3)."""
    IN_INTEGRITY = "InStateIcvError"
    """The integrity check value does not hold (RFC 4303 3.4.4.1)."""
    IN_LENGTH = "InStateLenError"
    """The ciphertext is no whole number of blocks, or AH's length is wrong (RFC 4303 2.4)."""
    IN_PADDING = "InStatePadError"
    """The pad length or the padding 1, 2, 3, ... is wrong (RFC 4303 2.4, 3.4.4.1)."""
    IN_MODE = "InStateModeError"
    """Next header or inner header does not fit the SA's mode (RFC 4303 2.6)."""
    IN_ENCAPSULATION = "InStateMismatch"
    """In UDP though the SA is not, or the other way round (RFC 3948 2.1)."""
    IN_KEEPALIVE = "InKeepalive"
    """A NAT keepalive or an IKE message on the port of ESP in UDP (RFC 3948 2.2, 2.3)."""
    IN_COMPRESSION = "InStateCompError"
    """The payload does not decompress, or to more than a packet holds (RFC 3173 2.1)."""
    IN_CONGESTION = "InCongestion"
    """The tunnel met congestion that the inner packet's ends hear of by its loss (RFC 6040 4.2)."""
    IN_DUMMY = "InDummy"
    """Next header 59: a dummy packet, discarded without fault (RFC 4303 2.6)."""
    IN_SELECTOR = "InTmplMismatch"
    """Outside the SA's selectors, or not protected as its bundle or the policy says.

    RFC 4301 5.2, RFC 2401 5.2.1.
    """
    IN_POLICY = "InPolBlock"
    """In the clear, and no policy lets it in (RFC 4301 5.2)."""
    OUT_HEADER = "OutHdrError"
    """A header of the packet to protect is wrong, or a length would outgrow its field."""
    OUT_NO_STATE = "OutNoStates"
    """No outbound SA's selectors cover the packet (RFC 4301 5.1)."""
    OUT_POLICY = "OutPolBlock"
    """No policy lets the packet leave, or no SA came about for it (RFC 4301 5.1)."""
    OUT_TOO_BIG = "OutTooBig"
    """Larger than the path takes, and must not be fragmented (RFC 4301 8.2)."""
    OUT_TTL = "OutTtlError"
    """No hop is left to a packet that would be forwarded (RFC 791 3.2)."""
    OUT_EXPIRED = "OutStateExpired"
    """The SA's hard lifetime in bytes or packets is spent (RFC 4301 4.4.2.1)."""
    OUT_SEQUENCE = "OutStateSeqError"
    """The sequence number would cycle (RFC 4303 3.3.3)."""
    OUT_MODE = "OutStateModeError"
    """Transport mode cannot carry it: other hosts, or a fragment (RFC 4303 3.1.1, 3.3.4)."""


class PacketDroppedError(Exception):
    """Raised inside the data plane; the engine turns it into an audit event."""

    def __init__(self, reason: DropReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        """The named reason."""
        self.detail = detail
        """What was seen, without any key; may be empty."""
