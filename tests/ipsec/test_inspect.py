"""Reading a capture with keys: the inner packet or a reason, and nothing moves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from conformance.ipsec.drops import DropReason
from conformance.ipsec.inspect import inspect, key_only_sa
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.protection import encapsulate

if TYPE_CHECKING:
    from conftest import MakeInner, MakeSa

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
