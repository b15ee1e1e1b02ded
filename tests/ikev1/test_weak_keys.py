"""A weak DES key is passed over when the key of phase 1 is taken from SKEYID_e."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.ikev1 import keys
from conformance.ikev1.config import Phase1Proposal
from conformance.ikev1.constants import NotifyType
from conformance.ikev1.events import ChildInstalled, IsakmpEstablished, MessageRejected

if TYPE_CHECKING:
    from collections.abc import Callable

WEAK, SEMI_WEAK = bytes.fromhex("0101010101010101"), bytes.fromhex("01fe01fe01fe01fe")
FIRST, SECOND = bytes(range(1, 9)), bytes(range(9, 17))

# (cipher, SKEYID_e, key), RFC 2409 Appendix B
KEYS = [
    ("des", FIRST + SECOND, FIRST),
    ("des", WEAK + FIRST, FIRST),
    ("des", SEMI_WEAK + SECOND, SECOND),
    ("des", WEAK + SEMI_WEAK + FIRST, FIRST),
    ("3des", WEAK + FIRST + SECOND, WEAK + FIRST + SECOND),
    ("aes128", 2 * WEAK + FIRST, 2 * WEAK),
]


def pair_with(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, cipher: str, skeyid_e: bytes
) -> Any:
    """Both ends derive this SKEYID_e."""
    monkeypatch.setattr(keys, "skeyid_e", lambda *_: skeyid_e)
    pair = make_pair(Phase1Proposal(cipher, "md5", "ecp256"))
    pair.handshake()
    return pair


@pytest.mark.parametrize(("cipher", "skeyid_e", "key"), KEYS)
def test_the_first_key_that_is_not_weak(
    make_pair: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    cipher: str,
    skeyid_e: bytes,
    key: bytes,
) -> None:
    pair = pair_with(make_pair, monkeypatch, cipher, skeyid_e)
    for events in (pair.of_initiator, pair.of_responder):
        assert [one.encryption_key for one in events(IsakmpEstablished)] == [key]
        assert len(events(ChildInstalled)) == 1


def test_nothing_but_weak_keys(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phase 1 ends with a notify, not with an exception."""
    pair = pair_with(make_pair, monkeypatch, "des", WEAK + SEMI_WEAK)
    told = pair.of_responder(MessageRejected)[0]
    assert told.notify is NotifyType.INVALID_KEY_INFORMATION
    assert "only weak keys" in told.reason
    assert not pair.of_initiator(IsakmpEstablished) + pair.of_responder(IsakmpEstablished)
