"""Reading a capture with keys: the inner packet or a reason, and nothing moves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from conformance.ipsec.drops import DropReason
from conformance.ipsec.inspect import inspect, key_only_sa
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.protection import encapsulate
from conformance.ipsec.sad import UdpEncapsulation

if TYPE_CHECKING:
    from conftest import MakeInner, MakePair, MakeSa

    from conformance.ipsec.sad import SecurityAssociation

IV = bytes(16)


def reader_of(sa: SecurityAssociation) -> SecurityAssociation:
    return key_only_sa(
        spi=sa.spi,
        source=sa.source,
        destination=sa.destination,
        mode=sa.mode,
        cipher=sa.cipher,
        encryption_key=sa.encryption_key,
        integrity=sa.integrity,
        integrity_key=sa.integrity_key,
    )


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_a_captured_packet_opens_any_number_of_times(
    mode: str, make_sa: MakeSa, make_inner: MakeInner
) -> None:
    """A capture may hold a packet twice, and be read in any order."""
    sa, inner = make_sa(mode=mode), make_inner(mode)
    wire = encapsulate(sa, inner, 5, IV).build()
    for reader in (reader_of(sa), replace(sa, direction="in")):
        for _ in range(2):
            seen = inspect([reader], wire)
            assert seen is not None
            assert (seen.inner, seen.reason) == (inner, None)
            assert (seen.spi, seen.sequence) == (sa.spi, 5)
        assert reader.usage.packets == 0


def test_an_spi_used_twice_is_told_apart_by_the_icv(make_sa: MakeSa, make_inner: MakeInner) -> None:
    first, second = make_sa(integrity_key=bytes(32)), make_sa(integrity_key=b"k" * 32)
    inner = make_inner("tunnel")
    seen = inspect([first, second], encapsulate(second, inner, 1, IV).build())
    assert seen is not None
    assert seen.inner == inner


def test_reasons_are_told(make_sa: MakeSa, make_inner: MakeInner) -> None:
    sa = make_sa()
    wire = encapsulate(sa, make_inner("tunnel"), 1, IV).build()
    cases = [
        ([], wire, DropReason.IN_NO_STATE),
        ([make_sa(spi=99)], wire, DropReason.IN_NO_STATE),
        ([make_sa(integrity_key=bytes(32))], wire, DropReason.IN_INTEGRITY),
        ([make_sa(mode="transport")], wire, None),
    ]
    for sas, packet, reason in cases:
        seen = inspect(sas, packet)
        assert seen is not None
        assert seen.reason is reason


def test_what_is_no_esp_is_passed_over(make_sa: MakeSa, make_inner: MakeInner) -> None:
    sa = make_sa()
    outer = encapsulate(sa, make_inner("tunnel"), 1, IV)
    assert isinstance(outer, Ipv4Packet)
    others = [
        b"",
        outer.build()[:-1],
        make_inner("tunnel").build(),
        replace(outer, flags=1).build(),
        Ipv4Packet(outer.source, outer.destination, 50, b"short").build(),
    ]
    assert [inspect([sa], packet) for packet in others] == [None] * len(others)


@pytest.mark.parametrize("payload", [b"ping", b"again " * 60], ids=["as it is", "compressed"])
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize("in_udp", [False, True], ids=["bare", "udp"])
def test_bundles_open(
    mode: str, payload: bytes, make_pair: MakePair, make_inner: MakeInner, *, in_udp: bool
) -> None:
    """ESP and IPComp, also where IPComp had nothing to save; in UDP too."""
    esp = {"protocol": 50, "udp": UdpEncapsulation() if in_udp else None}
    pair, inner = make_pair(esp, {"protocol": 108}, mode=mode), make_inner(mode, payload)
    seen = inspect(pair.into.sas, pair.wire(inner))
    assert seen is not None
    assert seen.inner == inner
    assert seen.in_udp is in_udp
    assert seen.protocols == ((50, 108) if len(payload) > 90 else (50,))
    closed = inspect([replace(pair.into.sas[0], integrity_key=bytes(32))], pair.wire(inner))
    assert closed is not None
    assert (closed.inner, closed.reason) == (None, DropReason.IN_INTEGRITY)


def test_udp_of_other_ports_is_passed_over(make_inner: MakeInner) -> None:
    other = replace(
        make_inner("transport"), protocol=17, payload=bytes((1, 2, 3, 4, 0, 12, 0, 0)) + b"data"
    )
    assert inspect([], other.build()) is None


def test_keepalives_are_passed_over(make_inner: MakeInner) -> None:
    header = bytes.fromhex("1194119400090000")
    alive = replace(make_inner("transport"), protocol=17, payload=header + b"\xff")
    assert inspect([], alive.build()) is None


def test_ah_opens_with_its_key(make_sa: MakeSa, make_inner: MakeInner) -> None:
    sa, inner = make_sa(protocol=51, mode="transport"), make_inner("transport")
    reader = key_only_sa(
        spi=sa.spi,
        source=sa.source,
        destination=sa.destination,
        mode=sa.mode,
        integrity=sa.integrity,
        integrity_key=sa.integrity_key,
        protocol=51,
    )
    seen = inspect([reader], encapsulate(sa, inner, 5, b"").build())
    assert seen is not None
    assert (seen.inner, seen.protocols, seen.sequence) == (inner, (51,), 5)
