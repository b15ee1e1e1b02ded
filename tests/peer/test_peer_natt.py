"""Port 4500 on loopback: IKE with its marker, ESP in UDP, keepalives, mappings that change."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from conformance.ikev1.events import Role
from conformance.ikev1.message import NON_ESP_MARKER
from conformance.ikev1.natt import KEEPALIVE, NATT_PORT
from conformance.ipsec.udp import kind_of
from conformance.peer.facts import event_fact
from conformance.peer.log import describe_event
from conformance.peer.natt_port import (
    NON_IKE_MARKER,
    UdpPath,
    belongs_here,
    carries_fragment,
)
from conformance.peer.requests import Configure, Ping, read_request
from conformance.peer.server import ReferencePeer
from conformance.peer.sockets import UdpSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from conformance.ikev1.events import Event
    from conformance.ipsec.udp import Kind
    from conformance.peer.connection import Connection
    from conformance.peer.facts import PeerEvent

NETWORK = f"127.{os.getpid() >> 8 & 0x7F | 0x80}.{os.getpid() & 0xFF}"
"""Of this process alone, so that port 4500 is free on every machine."""
ALICE, BOB = IPv4Address(f"{NETWORK}.11"), IPv4Address(f"{NETWORK}.12")
INSIDE, OUTSIDE = IPv4Address(f"{NETWORK}.1"), IPv4Address(f"{NETWORK}.2")
"""A NAT's two faces."""
PING = Ping(name="c", count=2, timeout=2)


