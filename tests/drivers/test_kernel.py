"""Reading what a Linux kernel holds: the text of ``ip xfrm``, as iproute2 6.1 prints it."""

from __future__ import annotations

import pytest

from conformance.drivers.kernel import parse_selectors, parse_states

STATES = """\
src 10.77.0.11 dst 10.77.0.14
\tproto esp spi 0xc2f1a3b4(3270616500) reqid 1(0x00000001) mode tunnel
\treplay-window 0 seq 0x00000000 flag af-unspec (0x00100000)
\tauth-trunc hmac(sha256) 0x{auth} (256 bits) 128
\tenc cbc(aes) 0x{key} (128 bits)
\tanti-replay context: seq 0x0, oseq 0x2, bitmap 0x00000000
\tlifetime config:
\t  limit: soft (INF)(bytes), hard (INF)(bytes)
\t  limit: soft (INF)(packets), hard (INF)(packets)
\t  expire add: soft 0(sec), hard 3600(sec)
\t  expire use: soft 0(sec), hard 0(sec)
\tlifetime current:
\t  168(bytes), 2(packets)
\t  add 2026-01-02 03:04:05 use 2026-01-02 03:04:05
src 10.77.0.14 dst 10.77.0.11
\tproto esp spi 0x0a0b0c0d(168496141) reqid 1(0x00000001) mode transport
\tauth-trunc hmac(sha1) 0x{auth} (160 bits) 96
\tenc cbc(aes) 0x{key}{key} (256 bits)
\t  expire add: soft 0(sec), hard 0(sec)
src 10.77.0.14 dst 10.77.0.11
\tproto esp spi 0x00000000(0) reqid 1(0x00000001) mode tunnel
\treplay-window 0 seq 0x00000000
""".format(auth="ab" * 32, key="cd" * 16)

POLICIES = """\
src 10.78.11.0/24 dst 10.78.14.0/24 uid 0
\tdir out action allow index 1 priority 375423 ptype main share any flag  (0x00000000)
\tlifetime config:
\t  limit: soft (INF)(bytes), hard (INF)(bytes)
\ttmpl src 10.77.0.11 dst 10.77.0.14
\t\tproto esp spi 0xc2f1a3b4(3270616500) reqid 1(0x00000001) mode tunnel
src 10.78.14.0/24 dst 10.78.11.0/24 uid 0
\tdir in action allow index 8 priority 375423 ptype main share any flag  (0x00000000)
\ttmpl src 10.77.0.14 dst 10.77.0.11
\t\tproto esp spi 0x00000000(0) reqid 1(0x00000001) mode tunnel
src 0.0.0.0/0 dst 0.0.0.0/0 uid 0
\tsocket out action allow index 20 priority 0 ptype main share any flag  (0x00000000)
"""


def test_a_state_is_normalised() -> None:
    """Algorithms become levels, the SPI a number, the hard limit the lifetime."""
    state = parse_states(STATES)[0]
    assert (state.source, state.destination) == ("10.77.0.11", "10.77.0.14")
    assert (state.spi, state.protocol, state.mode) == (0xC2F1A3B4, "esp", "tunnel")
    assert (state.cipher, state.integrity) == ("aes128", "sha256")
    assert (state.lifetime_seconds, state.packets) == (3600, 2)


def test_a_larval_state_is_no_state() -> None:
    """A state without keys is a placeholder of the kernel: nothing was agreed."""
    assert [state.spi for state in parse_states(STATES)] == [0xC2F1A3B4, 0x0A0B0C0D]


@pytest.mark.parametrize(
    ("old", "new", "integrity"),
    [
        pytest.param("(256 bits) 128", "(256 bits) 96", "hmac(sha256)-96", id="truncated"),
        pytest.param("hmac(sha256)", "hmac(md5)", "hmac(md5)-128", id="other-hash"),
    ],
)
def test_an_algorithm_without_a_name_is_told_as_it_is(old: str, new: str, integrity: str) -> None:
    """The unnegotiated truncation of SHA2-256 must not pass for the real one (RFC 4868)."""
    assert parse_states(STATES.replace(old, new))[0].integrity == integrity


def test_an_empty_table_has_no_states() -> None:
    assert parse_states("") == []


def test_keys_stay_out_of_repr() -> None:
    assert "abab" not in repr(parse_states(STATES))
    assert "cdcd" not in repr(parse_states(STATES))


def test_selectors_come_from_the_outbound_policy() -> None:
    """Local first; an inbound policy or a socket's bypass is not taken for it."""
    found = parse_selectors(POLICIES, "10.77.0.11", "10.77.0.14")
    assert found == ("10.78.11.0/24", "10.78.14.0/24")


def test_no_policy_no_selectors() -> None:
    assert parse_selectors(POLICIES, "10.77.0.11", "10.77.0.99") is None
