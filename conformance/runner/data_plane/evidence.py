"""The evidence of a cell that did not pass: its packets as a capture, the keys beside them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from dpkt import pcapng

from conformance.ipsec.ip import Protocol
from conformance.record import wireshark
from conformance.record.wireshark import EspKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.ipsec.association import SecurityAssociation
    from conformance.runner.data_plane.setting import Setting

CAPTURE = "capture.pcapng"
_RAW_IP = 101
"""LINKTYPE_RAW: packets without a link's header."""
_NAMES = {Protocol.AH: "ah", Protocol.ESP: "esp", Protocol.IPCOMP: "ipcomp"}


def files_of(setting: Setting, wires: Sequence[bytes]) -> dict[str, bytes]:
    """Path relative to the cell's folder -> contents."""
    keys = [_key_of(sa) for sa in setting.bundle("in").sas]
    return {CAPTURE: capture(wires), **wireshark.configuration((), keys)}


def capture(packets: Sequence[bytes]) -> bytes:
    """IP packets as a pcapng file, one microsecond after another."""
    file = io.BytesIO()
    writer = pcapng.Writer(file, linktype=_RAW_IP)
    for number, packet in enumerate(packets):
        writer.writepkt(packet, ts=number / 1e6)
    return file.getvalue()


def _key_of(sa: SecurityAssociation) -> EspKey:
    return EspKey(
        protocol=_NAMES[Protocol(sa.protocol)],
        mode=sa.mode,
        source=str(sa.source),
        destination=str(sa.destination),
        spi=sa.spi,
        cipher=sa.cipher,
        key=sa.encryption_key,
        integrity=sa.integrity,
        integrity_key=sa.integrity_key,
        esn=sa.esn,
    )
