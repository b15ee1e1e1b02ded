"""The data plane: what it accepts, what it drops and why, and what each drop leaves untouched."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.crypto.random import seeded_random
from conformance.ipsec.drops import DropReason
from conformance.ipsec.engine import Accepted, AuditEvent, DataPlane, Protected
from conformance.ipsec.esp import seal, seal_padded
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.protection import encapsulate
from conformance.ipsec.sad import MAX_SEQUENCE, Bundle, Lifetime, SecurityAssociation, Selector
from conformance.ipsec.transforms import INTEGRITY

if TYPE_CHECKING:
    from conftest import MakeInner, MakeSa

ALICE, BOB = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
MODES = ("tunnel", "transport")
IV = bytes(16)


@dataclass
class Hosts:
    """Alice's and Bob's data planes with one SA from her to him."""

    alice: DataPlane
    bob: DataPlane
    sa_out: SecurityAssociation
    sa_in: SecurityAssociation

    def wire(self, inner: Ipv4Packet) -> bytes:
        """The packet Alice sends."""
        sent = self.alice.outbound(inner)
        assert isinstance(sent, Protected)
        return sent.wire

    def reason(self, wire: bytes) -> DropReason:
        """Why Bob drops it; and that nothing moved on his side."""
        before = self.state()
        event = self.bob.inbound(wire)
        assert isinstance(event, AuditEvent)
        assert self.state() == before
        return event.reason

    def state(self) -> tuple[int, int, int]:
        """Bob's right edge of the window, packets and octets."""
        assert self.sa_in.replay is not None
        usage = self.sa_in.usage
        return self.sa_in.replay.right, usage.packets, usage.bytes


def hosts_with(make_sa: MakeSa, **changes: Any) -> Hosts:
    sa_out, sa_in = make_sa(direction="out", **changes), make_sa(direction="in", **changes)
    alice, bob = DataPlane(seeded_random("alice")), DataPlane(seeded_random("bob"))
    alice.sad.add(sa_out)
    bob.sad.add(sa_in)
    return Hosts(alice, bob, sa_out, sa_in)


def replied(event: Accepted | Protected | AuditEvent) -> DropReason | None:
    return event.reason if isinstance(event, AuditEvent) else None


@pytest.mark.parametrize("mode", MODES)
def test_packets_pass(mode: str, make_sa: MakeSa, make_inner: MakeInner) -> None:
    """Sequence numbers start at 1 (RFC 4303 3.3.3); both ends count the same."""
    hosts, inner = hosts_with(make_sa, mode=mode), make_inner(mode)
    for sequence in (1, 2, 3):
        wire = hosts.wire(inner)
        assert int.from_bytes(wire[24:28]) == sequence
        assert hosts.bob.inbound(wire) == Accepted(inner, Bundle((hosts.sa_in,)))
    assert (hosts.sa_out.usage.packets, hosts.sa_in.usage.packets) == (3, 3)
    assert hosts.sa_in.usage.bytes == 3 * inner.total_length


def test_tunnel_header(make_sa: MakeSa, make_inner: MakeInner) -> None:
    """Outer addresses are the SA's, the traffic class is copied, identifications differ."""
    hosts, inner = hosts_with(make_sa), make_inner("tunnel")
    first, second = (Ipv4Packet.parse(hosts.wire(inner)) for _ in range(2))
    assert (first.source, first.destination) == (hosts.sa_out.source, hosts.sa_out.destination)
    assert (first.tos, first.protocol) == (inner.tos, 50)
    assert first.identification != second.identification


def test_transport_header(make_sa: MakeSa, make_inner: MakeInner) -> None:
    """The header stays, but for the protocol and the length (RFC 4303 3.1.1)."""
    hosts, inner = hosts_with(make_sa, mode="transport"), make_inner("transport")
    outer = Ipv4Packet.parse(hosts.wire(inner))
    assert replace(outer, protocol=inner.protocol, payload=inner.payload) == inner


