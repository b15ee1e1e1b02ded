"""Negative cells without a kernel: the reference drops each packet for the expected reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.ipsec.engine import Accepted, AuditEvent, DataPlane, Protected
from conformance.ipsec.packet import parse_packet
from conformance.matrix.data_plane import DataCell, every_cell
from conformance.runner.data_plane.algorithms import algorithms
from conformance.runner.data_plane.deviations import DEVIATIONS
from conformance.runner.data_plane.ends import ReferenceEnd
from conformance.runner.data_plane.packets import MIDDLING, inner_packet, largest, sizes
from conformance.runner.data_plane.setting import Setting
from conformance.runner.data_plane.tampering import expected_in, flip, sealed_anew

if TYPE_CHECKING:
    from conformance.ipsec.packet import Packet

CELLS = list(every_cell(algorithms()))
FLIPS = [cell for cell in CELLS if cell.case.startswith("flip-")]
SEALED = [cell for cell in CELLS if cell.case.startswith("sealed-") or cell.case == "dummy"]
KINDS = [
    cell
    for cell in CELLS
    if cell.case == "exchange" and cell.cipher in ("aes128", "none") and "comp" not in cell.protocol
]


class Pair:
    """Two data planes of the reference with a cell's SAs, and one packet on its way."""

    def __init__(self, cell: DataCell) -> None:
        self.setting = Setting(cell, "a seed")
        self.sender, self.receiver = DataPlane(bytes), DataPlane(bytes)
        self.sends, self.receives = self.setting.bundle("out"), self.setting.bundle("in")
        self.sender.sad.add(self.sends)
        self.receiver.sad.add(self.receives)

    def wire(self, inner: Packet) -> bytes:
        sent = self.sender.outbound(inner, self.sends)
        assert isinstance(sent, Protected)
        return sent.wire


@pytest.mark.parametrize("cell", FLIPS[::7], ids=lambda cell: cell.id)
def test_a_flipped_bit_is_found_in_every_region(cell: DataCell) -> None:
    """The packet itself passes afterwards: a forgery moves no window."""
    pair = Pair(cell)
    inner = inner_packet(pair.setting, 100)
    wire = pair.wire(inner)
    forged = flip(cell.case, pair.setting.bundle("in").outer, wire)
    assert sum(a != b for a, b in zip(wire, forged, strict=True)) >= 1
    dropped = pair.receiver.inbound(forged)
    assert isinstance(dropped, AuditEvent)
    assert dropped.reason in expected_in(cell).reference
    accepted = pair.receiver.inbound(wire)
    assert isinstance(accepted, Accepted)
    assert accepted.inner == inner


@pytest.mark.parametrize("cell", SEALED[::7], ids=lambda cell: cell.id)
def test_what_is_wrong_behind_a_good_icv_is_found(cell: DataCell) -> None:
    pair = Pair(cell)
    wire = pair.wire(inner_packet(pair.setting, 100))
    sa = pair.setting.bundle("in").outer
    dropped = pair.receiver.inbound(sealed_anew(cell.case, sa, wire, pair.setting.first + 1))
    assert isinstance(dropped, AuditEvent)
    assert dropped.reason in expected_in(cell).reference


@pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if cell.case == "selector"][::7], ids=lambda cell: cell.id
)
def test_a_packet_from_outside_is_sent_and_dropped(cell: DataCell) -> None:
    pair = Pair(cell)
    inside = inner_packet(pair.setting, 100)
    assert isinstance(pair.receiver.inbound(pair.wire(inside)), Accepted)
    dropped = pair.receiver.inbound(pair.wire(pair.setting.outside(inside)))
    assert isinstance(dropped, AuditEvent)
    assert dropped.reason in expected_in(cell).reference


@pytest.mark.parametrize("cell", KINDS[::9], ids=lambda cell: cell.id)
def test_sizes_have_every_residue_and_fill_the_wire(cell: DataCell) -> None:
    setting = Setting(cell, "a seed")
    tried = sizes(setting)
    small = [size for size in tried if size < MIDDLING]
    assert {size % 16 for size in small} == set(range(16))
    assert small == list(range(small[0], small[-1] + 1))
    assert tried[-1] == largest(setting) > MIDDLING
    assert len(Pair(cell).wire(inner_packet(setting, tried[-1]))) <= 1500
    assert len(Pair(cell).wire(inner_packet(setting, tried[-1] + 1))) > 1500


def test_keys_follow_from_the_seed_alone() -> None:
    cell = FLIPS[0]
    first, second, other = (Setting(cell, seed).bundle("in") for seed in ("a", "a", "b"))
    assert first.outer.encryption_key == second.outer.encryption_key
    assert first.outer.encryption_key != other.outer.encryption_key
    assert first.outer.spi != other.outer.spi


def plain(cipher: str, integrity: str, esn: str) -> DataCell:
    return next(
        cell
        for cell in CELLS
        if (cell.cipher, cell.integrity, cell.esn, cell.case)
        == (cipher, integrity, esn, "exchange")
    )


@pytest.mark.parametrize(
    ("deviation", "cell"),
    [
        ("esn-low-half", plain("aes128", "sha256", "yes")),
        ("esn-low-half", plain("aes128gcm16", "none", "yes")),
        ("salt-first", plain("aes128gcm16", "none", "no")),
        ("salt-first", plain("aes128ctr", "sha256", "no")),
        ("short-icv", plain("aes128", "sha256", "no")),
        ("turned-iv", plain("aes128", "sha256", "no")),
    ],
    ids=lambda value: value if isinstance(value, str) else value.transform,
)
def test_a_deviation_is_a_fault_in_both_directions(deviation: str, cell: DataCell) -> None:
    """A packet of the faulty end does not arrive, nor does one that it receives."""
    setting = Setting(cell, "a seed")
    inner = inner_packet(setting, 100)

    def ends(sends: str, receives: str) -> tuple[ReferenceEnd, ReferenceEnd]:
        out, within = setting.bundle("out"), setting.bundle("in")
        return (
            ReferenceEnd(setting, out, DEVIATIONS[sends]),
            ReferenceEnd(setting, within, DEVIATIONS[receives]),
        )

    for faults, arrives in (
        (("none", "none"), True),
        ((deviation, "none"), False),
        (("none", deviation), False),
    ):
        sender, receiver = ends(*faults)
        wires = [sender.protect(inner) for _ in range(5)]
        arrived = [receiver.receive(wire).inner == inner for wire in wires]
        assert all(arrived) is arrives, faults
        assert parse_packet(wires[0]).destination == setting.outer[1]
