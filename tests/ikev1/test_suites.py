"""Suites of AH, ESP and IPComp: offered, chosen, keyed and deleted as a unit, in both roles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.ciphers import USUAL_CIPHERS
from conformance.crypto.transforms import AH_TRANSFORMS, COMPRESSIONS, ESP_INTEGRITY, ESP_TRANSFORMS
from conformance.ikev1.children import ChildNegotiation, OwnSpis
from conformance.ikev1.config import SUITES, Phase2Proposal
from conformance.ikev1.constants import ExchangeType, NotifyType, Protocol
from conformance.ikev1.errors import LocalError, PeerError
from conformance.ikev1.events import (
    ChildDeleted,
    ChildInstalled,
    ExchangeFailed,
    MessageRejected,
    MessageSent,
    NotifyReceived,
)
from conformance.ikev1.payloads import Proposal, SecurityAssociation
from conformance.ikev1.policies import LifetimePolicy
from conformance.ikev1.proposals import PHASE_2_NEGOTIATION, in_udp

if TYPE_CHECKING:
    from collections.abc import Callable

SPI = b"\0\0\1\0"
SPIS = {Protocol.AH: b"\0\0\2\0", Protocol.ESP: b"\0\0\3\0", Protocol.IPCOMP: b"\4\0"}
OURS = {Protocol.AH: b"\0\0\2\1", Protocol.ESP: b"\0\0\3\1", Protocol.IPCOMP: b"\4\1"}


EVERY_FAMILY = [
    name
    for name, row in ESP_TRANSFORMS.items()
    if name in {*USUAL_CIPHERS, "cast", "rc5-40", "rc5-2040"} or row.esp_id in {11, *range(13, 24)}
]
"""Every cipher of ESP, of the families with many key lengths some."""


def suite(protocol: str, **changes: Any) -> Phase2Proposal:
    """A proposal of a suite, in usual algorithms."""
    cipher = "aes128" if "esp" in protocol else "none"
    return replace(Phase2Proposal(cipher, "sha256", "tunnel", None, protocol), **changes)


def offers_of(pair: Any) -> list[str]:
    """The transcript lines of the SA payloads of the first Quick Mode message."""
    quick = [m for m in pair.of_initiator(MessageSent) if m.exchange is ExchangeType.QUICK_MODE]
    return [line for line in quick[0].payloads if line.startswith("SA ")]


def assert_crossed(pair: Any) -> tuple[ChildInstalled, ChildInstalled]:
    """Both ends installed the same suite, whose SPIs and keys cross."""
    (mine,), (yours,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    for here, there in zip(mine.protections, yours.protections, strict=True):
        names = ("protocol", "cipher", "integrity", "compression")
        assert all(getattr(here, name) == getattr(there, name) for name in names)
        for name in ("spi", "encryption_key", "integrity_key"):
            assert getattr(here, f"{name}_in") == getattr(there, f"{name}_out")
            assert getattr(here, f"{name}_out") == getattr(there, f"{name}_in")
    for cls in (MessageRejected, ExchangeFailed):
        assert not pair.of_initiator(cls) + pair.of_responder(cls)
    return mine, yours


@pytest.mark.covers("feature:bundles", "protocol:AH", "protocol:IPCOMP", by="self")
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize("pfs", [None, "ecp256"])
@pytest.mark.parametrize("protocol", SUITES)
def test_every_suite(
    make_pair: Callable[..., Any], protocol: str, pfs: str | None, mode: str
) -> None:
    """Each protocol has SPIs and keys of its own; the first is the outermost."""
    pair = make_pair(phase2=suite(protocol, pfs=pfs, mode=mode))
    pair.handshake()
    mine, _ = assert_crossed(pair)
    assert (mine.protocol, mine.mode, mine.pfs) == (protocol, mode, pfs)
    assert tuple(one.protocol for one in mine.protections) == SUITES[protocol]
    spis = [spi for one in mine.protections for spi in (one.spi_in, one.spi_out)]
    assert len(set(spis)) == len(spis)
    assert mine.spi_in == mine.protections[0].spi_in
    for one in mine.protections:
        keyed = one.protocol != "ipcomp"
        assert len(one.integrity_key_in) == (32 if keyed else 0)
        assert len(one.encryption_key_in) == (16 if one.protocol == "esp" else 0)
        assert one.compression == ("none" if keyed else "deflate")
        assert keyed or 256 <= one.spi_in < 61440


@pytest.mark.covers("esp:{cipher}", by="self")
@pytest.mark.parametrize("cipher", EVERY_FAMILY)
def test_every_cipher_of_esp(make_pair: Callable[..., Any], cipher: str) -> None:
    """Numbers and key sizes as in the table; what authenticates itself takes no integrity."""
    row = ESP_TRANSFORMS[cipher]
    integrity = "none" if row.authenticates else "sha1"
    pair = make_pair(phase2=Phase2Proposal(cipher, integrity, "tunnel", None))
    pair.handshake()
    mine, _ = assert_crossed(pair)
    (esp,) = mine.protections
    assert (esp.cipher, esp.integrity) == (cipher, integrity)
    assert len(esp.encryption_key_in) == row.key_size
    (offer,) = offers_of(pair)
    assert f"id {row.esp_id}:" in offer
    assert ("authentication algorithm" in offer) is not row.authenticates
    assert ("key length" in offer) is (row.key_length is not None)


# (cipher, ESP transform, octets of key and salt): RFC 3686 5.1, 4309 7.1, 4106 8.1, 4543 5.4
SALTED = [
    ("aes128ctr", 13, 20),
    ("aes256ctr", 13, 36),
    ("aes128ccm8", 14, 19),
    ("aes192ccm12", 15, 27),
    ("aes256ccm16", 16, 35),
    ("aes128gcm8", 18, 20),
    ("aes192gcm12", 19, 28),
    ("aes256gcm16", 20, 36),
    ("aes128gmac", 23, 20),
    ("null", 11, 0),
]


@pytest.mark.parametrize(("cipher", "number", "octets"), SALTED)
def test_salt_follows_the_key(cipher: str, number: int, octets: int) -> None:
    assert (ESP_TRANSFORMS[cipher].esp_id, ESP_TRANSFORMS[cipher].key_size) == (number, octets)


@pytest.mark.covers("ah:{integrity}", "integ:{integrity}", "protocol:AH", by="self")
@pytest.mark.parametrize("integrity", AH_TRANSFORMS)
def test_every_algorithm_of_ah(make_pair: Callable[..., Any], integrity: str) -> None:
    """The transform identifier and, beside it, the authentication algorithm (RFC 2407 4.4.3)."""
    pair = make_pair(phase2=Phase2Proposal("none", integrity, "transport", None, "ah"))
    pair.handshake()
    mine, _ = assert_crossed(pair)
    row = AH_TRANSFORMS[integrity]
    (offer,) = offers_of(pair)
    assert f"id {row.ah_id}: authentication algorithm {row.attribute_id}" in offer
    assert len(mine.integrity_key_in) == row.key_size
    assert (mine.cipher, mine.protections[0].integrity) == ("none", integrity)


def test_ah_and_esp_with_different_integrity(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(phase2=suite("ah+esp", integrity="none", ah_integrity="sha1"))
    pair.handshake()
    mine, _ = assert_crossed(pair)
    assert [one.integrity for one in mine.protections] == ["sha1", "none"]
    assert [len(one.integrity_key_in) for one in mine.protections] == [20, 0]


@pytest.mark.covers("ipcomp:{compression}", "protocol:IPCOMP", by="self")
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression(make_pair: Callable[..., Any], compression: str) -> None:
    pair = make_pair(phase2=suite("esp+ipcomp", compression=compression))
    pair.handshake()
    mine, _ = assert_crossed(pair)
    assert mine.protections[1].compression == compression
    assert f"id {COMPRESSIONS[compression]}:" in offers_of(pair)[0]


@pytest.mark.covers("attr2:11", "feature:esn", by="self")
@pytest.mark.parametrize("protocol", SUITES)
def test_extended_sequence_numbers(make_pair: Callable[..., Any], protocol: str) -> None:
    """RFC 4304 3: the attribute stands in AH and ESP; who does not want it refuses it."""
    pair = make_pair(phase2=suite(protocol, esn=True))
    pair.handshake()
    assert all(event.esn for event in assert_crossed(pair))
    keyed = len([name for name in SUITES[protocol] if name != "ipcomp"])
    assert offers_of(pair)[0].count("extended sequence number 64-bit") == keyed
    other = make_pair(phase2=suite(protocol, esn=True), responder={"phase2": (suite(protocol),)})
    other.handshake()
    (rejected,) = other.of_responder(MessageRejected)
    assert rejected.divergence is not None
    assert rejected.divergence.name.endswith("extended sequence number")


def test_keymat_of_each_protocol() -> None:
    """RFC 2409 5.5: one KEYMAT for each protocol and SPI; none for IPComp, the salt included."""
    asked = []

    def keymat(protocol: Protocol, spi: bytes, size: int) -> bytes:
        asked.append((protocol, spi, size))
        return bytes([protocol, spi[-1]]) + bytes(range(2, size))

    algorithms = {"cipher": "aes256gcm16", "integrity": "none", "ah_integrity": "sha512"}
    proposal = suite("ah+esp+ipcomp", **algorithms)
    child = ChildNegotiation((proposal,), PHASE_2_NEGOTIATION, OwnSpis(lambda one: OURS[one]))
    child.answer(PHASE_2_NEGOTIATION.offer((proposal,), SPIS))
    ah, esp, ipcomp = child.protections(keymat)
    assert asked == [
        (Protocol.AH, OURS[Protocol.AH], 64),
        (Protocol.AH, SPIS[Protocol.AH], 64),
        (Protocol.ESP, OURS[Protocol.ESP], 36),
        (Protocol.ESP, SPIS[Protocol.ESP], 36),
    ]
    assert (ah.integrity_key_in[:2], ah.integrity_key_out[:2]) == (b"\2\1", b"\2\0")
    assert (esp.encryption_key_in[:2], esp.encryption_key_out[:2]) == (b"\3\1", b"\3\0")
    assert (ah.encryption_key_in, esp.integrity_key_in, ipcomp.integrity_key_in) == (b"",) * 3


def test_the_encryption_key_comes_first() -> None:
    """RFC 2401 4.4.3: of the octets of ESP's KEYMAT, then the integrity key."""
    proposal = suite("esp")
    child = ChildNegotiation((proposal,), PHASE_2_NEGOTIATION, OwnSpis(lambda one: OURS[one]))
    child.answer(PHASE_2_NEGOTIATION.offer((proposal,), SPIS))
    (esp,) = child.protections(lambda *asked: bytes(range(asked[2])))
    assert (esp.encryption_key_in, esp.integrity_key_in) == (bytes(range(16)), bytes(range(16, 48)))


