"""What is done in a cell, step by step: packets of every size, the window's edges, forgeries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.ipsec.packet import parse_packet
from conformance.ipsec.transforms import INTEGRITY
from conformance.matrix.data_plane import ALIGNMENT, EMPTY, EXCHANGE, WINDOW
from conformance.record.data_plane import Difference, Sample
from conformance.runner.data_plane.ends import NothingSentError
from conformance.runner.data_plane.packets import as_received, inner_packet, sizes
from conformance.runner.data_plane.tampering import expected_in, expected_of, flip, sealed_anew

if TYPE_CHECKING:
    from conformance.ipsec.packet import Packet
    from conformance.matrix.data_plane import DataCell
    from conformance.runner.data_plane.ends import Delivery, End, LinuxEnd, ReferenceEnd
    from conformance.runner.data_plane.setting import Setting
    from conformance.runner.data_plane.tampering import Expected

PAYLOAD = 100
"""Octets of a packet where its size does not matter; every cipher pads it."""
_SHOWN = 16
"""Octets of a difference that a record shows."""


class FailedError(Exception):
    """A cell did not come out as it must."""

    def __init__(self, reason: str, difference: Difference | None = None) -> None:
        super().__init__(reason)
        self.difference = difference
        """Where a packet arrived otherwise than it was sent."""


@dataclass(slots=True)
class CellRun:
    """What happens in a cell, step by step, and what is known of it so far."""

    setting: Setting
    reference: ReferenceEnd
    kernel: LinuxEnd
    captured: list[bytes] = field(default_factory=list)
    """What went over the wire, as the receiver got it."""
    count: int = 0
    """Packets that the sender protected."""
    sizes: list[int] = field(default_factory=list)
    sample: Sample | None = None
    dropped: str = ""

    @property
    def sender(self) -> End:
        """The end that encrypts."""
        return self.kernel if self.setting.kernel_sends else self.reference

    @property
    def receiver(self) -> End:
        """The end that decrypts."""
        return self.reference if self.setting.kernel_sends else self.kernel

    def sent(self, inner: Packet) -> bytes:
        """A packet as the sender puts it on the wire; FailedError where it sends none."""
        try:
            wire = self.sender.protect(inner)
        except NothingSentError as error:
            text = f"{self.sender.name} sends no packet of {len(inner.payload)} octets"
            raise FailedError(f"{text}: {error}") from error
        self.count += 1
        return wire

    def arrive(self, inner: Packet, wire: bytes) -> None:
        """A good packet must arrive as it was sent."""
        self.captured.append(wire)
        delivery = self.receiver.receive(wire)
        size = len(inner.payload)
        if delivery.inner is None:
            why = _told(delivery) or "without a word"
            raise FailedError(f"{self.receiver.name} drops a packet of {size} octets: {why}")
        wanted, got = as_received(self.setting, inner).build(), delivery.inner.build()
        if wanted != got:
            text = f"{self.receiver.name} delivers another packet of {size} octets than was sent"
            raise FailedError(text, _difference(wanted, got))
        self.sizes.append(size)
        self.sample = self.sample or Sample(inner=inner.build().hex(), wire=wire.hex())

    def pass_one(self, size: int = PAYLOAD) -> bytes:
        """Send one good packet and see it arrive."""
        inner = inner_packet(self.setting, size)
        wire = self.sent(inner)
        self.arrive(inner, wire)
        return wire

    def drop(self, wire: bytes) -> None:
        """A packet that must be dropped, for the reason that the cell expects."""
        expected = expected_in(self.setting.cell)
        self.drop_as(expected, wire)
        statistic = expected.statistic
        if statistic and self.receiver is self.kernel:
            count = getattr(self.kernel.use(), statistic)
            if count != 1:
                raise FailedError(f"linux counts {count} packets as {statistic}, not one")

    def drop_as(self, expected: Expected, wire: bytes) -> None:
        """A packet that must be dropped, and what is to be said of it."""
        self.captured.append(wire)
        delivery = self.receiver.receive(wire, is_good=False)
        name = self.receiver.name
        if delivery.inner is not None:
            raise FailedError(f"{name} accepts what it must drop")
        self.dropped = _told(delivery)
        at_kernel = self.receiver is self.kernel
        wanted = expected.kernel if at_kernel else expected.reference
        told = set(delivery.reasons)
        if not (told <= set(wanted) and len(delivery.reasons) == min(len(wanted), 1)):
            text = f"where {' or '.join(wanted) or 'no error'} is due"
            raise FailedError(f"{name} drops it, but says {self.dropped or 'nothing'} {text}")

    def agree(self) -> None:
        """Both ends must have counted the same."""
        there, here = self.sender.count(), self.receiver.count()
        wanted = (len(self.sizes), len(self.sizes))
        if (there.packets, here.packets) != wanted:
            text = f"{there.packets} packets counted at the sender, {here.packets} at the receiver"
            raise FailedError(f"{text}, {len(self.sizes)} passed")
        if self.setting.cell.window != "none" and there.sequence != here.sequence:
            text = f"the last number sent is {there.sequence}, the highest received {here.sequence}"
            raise FailedError(text)


def exchange(run: CellRun) -> None:
    """Packets of every size."""
    for size in sizes(run.setting):
        run.pass_one(size)
    run.agree()


def empty(run: CellRun) -> None:
    """A packet whose payload is nothing: transport mode protects what is behind the IP header."""
    run.pass_one()
    run.pass_one(0)
    run.agree()


def alignment(run: CellRun) -> None:
    """AH with no more padding than its alignment wants (RFC 4302 2.6)."""
    wire = run.pass_one()
    size = (parse_packet(wire).payload[1] + 2) * 4
    least = 12 + INTEGRITY[run.setting.cell.integrity].icv_size
    if size != least:
        raise FailedError(f"{run.sender.name} makes AH of {size} octets, {least} are enough")
    run.agree()


def window(run: CellRun) -> None:
    """Both edges: the oldest number within the window passes once, the one left of it never."""
    size = int(run.setting.cell.window)
    run.pass_one()
    inner = inner_packet(run.setting, PAYLOAD)
    stale, oldest, *_, newest = [run.sent(inner) for _ in range(size + 1)]
    run.arrive(inner, newest)
    run.arrive(inner, oldest)
    run.drop_as(expected_of("stale", esn=run.setting.cell.esn == "yes"), stale)
    run.drop_as(expected_of("replay", esn=False), oldest)
    run.pass_one()


def negative(run: CellRun) -> None:
    """A packet that must be dropped between two that pass."""
    run.pass_one()
    _ATTACKS.get(run.setting.cell.case, tampered)(run)
    run.pass_one()


def tampered(run: CellRun) -> None:
    """One bit of a packet is flipped; the packet itself still passes afterwards."""
    inner = inner_packet(run.setting, PAYLOAD)
    wire = run.sent(inner)
    run.drop(flip(run.setting.cell.case, run.setting.bundle("in").outer, wire))
    run.arrive(inner, wire)


def resealed(run: CellRun) -> None:
    """What is wrong stands behind a good ICV."""
    wire = run.sent(inner_packet(run.setting, PAYLOAD))
    sequence = run.setting.first + run.count
    sa = run.setting.bundle("in").outer
    run.drop(sealed_anew(run.setting.cell.case, sa, wire, sequence))


def replayed(run: CellRun) -> None:
    """A packet that has arrived comes once more."""
    run.drop(run.pass_one())


def stale(run: CellRun) -> None:
    """A packet comes when the window has moved past it."""
    inner = inner_packet(run.setting, PAYLOAD)
    late, *_, newest = [run.sent(inner) for _ in range(int(run.setting.cell.window) + 1)]
    run.arrive(inner, newest)
    run.drop(late)


def outside(run: CellRun) -> None:
    """A packet within a good ICV that the receiver's selector does not cover."""
    inner = run.setting.outside(inner_packet(run.setting, PAYLOAD))
    run.drop(run.sent(inner))


