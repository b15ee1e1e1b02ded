"""The dissector opens a capture with nothing but a phase 1 key, and tells what it cannot open."""

from __future__ import annotations

import random
import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any

import pytest

from conformance.crypto.dh import GROUPS
from conformance.ikev1.config import Config, Identification, Phase1Proposal, Phase2Proposal
from conformance.ikev1.endpoint import Endpoint
from conformance.ikev1.events import IsakmpEstablished
from conformance.ikev1.fragments import split
from conformance.ikev1.message import NON_ESP_MARKER
from conformance.ikev1.policies import FragmentationPolicy, NatPolicy, NewGroupPolicy
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ip6 import Ipv6Packet
from conformance.record.transcript import ladder
from conformance.record.wireshark import IkeKey
from conformance.runner.capture import Packet, pcapng_of
from conformance.runner.dissect import (
    NO_KEY,
    Datagram,
    WireMessage,
    dissect,
    ike_datagrams,
    udp_of,
)
from conformance.runner.wire import deletes_seen, rungs, wire_notifies

A, B = "10.77.0.11", "10.77.0.12"


def packet(
    time: float, source: str, destination: str, data: bytes, ports: tuple[int, int] = (500, 500)
) -> Packet:
    """A datagram from port 500 to port 500 as a captured Ethernet frame."""
    udp = struct.pack(">HHHH", *ports, 8 + len(data), 0) + data
    ip = Ipv4Packet(IPv4Address(source), IPv4Address(destination), 17, udp)
    return Packet(time, bytes(12) + b"\x08\x00" + ip.build())


def endpoint(
    local: str, remote: str, cipher: str, hash_name: str, pfs: str | None, **options: Any
) -> Endpoint:
    config = Config(
        **options,
        psk=b"secret",
        local_id=Identification.ipv4_addr(local),
        remote_id=Identification.ipv4_addr(remote),
        phase1=(Phase1Proposal(cipher, hash_name, "ecp256"),),
        phase2=(Phase2Proposal("aes128", "sha256", "transport", pfs),),
        local_selector=Identification.ipv4_addr(local),
        remote_selector=Identification.ipv4_addr(remote),
    )
    return Endpoint(
        config, (remote, 500), random=random.Random(local).randbytes, local=(local, 500)
    )


def converse(one: Endpoint, other: Endpoint, now: float) -> list[Packet]:
    """Carry datagrams between the two until both are silent; every one is captured."""
    packets, moved = [], True
    while moved:
        moved = False
        for sender, receiver, ends in ((one, other, (A, B)), (other, one, (B, A))):
            for data, (_, port) in sender.datagrams_to_send(now):
                packets.append(packet(now + len(packets) / 1000, *ends, data, (port, port)))
                receiver.receive_datagram(data, (ends[0], port), now)
                moved = True
    return packets


def handshake(
    cipher: str = "aes128", hash_name: str = "sha256", pfs: str | None = None, **options: Any
) -> tuple[list[Packet], list[IkeKey]]:
    """Phase 1, Quick Mode and Delete as captured, and the key that opens them."""
    one = endpoint(A, B, cipher, hash_name, pfs, **options)
    other = endpoint(B, A, cipher, hash_name, pfs, **options)
    one.initiate(0.0)
    packets = converse(one, other, 0.0)
    one.terminate(1.0)
    packets += converse(one, other, 1.0)
    events = iter(one.next_event, None)
    keys = [
        IkeKey(event.cookie_i, event.encryption_key)
        for event in events
        if isinstance(event, IsakmpEstablished)
    ]
    return packets, keys


def types(messages: list[WireMessage]) -> list[str]:
    """Each message as its payloads' names."""
    return [
        " ".join(payload.payload_type.label for payload in message.message.payloads)
        if message.message
        else message.trouble
        for message in messages
    ]


