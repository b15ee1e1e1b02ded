"""Policies, and packets that wait for an SA: bounded, in order, and dropped with a reason."""

from __future__ import annotations

import asyncio
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from conformance.ipsec.icmp import IcmpEcho, IcmpType
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ip6 import Ipv6Packet
from conformance.ipsec.spd import Spd
from conformance.peer.fields import read_fields
from conformance.peer.gateway import QUEUE, Gateway
from conformance.peer.policy import Policy
from conformance.peer.requests import Configure, read_request
from conformance.peer.server import ReferencePeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.packet import Packet

HERE, THERE = IPv4Address("10.1.0.1"), IPv4Address("10.2.0.1")
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58


def packet(
    protocol: int = UDP, ports: tuple[int, int] = (1000, 53), number: int = 0, **changes: Any
) -> Ipv4Packet:
    payload = struct.pack("!HHI", *ports, number)
    return Ipv4Packet(
        **{"source": HERE, "destination": THERE} | changes, protocol=protocol, payload=payload
    )


def packet6(protocol: int = UDP, ports: tuple[int, int] = (1000, 53)) -> Ipv6Packet:
    ends = IPv6Address("fd78:1::1"), IPv6Address("fd78:2::1")
    return Ipv6Packet(*ends, protocol, struct.pack("!HHI", *ports, 0))


def policy(**fields: Any) -> Policy:
    return read_fields(Policy, {"action": "protect"} | fields)


FITS: list[tuple[dict[str, Any], Ipv4Packet, bool]] = [
    ({}, packet(), True),
    ({"source": "10.1.0.0/24"}, packet(), True),
    ({"source": "10.1.1.0/24"}, packet(), False),
    ({"destination": "10.2.0.1/32"}, packet(), True),
    ({"destination": "10.1.0.0/24"}, packet(), False),
    ({"protocol": "udp"}, packet(), True),
    ({"protocol": 17}, packet(), True),
    ({"protocol": "icmp"}, packet(), False),
    ({"protocol": "tcp"}, packet(), False),
    ({"destination_port": 53}, packet(), True),
    ({"destination_port": 53}, packet(TCP), True),
    ({"destination_port": 54}, packet(), False),
    ({"source_port": 1000, "destination_port": 53}, packet(), True),
    ({"source_port": 53}, packet(), False),
    ({"destination_port": 53}, packet(ICMP), False),
    ({"destination_port": [50, 53]}, packet(), True),
    ({"destination_port": [54, 60]}, packet(), False),
    ({"protocol": "icmp", "icmp_type": 8}, packet(ICMP, (0x0800, 0)), True),
    ({"protocol": "icmp", "icmp_type": 8}, packet(ICMP, (0x0000, 0)), False),
    ({"protocol": "icmp", "icmp_type": 3, "icmp_code": [4, 5]}, packet(ICMP, (0x0304, 0)), True),
    ({"protocol": "icmp", "icmp_code": 0}, packet(ICMP, (0x0301, 0)), False),
    ({"destination_port": 53}, packet(fragment_offset=1), False),
    ({"protocol": "udp"}, packet(fragment_offset=1), True),
    ({"destination_port": 53}, Ipv4Packet(HERE, THERE, UDP, b"\0\0\0"), False),
    ({}, packet6(), True),
    ({"source": "fd78:1::/64"}, packet6(), True),
    ({"source": "fd78:2::/64"}, packet6(), False),
    ({"source": "::/0"}, packet6(), True),
    ({"source": "::/0"}, packet(), False),
    ({"source": "0.0.0.0/0"}, packet6(), False),
    ({"destination": "fd78:2::1/128", "protocol": "udp"}, packet6(), True),
    ({"protocol": "icmpv6", "icmp_type": 128}, packet6(ICMPV6, (0x8000, 0)), True),
    ({"protocol": "icmpv6", "icmp_type": 129}, packet6(ICMPV6, (0x8000, 0)), False),
    ({"protocol": "icmp"}, packet6(ICMPV6, (0x8000, 0)), False),
]


@pytest.mark.parametrize(("fields", "given", "fits"), FITS, ids=lambda value: str(value)[:50])
def test_what_a_policy_speaks_of(fields: dict[str, Any], given: Packet, fits: bool) -> None:  # noqa: FBT001
    entry = policy(**fields).entry
    assert Spd([entry]).find(given) == (entry if fits else None)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"source": "10.1.0.0/24", "destination": "fd78::/64"}, "are of two families"),
        ({"protocol": "udp", "icmp_type": 8}, 'protocol = "icmp" or "icmpv6"'),
        ({"protocol": "icmpv6", "source_port": 8, "icmp_type": 8}, "ICMP has no ports"),
    ],
)
def test_what_no_policy_can_say(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=complaint):
        policy(**fields)


