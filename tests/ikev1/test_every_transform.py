"""Every row of phase 1 carries a whole Main Mode and Quick Mode (RFC 2409 Appendix A)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.ciphers import CIPHERS, USUAL_CIPHERS
from conformance.crypto.dh import GROUPS
from conformance.crypto.prf import HASHES
from conformance.ikev1.attributes import PHASE_1
from conformance.ikev1.config import Phase1Proposal, Phase2Proposal
from conformance.ikev1.describe import describe_value
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildInstalled,
    ExchangeFailed,
    IsakmpEstablished,
    MessageRejected,
    MessageSent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

EXTREMES = ("blowfish40", "cast40", "rc5-40", "rc5-2040")
CASES = [
    *((cipher, "sha1", "ecp256") for cipher in (*USUAL_CIPHERS, *EXTREMES)),
    *(("aes128", hash_name, "ecp256") for hash_name in HASHES),
    *(("aes128", "sha256", group) for group in GROUPS),
    # A key longer than the prf's output and a group of another kind, together.
    ("twofish256", "tiger", "ec2n185"),
]


@pytest.mark.covers("cipher:{cipher}", "hash:{hash_name}", "group:{group}", by="self")
@pytest.mark.covers("attr1:1", "attr1:2", "attr1:4", by="self")
@pytest.mark.parametrize(("cipher", "hash_name", "group"), CASES)
def test_handshake(make_pair: Callable[..., Any], cipher: str, hash_name: str, group: str) -> None:
    """Both ends agree on phase 1 and on a child; the offer names the row's own numbers."""
    pair = make_pair(Phase1Proposal(cipher, hash_name, group))
    pair.handshake()
    (mine,), (yours,) = pair.of_initiator(IsakmpEstablished), pair.of_responder(IsakmpEstablished)
    assert mine.encryption_key == yours.encryption_key
    assert len(mine.encryption_key) == CIPHERS[cipher].key_size
    assert (mine.cipher, mine.hash, mine.group) == (cipher, hash_name, group)
    (child,), (other,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert child.encryption_key_in == other.encryption_key_out
    for kind in (MessageRejected, ExchangeFailed):
        assert not pair.of_initiator(kind) + pair.of_responder(kind)
    offer = pair.of_initiator(MessageSent)[0].payloads[0]
    assert f"({CIPHERS[cipher].title})" in offer
    assert f"({hash_name})" in offer
    assert f"({group})" in offer
    assert ("key length" in offer) is (CIPHERS[cipher].key_length is not None)


@pytest.mark.covers("group:{group}", "feature:pfs", "attr2:3", by="self")
@pytest.mark.parametrize("group", GROUPS)
def test_pfs(make_pair: Callable[..., Any], group: str) -> None:
    """Every group serves the second Diffie-Hellman exchange too."""
    pair = make_pair(phase2=Phase2Proposal("aes128", "sha256", "tunnel", group))
    pair.handshake()
    (child,), (other,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert child.pfs == other.pfs == group
    assert child.encryption_key_in == other.encryption_key_out


@pytest.mark.covers("attr1:14", by="self")
@pytest.mark.parametrize(
    ("configured", "offered"),
    [("blowfish128", "blowfish448"), ("cast128", "cast40"), ("rc5-40", "rc5-2040")],
)
def test_another_key_length_is_refused(
    make_pair: Callable[..., Any], configured: str, offered: str
) -> None:
    pair = make_pair(
        initiator={"phase1": (Phase1Proposal(offered, "sha1", "ecp256"),)},
        responder={"phase1": (Phase1Proposal(configured, "sha1", "ecp256"),)},
    )
    pair.handshake()
    assert not pair.of_initiator(IsakmpEstablished)
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.divergence.name == "key length"


@pytest.mark.parametrize("name", USUAL_CIPHERS)
def test_transcripts_name_the_algorithm(name: str) -> None:
    row = CIPHERS[name]
    text = describe_value(PHASE_1, "encryption algorithm", row.ike_id)
    assert text == f"{row.ike_id} ({row.title})"


def test_unknown_ciphers_are_refused_with_the_usual_names() -> None:
    """333 rows would be no help; ESP's Blowfish needs its key length (RFC 2451 2.2)."""
    with pytest.raises(
        LocalError, match=r"known are aes128, .*, blowfish, .* and other key lengths"
    ):
        Phase1Proposal("blowfish39", "sha1", "ecp256")
    with pytest.raises(LocalError, match=r"unknown cipher 'blowfish'; known are .*, blowfish128,"):
        Phase2Proposal("blowfish", "sha1", "tunnel", None)
