"""Bundles of AH, ESP and IPComp: what they look like, what they carry, what they refuse."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.ipsec import AH, ESP
from scapy.layers.ipsec import SecurityAssociation as Oracle

from conformance.crypto.random import seeded_random
from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.engine import AuditEvent, DataPlane
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.mutable import covered
from conformance.ipsec.protection import decapsulate, encapsulate
from conformance.ipsec.sad import Bundle, UdpEncapsulation

if TYPE_CHECKING:
    from conftest import MakeInner, MakePair, MakeSa

AH_SA: dict[str, Any] = {"protocol": 51, "integrity": "sha1"}
ESP_SA: dict[str, Any] = {"protocol": 50}
IPCOMP_SA: dict[str, Any] = {"protocol": 108}
SUITES: dict[str, list[dict[str, Any]]] = {
    "ah": [AH_SA],
    "esp": [ESP_SA],
    "ipcomp": [IPCOMP_SA],
    "ah+esp": [AH_SA, ESP_SA],
    "esp+ipcomp": [ESP_SA, IPCOMP_SA],
    "ah+ipcomp": [AH_SA, IPCOMP_SA],
    "ah+esp+ipcomp": [AH_SA, ESP_SA, IPCOMP_SA],
}
OTHER = IPv4Address("192.0.2.9")
MODES = ("tunnel", "transport")
COMPRESSIBLE, RANDOM = b"again and " * 60, seeded_random("payload")(600)
PAYLOADS = {"empty": b"", "short": b"ping", "compressible": COMPRESSIBLE, "random": RANDOM}

every_suite = pytest.mark.parametrize("suite", SUITES)
every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.mark.covers("feature:bundles", by="self")
@pytest.mark.parametrize(
    ("suite", "payload"),
    # IPComp alone leaves the rest bare, and nobody could tell.
    [(suite, payload) for suite in SUITES for payload in PAYLOADS
     if (suite, payload == "compressible") != ("ipcomp", False)],
)  # fmt: skip
@every_mode
def test_packets_pass(
    suite: str, mode: str, payload: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    """Every SA of the bundle counts the packet and its number; IPComp only what it compressed."""
    pair = make_pair(*SUITES[suite], mode=mode)
    inner = make_inner(mode, PAYLOADS[payload])
    for count in (1, 2, 3):
        assert pair.received(pair.wire(inner)) == inner
        assert [sa.usage.packets for sa in pair.out.sas] == [count] * len(pair.out.sas)
        numbered = [sa for sa in pair.into.sas if sa.protocol != 108]
        assert [sa.replay and sa.replay.right for sa in numbered] == [count] * len(numbered)


PICTURES = {  # (suite, mode): protocols from the outer header inwards
    ("ah", "transport"): [51, 253],
    ("ah", "tunnel"): [51, 4],
    ("ah+esp", "transport"): [51, 50, 253],
    ("ah+esp", "tunnel"): [51, 50, 4],
    ("esp+ipcomp", "transport"): [50, 108, 253],
    ("esp+ipcomp", "tunnel"): [50, 108, 4],
    ("ah+esp+ipcomp", "tunnel"): [51, 50, 108, 4],
}


@pytest.mark.parametrize(("suite", "mode"), PICTURES, ids="-".join)
def test_headers_in_their_order(
    suite: str, mode: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    """One tunnel header for the whole bundle, next to what is carried (RFC 2401 4.3)."""
    pair = make_pair(*({**sa, "cipher": "null"} if sa == ESP_SA else sa for sa in SUITES[suite]),
                     mode=mode)  # fmt: skip
    outer = Ipv4Packet.parse(pair.wire(make_inner(mode, COMPRESSIBLE)))
    number, rest, seen = outer.protocol, outer.payload, [outer.protocol]
    for protocol in PICTURES[suite, mode][:-1]:
        assert number == protocol
        if protocol == 51:
            number, rest = rest[0], rest[4 * (rest[1] + 2) :]
        elif protocol == 50:
            number, rest = rest[-17], rest[8:-16]
        else:
            number = rest[0]
        seen.append(number)
    assert seen == PICTURES[suite, mode]


@every_mode
def test_scapy_opens_ah_around_esp(mode: str, make_pair: MakePair, make_inner: MakeInner) -> None:
    """AH first, then ESP, each by the oracle with the bundle's own keys."""
    pair, inner = make_pair(AH_SA, ESP_SA, mode=mode), make_inner(mode)
    ah, esp = pair.out.sas
    tunnel = IP(src=str(esp.source), dst=str(esp.destination)) if mode == "tunnel" else None
    outer = Oracle(AH, spi=ah.spi, auth_algo="HMAC-SHA1-96", auth_key=ah.integrity_key)
    within = Oracle(
        ESP,
        spi=esp.spi,
        crypt_algo="AES-CBC",
        crypt_key=esp.encryption_key,
        auth_algo="SHA2-256-128",
        auth_key=esp.integrity_key,
        tunnel_header=tunnel,
    )
    without_ah = outer.decrypt(IP(pair.wire(inner)))
    assert bytes(within.decrypt(IP(bytes(without_ah)))) == inner.build()


