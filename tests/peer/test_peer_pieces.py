"""The small parts: selectors as networks, log lines, the command line's complaints."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from conformance.cli.peer import peer as peer_command
from conformance.errors import UserError
from conformance.ikev1.config import Identification
from conformance.ikev1.constants import ExchangeType, IdType, NotifyType
from conformance.ikev1.errors import Divergence
from conformance.ikev1.events import (
    ChildDeleted,
    ExchangeFailed,
    IsakmpDeleted,
    MessageRejected,
    MessageSent,
    Role,
    UserAuthenticated,
)
from conformance.ipsec.drops import DropReason
from conformance.ipsec.engine import AuditEvent
from conformance.peer.history import Entries
from conformance.peer.log import describe_drop, describe_event, log_to
from conformance.peer.sas import network_of

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.ikev1.events import Event


def span(first: str, last: str) -> Identification:
    data = IPv4Address(first).packed + IPv4Address(last).packed
    return Identification(IdType.IPV4_ADDR_RANGE, data)


@pytest.mark.parametrize(
    ("selector", "network"),
    [
        (Identification.ipv4_addr("192.0.2.1"), "192.0.2.1/32"),
        (Identification.ipv4_subnet("10.78.1.0/24"), "10.78.1.0/24"),
        (Identification.ipv4_subnet("0.0.0.0/0"), "0.0.0.0/0"),
        (span("10.0.0.0", "10.0.0.255"), "10.0.0.0/24"),
        (Identification.ipv6_addr("2001:db8::1"), "2001:db8::1/128"),
        (Identification.selector("2001:db8::/64"), "2001:db8::/64"),
        (Identification.selector("::/0"), "::/0"),
    ],
)
def test_selectors_are_networks(selector: Identification, network: str) -> None:
    assert str(network_of(selector)) == network


@pytest.mark.parametrize(
    "selector",
    [
        span("10.0.0.1", "10.0.0.2"),
        Identification.fqdn("host.example"),
        Identification(IdType.IPV4_ADDR, b"abc"),
        Identification(IdType.IPV6_ADDR_RANGE, bytes(31) + b"\2"),
        Identification(IdType.IPV6_ADDR_RANGE, bytes(15) + b"\2" + bytes(16)),
    ],
    ids=str,
)
def test_other_selectors_are_refused(selector: Identification) -> None:
    with pytest.raises(ValueError, match="is no single network"):
        network_of(selector)


DIVERGENCE = Divergence("HASH_I", "aa", "bb")
LINES: list[tuple[Event, str]] = [
    (
        ChildDeleted("esp", 0x1000, 0x2000, by_peer=True),
        "SAs deleted by the remote: esp SPI 0x00001000 in, 0x00002000 out",
    ),
    (
        IsakmpDeleted(b"\1" * 8, b"\2" * 8, by_peer=False),
        "ISAKMP SA deleted by us: 0101010101010101 0202020202020202",
    ),
    (
        MessageRejected(NotifyType.AUTHENTICATION_FAILED, "wrong", DIVERGENCE),
        "rejected a message with AUTHENTICATION-FAILED: wrong; HASH_I differs: expected aa, got bb",
    ),
    (
        ExchangeFailed(ExchangeType.QUICK_MODE, 0xABC, Role.INITIATOR, "no answer", None),
        "QUICK-MODE 00000abc failed: no answer",
    ),
    (
        MessageSent(
            ExchangeType.MAIN_MODE,
            0,
            bytes(8),
            bytes(8),
            encrypted=True,
            payloads=("ID", "HASH"),
            repeated=True,
            plain=b"",
            datagram=b"",
        ),
        "sent again MAIN-MODE 00000000: HDR*, ID, HASH",
    ),
]


@pytest.mark.parametrize(("event", "line"), LINES, ids=lambda value: type(value).__name__)
def test_log_lines(event: Event, line: str) -> None:
    assert describe_event(event) == line


def test_a_remote_cannot_write_to_the_terminal() -> None:
    """Nor begin a line of its own in the log."""
    event = UserAuthenticated("joe\x1b[2J\n12:00:00  XAUTH of root accepted", accepted=False)
    assert describe_event(event) == (
        r"XAUTH of joe\x1b[2J\n12:00:00  XAUTH of root accepted refused"
    )


def test_log_line_of_a_drop() -> None:
    one, other = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
    event = AuditEvent(DropReason.IN_SEQUENCE, "right edge 9", 0x1000, 3, one, other)
    assert describe_drop(event) == (
        "dropped 192.0.2.1 > 192.0.2.2 SPI 0x00001000 sequence 3, InStateSeqError: right edge 9"
    )


def test_a_log_that_cannot_be_written_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write the log"):
        log_to(tmp_path / "missing" / "peer.log")


def test_help_teaches() -> None:
    shown = CliRunner().invoke(peer_command, ["serve", "--help"])
    assert shown.exit_code == 0
    for word in ("--address", "--inner", "--control", "--log", "Example:", "CAP_NET_RAW"):
        assert word in shown.output
    assert "--address 192.0.2.1 --inner 10.78.1.1 \\\n" in shown.output, (
        "the example keeps its lines"
    )


def test_an_address_that_is_none_is_refused() -> None:
    arguments = [
        "serve",
        "--address",
        "10.1",
        "--inner",
        "10.0.0.1",
        "--control",
        "c",
        "--log",
        "l",
    ]
    shown = CliRunner().invoke(peer_command, arguments)
    assert shown.exit_code == 2
    assert "10.1" in shown.output


def test_history_keeps_the_newest_and_counts_them_all() -> None:
    entries = Entries(3)
    for number in range(5):
        entries.append({"number": number})
    assert (entries.total, len(entries)) == (5, 3)
    assert [one["number"] for one in entries] == [2, 3, 4]
    assert [[one["number"] for one in entries.since(start)] for start in (0, 2, 4, 5, 9)] == [
        [2, 3, 4],
        [2, 3, 4],
        [4],
        [],
        [],
    ]