class Nowhere:
    """No ESP leaves in IP itself."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def open(self, _address: IPv4Address, _receive: Callable[[bytes], None]) -> Nowhere:
        """An EspOpener."""
        return self

    def send(self, packet: bytes, _destination: IPv4Address) -> None:
        """Keep what should not have left."""
        self.packets.append(packet)

    def close(self) -> None:
        """Nothing was opened."""


@dataclass
class Ports:
    """The UDP ports of one peer; what leaves from NAT-T can be made to come from another."""

    sent: list[tuple[int, bytes]] = field(default_factory=list)
    """Local port (0 for that of IKE) and datagram."""
    mapped: UdpSocket | None = None

    async def open(
        self, address: IPv4Address, port: int, receive: Callable[[bytes, tuple[str, int]], None]
    ) -> UdpSocket:
        """A UdpOpener."""
        opened = await UdpSocket.open(address, port, receive)
        send = opened.send

        def note(data: bytes, to: tuple[str, int]) -> None:
            self.sent.append((port, data))
            (self.mapped.send if self.mapped and port == NATT_PORT else send)(data, to)

        opened.send = note  # type: ignore[method-assign]
        return opened

    def of(self, kind: Kind) -> list[bytes]:
        """What left from port 4500."""
        return [data for port, data in self.sent if port and kind_of(data) == kind]


@dataclass
class End:
    """One peer with its one connection."""

    peer: ReferencePeer
    ports: Ports
    raw: Nowhere

    @property
    def connection(self) -> Connection:
        """The connection "c"."""
        return self.peer.connection("c")

    def told(self, name: str) -> list[dict[str, Any]]:
        """The events of a name."""
        return [one for one in self.connection.history.events if one["event"] == name]

    def configure(self, remote: End, /, **changes: Any) -> None:
        """The connection, through whatever NAT the changes pretend."""
        given: dict[str, Any] = {
            "name": "c",
            "remote": str(remote.peer.address),
            "remote_port": remote.peer.ports[0],
            "psk": "secret",
            "phase1": {"cipher": "aes128", "hash": "sha256", "group": "ecp256"},
            "phase2": {"cipher": "aes128", "integrity": "sha256", "mode": "tunnel"},
            "local_selector": f"{self.peer.inner}/32",
            "remote_selector": f"{remote.peer.inner}/32",
            "seed": 1,
            "nat_traversal": {},
        }
        self.peer.configure(read_request(Configure, given | changes))


@asynccontextmanager
async def two_peers() -> AsyncIterator[tuple[End, End]]:
    """Alice and Bob with ports 4500 and no way for ESP but UDP."""
    ends = []
    for number, address in enumerate((ALICE, BOB), 1):
        ports, raw = Ports(), Nowhere()
        peer = ReferencePeer(
            str(address),
            address,
            IPv4Address(f"10.78.{number}.1"),
            ports=(0, NATT_PORT),
            open_esp=raw.open,
            open_udp=ports.open,
        )
        await peer.open()
        ends.append(End(peer, ports, raw))
    try:
        yield ends[0], ends[1]
    finally:
        for end in ends:
            end.peer.close()
        await asyncio.sleep(0)


async def eventually(condition: Callable[[], object]) -> None:
    for _ in range(300):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


async def establish(alice: End, bob: End, **changes: Any) -> None:
    """Alice pretends that there is a NAT in front of her."""
    forced = {"force": True} | changes.pop("nat", {})
    alice.configure(bob, nat_traversal=forced, **changes)
    bob.configure(alice, **changes)
    outcome = await alice.connection.initiate(5)
    assert outcome["established"], outcome
    await eventually(lambda: bob.connection.traffic.children)


@pytest.mark.covers("natt:esp-in-udp", "natt:float", by="self")
def test_everything_floats_to_port_4500() -> None:
    """IKE with its marker from message 5 on, ESP without; nothing leaves in IP itself."""

    async def scenario() -> None:
        async with two_peers() as (alice, bob):
            await establish(alice, bob)
            for end in (alice, bob):
                assert await end.connection.traffic.ping(PING) == (2, 2)
                assert not end.raw.packets
                assert [port for port, _ in end.ports.sent][:2] == [0, 0]
            assert [len(end.ports.of("esp")) for end in (alice, bob)] == [4, 4]
            ike = alice.ports.of("ike")
            assert [one.startswith(NON_ESP_MARKER) for one in ike] == [True] * 3
            (probed,) = bob.told("PathProbed")
            assert (probed["we_are_behind"], probed["peer_is_behind"]) == (False, True)
            (child,) = alice.connection.traffic.children.values()
            assert child.agreed.udp_encapsulation
            assert child.agreed.role is Role.INITIATOR

    asyncio.run(scenario())


@pytest.mark.parametrize("flavour", ["draft-00", "draft-01"])
def test_the_first_drafts_stay_on_the_port_of_ike(flavour: str) -> None:
    """ESP stands behind a marker of eight zeros there (draft-ietf-ipsec-udp-encaps-01)."""

    async def scenario() -> None:
        async with two_peers() as (alice, bob):
            policy = {"flavours": [flavour], "keepalive": 0.1}
            alice.configure(bob, nat_traversal=policy | {"force": True})
            bob.configure(alice, nat_traversal=policy)
            outcome = await alice.connection.initiate(5)
            assert outcome["established"], outcome
            await eventually(lambda: bob.connection.traffic.children)
            for end in (alice, bob):
                assert await end.connection.traffic.ping(PING) == (2, 2)
                assert not end.raw.packets
                port, last = end.ports.sent[-1]
                assert port == 0
                assert last.startswith(NON_IKE_MARKER) or last == KEEPALIVE
            await eventually(lambda: bob.told("KeepaliveReceived"))
            assert {port for port, _ in alice.ports.sent} == {0}

    asyncio.run(scenario())


def test_keepalives_leave_from_where_ike_goes() -> None:
    assert belongs_here(KEEPALIVE, ("a", 4500), 500)
    assert belongs_here(KEEPALIVE, ("a", 33333), 500)
    assert not belongs_here(KEEPALIVE, ("a", 500), 500)


@pytest.mark.parametrize(
    "phase2",
    [{"mode": "transport"}, {"protocol": "esp+ipcomp"}],
    ids=str,
)
def test_whatever_begins_with_esp_goes_in_udp(phase2: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with two_peers() as (alice, bob):
            second = {"cipher": "aes128", "integrity": "sha256", "mode": "tunnel"} | phase2
            for end, other in ((alice, bob), (bob, alice)):
                own, far = f"{end.peer.address}/32", f"{other.peer.address}/32"
                if second["mode"] == "tunnel":
                    own, far = f"{end.peer.inner}/32", f"{other.peer.inner}/32"
                end.configure(
                    other,
                    phase2=second,
                    local_selector=own,
                    remote_selector=far,
                    nat_traversal={"force": end is alice},
                )
            outcome = await alice.connection.initiate(5)
            assert outcome["established"], outcome
            await eventually(lambda: bob.connection.traffic.children)
            assert await alice.connection.traffic.ping(PING) == (2, 2)
            assert len(alice.ports.of("esp")) == 2
            assert not alice.raw.packets

    asyncio.run(scenario())


def test_ah_cannot_go_in_udp_and_that_is_said() -> None:
    async def scenario() -> None:
        async with two_peers() as (alice, bob):
            second = {"cipher": "none", "integrity": "sha256", "mode": "tunnel", "protocol": "ah"}
            alice.configure(bob, nat_traversal={"force": True}, phase2=second)
            bob.configure(alice, phase2=second)
            outcome = await alice.connection.initiate(2)
            assert not outcome["established"]
            assert outcome["failure"]

    asyncio.run(scenario())


@asynccontextmanager
async def nat(bob: End) -> AsyncIterator[int]:
    """A box that shows Alice as OUTSIDE with other ports, and Bob as INSIDE; gives IKE's port."""
    heard: dict[int, tuple[str, int]] = {}
    pairs: list[tuple[UdpSocket, UdpSocket]] = []

    async def join(number: int, port: int, bobs: int) -> None:
        def outwards(data: bytes, source: tuple[str, int]) -> None:
            heard[number] = source
            pairs[number][1].send(data, (str(BOB), bobs))

        def inwards(data: bytes, _: tuple[str, int]) -> None:
            pairs[number][0].send(data, heard[number])

        pairs.append(
            (
                await UdpSocket.open(INSIDE, port, outwards),
                await UdpSocket.open(OUTSIDE, 0, inwards),
            )
        )

    for number, port in enumerate((0, NATT_PORT)):
        await join(number, port, bob.peer.ports[number])
    try:
        yield pairs[0][0].port
    finally:
        for one in (end for pair in pairs for end in pair):
            one.close()


