# ruff: noqa: INP001 (a module of scripts, not of a package)
"""What the scripts for recorded handshakes share: a wire between two endpoints, the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.ikev1.events import ChildInstalled, IsakmpEstablished

if TYPE_CHECKING:
    from conformance.ikev1.endpoint import Endpoint

ADDRESSES = {"initiator": "192.0.2.1", "responder": "192.0.2.2"}
SELECTORS = {"initiator": "198.51.100.0/25", "responder": "198.51.100.128/25"}
PSK = "a pre-shared key for vectors"


def carry(ends: dict[str, Endpoint]) -> list[dict[str, str]]:
    """Every datagram from the beginning of phase 1 until nobody has anything to say."""
    ends["initiator"].initiate(0.0)
    messages: list[dict[str, str]] = []
    while True:
        ways = [(role, data) for role in ADDRESSES for data, _ in ends[role].datagrams_to_send(0.0)]
        if not ways:
            return messages
        for sender, data in ways:
            messages.append({"sender": sender, "datagram": data.hex()})
            receiver = next(role for role in ADDRESSES if role != sender)
            ends[receiver].receive_datagram(data, (ADDRESSES[sender], 500), 0.0)


def outcome(endpoint: Endpoint) -> dict[str, str]:
    """Cookies, keys and SPIs from the initiator's events; raises StopIteration without success."""
    events: list[Any] = []
    while event := endpoint.next_event():
        events.append(event)
    phase1 = next(event for event in events if isinstance(event, IsakmpEstablished))
    child = next(event for event in events if isinstance(event, ChildInstalled))
    return {
        "cookie_i": phase1.cookie_i.hex(),
        "cookie_r": phase1.cookie_r.hex(),
        "encryption_key": phase1.encryption_key.hex(),
        "initiator_spi_in": f"{child.spi_in:08x}",
        "initiator_spi_out": f"{child.spi_out:08x}",
        "encryption_key_in": child.encryption_key_in.hex(),
        "integrity_key_in": child.integrity_key_in.hex(),
        "encryption_key_out": child.encryption_key_out.hex(),
        "integrity_key_out": child.integrity_key_out.hex(),
    }