_RULES = {
    EMPTY: "RFC 4303 2.3: payload data is an integral number of octets, which none is",
    ALIGNMENT: "RFC 4302 2.6: MUST insert only enough padding to align AH to 32 bits in IPv4",
}
_SEALED = ("sealed-padding", "sealed-pad-length", "sealed-next-header", "dummy")
_ATTACKS = {
    **dict.fromkeys(_SEALED, resealed),
    "replay": replayed,
    "stale": stale,
    "selector": outside,
}
_CASES = {EXCHANGE: exchange, EMPTY: empty, WINDOW: window, ALIGNMENT: alignment}


def play(run: CellRun) -> None:
    """Do what the cell's case is; raises FailedError."""
    _CASES.get(run.setting.cell.case, negative)(run)


def rule_of(cell: DataCell) -> str:
    """The sentence of an RFC that the cell's case is about; empty where it is all of it."""
    return expected_in(cell).rule if cell.is_negative else _RULES.get(cell.case, "")


def _told(delivery: Delivery) -> str:
    return ", ".join((*delivery.reasons, *filter(None, [delivery.detail])))


def _difference(wanted: bytes, got: bytes) -> Difference:
    pairs = enumerate(zip(wanted, got, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(wanted), len(got)))
    shown = slice(at, at + _SHOWN)
    return Difference(offset=at, expected=wanted[shown].hex(), got=got[shown].hex())