@every_mode
@pytest.mark.parametrize("suite", ["ah+esp", "ah+ipcomp", "ah+esp+ipcomp"])
def test_less_than_the_bundle_is_refused(
    suite: str, mode: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    """RFC 4301 5.2: all of what was agreed, or nothing; every SA's own ICV held here."""
    pair, inner = make_pair(*SUITES[suite], mode=mode), make_inner(mode, COMPRESSIBLE)
    alice = DataPlane(seeded_random("other"))
    without_ah = alice.outbound(inner, Bundle(pair.out.sas[1:]))
    assert not isinstance(without_ah, AuditEvent)
    assert pair.reason(without_ah.wire) is DropReason.IN_SELECTOR
    if mode == "transport":
        ah_alone = alice.outbound(inner, Bundle(pair.out.sas[:1]))
        expected = None if suite == "ah+ipcomp" else DropReason.IN_SELECTOR
        assert not isinstance(ah_alone, AuditEvent)
        got = pair.bob.inbound(ah_alone.wire)
        assert (got.reason if isinstance(got, AuditEvent) else None) is expected


def test_sas_of_two_bundles_do_not_mix(make_pair: MakePair, make_inner: MakeInner) -> None:
    """AH of one bundle around ESP of another proves nothing that was agreed."""
    pair, inner = make_pair(AH_SA, ESP_SA, mode="transport"), make_inner("transport")
    other = make_pair({**AH_SA, "spi": 0x7151}, {**ESP_SA, "spi": 0x7050}, mode="transport")
    pair.bob.sad.add(other.into)
    mixed = Bundle((pair.out.sas[0], other.out.sas[1]))
    sent = pair.alice.outbound(inner, mixed)
    assert not isinstance(sent, AuditEvent)
    assert pair.reason(sent.wire) is DropReason.IN_SELECTOR


@pytest.mark.parametrize("suite", ["ah", "ah+esp", "ah+esp+ipcomp"])
@every_mode
def test_a_flipped_octet_is_dropped(
    suite: str, mode: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    """AH covers all but the mutable fields; changed with the checksum mended, so AH must see it."""
    pair = make_pair(*SUITES[suite], mode=mode)
    outer = Ipv4Packet.parse(pair.wire(make_inner(mode)))
    for changed in (replace(outer, identification=99), replace(outer, source=OTHER)):
        assert pair.reason(changed.build()) is DropReason.IN_INTEGRITY
    for at in range(len(outer.payload)):
        payload = bytearray(outer.payload)
        payload[at] ^= 0x41
        reason = pair.reason(replace(outer, payload=bytes(payload)).build())
        known = {DropReason.IN_INTEGRITY, DropReason.IN_NO_STATE, DropReason.IN_LENGTH}
        assert reason in known, f"octet {at}"


@pytest.mark.parametrize("changes", [{"ttl": 7}, {"tos": 0xB9}, {"flags": 2}], ids=str)
@pytest.mark.parametrize("suite", ["ah", "ah+esp", "ah+esp+ipcomp"])
@every_mode
def test_routers_may_do_their_work(
    changes: dict[str, Any], suite: str, mode: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    """Hop count, traffic class and DF are mutable (RFC 4302 3.3.3.1.1)."""
    pair, inner = make_pair(*SUITES[suite], mode=mode), make_inner(mode)
    on_the_way = replace(Ipv4Packet.parse(pair.wire(inner)), **changes)
    assert pair.received(on_the_way.build()).payload == inner.payload


@every_suite
@every_mode
def test_every_truncation_is_dropped(
    suite: str, mode: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    """The IP header is mended so that the protocols themselves are short."""
    pair = make_pair(*SUITES[suite], mode=mode)
    outer = Ipv4Packet.parse(pair.wire(make_inner(mode, COMPRESSIBLE)))
    for size in range(len(outer.payload)):
        pair.reason(replace(outer, payload=outer.payload[:size]).build())


@given(st.sampled_from((50, 51, 108, 17, 4)), st.binary(max_size=80))
def test_noise_never_raises(make_pair: MakePair, protocol: int, noise: bytes) -> None:
    for suite in SUITES.values():
        pair = make_pair(*suite)
        sa = pair.out.outer
        spi = sa.spi.to_bytes(4)
        for payload in (noise, spi + noise, b"\4\4\0\0" + spi + noise, b"\4\0\x6c\x6c" + noise):
            packet = Ipv4Packet(
                IPv4Address(sa.source), IPv4Address(sa.destination), protocol, payload
            )
            pair.reason(packet.build())


def test_a_number_is_used_up_only_when_the_whole_bundle_sends(
    make_pair: MakePair, make_inner: MakeInner
) -> None:
    pair = make_pair(AH_SA, ESP_SA)
    pair.out.sas[0].usage.sequence = 2**32 - 1
    event = pair.alice.outbound(make_inner("tunnel"))
    assert isinstance(event, AuditEvent)
    assert event.reason is DropReason.OUT_SEQUENCE
    assert pair.out.sas[1].usage.sequence == 0


def test_bundles_come_and_go_whole(make_pair: MakePair, make_sa: MakeSa) -> None:
    pair = make_pair(AH_SA, ESP_SA)
    assert len(pair.bob.sad) == 2
    with pytest.raises(ValueError, match="in use"):
        pair.bob.sad.add(Bundle((make_sa(protocol=51, mode="transport", direction="in"),
                                 make_sa(spi=0x5050, direction="in"))))  # fmt: skip
    assert len(pair.bob.sad) == 2
    pair.bob.sad.remove(pair.into.sas[1])
    assert len(pair.bob.sad) == 0


REFUSED = {
    "no SA": ([], "without any SA"),
    "two ESP": ([ESP_SA, {**ESP_SA, "spi": 9}], "at most once"),
    "ESP around AH": ([ESP_SA, AH_SA], "AH ahead of ESP"),
    "two tunnels": ([{**AH_SA, "mode": "tunnel"}, ESP_SA], "only the innermost"),
    "other ends": ([{**AH_SA, "source": IPv4Address("192.0.2.3")}, ESP_SA], "the same ends"),
    "AH in UDP": ([AH_SA, {**ESP_SA, "udp": UdpEncapsulation()}], "AH does not travel in UDP"),
}


@pytest.mark.parametrize(("sas", "complaint"), REFUSED.values(), ids=REFUSED)
def test_impossible_bundles_are_refused(
    sas: list[dict[str, Any]], complaint: str, make_sa: MakeSa
) -> None:
    modes = ["transport", "tunnel"][-len(sas) :]
    built = tuple(make_sa(**{"mode": mode} | sa) for sa, mode in zip(sas, modes, strict=False))
    with pytest.raises(ValueError, match=complaint):
        Bundle(built)


def test_an_sa_stands_for_its_bundle(make_pair: MakePair, make_inner: MakeInner) -> None:
    pair, inner = make_pair(AH_SA, ESP_SA), make_inner("tunnel")
    for sa in pair.out.sas:
        sent = pair.alice.outbound(inner, sa)
        assert not isinstance(sent, AuditEvent)
        assert pair.received(sent.wire) == inner
        assert sent.sa is pair.out.outer


def test_ah_aligned_to_eight_octets_is_taken(make_sa: MakeSa, make_inner: MakeInner) -> None:
    """RFC 4302 2.6 wants no more padding than needed; senders that add four are understood."""
    sa = make_sa(protocol=51, mode="transport", integrity="sha256", replay=None)
    inner = make_inner("transport", bytes(40))
    usual = encapsulate(sa, inner, 1, b"")
    assert usual.payload[1] == 5
    head = usual.payload[:1] + b"\x06" + usual.payload[2:12]
    zeroed = replace(usual, payload=head + bytes(16) + b"fill" + inner.payload)
    icv = sa.keyed_mac.compute(covered(zeroed, sending=True))
    padded = replace(zeroed, payload=head + icv + b"fill" + inner.payload)
    assert decapsulate(sa, padded) == inner
    longer = replace(padded, payload=head[:1] + b"\x08" + padded.payload[2:])
    with pytest.raises(PacketDroppedError, match="AH of 40 octets"):
        decapsulate(sa, longer)


def test_esp_inside_needs_no_compression(make_pair: MakePair) -> None:
    """What was not worth compressing may be a packet of a nested SA, which is not this bundle's."""
    pair = make_pair({}, {"protocol": 108}, mode="transport")
    ends = pair.out.outer.source, pair.out.outer.destination
    inner = Ipv4Packet(*ends, 50, bytes(range(200)))  # type: ignore[arg-type]
    assert pair.received(pair.wire(inner)) == inner
