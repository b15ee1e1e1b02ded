"""The ladder of a negotiation."""

from __future__ import annotations

from conformance.record.transcript import Message, ladder


def test_the_ladder_shows_sender_payloads_details_and_requirement() -> None:
    text = ladder(
        "reference",
        "libreswan-4.10",
        [
            Message(0.0012, "initiator", "Main Mode 1", ["HDR", "SA"], ["SA: aes128, sha256"]),
            Message(0.035, "responder", "Main Mode 2", ["HDR", "SA"], requirement="RFC 2409 5.4"),
        ],
    )
    head, first, detail, second = text.splitlines()
    assert head.split() == ["reference", "libreswan-4.10"]
    assert first.startswith("   0.001 |-")
    assert first.endswith(">|")
    assert " Main Mode 1: HDR, SA " in first
    assert detail == "         |  SA: aes128, sha256"
    assert second.startswith("   0.035 |<")
    assert " Main Mode 2: HDR, SA  [RFC 2409 5.4] " in second
    assert len(first) == len(second)


def test_a_cell_without_messages_says_so() -> None:
    assert "no message was seen" in ladder("reference", "reference", [])