# -- several suites in one offer ---------------------------------------------------------------

ORDERED = (suite("ah+esp"), suite("esp", cipher="aes256"), suite("esp"), suite("ah"))


@pytest.mark.parametrize("index", range(len(ORDERED)))
def test_any_suite_of_an_offer_can_be_chosen(make_pair: Callable[..., Any], index: int) -> None:
    """RFC 2408 4.2: in order of preference, one proposal number for each suite."""
    pair = make_pair(initiator={"phase2": ORDERED}, responder={"phase2": (ORDERED[index],)})
    pair.handshake()
    mine, _ = assert_crossed(pair)
    assert (mine.protocol, mine.cipher) == (ORDERED[index].protocol, ORDERED[index].cipher)
    (offer,) = offers_of(pair)
    for name in ("1 AH", "1 ESP", "2 ESP", "3 AH"):
        assert f"proposal {name} SPI" in offer
    assert "proposal 4" not in offer


def test_the_initiators_order_counts(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(
        initiator={"phase2": (suite("esp"), suite("ah+esp"))},
        responder={"phase2": (suite("ah+esp"), suite("esp"))},
    )
    pair.handshake()
    assert assert_crossed(pair)[0].protocol == "esp"


@pytest.mark.parametrize("first", ["esp+ipcomp", "esp"])
def test_compression_is_optional_where_both_say_so(
    make_pair: Callable[..., Any], first: str
) -> None:
    """RFC 3173 4: nobody must compress; a suite with IPComp is agreed on as a whole or not."""
    both = (suite("esp+ipcomp"), suite("esp"))
    pair = make_pair(initiator={"phase2": both}, responder={"phase2": (suite(first),)})
    pair.handshake()
    assert assert_crossed(pair)[0].protocol == first
    strict = make_pair(phase2=suite("esp+ipcomp"), responder={"phase2": (suite("esp"),)})
    strict.handshake()
    (rejected,) = strict.of_responder(MessageRejected)
    assert rejected.notify is NotifyType.NO_PROPOSAL_CHOSEN
    assert str(rejected.divergence).startswith("protocol differs: expected ESP, got ESP and IPCOMP")


@pytest.mark.parametrize(
    ("configured", "name"),
    [
        (suite("ah+esp", ah_integrity="sha1"), "AH transform"),
        (suite("ah+esp", cipher="3des"), "ESP transform"),
        (suite("ah+esp", mode="transport"), "AH encapsulation mode"),
        (suite("ah"), "protocol"),
        (suite("ah+esp+ipcomp"), "protocol"),
    ],
)
def test_a_refused_suite_is_explained(
    make_pair: Callable[..., Any], configured: Phase2Proposal, name: str
) -> None:
    pair = make_pair(phase2=suite("ah+esp"), responder={"phase2": (configured,)})
    pair.handshake()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.notify is NotifyType.NO_PROPOSAL_CHOSEN
    assert rejected.divergence is not None
    assert rejected.divergence.name == name
    (notify,) = pair.of_initiator(NotifyReceived)
    assert notify.protocol is Protocol.AH
    assert pair.of_initiator(ExchangeFailed)


# -- on the wire -------------------------------------------------------------------------------


def test_octets_of_a_bundle() -> None:
    """RFC 2408 3.5 and 3.6, RFC 2407 4.5: by hand, AH SHA AND ESP AES in tunnel mode."""
    configured = suite("ah+esp", ah_integrity="sha1", integrity="md5", lifetime_seconds=3600)
    ah, esp = PHASE_2_NEGOTIATION.offer((configured,), SPIS).proposals
    assert [(p.number, p.protocol, p.spi) for p in (ah, esp)] == [
        (1, Protocol.AH, SPIS[Protocol.AH]),
        (1, Protocol.ESP, SPIS[Protocol.ESP]),
    ]
    assert [(t.number, t.transform_id) for p in (ah, esp) for t in p.transforms] == [
        (1, 3),
        (1, 12),
    ]
    octets = [
        b"".join((0x8000 | a.type).to_bytes(2) + a.value for a in p.transforms[0].attributes)
        for p in (ah, esp)
    ]
    assert octets == [
        bytes.fromhex("80050002 80040001 80010001 80020e10"),
        bytes.fromhex("80060080 80050001 80040001 80010001 80020e10"),
    ]


def proposals_of(*configured: Phase2Proposal) -> tuple[Proposal, ...]:
    return PHASE_2_NEGOTIATION.offer(configured, SPIS).proposals


def test_a_responder_answers_each_protocol_with_one_transform() -> None:
    """RFC 2408 4.2: of several transforms each; the order of the protocols stays as offered."""
    wanted, other = suite("ah+esp"), suite("ah+esp", cipher="3des", ah_integrity="md5")
    ah, esp, ah_2, esp_2 = proposals_of(other, wanted)
    offer = SecurityAssociation(
        (
            replace(esp, number=7, transforms=esp.transforms + esp_2.transforms),
            replace(ah, number=7, transforms=ah.transforms + ah_2.transforms),
        )
    )
    agreement = PHASE_2_NEGOTIATION.choose(offer, (wanted,), OURS)
    assert [(p.number, p.protocol, p.spi, p.transforms) for p in agreement.sa.proposals] == [
        (7, Protocol.ESP, OURS[Protocol.ESP], esp_2.transforms),
        (7, Protocol.AH, OURS[Protocol.AH], ah_2.transforms),
    ]
    sent = PHASE_2_NEGOTIATION.offer((wanted,), SPIS)
    assert PHASE_2_NEGOTIATION.verify(sent, agreement.sa, (wanted,)).proposal == wanted


BUNDLE = suite("ah+esp+ipcomp")


Proposals = tuple[Proposal, ...]
SYNTAX, BAD_SPI = NotifyType.BAD_PROPOSAL_SYNTAX, NotifyType.INVALID_SPI


def other_id(proposal: Proposal) -> Proposal:
    """The proposal with another transform identifier."""
    return replace(proposal, transforms=(proposal.transforms[0]._replace(transform_id=3),))


def fewer(proposal: Proposal) -> Proposal:
    """The proposal without its transform's first attribute."""
    (transform,) = proposal.transforms
    return replace(proposal, transforms=(transform._replace(attributes=transform.attributes[1:]),))


# (what becomes of the answer's proposals, notify, what the divergence names)
BAD_ANSWERS: list[tuple[Callable[[Proposals], Proposals], NotifyType, str]] = [
    (lambda p: p[:2], SYNTAX, "protocol"),
    (lambda p: p[1:], SYNTAX, "protocol"),
    (lambda p: (*p, p[0]), SYNTAX, "protocol"),
    (lambda p: (*p[:2], replace(p[2], number=2)), SYNTAX, "SA payload"),
    (lambda p: (*p[:2], replace(p[2], transforms=())), SYNTAX, "SA payload"),
    (lambda p: (*p[:2], replace(p[2], transforms=2 * p[2].transforms)), SYNTAX, "SA payload"),
    (lambda p: (), SYNTAX, "SA payload"),  # noqa: ARG005 - whatever it was
    (lambda p: (p[0], replace(p[1], spi=b""), p[2]), BAD_SPI, ""),
    (lambda p: (*p[:2], replace(p[2], spi=b"\0\x40")), BAD_SPI, ""),
    (lambda p: (*p[:2], replace(p[2], spi=b"\1\2\3")), BAD_SPI, ""),
    (lambda p: (*p[:2], replace(p[2], spi=bytes(2))), BAD_SPI, ""),
    (lambda p: (*p[:2], other_id(p[2])), SYNTAX, "transform"),
    (lambda p: (fewer(p[0]), *p[1:]), SYNTAX, "authentication algorithm"),
]


@pytest.mark.parametrize(("change", "notify", "name"), BAD_ANSWERS)
def test_an_initiator_verifies_every_protocol(
    change: Callable[[Proposals], Proposals], notify: NotifyType, name: str
) -> None:
    """RFC 2408 4.2: the answer must be one of the suites that were sent."""
    offer = PHASE_2_NEGOTIATION.offer((BUNDLE,), SPIS)
    good = PHASE_2_NEGOTIATION.offer((BUNDLE,), OURS)
    assert PHASE_2_NEGOTIATION.verify(offer, good, (BUNDLE,)).proposal == BUNDLE
    with pytest.raises(PeerError) as caught:
        PHASE_2_NEGOTIATION.verify(
            offer, replace(good, proposals=change(good.proposals)), (BUNDLE,)
        )
    assert caught.value.notify is notify
    assert caught.value.fatal
    assert (caught.value.divergence.name if caught.value.divergence else "") == name


def test_transforms_of_two_suites_make_none() -> None:
    """Each suite was offered under a number of its own; a mixture was not."""
    one, other = suite("ah+esp"), suite("ah+esp", cipher="3des", ah_integrity="md5")
    ah, _, _, esp = proposals_of(one, other)
    mixture = SecurityAssociation((ah, replace(esp, number=1)))
    offer = PHASE_2_NEGOTIATION.offer((one, other), SPIS)
    with pytest.raises(PeerError) as caught:
        PHASE_2_NEGOTIATION.verify(offer, mixture, (one, other))
    assert caught.value.divergence is not None
    assert caught.value.divergence.name == "suite"


def test_separated_proposals_of_one_number_are_bad_syntax() -> None:
    """RFC 2408 4.2: they MUST NOT be separated by one with a different number."""
    ah, esp, alone = proposals_of(suite("ah+esp"), suite("esp"))
    with pytest.raises(PeerError) as caught:
        PHASE_2_NEGOTIATION.choose(SecurityAssociation((ah, alone, esp)), (suite("esp"),), SPIS)
    assert caught.value.notify is NotifyType.BAD_PROPOSAL_SYNTAX


# (CPI as the offer has it, the number it stands for; None where it is refused)
CPIS = [
    ("0100", 256),
    ("0000efff", 61439),
    ("12340100", 256),
    ("f000", 61440),
    ("0002", 2),
    ("0003", None),
    ("0040", None),
    ("00000000", None),
    ("01", None),
    ("", None),
]


@pytest.mark.parametrize(("cpi", "number"), CPIS)
def test_cpis(cpi: str, number: int | None) -> None:
    """RFC 3173 3.3 and 4.1: two octets or four, of which the upper two are ignored."""
    proposal = suite("esp+ipcomp")
    esp, ipcomp = proposals_of(proposal)
    offer = SecurityAssociation((esp, replace(ipcomp, spi=bytes.fromhex(cpi))))
    if number is None:
        with pytest.raises(PeerError):
            PHASE_2_NEGOTIATION.choose(offer, (proposal,), SPIS)
        return
    child = ChildNegotiation((proposal,), PHASE_2_NEGOTIATION, OwnSpis(lambda one: OURS[one]))
    assert [one.spi for one in child.answer(offer).proposals] == [b"\0\0\3\1", b"\4\1"]
    assert child.child(b"").spis[1] == (Protocol.IPCOMP, 0x401, number)


def test_ipcomp_minds_what_applies_to_it_alone() -> None:
    """RFC 3173 4.1: attributes of other protocols are ignored, and none of them must be there."""
    proposal = suite("esp+ipcomp", mode="transport", pfs="ecp256")
    esp, ipcomp = proposals_of(proposal)
    (transform,) = ipcomp.transforms
    surplus = (*transform.attributes, *esp.transforms[0].attributes[:2])
    for attributes in ((), surplus, transform.attributes[:1]):
        changed = replace(ipcomp, transforms=(transform._replace(attributes=attributes),))
        offer = SecurityAssociation((esp, changed))
        assert PHASE_2_NEGOTIATION.choose(offer, (proposal,), SPIS).proposal == proposal
    tunnel = suite("esp+ipcomp", pfs="ecp256")
    esp, _ = proposals_of(tunnel)
    with pytest.raises(PeerError) as caught:
        PHASE_2_NEGOTIATION.choose(SecurityAssociation((esp, changed)), (tunnel,), SPIS)
    assert caught.value.divergence is not None
    assert caught.value.divergence.name == "IPCOMP encapsulation mode"


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_ipcomp_in_udp(mode: str) -> None:
    """RFC 3173 4.1, RFC 3947 5.1: what is not said is transport mode, in UDP as outside of it."""
    proposal, negotiation = suite("esp+ipcomp", mode=mode), in_udp({"tunnel": 3, "transport": 4})
    esp, ipcomp = negotiation.offer((proposal,), SPIS).proposals
    bare = replace(ipcomp, transforms=(ipcomp.transforms[0]._replace(attributes=()),))
    for offered, taken in ((ipcomp, True), (bare, mode == "transport")):
        sa = SecurityAssociation((esp, offered))
        if taken:
            assert negotiation.choose(sa, (proposal,), SPIS).proposal == proposal
        else:
            with pytest.raises(PeerError):
                negotiation.choose(sa, (proposal,), SPIS)


# -- the end -----------------------------------------------------------------------------------


def test_deletes_name_every_protocol(make_pair: Callable[..., Any]) -> None:
    """RFC 2408 3.15: a Delete has SPIs of one protocol; the CPI has two octets."""
    pair = make_pair(phase2=BUNDLE)
    pair.handshake()
    mine, _ = assert_crossed(pair)
    pair.initiator.terminate(1.0)
    pair.deliver()
    ah, esp, ipcomp = mine.protections
    said = [
        m.payloads[1] for m in pair.of_initiator(MessageSent) if m.payloads[-1].startswith("D ")
    ]
    assert said[:3] == [
        f"D AH {ah.spi_in:08x}",
        f"D ESP {esp.spi_in:08x}",
        f"D IPCOMP {ipcomp.spi_in:04x}",
    ]
    (gone,) = pair.of_responder(ChildDeleted)
    assert (gone.protocol, gone.spi_out, gone.by_peer) == (BUNDLE.protocol, ah.spi_in, True)
    assert not pair.of_responder(MessageRejected)


@pytest.mark.parametrize("direction", ["in", "out"])
def test_traffic_of_a_bundle_counts_once(make_pair: Callable[..., Any], direction: str) -> None:
    """Its outermost SPI is what counts; a packet passes under every one of them."""
    quiet = {"lifetimes": LifetimePolicy(rekey=False)}
    pair = make_pair(phase2=suite("ah+esp", lifetime_kilobytes=1), initiator=quiet)
    pair.handshake()
    (mine,) = pair.of_initiator(ChildInstalled)
    for octets, stands in ((600, True), (600, False)):
        for one in mine.protections:
            pair.initiator.note_traffic(getattr(one, f"spi_{direction}"), octets, 1.0)
        pair.initiator.handle_timer(1.0)
        pair.deliver()
        assert bool(pair.of_initiator(ChildDeleted)) is not stands


def test_an_event_speaks_of_its_outermost_protocol(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(phase2=suite("ah+esp"))
    pair.handshake()
    (mine,) = pair.of_initiator(ChildInstalled)
    assert mine.spi_in == mine.protections[0].spi_in
    assert mine.integrity_key_out == mine.protections[0].integrity_key_out
    assert mine.encryption_key_in == mine.encryption_key_out == b""


def test_no_key_in_any_repr(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(phase2=suite("ah+esp"))
    pair.handshake()
    (mine,) = pair.of_initiator(ChildInstalled)
    text = repr(mine) + repr(vars(pair.initiator))
    for one in mine.protections:
        for key in (one.encryption_key_in, one.integrity_key_in, one.integrity_key_out):
            assert not key or (repr(key)[2:-1] not in text and key.hex() not in text)


REFUSED = [
    (lambda: suite("ah", cipher="aes128"), "encrypts nothing"),
    (lambda: suite("esp", ah_integrity="sha1"), "has no AH"),
    (lambda: suite("ah", ah_integrity="crc"), "integrity algorithm of AH"),
    (lambda: suite("ah", integrity="none"), "integrity algorithm of AH"),
    (lambda: suite("esp+ipcomp", compression="zip"), "compression"),
    (lambda: suite("esp", cipher="aes128gcm16"), "integrity is none"),
    (lambda: suite("esp", cipher="null", integrity="none"), "needs an integrity"),
    (lambda: suite("esp", cipher="aes128ctr", integrity="none"), "needs an integrity"),
    (lambda: suite("ipcomp+esp"), "protocol"),
]


@pytest.mark.parametrize(("build", "word"), REFUSED)
def test_suites_that_make_no_sense(build: Callable[[], object], word: str) -> None:
    with pytest.raises(LocalError, match=word):
        build()


def test_every_mac_of_esp_has_a_number_in_ah() -> None:
    assert set(ESP_INTEGRITY) <= set(AH_TRANSFORMS)
