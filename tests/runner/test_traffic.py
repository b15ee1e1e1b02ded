"""What a capture shows of the traffic, under every protection that a cell can ask for."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.random import seeded_random
from conformance.drivers import Connection, Host
from conformance.ipsec.engine import DataPlane, Protected
from conformance.ipsec.icmp import IcmpEcho, IcmpType, carrying
from conformance.ipsec.ip import Ipv4Packet, Protocol
from conformance.ipsec.packet import host_network, parse_packet
from conformance.ipsec.sad import Bundle, SecurityAssociation, Selector, UdpEncapsulation
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from conformance.matrix.factors import COMBINED, all_levels, find_factor, plain_combination
from conformance.record.wireshark import EspKey
from conformance.runner.capture import Packet
from conformance.runner.traffic import PROTOCOLS, read_traffic

if TYPE_CHECKING:
    from conformance.ipsec.sad import Mode
    from conformance.record import Traffic

ALICE = Host("10.77.0.14", "10.78.14.1", "10.78.14.0/24")
BOB = Host("10.77.0.11", "10.78.11.1", "10.78.11.0/24")
NAT = "10.77.0.254"
FAMILIES = {
    "ipv4": (ALICE, BOB),
    "ipv6": (
        Host("fd77::14:1", "fd78:14:1::1", "fd78:14:1::/64"),
        Host("fd77::11:1", "fd78:11:1::1", "fd78:11:1::/64"),
    ),
    "4in6": (
        Host("fd77::14:1", ALICE.inner_address, ALICE.inner_subnet),
        Host("fd77::11:1", BOB.inner_address, BOB.inner_subnet),
    ),
    "6in4": (
        Host(ALICE.address, "fd78:14:1::1", "fd78:14:1::/64"),
        Host(BOB.address, "fd78:11:1::1", "fd78:11:1::/64"),
    ),
}
"""Where the ends are, by level of the factor."""
NAMES = {number: name for name, number in PROTOCOLS.items()}
LARGE = bytes(400)
"""What is worth compressing."""
SMALL = b"ping"


def connection(mode: str, hosts: tuple[Host, Host]) -> Connection:
    """The initiator's view."""
    combination = plain_combination(all_levels()) | {"mode": mode}
    return Connection("c1", "initiator", *hosts, combination, "secret", None, 7)


def one_sa(protocol: int, mode: Mode, udp: UdpEncapsulation | None, **ends: Any) -> Any:
    """One SA of a bundle; IPComp has no keys, AH no cipher."""
    ciphers = {
        Protocol.ESP: {"cipher": "aes128", "encryption_key": bytes(16)},
        Protocol.AH: {},
        Protocol.IPCOMP: {"compression": "deflate"},
    }[Protocol(protocol)]
    secured = {"integrity": "sha256", "integrity_key": bytes(32)}
    return SecurityAssociation(
        spi={50: 0x5050, 51: 0x5151, 108: 0x6C6C}[protocol] + (ends["direction"] == "in"),
        mode=mode,
        protocol=protocol,
        udp=udp if protocol == Protocol.ESP else None,
        **ciphers,
        **({} if protocol == Protocol.IPCOMP else secured),
        **ends,
    )


