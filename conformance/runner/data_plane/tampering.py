"""Packets that must be dropped: one bit flipped in a region, or wrong behind a good ICV.

RFC 4302 3.4, RFC 4303 3.4; what each end is expected to say stands beside it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.ipsec import esp
from conformance.ipsec.drops import DropReason
from conformance.ipsec.ip import Protocol
from conformance.ipsec.packet import parse_packet
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from conformance.runner.data_plane.setting import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.association import SecurityAssociation
    from conformance.matrix.data_plane import DataCell

_SPI, _SEQUENCE, _ESP_BODY = 0, 4, 8
_AH_LENGTH, _AH_SPI, _AH_SEQUENCE, _AH_BODY = 1, 4, 8, 12
_OUTSIDE = 200
"""A pad length that is more than there is."""


class Expected(NamedTuple):
    """How a packet is to be dropped."""

    reference: tuple[DropReason, ...]
    """The reasons of the audit event, any of them."""
    kernel: tuple[str, ...]
    """The counters, any of them; none where it is to be dropped without an error."""
    rule: str
    """The sentence that wants it."""
    statistic: str = ""
    """What the kernel counts of it beside the SA: a field of ``SaUse``."""


_FORGED = Expected(
    (DropReason.IN_INTEGRITY,),
    ("XfrmInStateProtoError",),
    "RFC 4303 3.4.4: the packet is discarded where the ICV does not hold",
    "forged",
)
_FORGED_AH = Expected(
    (DropReason.IN_INTEGRITY,),
    ("XfrmInStateProtoError",),
    "RFC 4302 3.4.4: the packet is discarded where the ICV does not hold",
    "forged",
)
_NO_SA = Expected(
    (DropReason.IN_NO_STATE,), ("XfrmInNoStates",), "RFC 4301 5.2: no SA, the packet is discarded"
)
_REPLAYED = Expected(
    (DropReason.IN_SEQUENCE,),
    ("XfrmInStateSeqError",),
    "RFC 4303 3.4.3: duplicates are rejected",
    "replayed",
)
_ESP_FLIPS = ("sequence", "iv", "payload", "padding", "pad-length", "next-header", "icv")
_NEXT_SUBSPACE = Expected(
    (DropReason.IN_INTEGRITY,),
    ("XfrmInStateProtoError",),
    "RFC 4303 A2.2: with ESN a number left of the window is one of the next 2^32",
    "forged",
)
_EXPECTED = {
    "flip-spi": _NO_SA,
    **{f"flip-{region}": _FORGED for region in _ESP_FLIPS},
    "flip-source": _FORGED_AH,
    "flip-length": Expected(
        (DropReason.IN_LENGTH, DropReason.IN_INTEGRITY),
        ("XfrmInStateProtoError",),
        "RFC 4302 2.2: the length tells where the ICV ends",
    ),
    "sealed-padding": Expected(
        (DropReason.IN_PADDING,),
        ("XfrmInStateProtoError",),
        "RFC 4303 2.4: the receiver SHOULD inspect the padding",
    ),
    "sealed-pad-length": Expected(
        (DropReason.IN_PADDING,),
        ("XfrmInStateProtoError",),
        "RFC 4303 3.4.4.1: padding is removed as the pad length tells",
    ),
    "sealed-next-header": Expected(
        (DropReason.IN_MODE, DropReason.IN_SELECTOR),
        ("XfrmInStateModeError", "XfrmInStateMismatch", "XfrmInStateProtoError"),
        "RFC 4301 5.2: what does not match the SA's selectors is discarded",
    ),
    "dummy": Expected(
        (DropReason.IN_DUMMY,), (), "RFC 4303 2.6: next header 59 is discarded without an error"
    ),
    "replay": _REPLAYED,
    "stale": _REPLAYED._replace(
        rule="RFC 4303 3.4.3: packets left of the window are rejected", statistic="left_of_window"
    ),
    "selector": Expected(
        (DropReason.IN_SELECTOR,),
        ("XfrmInStateMismatch", "XfrmInTmplMismatch", "XfrmInNoPols"),
        "RFC 4301 5.2: what does not match the SA's selectors is discarded",
    ),
}
"""By case, without ESN."""


def expected_of(case: str, *, esn: bool) -> Expected:
    """How the packet of a negative case is to be dropped."""
    return _NEXT_SUBSPACE if esn and case == "stale" else _EXPECTED[case]


def expected_in(cell: DataCell) -> Expected:
    """The same for the case of a cell."""
    return expected_of(cell.case, esn=cell.esn == "yes")


def flip(case: str, sa: SecurityAssociation, wire: bytes) -> bytes:
    """``wire`` with one bit changed in the region that the case names."""
    region = case.removeprefix("flip-")
    packet = parse_packet(wire)
    start = len(wire) - len(packet.payload)
    if region == "source":
        changed: dict[str, Any] = {"source": packet.source + 2}
        return replace(packet, **changed).build()
    regions = _ah_regions if sa.protocol == Protocol.AH else _esp_regions
    at = start + regions(sa, len(packet.payload))[region]
    # Not the lowest bit: the sequence number becomes one that is new.
    return wire[:at] + bytes((wire[at] ^ 0x40,)) + wire[at + 1 :]


def _esp_regions(sa: SecurityAssociation, size: int) -> dict[str, int]:
    """Region -> offset of an octet of it; there is padding."""
    cipher, mac = ENCRYPTION[sa.cipher], INTEGRITY[sa.integrity]
    end = size - cipher.icv_size - mac.icv_size
    return {
        "spi": _SPI + 3,
        "sequence": _SEQUENCE + 3,
        "iv": _ESP_BODY,
        "payload": _ESP_BODY + cipher.iv_size,
        "padding": end - 3,
        "pad-length": end - 2,
        "next-header": end - 1,
        "icv": size - 1,
    }


def _ah_regions(sa: SecurityAssociation, size: int) -> dict[str, int]:
    return {
        "spi": _AH_SPI + 3,
        "sequence": _AH_SEQUENCE + 3,
        "payload": size - 1,
        "icv": _AH_BODY + INTEGRITY[sa.integrity].iv_size,
        "next-header": 0,
        "length": _AH_LENGTH,
    }


def _spoiled_padding(padded: bytes) -> bytes:
    return padded[:-3] + bytes((padded[-3] ^ 0xFF,)) + padded[-2:]


def _spoiled_length(padded: bytes) -> bytes:
    return padded[:-2] + bytes((_OUTSIDE, padded[-1]))


def _spoiled_next_header(padded: bytes) -> bytes:
    return padded[:-1] + bytes((NOBODY,))


def _dummy(padded: bytes) -> bytes:
    return padded[:-1] + bytes((Protocol.NO_NEXT_HEADER,))


_SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "sealed-padding": _spoiled_padding,
    "sealed-pad-length": _spoiled_length,
    "sealed-next-header": _spoiled_next_header,
    "dummy": _dummy,
}


def sealed_anew(case: str, sa: SecurityAssociation, wire: bytes, sequence: int) -> bytes:
    """``wire``, an ESP packet, with what the case names behind a good ICV of its own."""
    packet = parse_packet(wire)
    iv = packet.payload[_ESP_BODY : _ESP_BODY + sa.iv_size]
    spoiled = _SPOILED[case](esp.authenticate(sa, packet, sequence))
    return replace(packet, payload=esp.seal_padded(sa, spoiled, sequence, iv)).build()