@pytest.mark.covers("feature:spd", by="self")
def test_the_first_that_fits_decides_and_none_discards() -> None:
    spd = Spd(
        [
            policy(action="bypass", protocol="icmp").entry,
            policy(action="discard", destination_port=25).entry,
            policy(destination="10.2.0.0/16").entry,
        ]
    )
    assert spd.decide(packet(ICMP)) == "bypass"
    assert spd.decide(packet(TCP, (1, 25))) == "discard"
    assert spd.decide(packet(TCP, (25, 1))) == "protect"
    assert spd.decide(packet(destination=HERE)) == "discard"
    assert Spd([]).decide(packet()) == "discard"


class Wire:
    """Carries ESP in memory; the last peer to open it has the far end."""

    def __init__(self) -> None:
        self.receivers: dict[IPv4Address, Callable[[bytes], None]] = {}

    def open(self, address: IPv4Address, receive: Callable[[bytes], None]) -> Wire:
        """An EspOpener."""
        self.receivers[address] = receive
        return self

    def send(self, octets: bytes, destination: IPv4Address) -> None:
        """Deliver in the loop's next turn."""
        asyncio.get_running_loop().call_soon(self.receivers[destination], octets)

    def close(self) -> None:
        """Nothing to close."""


class Ends:
    """Alice, who has a gateway and traps traffic, and Bob, who takes what comes out."""

    def __init__(self) -> None:
        wire = Wire()
        self.peers = [
            ReferencePeer(name, IPv4Address(address), inner, ports=(0, 0), open_esp=wire.open)
            for name, address, inner in (
                ("alice", "127.0.0.41", HERE),
                ("bob", "127.0.0.42", THERE),
            )
        ]
        self.clear: list[Ipv4Packet] = []
        self.arrived: list[Ipv4Packet] = []

    async def open(
        self, *, bob: dict[str, Any] | None = None, traps: bool = True, patience: float = 5.0
    ) -> None:
        for peer in self.peers:
            await peer.open()
        alice, bobs = self.peers
        connection = alice.configure(self._settings(alice, bobs))
        there = bobs.configure(self._settings(bobs, alice, **bob or {}))
        there.traffic.deliver = self.arrived.append
        self.drops = connection.history.drops
        entries = policy(action="bypass", protocol="icmp"), policy(destination="10.2.0.0/16")
        spd = Spd(one.entry for one in entries)
        self.gateway = Gateway(connection, spd, self.clear.append, traps=traps, patience=patience)

    @staticmethod
    def _settings(local: ReferencePeer, remote: ReferencePeer, **changes: Any) -> Configure:
        given: dict[str, Any] = {
            "name": "c",
            "remote": str(remote.address),
            "remote_port": remote.ports[0],
            "psk": "secret",
            "phase1": {"cipher": "aes128", "hash": "sha256", "group": "ecp256"},
            "phase2": {"cipher": "aes128", "integrity": "sha256", "mode": "tunnel"},
            "local_selector": f"{local.inner}/32",
            "remote_selector": f"{remote.inner}/32",
            "seed": 1,
        }
        return read_request(Configure, given | changes)

    def close(self) -> None:
        self.gateway.close()
        for peer in self.peers:
            peer.close()


def scenario(work: Callable[[Ends], Any], **options: Any) -> None:
    """Run a test with both ends open."""

    async def run() -> None:
        ends = Ends()
        await ends.open(**options)
        try:
            await work(ends)
        finally:
            ends.close()
            await asyncio.sleep(0)

    asyncio.run(run())


async def eventually(condition: Callable[[], object]) -> None:
    for _ in range(300):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


def test_the_first_packets_wait_and_arrive_in_order() -> None:
    """One negotiation for all of them, which begins with the first."""

    async def work(ends: Ends) -> None:
        for number in range(5):
            ends.gateway.leave(packet(number=number).build())
        await eventually(lambda: len(ends.arrived) == 5)
        assert [one.payload[-1] for one in ends.arrived] == list(range(5))
        told = [one["event"] for one in ends.peers[0].connection("c").history.events]
        assert (told.count("TrafficTrapped"), told.count("ChildInstalled")) == (1, 1)
        ends.gateway.leave(packet(number=5).build())
        await eventually(lambda: len(ends.arrived) == 6)
        assert not ends.drops

    scenario(work)