class Tunnel:
    """One way of the pair, with the packets that go it and the keys that open them."""

    def __init__(
        self,
        way: str,
        protocols: tuple[int, ...],
        mode: Mode,
        hosts: tuple[Host, Host] = (ALICE, BOB),
        *,
        nat: bool = False,
    ) -> None:
        alice = replace(hosts[0], address=NAT) if nat else hosts[0]
        self.ends = (alice, hosts[1]) if way == "forward" else (hosts[1], alice)
        inner = [one.inner_address if mode == "tunnel" else one.address for one in self.ends]
        self.inner = [ip_address(one) for one in inner]
        outer = [ip_address(one.address) for one in self.ends]
        selector = Selector(*map(host_network, self.inner))
        udp = UdpEncapsulation() if nat else None
        last = len(protocols) - 1
        self.sas = Bundle(
            tuple(
                one_sa(
                    protocol,
                    mode if place == last else "transport",
                    udp,
                    source=outer[0],
                    destination=outer[1],
                    direction="out",
                    selector=selector,
                )
                for place, protocol in enumerate(protocols)
            )
        )
        self.kind = IcmpType.ECHO if way == "forward" else IcmpType.ECHO_REPLY

    @property
    def keys(self) -> list[EspKey]:
        """As the ends tell them."""
        return [
            EspKey(
                protocol=NAMES[Protocol(sa.protocol)],
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
            for sa in self.sas.sas
        ]

    def clear(self, data: bytes = SMALL) -> bytes:
        """The echo message that belongs here, without protection."""
        return IcmpEcho(self.kind, 1, 1, data).between(*self.inner).build()

    def wire(self, data: bytes = SMALL) -> bytes:
        """The same, protected."""
        plane = DataPlane(seeded_random("traffic"))
        plane.sad.add(self.sas)
        sent = plane.outbound(parse_packet(self.clear(data)))
        assert isinstance(sent, Protected), sent
        if sent.datagram is None:
            return sent.wire
        udp = struct.pack(">HHHH", 4500, 4500, 8 + len(sent.datagram), 0) + sent.datagram
        outer = (IPv4Address(one.address) for one in self.ends)  # a NAT is of IPv4
        return Ipv4Packet(*outer, 17, udp).build()


def read(
    mode: str,
    keys: list[EspKey],
    *packets: bytes,
    hosts: tuple[Host, Host] = (ALICE, BOB),
    initiator: str = "",
) -> Traffic:
    captured = [Packet(0.0, bytes(12) + KINDS[ip[0] >> 4] + ip) for ip in packets]
    ends = initiator or hosts[0].address, hosts[1].address
    return read_traffic(captured, connection(mode, hosts), ends, keys, (2, 2))


KINDS = {4: b"\x08\x00", 6: b"\x86\xdd"}
"""EtherTypes by IP version."""


PROTECTIONS = [
    (Protocol.ESP,),
    (Protocol.AH,),
    (Protocol.ESP, Protocol.IPCOMP),
    (Protocol.AH, Protocol.ESP),
    (Protocol.AH, Protocol.ESP, Protocol.IPCOMP),
]


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize("protocols", PROTECTIONS, ids=lambda one: "+".join(p.name for p in one))
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_traffic_counts_under_every_protection(
    protocols: tuple[int, ...], mode: Mode, data: bytes
) -> None:
    """Seen and opened both ways; without keys it is seen alone, and none of it went in clear."""
    there, back = (Tunnel(way, protocols, mode) for way in ("forward", "backward"))
    wire = [there.wire(data), back.wire(data), there.wire(data)]
    found = read(mode, there.keys + back.keys, *wire)
    assert (found.forward_seen, found.backward_seen) == (2, 1)
    assert (found.forward_decrypted, found.backward_decrypted) == (2, 1)
    assert (found.cleartext_seen, found.reason) == (0, "2 echo requests sent, 2 answered")
    blind = read(mode, [], *wire)
    assert (blind.forward_seen, blind.forward_decrypted, blind.cleartext_seen) == (2, 0, 0)
    assert f"SPI {there.sas.outer.spi:#010x}" in blind.reason


@pytest.mark.parametrize(
    ("family", "mode"), [*((one, "tunnel") for one in FAMILIES), ("ipv6", "transport")]
)
@pytest.mark.parametrize("protocols", PROTECTIONS, ids=lambda one: "+".join(p.name for p in one))
def test_traffic_counts_in_every_family(
    family: str, mode: Mode, protocols: tuple[int, ...]
) -> None:
    """Protected it counts as opened, in the clear as that; what neighbours ask is neither."""
    hosts = FAMILIES[family]
    there, back = (Tunnel(way, protocols, mode, hosts) for way in ("forward", "backward"))
    wire, keys = [there.wire(), back.wire()], there.keys + back.keys
    found = read(mode, keys, *wire, hosts=hosts)
    assert (found.forward_decrypted, found.backward_decrypted, found.cleartext_seen) == (1, 1, 0)
    found = read(mode, keys, *wire, there.clear(), hosts=hosts)
    assert (found.forward_decrypted, found.cleartext_seen) == (1, 1)
    if family != "ipv4":
        ends = (IPv6Address("fd77::14:1"), IPv6Address("fd77::11:1"))
        asks = carrying(b"\x87" + bytes(7) + ends[1].packed, *ends).build()
        assert read(mode, keys, asks, hosts=hosts).cleartext_seen == 0


SUITES = [
    *(
        (cipher, "none" if cipher in COMBINED else "sha1")
        for cipher in find_factor("esp_cipher").known
        if cipher != "none"
    ),
    *(("aes128", mac) for mac in find_factor("esp_integrity").known if mac != "none"),
]


@pytest.mark.parametrize("esn", [False, True], ids=["32", "64"])
@pytest.mark.parametrize(("cipher", "integrity"), SUITES)
def test_traffic_counts_under_every_transform(cipher: str, integrity: str, *, esn: bool) -> None:
    """With salts and upper halves where there are such; with the other kind of numbers it fails."""
    there = Tunnel("forward", (50,), "tunnel")
    (sa,) = there.sas.sas
    there.sas = Bundle(
        (
            replace(
                sa,
                cipher=cipher,
                encryption_key=bytes(range(1, 1 + ENCRYPTION[cipher].key_size)),
                integrity=integrity,
                integrity_key=bytes(range(INTEGRITY[integrity].key_size)),
                esn=esn,
            ),
        )
    )
    wire = there.wire()
    assert read("tunnel", there.keys, wire).forward_decrypted == 1
    other = [replace(key, esn=not esn) for key in there.keys]
    assert read("tunnel", other, wire).forward_decrypted == 0


@pytest.mark.parametrize("protocols", PROTECTIONS, ids=lambda one: "+".join(p.name for p in one))
def test_a_changed_octet_is_not_counted_as_opened(protocols: tuple[int, ...]) -> None:
    """The last octet is of the ICV, or covered by one."""
    there = Tunnel("forward", protocols, "tunnel")
    wire = there.wire()
    found = read("tunnel", there.keys, wire[:-1] + bytes((wire[-1] ^ 1,)))
    assert (found.forward_seen, found.forward_decrypted) == (1, 0)


def test_esp_in_udp_counts_from_where_the_translator_sends_it() -> None:
    there, back = (Tunnel(way, (50,), "tunnel", nat=True) for way in ("forward", "backward"))
    wire = [there.wire(), back.wire()]
    keys = there.keys + back.keys
    found = read("tunnel", keys, *wire, initiator=NAT)
    assert (found.forward_decrypted, found.backward_decrypted) == (1, 1)
    assert read("tunnel", keys, *wire).forward_seen == 0


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_echoes_in_clear_are_counted(mode: Mode) -> None:
    there, back = (Tunnel(way, (50,), mode) for way in ("forward", "backward"))
    found = read(mode, there.keys, there.clear(), back.clear())
    assert (found.cleartext_seen, found.forward_seen, found.backward_seen) == (2, 0, 0)


def test_what_answers_in_the_wrong_direction_is_not_what_was_sent() -> None:
    """An echo request opened on the way back is no reply."""
    back = Tunnel("backward", (50,), "tunnel")
    back.kind = IcmpType.ECHO  # a peer that sends what does not belong there
    found = read("tunnel", back.keys, back.wire())
    assert (found.backward_seen, found.backward_decrypted) == (1, 0)


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_the_responder_may_be_the_one_that_pings(mode: Mode) -> None:
    """As the reference does when a device began: requests go backward, replies forward."""
    there, back = (Tunnel(way, (Protocol.ESP,), mode) for way in ("forward", "backward"))
    there.kind, back.kind = IcmpType.ECHO_REPLY, IcmpType.ECHO
    captured = [Packet(0.0, bytes(12) + b"\x08\x00" + one.wire()) for one in (there, back)]
    addresses, keys = (ALICE.address, BOB.address), there.keys + back.keys
    view = connection(mode, (ALICE, BOB))
    seen = read_traffic(captured, view, addresses, keys, (1, 1), asks="responder")
    assert (seen.forward_decrypted, seen.backward_decrypted) == (1, 1)
    usual = read_traffic(captured, view, addresses, keys, (1, 1))
    assert (usual.forward_decrypted, usual.backward_decrypted) == (0, 0)


def test_other_traffic_of_a_device_in_use_is_not_counted() -> None:
    """What opens and is no echo of ours is neither proof nor failure; what does not open fails."""
    there = Tunnel("forward", (Protocol.ESP,), "tunnel")
    other = Tunnel("forward", (Protocol.ESP,), "tunnel")
    other.kind = IcmpType.ECHO_REPLY
    broken = bytearray(there.wire())
    broken[-1] ^= 1
    addresses, view = (ALICE.address, BOB.address), connection("tunnel", (ALICE, BOB))

    def counted(*packets: bytes, in_use: bool) -> tuple[int, int]:
        captured = [Packet(0.0, bytes(12) + b"\x08\x00" + ip) for ip in packets]
        seen = read_traffic(captured, view, addresses, there.keys, (1, 1), in_use=in_use)
        return seen.forward_seen, seen.forward_decrypted

    assert counted(there.wire(), other.wire(), in_use=True) == (1, 1)
    assert counted(there.wire(), other.wire(), in_use=False) == (2, 1)
    assert counted(there.wire(), bytes(broken), in_use=True) == (2, 1)
