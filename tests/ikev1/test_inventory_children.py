"""Every CBC cipher, MAC and form of selector in a Quick Mode (RFC 2407 4.4.4, 4.5, 4.6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.ciphers import ESP_CIPHERS, USUAL_CIPHERS
from conformance.crypto.transforms import ESP_INTEGRITY
from conformance.ikev1.config import Identification, Phase2Proposal
from conformance.ikev1.events import ChildInstalled, MessageRejected, MessageSent

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = [
    *((name, "sha1") for name in USUAL_CIPHERS if name in ESP_CIPHERS),
    *(("aes128", name) for name in ESP_INTEGRITY),
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
    assert len(mine.integrity_key_in) == ESP_INTEGRITY[integrity].key_size
    offers = [
        line
        for event in pair.of_initiator(MessageSent)
        for line in event.payloads
        if line.startswith("SA proposal 1 ESP")
    ]
    assert f"transform 1 id {ESP_CIPHERS[cipher].esp_id}:" in offers[0]
    assert f"authentication algorithm {ESP_INTEGRITY[integrity].attribute_id}" in offers[0]


NET, HOST = "20010db8" + "00" * 12, "20010db8" + "00" * 11 + "01"
SELECTORS = {
    1: "c0000201",
    4: "c0000200ffffff00",
    5: HOST,
    6: NET + "ff" * 8 + "00" * 8,
    7: "c0000201c0000203",
    8: HOST + NET[:-2] + "03",
}
"""Type of identification: the addresses that it selects."""


@pytest.mark.covers("id:{kind}", "feature:client-ids", by="self")
@pytest.mark.parametrize("kind", SELECTORS)
def test_selectors_of_every_form(make_pair: Callable[..., Any], kind: int) -> None:
    """IDci and IDcr go as they are configured, and other addresses are refused."""
    selector = Identification(kind, bytes.fromhex(SELECTORS[kind]), 6, 443)
    pair = make_pair(
        initiator={"local_selector": selector}, responder={"remote_selector": selector}
    )
    pair.handshake()
    assert pair.of_initiator(ChildInstalled)[0].local_selector == selector
    assert pair.of_responder(ChildInstalled)[0].remote_selector == selector
    line = f"ID {selector}"
    assert line in [line for one in pair.of_initiator(MessageSent) for line in one.payloads]
    another = make_pair(initiator={"local_selector": selector})
    another.handshake()
    (rejected,) = another.of_responder(MessageRejected)
    assert rejected.divergence is not None
    assert rejected.divergence.name == "IDci"