def test_so_many_wait_and_no_more() -> None:
    async def work(ends: Ends) -> None:
        for number in range(QUEUE + 3):
            ends.gateway.leave(packet(number=number).build())
        assert [drop["reason"] for drop in ends.drops] == ["OutPolBlock"] * 3
        await eventually(lambda: len(ends.arrived) == QUEUE)

    scenario(work)


def test_where_no_sa_comes_about_they_are_dropped_and_nobody_asks_again_at_once() -> None:
    async def work(ends: Ends) -> None:
        ends.gateway.leave(packet().build())
        await eventually(lambda: ends.drops)
        ends.gateway.leave(packet().build())
        assert [drop["detail"] for drop in ends.drops] == [
            "no SA came about",
            "no SA, and a negotiation has just brought none",
        ]
        connection = ends.peers[0].connection("c")
        told = [one["event"] for one in connection.history.events]
        assert told.count("TrafficTrapped") == 1

    scenario(work, bob={"phase2": {"cipher": "3des", "integrity": "sha1", "mode": "tunnel"}})


def test_what_the_sa_does_not_cover_begins_no_second_one() -> None:
    """The policy is wider than what was agreed on."""

    async def work(ends: Ends) -> None:
        other = packet(destination=IPv4Address("10.2.0.9"))
        for _ in range(3):
            ends.gateway.leave(other.build())
        await eventually(lambda: len(ends.drops) == 3)
        ends.gateway.leave(other.build())
        assert len(ends.drops) == 4
        told = [one["event"] for one in ends.peers[0].connection("c").history.events]
        assert told.count("TrafficTrapped") == 1
        ends.gateway.leave(packet().build())
        await eventually(lambda: ends.arrived)

    scenario(work)


def test_a_negotiation_that_never_ends_lets_nobody_wait_for_ever() -> None:
    async def work(ends: Ends) -> None:
        ends.peers[1].reset()
        ends.gateway.leave(packet().build())
        await eventually(lambda: ends.drops)

    scenario(work, patience=0.1)


def test_without_traps_nothing_waits() -> None:
    async def work(ends: Ends) -> None:
        ends.gateway.leave(packet().build())
        (drop,) = ends.drops
        assert drop["detail"] == "no SA, and the remote has to begin"

    scenario(work, traps=False)


def test_bypass_and_rubbish() -> None:
    """What stays on the link is none of our business; what is malformed is logged and dropped."""

    async def work(ends: Ends) -> None:
        echo = IcmpEcho(IcmpType.ECHO, 1, 1, b"").build()
        ends.gateway.leave(Ipv4Packet(HERE, THERE, ICMP, echo).build())
        for octets in (b"", b"\x60" + bytes(38), b"\x45", packet().build()[:-1]):
            ends.gateway.leave(octets)
        here, routers = IPv6Address("fe80::1"), IPv6Address("ff02::2")
        for pair in ((here, routers), (IPv6Address("::"), routers), (here, here)):
            ends.gateway.leave(Ipv6Packet(*pair, ICMPV6, bytes(8)).build())
        ends.gateway.leave(packet(destination=HERE).build())
        await asyncio.sleep(0.02)
        assert [one.protocol for one in ends.clear] == [ICMP]
        assert [drop["detail"] for drop in ends.drops] == ["as the policies say"]
        assert not ends.arrived

    scenario(work)


def test_after_the_sas_are_gone_traffic_begins_anew() -> None:
    async def work(ends: Ends) -> None:
        ends.gateway.leave(packet().build())
        await eventually(lambda: ends.arrived)
        assert ends.peers[1].connection("c").terminate() == 2
        connection = ends.peers[0].connection("c")
        await eventually(lambda: not connection.isakmp)
        ends.gateway.leave(packet(number=7).build())
        await eventually(lambda: len(ends.arrived) == 2)
        assert ends.arrived[1].payload[-1] == 7

    scenario(work)


def test_a_removed_connection_ends_whoever_waits() -> None:
    async def work(ends: Ends) -> None:
        ends.peers[1].reset()
        ends.gateway.leave(packet().build())
        await asyncio.sleep(0.02)
        ends.peers[0].reset()
        await eventually(lambda: ends.drops)

    scenario(work)
