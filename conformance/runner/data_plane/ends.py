"""The two ends of a cell under one pair of verbs: protect a packet, receive a protected one."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec.engine import Accepted, AuditEvent, DataPlane, Protected
from conformance.ipsec.ip import MalformedPacketError, Protocol
from conformance.ipsec.packet import host_network, parse_packet
from conformance.ipsec.selector import PortRange, Selector
from conformance.linux import messages
from conformance.linux.local import NAT_PORT
from conformance.linux.xfrm import Policy
from conformance.matrix.data_plane import ALIGNMENT
from conformance.runner.data_plane.deviations import DEVIATIONS

if TYPE_CHECKING:
    from conformance.ipsec.association import Bundle
    from conformance.ipsec.packet import Packet
    from conformance.linux.host import LinuxHost
    from conformance.linux.local import LocalSockets
    from conformance.linux.xfrm import SaUse
    from conformance.runner.data_plane.deviations import Deviation
    from conformance.runner.data_plane.setting import Setting

PATIENCE = 2.0
"""Seconds for a packet that must come; the kernel mostly has it done when the call returns."""


_BRIEFLY = 0.05
"""Seconds for a packet that must not come, where no counter has moved yet."""
_PAUSE = 0.001
_SENDS, _RECEIVES = (messages.POLICY_OUT,), (messages.POLICY_IN, messages.POLICY_FORWARD)
"""The directions of the kernel's policies: what it receives it delivers or forwards."""


class NothingSentError(Exception):
    """An end did not protect a packet; the text says what is known of the reason."""


class Delivery(NamedTuple):
    """What became of a protected packet: the packet inside, or why it was dropped."""

    inner: Packet | None
    reasons: tuple[str, ...] = ()
    """The audit event's reason, or the counters of the kernel that moved."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """What an end has counted of its outermost SA."""

    packets: int
    bytes: int
    sequence: int
    """The last number sent, or the highest received."""


class ReferenceEnd:
    """The reference's data plane, with a fault where the cell is to show that it can fail."""

    name = "reference"

    def __init__(
        self, setting: Setting, bundle: Bundle, fault: Deviation = DEVIATIONS["none"]
    ) -> None:
        self._plane = DataPlane(setting.random)
        self._bundle = fault.bundle(bundle)
        self._plane.sad.add(self._bundle)
        self._sa = self._bundle.outer
        self._fault = fault

    def protect(self, inner: Packet) -> bytes:
        """The packet as it goes over the wire."""
        sent = self._plane.outbound(inner, self._bundle)
        if isinstance(sent, Protected):
            return self._fault.wire(self._sa, sent.wire)
        raise NothingSentError(_told(sent))

    def receive(self, wire: bytes, *, is_good: bool = True) -> Delivery:
        """The packet inside, or the reason of the audit event."""
        del is_good
        received = self._plane.inbound(self._fault.wire(self._sa, wire))
        if isinstance(received, Accepted):
            return Delivery(received.inner)
        return Delivery(None, (received.reason.value,), received.detail)

    def count(self) -> Count:
        """As the SA stands."""
        sa = self._sa
        right = sa.replay.right if sa.replay else 0
        sequence = sa.usage.sequence if sa.direction == "out" else right
        return Count(sa.usage.packets, sa.usage.bytes, sequence)


class LinuxEnd:
    """The kernel; raises RefusedError where it does not take the SAs."""

    name = "linux"

    def __init__(
        self, setting: Setting, bundle: Bundle, host: LinuxHost, local: LocalSockets
    ) -> None:
        self._setting, self._host, self._local = setting, host, local
        self._bundle = bundle
        self._is_transport = setting.cell.mode == "transport"
        self._install()
        self._errors = host.errors()

    def _install(self) -> None:
        self._host.xfrm.flush()
        self.drain()
        for sa in self._bundle.sas:
            self._host.xfrm.add(
                sa,
                selects=sa is self._bundle.inner,
                aligned=self._setting.cell.case != ALIGNMENT,
            )
        for direction in _SENDS if self._setting.kernel_sends else _RECEIVES:
            policy = Policy(direction, self._bundle.inner.selector, self._bundle)
            self._host.xfrm.add_policy(policy)
        if self._bundle.udp:
            # Between hosts the UDP around ESP would itself have to be protected.
            source, destination = map(host_network, self._setting.outer)
            port = PortRange.of(NAT_PORT)
            within = Selector(source, destination, Protocol.UDP, port, port)
            self._host.xfrm.add_policy(Policy(messages.POLICY_IN, within, None))

    def drain(self) -> None:
        """Forget what earlier packets brought about."""
        while self._host.wire.read(0) or self._host.inside.read(0):
            pass
        for version in (4, 6):
            while self._local.read(version, 0):
                pass

    def protect(self, inner: Packet) -> bytes:
        """Have the kernel send or forward a packet, and take what it sends out."""
        try:
            if self._is_transport:
                self._local.send(inner)
            else:
                self._host.inside.write(inner.build())
        except OSError as error:
            raise NothingSentError(f"{error.strerror}; {self._moved()}") from error
        while (wire := self._host.wire.read(PATIENCE)) is not None:
            if self._is_ours(wire):
                return wire
        answer = self._host.inside.read(0)
        told = f"; it answers {answer.hex()}" if answer else ""
        raise NothingSentError(f"nothing within {PATIENCE} s; {self._moved()}{told}")

    def _is_ours(self, wire: bytes) -> bool:
        try:
            packet = parse_packet(wire)
        except MalformedPacketError:
            return False
        return (packet.source, packet.destination) == self._setting.outer

    def receive(self, wire: bytes, *, is_good: bool = True) -> Delivery:
        """What the kernel delivers or forwards of it, or the counters that moved."""
        self._host.wire.write(wire)
        end = monotonic() + (PATIENCE if is_good else _BRIEFLY)
        while True:
            inner = self._delivered()
            if inner is not None:
                return Delivery(inner)
            moved = self._moved()
            if moved or monotonic() > end:
                return Delivery(None, moved)
            sleep(_PAUSE)

    def _delivered(self) -> Packet | None:
        """The next packet between the cell's addresses; the kernel's own are passed over."""
        while True:
            packet = self._next()
            if packet is None or packet.protocol != Protocol.ICMPV6:
                return packet

    def _next(self) -> Packet | None:
        if self._is_transport:
            return self._local.read(self._setting.inner_version, 0)
        octets = self._host.inside.read(0)
        return parse_packet(octets) if octets else None

    def _moved(self) -> tuple[str, ...]:
        """The counters of errors that moved since the last look, each as often as it did."""
        now, before = self._host.errors(), self._errors
        self._errors = now
        return tuple(
            name for name, count in now.items() for _ in range(count - before.get(name, 0))
        )

    def count(self) -> Count:
        """As the kernel tells it."""
        use = self.use()
        sequence = use.sent if self._setting.kernel_sends else use.right
        return Count(use.packets, use.bytes, sequence)

    def use(self) -> SaUse:
        """All that the kernel tells of the outermost SA."""
        return self._host.xfrm.read(self._bundle.outer)


End = ReferenceEnd | LinuxEnd
"""Both have protect, receive, count and name."""


def _told(event: AuditEvent) -> str:
    return f"{event.reason.value}: {event.detail}" if event.detail else event.reason.value