AUTHENTICATED = [
    *itertools.product(("aes128", "3des"), ("sha1", "aesxcbc", "sha512")),
    *(("aes256", name) for name, row in INTEGRITY.items() if row.icv_size and not row.ah_only),
]
REGIONS = {  # of an AES-CBC packet: the octets, and what a flipped bit there is called
    "ip header": (range(20), DropReason.IN_HEADER),
    "spi": (range(20, 24), DropReason.IN_NO_STATE),
    "sequence": (range(24, 28), DropReason.IN_INTEGRITY),
    "iv": (range(28, 44), DropReason.IN_INTEGRITY),
    "ciphertext and icv": (range(44, 1000), DropReason.IN_INTEGRITY),
}


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("transform", AUTHENTICATED, ids="+".join)
@pytest.mark.parametrize("mode", MODES)
def test_a_flipped_byte_is_dropped(
    transform: tuple[str, str], mode: str, region: str, make_sa: MakeSa, make_inner: MakeInner
) -> None:
    cipher, integrity = transform
    hosts = hosts_with(make_sa, cipher=cipher, integrity=integrity, mode=mode)
    wire = hosts.wire(make_inner(mode))
    octets, reason = REGIONS[region]
    for at in octets[: max(len(wire) - octets.start, 0)]:
        flipped = wire[:at] + bytes((wire[at] ^ 0x41,)) + wire[at + 1 :]
        assert hosts.reason(flipped) is reason, f"octet {at}"
    assert replied(hosts.bob.inbound(wire)) is None, "the whole packet is still welcome"


@pytest.mark.parametrize("mode", MODES)
def test_every_truncation_is_dropped(mode: str, make_sa: MakeSa, make_inner: MakeInner) -> None:
    """Cut from the wire, and cut with the IP header mended so that ESP itself is short."""
    hosts = hosts_with(make_sa, mode=mode)
    wire = hosts.wire(make_inner(mode))
    outer = Ipv4Packet.parse(wire)
    short = {DropReason.IN_HEADER, DropReason.IN_LENGTH, DropReason.IN_INTEGRITY}
    for size in range(len(wire)):
        assert hosts.reason(wire[:size]) is DropReason.IN_HEADER
    for size in range(len(outer.payload)):
        assert hosts.reason(replace(outer, payload=outer.payload[:size]).build()) in short


@given(st.binary(max_size=120))
def test_noise_never_raises(make_sa: MakeSa, noise: bytes) -> None:
    hosts = hosts_with(make_sa)
    sa = hosts.sa_in
    spi = sa.spi.to_bytes(4)
    hosts.reason(noise)
    hosts.reason(Ipv4Packet(ALICE, BOB, 50, noise).build())
    hosts.reason(Ipv4Packet(ALICE, BOB, 50, spi + noise).build())


def test_replay_and_the_window(make_sa: MakeSa, make_inner: MakeInner) -> None:
    """Late packets inside the window pass once; older and repeated ones are sequence errors."""
    hosts, inner = hosts_with(make_sa), make_inner("tunnel")
    wires = [b""] + [hosts.wire(inner) for _ in range(70)]
    assert replied(hosts.bob.inbound(wires[70])) is None
    assert replied(hosts.bob.inbound(wires[7])) is None
    for sequence in (7, 70, 6, 1):
        assert hosts.reason(wires[sequence]) is DropReason.IN_SEQUENCE


def test_a_forged_far_number_does_not_move_the_window(
    make_sa: MakeSa, make_inner: MakeInner
) -> None:
    """RFC 4303 3.4.3: the window moves only after the ICV held."""
    hosts = hosts_with(make_sa)
    wire = hosts.wire(make_inner("tunnel"))
    forged = wire[:24] + (2**31).to_bytes(4) + wire[28:]
    assert hosts.reason(forged) is DropReason.IN_INTEGRITY
    assert replied(hosts.bob.inbound(wire)) is None


def sealed(sa: SecurityAssociation, plain: bytes, next_header: int) -> bytes:
    payload = seal(sa, plain, next_header, 1, IV)
    return Ipv4Packet(ALICE, BOB, 50, payload).build()


def crafted(sa: SecurityAssociation, padded: bytes) -> bytes:
    """A packet whose ICV holds over any plaintext blocks: only a key holder can send it."""
    return Ipv4Packet(ALICE, BOB, 50, seal_padded(sa, padded, 1, IV)).build()


