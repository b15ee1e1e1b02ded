"""What attributes a responder takes: unknown, doubled, absent, in the wrong form."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ikev1.attributes import PHASE_1, PHASE_2, Attribute, encode
from conformance.ikev1.config import Phase1Proposal, Phase2Proposal
from conformance.ikev1.constants import NotifyType
from conformance.ikev1.errors import PeerError
from conformance.ikev1.events import ChildInstalled, MessageRejected, MessageSent
from conformance.ikev1.payloads import SecurityAssociation
from conformance.ikev1.proposals import PHASE_1_NEGOTIATION, PHASE_2_NEGOTIATION

if TYPE_CHECKING:
    from collections.abc import Callable

SPI = b"\0\0\1\0"
ESP = Phase2Proposal("aes128", "sha256", "tunnel", None)
NONE, WRONG = NotifyType.NO_PROPOSAL_CHOSEN, NotifyType.ATTRIBUTES_NOT_SUPPORTED
LIFE, DURATION, GROUP, MODE, MAC, BITS, ESN = 1, 2, 3, 4, 5, 6, 11


def basic(number: int, value: int) -> Attribute:
    return Attribute(number, value.to_bytes(2), basic=True)


def variable(number: int, value: int, size: int = 4) -> Attribute:
    return Attribute(number, value.to_bytes(size), basic=False)


def offer(
    proposal: Phase2Proposal, *added: Attribute, without: tuple[int, ...] = ()
) -> SecurityAssociation:
    """The offer of a proposal with attributes added and others left out."""
    sa = PHASE_2_NEGOTIATION.offer((proposal,), SPI)
    (transform,) = sa.proposals[0].transforms
    kept = tuple(one for one in transform.attributes if one.type not in without)
    transform = transform._replace(attributes=(*kept, *added))
    return SecurityAssociation((replace(sa.proposals[0], transforms=(transform,)),))


def of(cipher: str) -> Phase2Proposal:
    return replace(ESP, cipher=cipher)


NO_BITS = (BITS,)
# fmt: off
REFUSED = [
    # cipher     added                                 left out  notify what diverges
    ("aes128",   [basic(77, 1)],                       (),       WRONG, "attribute 77"),
    ("aes128",   [basic(7, 1)],                        (),       WRONG, "key rounds"),
    ("aes128",   [basic(8, 1)],                        (),       WRONG, "compress dictionary size"),
    ("aes128",   [basic(10, 1)],                       (),       WRONG, "ECN tunnel"),
    ("aes128",   [basic(77, 1)],                       (MODE,),  NONE,  "encapsulation mode"),
    ("aes128",   [basic(MAC, 1)],                      (),       WRONG, "authentication algorithm"),
    ("aes128",   [basic(BITS, 256)],                   (),       WRONG, "key length"),
    ("aes128",   [basic(LIFE, 1), basic(DURATION, 9)], (),       WRONG, "life duration"),
    ("aes128",   [variable(MODE, 1)],                  (MODE,),  WRONG, "encapsulation mode"),
    ("aes128",   [variable(BITS, 128, 2)],             NO_BITS,  WRONG, "key length"),
    ("aes128",   [],                                   NO_BITS,  NONE,  "key length"),
    ("camellia256", [],                                 NO_BITS,  NONE,  "key length"),
    ("3des",     [basic(BITS, 192)],                   (),       NONE,  "key length"),
    ("des",      [basic(BITS, 64)],                    (),       NONE,  "key length"),
    ("null",     [basic(BITS, 0)],                     (),       NONE,  "key length"),
    ("blowfish448", [],                                 NO_BITS,  NONE,  "key length"),
    ("aes128",   [],                                   (MODE,),  NONE,  "encapsulation mode"),
    ("aes128",   [],                                   (MAC,),   NONE,  "authentication algorithm"),
    ("aes128",   [basic(GROUP, 2)],                    (),       NONE,  "group description"),
    ("aes128",   [basic(ESN, 1)],                      (),       NONE,  "extended sequence number"),
]
# fmt: on


@pytest.mark.covers("notify:13", "notify:14", by="self")
@pytest.mark.parametrize(("cipher", "added", "without", "notify", "name"), REFUSED)
def test_refused(
    cipher: str,
    added: list[Attribute],
    without: tuple[int, ...],
    notify: NotifyType,
    name: str,
) -> None:
    """RFC 2407 4.5, 4.5.2 and 4.5.3: with the notify that says which it is."""
    with pytest.raises(PeerError) as caught:
        PHASE_2_NEGOTIATION.choose(offer(of(cipher), *added, without=without), (of(cipher),), SPI)
    assert caught.value.notify is notify
    assert caught.value.fatal
    assert caught.value.divergence is not None
    assert caught.value.divergence.name == name


def test_extended_sequence_numbers_have_one_value() -> None:
    """RFC 4304 3: with any other the setup is aborted."""
    with pytest.raises(PeerError) as caught:
        PHASE_2_NEGOTIATION.choose(offer(ESP, basic(ESN, 2)), (replace(ESP, esn=True),), SPI)
    assert caught.value.divergence is not None
    assert caught.value.divergence.got == "2"


# (configured, offer): taken, for it means the same
TAKEN = [
    pytest.param(of("cast128"), offer(of("cast128"), without=(BITS,)), id="CAST of 128 unsaid"),
    pytest.param(of("cast"), offer(of("cast128")), id="CAST of 128 said"),
    pytest.param(of("blowfish128"), offer(of("blowfish128"), without=(BITS,)), id="Blowfish"),
    pytest.param(of("rc5-128"), offer(of("rc5-128"), without=(BITS,)), id="RC5 of 128 unsaid"),
    pytest.param(ESP, offer(ESP, basic(MODE, 1)), id="mode twice"),
    pytest.param(ESP, offer(ESP, basic(LIFE, 1), basic(DURATION, 3600)), id="lifetime twice"),
    pytest.param(ESP, offer(ESP, basic(LIFE, 2), basic(DURATION, 100)), id="kilobytes too"),
    pytest.param(ESP, offer(ESP, basic(LIFE, 2), variable(DURATION, 9, 8)), id="in eight octets"),
    pytest.param(ESP, offer(ESP, without=(LIFE, DURATION)), id="no lifetime"),
]


@pytest.mark.covers("attr2:1", "attr2:2", "attr2:3", "attr2:4", "attr2:5", "attr2:6", by="self")
@pytest.mark.parametrize(("configured", "offered"), TAKEN)
def test_taken_and_returned_as_sent(
    configured: Phase2Proposal, offered: SecurityAssociation
) -> None:
    """RFC 2451 2.2 (default key lengths), RFC 2407 4.5.2: the answer repeats every octet."""
    agreement = PHASE_2_NEGOTIATION.choose(offered, (configured,), b"\0\0\2\0")
    (sent,), (returned,) = offered.proposals, agreement.sa.proposals
    assert returned.transforms == sent.transforms
    assert agreement.proposal == configured


def test_a_transform_that_is_not_understood_is_passed_over() -> None:
    """The next one is chosen; a conflict ends it all the same (RFC 2407 4.5.2)."""
    good = PHASE_2_NEGOTIATION.offer((ESP,), SPI).proposals[0]
    for added, passed in ((basic(77, 1), True), (variable(MODE, 1), True), (basic(MAC, 1), False)):
        (bad,) = offer(ESP, added).proposals[0].transforms
        both = replace(good, transforms=(bad, *good.transforms))
        sa = SecurityAssociation((both,))
        if passed:
            chosen = PHASE_2_NEGOTIATION.choose(sa, (ESP,), SPI).transform
            assert chosen == good.transforms[0]
        else:
            with pytest.raises(PeerError, match="conflicting"):
                PHASE_2_NEGOTIATION.choose(sa, (ESP,), SPI)


PHASE_1_CASES: list[tuple[str, tuple[Attribute, ...], tuple[int, ...], bool]] = [
    # configured, added, left out, taken
    ("aes128", (), (14,), False),
    ("3des", (basic(14, 192),), (), False),
    ("blowfish448", (), (14,), True),
    ("blowfish", (basic(14, 448),), (), True),
    ("cast128", (), (14,), True),
    ("rc5-128", (), (14,), True),
    ("cast40", (), (14,), False),
    ("aes128", (basic(13, 1),), (), False),
    ("aes128", (variable(14, 128, 2),), (14,), False),
    ("aes128", (basic(1, 7),), (), True),
    ("aes128", (basic(16384, 1),), (), False),
]


@pytest.mark.parametrize(("cipher", "added", "without", "taken"), PHASE_1_CASES)
def test_phase_1(
    cipher: str,
    added: tuple[Attribute, ...],
    without: tuple[int, ...],
    taken: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """RFC 2409 Appendix A and B: the same rules, and Blowfish of 448 bits where it is not said."""
    configured = Phase1Proposal(cipher, "sha1", "ecp256")
    sa = PHASE_1_NEGOTIATION.offer((configured,), b"")
    (transform,) = sa.proposals[0].transforms
    kept = tuple(one for one in transform.attributes if one.type not in without)
    changed = transform._replace(attributes=(*kept, *added))
    offered = SecurityAssociation((replace(sa.proposals[0], transforms=(changed,)),))
    if taken:
        chosen = PHASE_1_NEGOTIATION.choose(offered, (configured,), b"")
        assert chosen.sa.proposals[0].transforms == (changed,)
    else:
        with pytest.raises(PeerError) as caught:
            PHASE_1_NEGOTIATION.choose(offered, (configured,), b"")
        assert caught.value.notify in {NONE, WRONG}


attributes = st.builds(
    Attribute, st.integers(1, 20), st.binary(min_size=2, max_size=2), basic=st.just(value=True)
) | st.builds(Attribute, st.integers(1, 20), st.binary(max_size=9), basic=st.just(value=False))


@given(st.lists(attributes, max_size=8), st.booleans())
def test_whatever_is_offered_is_chosen_or_refused(found: list[Attribute], keep: bool) -> None:  # noqa: FBT001
    """Nothing but PeerError, and what is chosen differs in nothing but its lifetime."""
    sa = offer(ESP, *found, without=() if keep else tuple(range(1, 12)))
    with suppress(PeerError):
        agreement = PHASE_2_NEGOTIATION.choose(sa, (ESP,), SPI)
        values = {(one.type, one.number) for one in agreement.transform.attributes}
        assert {(BITS, 128), (MAC, 5), (MODE, 1)} <= values
        assert {number for number, _ in values} <= {LIFE, DURATION, MODE, MAC, BITS}


# (name, value, octets): as many as it needs, in the basic form where two are enough
NUMBERS = [
    (PHASE_1, "life duration", 0xFFFF, "800cffff"),
    (PHASE_1, "life duration", 0x10000, "000c000400010000"),
    (PHASE_1, "group prime", 0xFFFFFFFF, "00060004ffffffff"),
    (PHASE_1, "group prime", 0x100000000, "000600050100000000"),
    (PHASE_1, "group generator one", 2, "80070002"),
    (PHASE_2, "compress private algorithm", 1 << 64, "00090009010000000000000000"),
]


@pytest.mark.parametrize(("table", "name", "value", "octets"), NUMBERS)
def test_numbers_of_any_length(table: Any, name: str, value: int, octets: str) -> None:
    """RFC 2408 3.3, RFC 2409 Appendix A."""
    (attribute,) = encode(table, [(name, value)])
    size = b"" if attribute.basic else len(attribute.value).to_bytes(2)
    head = (attribute.type | (0x8000 if attribute.basic else 0)).to_bytes(2)
    assert (head + size + attribute.value).hex() == octets
    assert attribute.number == value


def test_an_endpoint_says_so(make_pair: Callable[..., Any]) -> None:
    """The initiator is told which attributes cannot be used; both keep their ISAKMP SA."""
    pair = make_pair(initiator_deviations=("unknown-attribute",))
    pair.handshake()
    (rejected,) = pair.of_responder(MessageRejected)
    assert str(rejected.divergence).startswith("attribute 77 differs: expected absent, got 1")
    said = [line for m in pair.of_responder(MessageSent) for line in m.payloads]
    assert any(line.startswith("N ATTRIBUTES-NOT-SUPPORTED ESP SPI") for line in said)
    assert not pair.of_initiator(ChildInstalled)
