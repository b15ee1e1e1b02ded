"""Every deviation is caught by the partner, who names the value that diverges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.ikev1.constants import NotifyType
from conformance.ikev1.deviations import DEVIATIONS
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import ChildInstalled, MessageRejected, NotifyReceived
from conformance.ikev1.feature_deviations import FEATURE_DEVIATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

I, R = "initiator", "responder"  # noqa: E741 - the roles' letters in the RFC
HASH = NotifyType.INVALID_HASH_INFORMATION

# (deviation, who deviates, notify that answers it, what the partner's reason says)
CAUGHT = [
    ("wrong-hash-i", I, HASH, "HASH_I differs"),
    ("wrong-hash-r", R, HASH, "HASH_R differs"),
    ("wrong-hash-1", I, HASH, "HASH(1) differs"),
    ("wrong-hash-2", R, HASH, "HASH(2) differs"),
    ("wrong-hash-3", I, HASH, "HASH(3) differs"),
    ("altered-chosen-transform", R, NotifyType.BAD_PROPOSAL_SYNTAX, "none that we offered"),
    ("altered-chosen-esp-transform", R, NotifyType.BAD_PROPOSAL_SYNTAX, "none that we offered"),
    ("short-nonce", I, NotifyType.PAYLOAD_MALFORMED, "nonce has 7 octets"),
    ("short-nonce", R, NotifyType.PAYLOAD_MALFORMED, "nonce has 7 octets"),
    ("short-public-value", I, NotifyType.INVALID_KEY_INFORMATION, "63 octets"),
    ("short-public-value", R, NotifyType.INVALID_KEY_INFORMATION, "63 octets"),
    ("nonzero-message-id", I, NotifyType.INVALID_MESSAGE_ID, "message ID 0x00000001"),
    ("nonzero-message-id", R, NotifyType.INVALID_MESSAGE_ID, "message ID 0x00000001"),
    ("reserved-octet", I, NotifyType.PAYLOAD_MALFORMED, "reserved octet"),
    ("reserved-octet", R, NotifyType.PAYLOAD_MALFORMED, "reserved octet"),
    ("conflicting-attributes", I, NotifyType.ATTRIBUTES_NOT_SUPPORTED, "conflicting attributes"),
    ("unknown-attribute", I, NotifyType.ATTRIBUTES_NOT_SUPPORTED, "no offered transform"),
    ("basic-as-variable", I, NotifyType.ATTRIBUTES_NOT_SUPPORTED, "no offered transform"),
    ("surplus-sa", R, NotifyType.BAD_PROPOSAL_SYNTAX, "2 payloads of type SA"),
]
ELSEWHERE = {
    *("wrong-sig-i", "wrong-sig-r", "no-certificate", "missing-protocol"),
    *("hash-for-sig", "wrong-hash-of-transaction", "other-identifier", "status-ok-in-reply"),
}
"""Those of signatures in test_signatures.py; of XAUTH in test_xauth_methods.py and _rounds.py; of
bundles in test_several_sas.py."""


@pytest.mark.covers("feature:deviations", by="self")
@pytest.mark.parametrize(("name", "who", "notify", "reason"), CAUGHT)
def test_the_partner_catches_it(
    make_pair: Callable[..., Any], name: str, who: str, notify: NotifyType, reason: str
) -> None:
    """The message is rejected for that very reason, and no pair of children comes of it."""
    pair = make_pair(**{f"{who}_deviations": (name,)})
    pair.handshake()
    partner = pair.of_responder if who == I else pair.of_initiator
    deviant = pair.of_initiator if who == I else pair.of_responder
    rejected = partner(MessageRejected)[0]
    assert rejected.notify is notify
    assert reason in rejected.reason
    assert not (pair.of_initiator(ChildInstalled) and pair.of_responder(ChildInstalled))
    assert notify in {event.notify_type for event in deviant(NotifyReceived)}


def test_every_deviation_has_a_test_and_a_source() -> None:
    """The table above names them all, and each says which requirement it breaks."""
    features = {deviation.name for deviation in FEATURE_DEVIATIONS}
    assert {name for name, *_ in CAUGHT} | ELSEWHERE | features == set(DEVIATIONS)
    own = [deviation for deviation in DEVIATIONS.values() if deviation.name not in features]
    assert all("RFC 240" in deviation.must or "draft-" in deviation.must for deviation in own)


def test_unknown_deviation(make_pair: Callable[..., Any]) -> None:
    with pytest.raises(LocalError, match="unknown deviation 'rude'"):
        make_pair(initiator_deviations=("rude",))