BAD_PADDING = {
    "longer than the packet": bytes(14) + b"\x0f\x04",
    "longest": bytes(14) + b"\xff\x04",
    "zeros": bytes(12) + b"\x00\x00" + b"\x02\x04",
    "from zero": bytes(12) + b"\x00\x01" + b"\x02\x04",
    "last octet": bytes(11) + b"\x01\x02\x04" + b"\x03\x04",
}


@pytest.mark.parametrize("padded", BAD_PADDING.values(), ids=BAD_PADDING)
def test_bad_padding_is_dropped(padded: bytes, make_sa: MakeSa) -> None:
    """The ICV held, so the window moved all the same (RFC 4303 3.4.3)."""
    hosts = hosts_with(make_sa)
    wire = crafted(hosts.sa_in, padded)
    assert replied(hosts.bob.inbound(wire)) is DropReason.IN_PADDING
    assert hosts.state() == (1, 0, 0)
    assert hosts.reason(wire) is DropReason.IN_SEQUENCE


def test_dummy_packets_are_dropped(make_sa: MakeSa) -> None:
    hosts = hosts_with(make_sa)
    assert replied(hosts.bob.inbound(sealed(hosts.sa_out, b"noise", 59))) is DropReason.IN_DUMMY


@pytest.mark.parametrize(
    ("plain", "next_header"), [(b"ping", 1), (bytes(20), 4), (b"", 4), (b"\x45" + bytes(30), 4)]
)
def test_what_is_no_tunnel_is_a_mode_error(plain: bytes, next_header: int, make_sa: MakeSa) -> None:
    hosts = hosts_with(make_sa)
    wire = sealed(hosts.sa_out, plain, next_header)
    assert replied(hosts.bob.inbound(wire)) is DropReason.IN_MODE


@pytest.mark.parametrize(
    ("source", "destination"), [("10.78.9.1", "10.78.2.1"), ("10.78.1.1", "10.78.9.1")]
)
def test_selectors_are_checked_after_decapsulation(
    source: str, destination: str, make_sa: MakeSa
) -> None:
    """RFC 4301 5.2 step 4: a verified packet may still lie about where it comes from."""
    hosts = hosts_with(make_sa)
    inner = Ipv4Packet(IPv4Address(source), IPv4Address(destination), 1, b"")
    wire = encapsulate(hosts.sa_out, inner, 1, IV).build()
    assert replied(hosts.bob.inbound(wire)) is DropReason.IN_SELECTOR
    assert replied(hosts.alice.outbound(inner)) is DropReason.OUT_NO_STATE
    assert replied(hosts.alice.outbound(inner, hosts.sa_out)) is DropReason.OUT_NO_STATE


def test_fragments_and_other_protocols_are_refused(make_sa: MakeSa, make_inner: MakeInner) -> None:
    hosts = hosts_with(make_sa)
    outer = Ipv4Packet.parse(hosts.wire(make_inner("tunnel")))
    assert hosts.reason(replace(outer, flags=1).build()) is DropReason.IN_FRAGMENT
    assert hosts.reason(replace(outer, fragment_offset=5).build()) is DropReason.IN_FRAGMENT
    assert hosts.reason(replace(outer, protocol=47).build()) is DropReason.IN_HEADER


def test_the_wrong_destination_names_no_sa(make_sa: MakeSa, make_inner: MakeInner) -> None:
    """An SA is found by SPI, destination and protocol (RFC 4301 4.1)."""
    hosts = hosts_with(make_sa)
    outer = Ipv4Packet.parse(hosts.wire(make_inner("tunnel")))
    elsewhere = replace(outer, destination=IPv4Address("192.0.2.9")).build()
    assert hosts.reason(elsewhere) is DropReason.IN_NO_STATE


def test_outbound_sas_receive_nothing(make_sa: MakeSa, make_inner: MakeInner) -> None:
    hosts = hosts_with(make_sa)
    wire = hosts.wire(make_inner("tunnel"))
    assert replied(hosts.alice.inbound(wire)) is DropReason.IN_NO_STATE


