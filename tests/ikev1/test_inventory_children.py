"""Every CBC cipher and every MAC of phase 2 in a Quick Mode (RFC 2407 4.4.4, 4.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.ciphers import ESP_CIPHERS, USUAL_CIPHERS
from conformance.crypto.macs import MACS
from conformance.ikev1.config import Phase2Proposal
from conformance.ikev1.events import ChildInstalled, MessageSent

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = [
    *((name, "sha1") for name in USUAL_CIPHERS if name in ESP_CIPHERS),
    *(("aes128", name) for name in MACS),
]


@pytest.mark.covers("esp:{cipher}", "integ:{integrity}", by="self")
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize(("cipher", "integrity"), CASES)
def test_children(make_pair: Callable[..., Any], cipher: str, integrity: str, mode: str) -> None:
    """Both ends take the same keys, of the right sizes; the offer names the row's own number."""
    pair = make_pair(phase2=Phase2Proposal(cipher, integrity, mode, None))
    pair.handshake()
    (mine,), (yours,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert (mine.cipher, mine.integrity, mine.mode) == (cipher, integrity, mode)
    assert mine.encryption_key_in == yours.encryption_key_out
    assert mine.integrity_key_out == yours.integrity_key_in
    assert len(mine.encryption_key_in) == ESP_CIPHERS[cipher].key_size
    assert len(mine.integrity_key_in) == MACS[integrity].key_size
    offers = [
        line
        for event in pair.of_initiator(MessageSent)
        for line in event.payloads
        if line.startswith("SA proposal 1 ESP")
    ]
    assert f"transform 1 id {ESP_CIPHERS[cipher].esp_id}:" in offers[0]
    assert f"authentication algorithm {MACS[integrity].attribute_id}" in offers[0]
