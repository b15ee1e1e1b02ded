"""A hash or identity that differs: the explanation names the mistake that was really made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.ikev1 import keys
from conformance.ikev1.config import Identification, Phase1Proposal, Phase2Proposal
from conformance.ikev1.constants import Doi, NotifyType, Protocol
from conformance.ikev1.diagnose import (
    Phase1Inputs,
    check_hash,
    check_identity,
    check_selector,
    phase_1_variants,
    phase_2_variants,
)
from conformance.ikev1.errors import Divergence, PeerError
from conformance.ikev1.message import write_body
from conformance.ikev1.payloads import Proposal, SecurityAssociation
from conformance.ikev1.proposals import PHASE_1_NEGOTIATION, PHASE_2_NEGOTIATION

INPUTS = Phase1Inputs(
    hash_name="sha1",
    skeyid=b"skeyid",
    g_own=b"\0own",
    g_other=b"\0other",
    cookie_own=b"c-own",
    cookie_other=b"c-other",
    sa_i=b"SAi_b",
    identity=write_body(Identification.ipv4_addr("192.0.2.1", 17, 1234)),
)

# (what the sender did, words of the explanation)
PHASE_1_MISTAKES: list[tuple[dict[str, bytes], str]] = [
    ({"identity": bytes.fromhex("01110000c0000201")}, "the ID payload's port were 0"),
    ({"identity": bytes.fromhex("01000000c0000201")}, "protocol and port were 0"),
    ({"identity": bytes.fromhex("011101f4c0000201")}, "protocol and port were UDP 500"),
    ({"identity": bytes.fromhex("c0000201")}, "only the ID payload's data"),
    ({"identity": b""}, "the ID payload were left out"),
    ({"sa_i": b""}, "the SA payload were left out"),
    ({"sa_i": b"SAr_b"}, "SAr_b stood in the place of SAi_b"),
    ({"sa_i": b"\0\0\0\x09SAi_b"}, "the SA's generic header were covered"),
    ({"sa_i": b"\x0d\0\0\x09SAi_b"}, "the SA's generic header were covered"),
    (
        {"identity": bytes.fromhex("0800000c") + INPUTS.identity},
        "the ID's generic header were covered",
    ),
    ({"cookie_own": b"c-other", "cookie_other": b"c-own"}, "the cookies were swapped"),
    ({"g_own": b"\0other", "g_other": b"\0own"}, "the public values were swapped"),
    (
        {
            "g_own": b"\0other",
            "g_other": b"\0own",
            "cookie_own": b"c-other",
            "cookie_other": b"c-own",
        },
        "it were the hash of the other role",
    ),
    ({"g_own": b"own", "g_other": b"other"}, "the public values had no leading zeros"),
]


@pytest.mark.parametrize(("changes", "words"), PHASE_1_MISTAKES)
def test_phase_1_mistakes_are_found(changes: dict[str, bytes], words: str) -> None:
    got = replace(INPUTS, **changes).hash()  # type: ignore[arg-type]
    with pytest.raises(PeerError, match="HASH_R differs") as caught:
        check_hash("HASH_R", INPUTS.hash(), got, phase_1_variants(INPUTS, b"SAr_b"))
    divergence = caught.value.divergence
    assert divergence is not None
    assert divergence.explanation.startswith("it would match if")
    assert words in divergence.explanation
    assert caught.value.fatal


def test_equal_hashes_pass_and_unknown_mistakes_are_said_to_be_unknown() -> None:
    check_hash("HASH_I", b"same", b"same", [])
    with pytest.raises(PeerError) as caught:
        check_hash("HASH_I", b"one", b"two", phase_1_variants(INPUTS, b""))
    assert caught.value.divergence is not None
    assert caught.value.divergence.explanation == "no known mistake explains it"
    assert "skeyid" not in repr(INPUTS).replace("skeyid=", "")


MID, NONCE, REST, PAD = b"\1\2\3\4", b"Ni", b"rest", b"\0\0"
PHASE_2_MISTAKES = [
    ((MID, NONCE, REST + PAD), "the padding were covered"),
    ((bytes(4), NONCE, REST), "the message ID were 0"),
    ((MID[::-1], NONCE, REST), "little-endian"),
    ((b"", NONCE, REST), "the message ID were left out"),
    ((MID, b"", REST), "Ni_b were left out"),
    ((MID, b"\0\0\0\6Ni", REST), "Ni had its generic header"),
]


@pytest.mark.parametrize(("parts", "words"), PHASE_2_MISTAKES)
def test_phase_2_mistakes_are_found(parts: tuple[bytes, bytes, bytes], words: str) -> None:
    def compute(message_id: bytes, nonce: bytes, message: bytes) -> bytes:
        return keys.hash_2("sha1", b"skeyid_a", message_id, nonce, message)

    variants = phase_2_variants(compute, MID, NONCE, REST, PAD)
    with pytest.raises(PeerError) as caught:
        check_hash("HASH(2)", compute(MID, NONCE, REST), compute(*parts), variants)
    assert caught.value.divergence is not None
    assert words in caught.value.divergence.explanation


def test_identities() -> None:
    """Type, data, and protocol and port of RFC 2407 4.6.2."""
    expected = Identification.fqdn("a.example")
    check_identity("IDir", expected, expected)
    check_identity("IDir", None, expected)
    with pytest.raises(PeerError) as caught:
        check_identity("IDir", expected, Identification.user_fqdn("a@example"))
    assert caught.value.divergence == Divergence(
        "IDir", "FQDN a.example", "USER-FQDN a@example", "the type is another one"
    )
    with pytest.raises(PeerError) as caught:
        check_identity("IDir", None, replace(expected, protocol=6, port=22))
    assert str(caught.value.divergence).startswith("IDir differs: expected any, got FQDN a.example")


def test_selector_with_another_port() -> None:
    net = Identification.selector("10.0.0.0/8")
    check_selector("IDcr", net, net)
    with pytest.raises(PeerError) as caught:
        check_selector("IDcr", net, replace(net, protocol=6, port=22))
    assert caught.value.divergence is not None
    assert "protocol or port do not" in caught.value.divergence.explanation
    with pytest.raises(PeerError) as caught:
        check_selector("IDcr", net, Identification.selector("10.0.0.0/9"))
    assert str(caught.value.divergence) == (
        "IDcr differs: expected IPV4-ADDR-SUBNET 10.0.0.0/8, got IPV4-ADDR-SUBNET 10.0.0.0/9"
    )


P1 = (Phase1Proposal("aes128", "sha1", "modp2048"), Phase1Proposal("3des", "md5", "modp1024"))
P2 = (Phase2Proposal("aes256", "sha1", "tunnel", None),)
SPI = b"\0\0\1\0"


@pytest.mark.parametrize(
    ("change", "notify"),
    [
        ({"doi": Doi(2)}, NotifyType.DOI_NOT_SUPPORTED),
        ({"situation": 3}, NotifyType.SITUATION_NOT_SUPPORTED),
        ({"proposals": ()}, NotifyType.NO_PROPOSAL_CHOSEN),
    ],
)
def test_sa_payloads_that_no_responder_takes(change: dict[str, object], notify: NotifyType) -> None:
    offer = replace(PHASE_1_NEGOTIATION.offer(P1, b""), **change)  # type: ignore[arg-type]
    with pytest.raises(PeerError) as caught:
        PHASE_1_NEGOTIATION.choose(offer, P1, b"")
    assert caught.value.notify is notify


def test_protocols_to_be_used_together_are_no_alternatives() -> None:
    """Two proposals of one number mean both (RFC 2408 4.2); we offer one protocol only."""
    (esp,) = PHASE_2_NEGOTIATION.offer(P2, SPI).proposals
    bundle = SecurityAssociation((replace(esp, protocol=Protocol.AH), esp))
    with pytest.raises(PeerError):
        PHASE_2_NEGOTIATION.choose(bundle, P2, SPI)
    alternatives = SecurityAssociation((replace(esp, protocol=Protocol.AH), replace(esp, number=2)))
    agreement = PHASE_2_NEGOTIATION.choose(alternatives, P2, b"\0\0\2\0")
    (chosen,) = agreement.sa.proposals
    assert (chosen.number, chosen.spi, chosen.transforms) == (2, b"\0\0\2\0", esp.transforms)


def answer(change: object = None) -> SecurityAssociation:
    """The choice of the second transform of P1, changed by a function."""
    (offered,) = PHASE_1_NEGOTIATION.offer(P1, b"").proposals
    proposal = replace(offered, transforms=offered.transforms[1:])
    return SecurityAssociation((change(proposal) if callable(change) else proposal,))


def first_transform(proposal: Proposal, **changes: object) -> Proposal:
    """The proposal with its one transform changed."""
    transform = proposal.transforms[0]._replace(**changes)  # type: ignore[arg-type]
    return replace(proposal, transforms=(transform,))


def test_choice_is_verified_by_values_not_numbers() -> None:
    """RFC 2408 4.2 lets the responder renumber, RFC 2409 5 lets it re-encode and nothing else."""
    offer = PHASE_1_NEGOTIATION.offer(P1, b"")
    renumbered = answer(lambda proposal: first_transform(replace(proposal, number=9), number=9))
    assert PHASE_1_NEGOTIATION.verify(offer, renumbered, P1).proposal == P1[1]
    attributes = answer().proposals[0].transforms[0].attributes
    longer = tuple(
        replace(one, value=b"\0\0" + one.value, basic=False) if one.type == 12 else one
        for one in reversed(attributes)
    )
    encoded = answer(lambda proposal: first_transform(proposal, attributes=longer))
    assert PHASE_1_NEGOTIATION.verify(offer, encoded, P1).negotiated_seconds == 28800


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        (lambda p: first_transform(p, attributes=p.transforms[0].attributes[:-1]), "life duration"),
        (lambda p: first_transform(p, attributes=p.transforms[0].attributes[1:]), "encryption"),
        (lambda p: first_transform(p, transform_id=2), "transform"),
        (lambda p: replace(p, protocol=Protocol.ESP), "protocol"),
    ],
    ids=["attribute-dropped", "cipher-dropped", "transform-id", "protocol"],
)
def test_altered_choices_are_named(changed: object, name: str) -> None:
    offer = PHASE_1_NEGOTIATION.offer(P1, b"")
    with pytest.raises(PeerError) as caught:
        PHASE_1_NEGOTIATION.verify(offer, answer(changed), P1)
    assert caught.value.divergence is not None
    assert name in caught.value.divergence.name


@pytest.mark.parametrize("count", [0, 2])
def test_an_answer_is_one_transform(count: int) -> None:
    offer = PHASE_1_NEGOTIATION.offer(P1, b"")
    several = replace(offer.proposals[0], transforms=offer.proposals[0].transforms[:count])
    with pytest.raises(PeerError, match="exactly one"):
        PHASE_1_NEGOTIATION.verify(offer, SecurityAssociation((several,)), P1)


@pytest.mark.parametrize("spi", [b"", b"\0\0\0\xff", b"\1\2\3", bytes(8)])
def test_spis_that_no_sa_can_have(spi: bytes) -> None:
    """RFC 4303 2.1: four octets, 0 to 255 reserved."""
    offer = PHASE_2_NEGOTIATION.offer(P2, SPI)
    with pytest.raises(PeerError) as caught:
        PHASE_2_NEGOTIATION.verify(offer, PHASE_2_NEGOTIATION.offer(P2, spi), P2)
    assert caught.value.notify is NotifyType.INVALID_SPI
    with pytest.raises(PeerError):
        PHASE_2_NEGOTIATION.choose(PHASE_2_NEGOTIATION.offer(P2, spi), P2, SPI)
