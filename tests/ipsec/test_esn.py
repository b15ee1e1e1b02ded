"""Extended sequence numbers: 64 bits of which 32 are sent (RFC 4303 2.2.1 and A2, RFC 4304)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ipsec.drops import DropReason
from conformance.ipsec.engine import AuditEvent
from conformance.ipsec.replay import ReplayWindow

if TYPE_CHECKING:
    from conftest import MakeInner, MakePair, Pair

HALF = 2**32
SUITES: dict[str, dict[str, Any]] = {
    "cbc": {"cipher": "aes128", "integrity": "sha256"},
    "gcm": {"cipher": "aes128gcm16", "integrity": "none"},
    "ccm": {"cipher": "aes256ccm8", "integrity": "none"},
    "gmac": {"cipher": "aes128gmac", "integrity": "none"},
    "ctr": {"cipher": "aes128ctr", "integrity": "sha1"},
    "ah": {"protocol": 51, "integrity": "sha512"},
    "ah-gmac": {"protocol": 51, "integrity": "aes256gmac"},
}

pytestmark = pytest.mark.covers("feature:esn", by="self")
every_suite = pytest.mark.parametrize("suite", SUITES)

# (window, right edge, low half, whole number), RFC 4303 A2.2
CASES = [
    (64, 0, 1, 1),
    (64, 0, HALF - 64, HALF - 64),
    (64, 0, HALF - 63, -63),
    (64, 5, HALF - 1, -1),
    (64, 63, 0, 0),
    (64, HALF - 1, 0, HALF),
    (64, HALF - 1, HALF - 64, HALF - 64),
    (64, HALF - 1, HALF - 65, 2 * HALF - 65),
    (64, HALF + 10, HALF - 1, HALF - 1),
    (64, HALF + 10, HALF - 53, HALF - 53),
    (64, HALF + 10, HALF - 54, 2 * HALF - 54),
    (64, 7 * HALF + 1000, 900, 8 * HALF + 900),
    (64, 7 * HALF + 1000, 937, 7 * HALF + 937),
]


@pytest.mark.parametrize(("size", "right", "low", "whole"), CASES)
def test_the_high_half_is_found(size: int, right: int, low: int, whole: int) -> None:
    window = ReplayWindow(size)
    window.advance(right)
    assert window.whole(low) == whole


@given(st.integers(32, 4096), st.integers(0, 2**40), st.integers(-4095, 2**31))
def test_what_is_near_the_window_is_found(size: int, right: int, step: int) -> None:
    """Everything inside the window, and half a subspace ahead of it."""
    window = ReplayWindow(size)
    window.advance(right)
    sequence = right + max(step, 1 - size)
    if sequence >= 0:
        assert window.whole(sequence % HALF) == sequence
    else:
        assert not window.accepts(window.whole(sequence % HALF))


def started_at(make_pair: MakePair, suite: str, sequence: int) -> Pair:
    pair = make_pair(SUITES[suite], esn=True)
    pair.out.outer.usage.sequence = sequence
    window = pair.into.outer.replay
    assert window is not None
    if sequence:
        window.advance(sequence)
    return pair


@every_suite
def test_numbers_go_on_beyond_32_bits(
    suite: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    """The last of one subspace, the first of the next, and one that comes late."""
    pair, inner = started_at(make_pair, suite, HALF - 3), make_inner("tunnel")
    wires = [pair.wire(inner) for _ in range(6)]
    for wire in (wires[0], wires[3], wires[1], wires[5], wires[2], wires[4]):
        assert pair.received(wire) == inner
    for wire in wires:
        assert pair.reason(wire) is DropReason.IN_SEQUENCE
    window = pair.into.outer.replay
    assert window is not None
    assert window.right == HALF + 3


@every_suite
def test_the_icv_covers_the_high_half(
    suite: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    """A packet of another subspace has the same octets but for the ICV."""
    pair, inner = started_at(make_pair, suite, 0), make_inner("tunnel")
    pair.out.outer.usage.sequence = 3 * HALF
    assert pair.reason(pair.wire(inner)) is DropReason.IN_INTEGRITY


@every_suite
def test_esn_on_one_side_alone(suite: str, make_pair: MakePair, make_inner: MakeInner) -> None:
    """Even with a high half of zero the ICVs differ: four octets more are covered."""
    inner = make_inner("tunnel")
    with_esn, without = make_pair(SUITES[suite], esn=True), make_pair(SUITES[suite])
    assert without.reason(with_esn.wire(inner)) is DropReason.IN_INTEGRITY
    assert with_esn.reason(without.wire(inner)) is DropReason.IN_INTEGRITY


@every_suite
def test_the_last_number_of_all(suite: str, make_pair: MakePair, make_inner: MakeInner) -> None:
    pair, inner = started_at(make_pair, suite, 2**64 - 2), make_inner("tunnel")
    assert pair.received(pair.wire(inner)) == inner
    event = pair.alice.outbound(inner)
    assert isinstance(event, AuditEvent)
    assert event.reason is DropReason.OUT_SEQUENCE


@pytest.mark.parametrize(
    ("esn", "reason"), [(False, DropReason.IN_SEQUENCE), (True, DropReason.IN_INTEGRITY)]
)
@pytest.mark.parametrize("size", [32, 64, 1024, 4096])
def test_windows_of_every_size(
    size: int, reason: DropReason, make_pair: MakePair, make_inner: MakeInner, *, esn: bool
) -> None:
    """With ESN what is left of the window is taken for the next subspace, whose ICV fails."""
    inner = make_inner("tunnel")
    out = make_pair({"replay": None}, esn=esn)
    into = make_pair({"replay": ReplayWindow(size)}, esn=esn)
    wires = [out.wire(inner) for _ in range(size + 1)]
    assert into.received(wires[size]) == inner
    assert into.reason(wires[0]) is reason
    assert into.received(wires[1]) == inner