def test_a_nat_between_the_peers_is_found_and_passed() -> None:
    """Nobody pretends anything: addresses and ports differ at both ends."""

    async def scenario() -> None:
        async with two_peers() as (alice, bob), nat(bob) as port:
            names = ("fqdn:alice.example", "fqdn:bob.example")
            alice.configure(
                bob,
                remote=str(INSIDE),
                remote_port=port,
                local_id=names[0],
                remote_id=names[1],
            )
            bob.configure(alice, remote=str(OUTSIDE), local_id=names[1], remote_id=names[0])
            outcome = await alice.connection.initiate(5)
            assert outcome["established"], outcome
            await eventually(lambda: bob.connection.traffic.children)
            for end in (alice, bob):
                (probed,) = end.told("PathProbed")
                assert (probed["we_are_behind"], probed["peer_is_behind"]) == (True, True)
                assert await end.connection.traffic.ping(PING) == (2, 2)
                assert not end.raw.packets
            address = bob.connection.traffic.path.address
            assert address is not None
            assert address[0] == str(OUTSIDE)
            assert address[1] != NATT_PORT
            assert bob.connection.terminate() == 2
            await eventually(lambda: not alice.connection.isakmp)

    asyncio.run(scenario())


def test_every_event_fits_into_json_and_a_line() -> None:
    """Also messages, whose lines are made when somebody reads them; and no key is told."""
    told: list[str] = []

    def tell(event: Event | PeerEvent) -> None:
        told.append(describe_event(event))
        told.append(msgspec.json.encode(event_fact(event)).decode())

    async def scenario() -> None:
        async with two_peers() as (alice, bob):
            for end, other in ((alice, bob), (bob, alice)):
                end.configure(other, nat_traversal={"force": end is alice})
                end.connection.listeners.append(tell)
            assert (await alice.connection.initiate(5))["established"]
            await eventually(lambda: bob.connection.traffic.children)
            keys = alice.connection.keys
            secrets = [one["encryption_key"] for one in keys["ike"] + keys["esp"]]
            assert not [one for one in secrets for line in told if one in line]
            assert [one for one in told if one.startswith("sent MAIN-MODE")]

    asyncio.run(scenario())


def test_without_a_nat_all_stays_where_it_was() -> None:
    async def scenario() -> None:
        async with two_peers() as (alice, bob):
            alice.configure(bob)
            bob.configure(alice)
            assert (await alice.connection.initiate(5))["established"]
            await eventually(lambda: bob.connection.traffic.children)
            await alice.connection.traffic.ping(Ping(name="c", timeout=0.01))
            assert len(alice.raw.packets) == 1
            assert {port for port, _ in alice.ports.sent + bob.ports.sent} == {0}
            (probed,) = alice.told("PathProbed")
            assert not probed["we_are_behind"]
            assert not probed["peer_is_behind"]

    asyncio.run(scenario())