def test_the_sequence_number_never_cycles(make_sa: MakeSa, make_inner: MakeInner) -> None:
    """RFC 4303 3.3.3: the packet that would cycle is not sent, and never is."""
    hosts, inner = hosts_with(make_sa), make_inner("tunnel")
    hosts.sa_out.usage.sequence = MAX_SEQUENCE - 1
    last = hosts.wire(inner)
    assert last[24:28] == b"\xff" * 4
    assert replied(hosts.bob.inbound(last)) is None
    for _ in range(2):
        assert replied(hosts.alice.outbound(inner)) is DropReason.OUT_SEQUENCE


@pytest.mark.parametrize("lifetime", [Lifetime(packets=2), Lifetime(bytes=48)])
def test_hard_lifetimes_end_both_ways(
    lifetime: Lifetime, make_sa: MakeSa, make_inner: MakeInner
) -> None:
    """Two packets of 24 octets are all that each end lets through."""
    hosts, inner = hosts_with(make_sa, lifetime=lifetime), make_inner("tunnel")
    wires = [hosts.wire(inner), hosts.wire(inner)]
    assert replied(hosts.alice.outbound(inner)) is DropReason.OUT_EXPIRED
    assert [replied(hosts.bob.inbound(wire)) for wire in wires] == [None, None]
    assert hosts.reason(wires[0]) is DropReason.IN_EXPIRED


def test_what_outgrows_ipv4_is_not_sent(make_sa: MakeSa, make_inner: MakeInner) -> None:
    hosts = hosts_with(make_sa)
    event = hosts.alice.outbound(make_inner("tunnel", bytes(65500)))
    assert replied(event) is DropReason.OUT_HEADER
    assert hosts.sa_out.usage.sequence == 0


@pytest.mark.parametrize("changes", [{"source": IPv4Address("10.0.0.1")}, {"flags": 1}])
def test_transport_mode_carries_only_its_hosts_whole_packets(
    changes: dict[str, Any], make_sa: MakeSa, make_inner: MakeInner
) -> None:
    hosts = hosts_with(make_sa, mode="transport", selector=Selector())
    event = hosts.alice.outbound(replace(make_inner("transport"), **changes))
    assert replied(event) is DropReason.OUT_MODE


def test_the_newest_sa_is_used(make_sa: MakeSa, make_inner: MakeInner) -> None:
    """After a rekey traffic moves to the new SA, and back when it is removed."""
    hosts, inner = hosts_with(make_sa), make_inner("tunnel")
    newer = make_sa(spi=0x2000)
    elsewhere = make_sa(spi=0x3000, selector=Selector(destination=IPv4Network("198.51.100.0/24")))
    hosts.alice.sad.add(newer)
    hosts.alice.sad.add(elsewhere)
    assert hosts.wire(inner)[20:24] == (0x2000).to_bytes(4)
    hosts.alice.sad.remove(newer)
    assert hosts.wire(inner)[20:24] == hosts.sa_out.spi.to_bytes(4)
    assert list(hosts.alice.sad) == [hosts.sa_out, elsewhere]


def test_an_spi_is_installed_once(make_sa: MakeSa) -> None:
    hosts = hosts_with(make_sa)
    with pytest.raises(ValueError, match=r"0x1234abcd to 192\.0\.2\.2 is in use"):
        hosts.alice.sad.add(make_sa())
    with pytest.raises(KeyError):
        hosts.alice.sad.remove(make_sa(spi=1))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"cipher": "aes128", "encryption_key": bytes(24)}, "aes128 takes a key of 16 octets"),
        ({"integrity": "sha1", "integrity_key": b""}, "sha1 takes a key of 20 octets, not 0"),
        ({"mode": "beet"}, "tunnel or transport, not beet"),
        ({"integrity": "none"}, "anti-replay needs integrity"),
    ],
)
def test_impossible_sas_are_refused(
    changes: dict[str, Any], complaint: str, make_sa: MakeSa
) -> None:
    with pytest.raises(ValueError, match=complaint):
        make_sa(**changes)


def test_unknown_algorithms_are_refused(make_sa: MakeSa) -> None:
    with pytest.raises(ValueError, match="no transform rot13 with sha1"):
        replace(make_sa(integrity="sha1"), cipher="rot13")


def test_keys_are_not_shown(make_sa: MakeSa) -> None:
    shown = repr(make_sa(encryption_key=b"0123456789abcdef"))
    assert "0123456789abcdef" not in shown
    assert "key" not in shown