@pytest.mark.parametrize("pfs", [None, "ecp256"])
@pytest.mark.parametrize("hash_name", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("cipher", ["aes128", "aes256", "3des"])
def test_every_message_is_opened(cipher: str, hash_name: str, pfs: str | None) -> None:
    """Main Mode, Quick Mode and both Deletes, each with its own IV chain (RFC 2409 App. B)."""
    packets, keys = handshake(cipher, hash_name, pfs)
    opened = types(dissect(packets, cipher, hash_name, keys))
    ke = " KE" if pfs else ""
    assert opened[2:] == [
        *("KE NONCE", "KE NONCE", "ID HASH", "ID HASH"),
        *(f"HASH SA NONCE{ke} ID ID", f"HASH SA NONCE{ke} ID ID", "HASH", "HASH D", "HASH D"),
    ]
    assert all(message.startswith("SA") for message in opened[:2])


@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted proof", "proof in clear"])
def test_aggressive_mode_is_opened(*, encrypted: bool) -> None:
    """Its third message may be encrypted or not: what follows opens either way (RFC 2409 5)."""
    options = {"exchange": "aggressive", "protect_aggressive_proof": encrypted}
    packets, keys = handshake(**options)
    messages = dissect(packets, "aes128", "sha256", keys)
    assert types(messages)[1:6] == [
        *("SA KE NONCE ID HASH", "HASH"),
        *("HASH SA NONCE ID ID", "HASH SA NONCE ID ID", "HASH"),
    ]
    assert messages[2].header.encrypted is encrypted
    assert deletes_seen(messages) is True


OTHERS: list[dict[str, Any]] = [
    {"exchange": "base"},
    {"acknowledged_deletes": True},
    {"commit": "informational"},
    {"commit": "quick-mode", "initiator_commits": True},
    {"new_groups": NewGroupPolicy(((32768, GROUPS["modp768"].parameters),), accept=True)},
]


@pytest.mark.parametrize("options", OTHERS, ids="-".join)
def test_other_exchanges_are_opened(options: dict[str, Any]) -> None:
    """Base, answered Deletes, New Group Mode, and CONNECTED under a Quick Mode's message ID."""
    packets, keys = handshake(**options)
    messages = dissect(packets, "aes128", "sha256", keys)
    assert len(messages) == len(packets)
    assert [message.trouble for message in messages] == [""] * len(packets)


def opened(packets: list[Packet], keys: list[IkeKey]) -> list[WireMessage]:
    """The plain handshake's messages."""
    return dissect(packets, "aes128", "sha256", keys)


SMALL = FragmentationPolicy(size=100)


def test_fragments_make_messages_again() -> None:
    """A handshake in small pieces is read as the whole one is, and each piece is counted."""
    whole = opened(*handshake())
    packets, keys = handshake(fragmentation=SMALL)
    messages = opened(packets, keys)
    assert types(messages)[2:] == types(whole)[2:]
    assert len(packets) > len(messages)
    assert sum(message.fragments for message in messages) == len(packets)
    assert {m.source for m in messages if m.fragments > 1} == {A, B}
    assert deletes_seen(messages) is True


@pytest.mark.parametrize(
    ("order", "counts"),
    [
        ([0, 1, 2], [3]),
        ([2, 0, 1], [3]),
        ([0, 1], []),
        ([1, 2], []),
        ([0, 1, 2, 0, 1, 2], [3, 3]),
    ],
    ids=["in-order", "shuffled", "without-the-last", "without-the-first", "twice"],
)
def test_a_message_is_there_with_its_last_missing_fragment(
    order: list[int], counts: list[int]
) -> None:
    """What comes again is told as a retransmission, also in fragments."""
    parts = three_parts()
    messages = dissect([parts[at] for at in order], "aes128", "sha256", [])
    assert len(parts) == 3
    assert [message.fragments for message in messages] == counts
    assert [message.retransmission for message in messages] == [False, True][: len(counts)]


def three_parts() -> list[Packet]:
    """One message in three fragments."""
    (first, *_), _ = handshake()
    data = first.ip[28:]
    room = FragmentationPolicy(size=36 + -(-len(data) // 3))
    return [packet(0.0, A, B, part) for part in split(data, 9, room)]


def test_fragments_of_two_ends_do_not_mix() -> None:
    mine = three_parts()
    theirs = [packet(0.0, B, A, one.ip[28:]) for one in mine]
    mixed = [one for both in zip(mine, theirs, strict=True) for one in both]
    messages = dissect(mixed[:-1], "aes128", "sha256", [])
    assert [(message.source, message.fragments) for message in messages] == [(A, 3)]


def test_ike_beside_esp_on_port_4500_is_read() -> None:
    """Where both float, all after message 4 goes there, and opens as it does on port 500."""
    nat = NatPolicy(flavours=("rfc",), force=True)
    packets, keys = handshake(nat_traversal=nat)
    messages = dissect(packets, "aes128", "sha256", keys)
    assert [message.floated for message in messages] == [False] * 4 + [True] * 7
    assert [message.trouble for message in messages] == [""] * 11
    assert types(messages)[4:] == [
        *("ID HASH", "ID HASH"),
        *("HASH SA NONCE ID ID NAT-OA NAT-OA", "HASH SA NONCE ID ID NAT-OA NAT-OA", "HASH"),
        *("HASH D", "HASH D"),
    ]


@pytest.mark.parametrize(
    ("ports", "data", "read"),
    [
        ((500, 500), b"ike", (b"ike", False)),
        ((500, 1024), b"ike", (b"ike", False)),
        ((1024, 500), b"ike", (b"ike", False)),
        ((4500, 4500), NON_ESP_MARKER + b"ike", (b"ike", True)),
        ((31337, 4500), NON_ESP_MARKER + b"ike", (b"ike", True)),
        ((4500, 4500), b"\0\0\0\1esp", None),
        ((4500, 4500), b"\xff", None),
        ((4500, 4500), b"", None),
        ((53, 53), b"ike", None),
    ],
)
def test_what_is_ike_on_either_port(
    ports: tuple[int, int], data: bytes, read: tuple[bytes, bool] | None
) -> None:
    """The marker parts IKE from ESP and from keepalives (RFC 3948 2.2 and 2.3)."""
    expected = [Datagram(1.5, A, read[0], floated=read[1])] if read else []
    assert list(ike_datagrams([packet(1.5, A, B, data, ports)])) == expected


@pytest.mark.parametrize(
    ("protocol", "payload", "read"),
    [(17, bytes(8), bytes(8)), (17, bytes(7), b""), (6, bytes(20), b""), (50, bytes(20), b"")],
)
def test_udp_is_known_from_what_is_not(protocol: int, payload: bytes, read: bytes) -> None:
    whole = Ipv4Packet(IPv4Address(A), IPv4Address(B), protocol, payload).build()
    assert udp_of(whole) == read
    assert udp_of(whole[:19]) == b""
    ends = IPv6Address("fd77::11:1"), IPv6Address("fd77::12:1")
    assert udp_of(Ipv6Packet(*ends, protocol, payload).build()) == read


def test_the_delete_is_seen() -> None:
    packets, keys = handshake()
    assert deletes_seen(dissect(packets, "aes128", "sha256", keys)) is True


def test_without_a_key_nothing_is_claimed() -> None:
    """What is encrypted may hold a Delete or not: the answer is None and not False."""
    packets, _ = handshake()
    messages = dissect(packets, "aes128", "sha256", [])
    assert deletes_seen(messages) is None
    assert wire_notifies(messages) == ()
    assert {message.trouble for message in messages if message.header.encrypted} == {NO_KEY}


def test_a_wrong_key_is_told_and_not_raised() -> None:
    packets, keys = handshake()
    wrong = [IkeKey(key.cookie_initiator, bytes(16)) for key in keys]
    messages = dissect(packets, "aes128", "sha256", wrong)
    assert all(message.message is None and message.trouble for message in messages[4:])


def test_a_repeated_datagram_does_not_move_the_iv_chain() -> None:
    """Message 5 twice: the second is told as a retransmission, message 6 still opens."""
    packets, keys = handshake()
    packets.insert(5, packets[4])
    messages = dissect(packets, "aes128", "sha256", keys)
    assert messages[5].retransmission
    assert types(messages)[6] == "ID HASH"


def test_no_octets_raise() -> None:
    """Truncated or alien datagrams on port 500 are no messages, or messages with a trouble."""
    packets, keys = handshake()
    first = packets[0].ip[28:]
    cut = [packet(0.0, A, B, first[:size]) for size in range(len(first))]
    assert all(
        message.message is None or message.message.payloads == ()
        for message in dissect(cut, "aes128", "sha256", keys)
    )


def test_the_ladder_names_each_step() -> None:
    packets, keys = handshake()
    text = ladder("one", "other", rungs(dissect(packets, "aes128", "sha256", keys), A))
    for words in ("Main Mode 6: HDR*, ID, HASH", "Quick Mode 3: HDR*, HASH", "Informational 1"):
        assert words in text


def test_a_packet_knows_its_addresses() -> None:
    found = packet(0.0, A, B, b"").addresses
    assert all(address in IPv4Network("10.77.0.0/24") for address in found)


def test_a_capture_is_a_pcapng_file() -> None:
    """It begins with a section header block and holds every frame."""
    packets, _ = handshake()
    data = pcapng_of(packets)
    assert data[:4] == bytes.fromhex("0a0d0d0a")
    assert all(packet.frame in data for packet in packets)