def test_keepalives_leave_from_port_4500_and_mean_nothing() -> None:
    async def scenario() -> None:
        async with two_peers() as (alice, bob):
            await establish(alice, bob, nat={"keepalive": 0.05})
            await eventually(lambda: len(bob.told("KeepaliveReceived")) >= 2)
            assert len(alice.told("KeepaliveSent")) >= 2
            assert alice.ports.of("keepalive")[0] == KEEPALIVE
            assert not bob.connection.history.drops
            assert not bob.connection.history.rejections

    asyncio.run(scenario())


def test_who_is_not_behind_a_nat_follows_the_other_end() -> None:
    """Alice's NAT forgets her: her next packet comes from another port (RFC 3947 7)."""

    async def scenario() -> None:
        async with two_peers() as (alice, bob):
            await establish(alice, bob)
            before = bob.connection.traffic.path.address
            assert before == (str(ALICE), NATT_PORT)
            receive = alice.peer.receive_natt
            alice.ports.mapped = await UdpSocket.open(ALICE, 0, receive)
            try:
                assert await alice.connection.traffic.ping(PING) == (2, 2)
                now = (str(ALICE), alice.ports.mapped.port)
                assert bob.connection.traffic.path.address == now
                (moved,) = bob.told("MappingChanged")
                assert (moved["before"], moved["now"]) == (list(before), list(now))
                assert await bob.connection.traffic.ping(PING) == (2, 2)
                assert not alice.told("MappingChanged")
            finally:
                alice.ports.mapped.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("forge", ["flip", "replay", "keepalive"])
def test_nobody_follows_what_is_not_authentic(forge: str) -> None:
    """A changed packet, an old one, a keepalive, all from another port."""

    async def scenario() -> None:
        async with two_peers() as (alice, bob):
            await establish(alice, bob)
            assert await alice.connection.traffic.ping(PING) == (2, 2)
            genuine = alice.ports.of("esp")[-1]
            forged = {
                "flip": genuine[:-1] + bytes((genuine[-1] ^ 1,)),
                "replay": genuine,
                "keepalive": KEEPALIVE,
            }[forge]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind((str(ALICE), 0))
                other.sendto(forged, (str(BOB), NATT_PORT))
            seen = bob.connection.history
            await eventually(lambda: seen.drops or bob.told("KeepaliveReceived"))
            assert bob.connection.traffic.path.address == (str(ALICE), NATT_PORT)
            assert not bob.told("MappingChanged")

    asyncio.run(scenario())


def test_rubbish_on_port_4500_is_dropped_with_a_reason() -> None:
    """Every length up to an ESP header, from a known and from an unknown address."""

    async def scenario() -> None:
        async with two_peers() as (alice, bob):
            await establish(alice, bob)
            for source in (ALICE, IPv4Address(f"{NETWORK}.13")):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                    other.bind((str(source), 0))
                    for size in range(12):
                        other.sendto(b"\1" * size, (str(BOB), NATT_PORT))
            assert await alice.connection.traffic.ping(PING) == (2, 2)
            assert len(bob.connection.history.drops) == 12

    asyncio.run(scenario())


def test_fragments_are_told() -> None:
    async def scenario() -> None:
        async with two_peers() as (alice, bob):
            await establish(alice, bob, fragmentation={"size": 120})
            sent, received = alice.told("FragmentSent"), bob.told("FragmentReceived")
            assert len(sent) == len(received) > 2
            assert all(one["octets"] <= 124 for one in sent)

    asyncio.run(scenario())


def test_what_is_no_message_carries_no_fragment() -> None:
    for size in range(40):
        assert not carries_fragment(bytes(size))


ANSWERS = list(itertools.product((True, False), repeat=2))


@pytest.mark.parametrize(("follows", "agreed"), ANSWERS, ids=str)
def test_the_path_follows_by_the_rules(follows: bool, agreed: bool) -> None:  # noqa: FBT001
    """Nothing moves a path that nobody agreed on; agreement always does."""
    path = UdpPath(follows=follows)
    assert path.heard(("a", 1)) is None
    assert path.address is None
    assert path.heard(("a", 1), agreed=True) is None
    assert path.heard(("a", 2), agreed=agreed) == (("a", 1) if follows or agreed else None)
    assert path.address == (("a", 2) if follows or agreed else ("a", 1))
