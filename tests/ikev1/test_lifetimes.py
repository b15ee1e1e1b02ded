"""The life of SAs: limits, replacement with overlap, first contact, commit bit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conformance.ikev1 import status
from conformance.ikev1.attributes import PHASE_1, PHASE_2, encode_lifetimes
from conformance.ikev1.buffer import Writer
from conformance.ikev1.config import LifetimePolicy, Phase1Proposal, Phase2Proposal
from conformance.ikev1.constants import ExchangeType, NotifyType, Protocol
from conformance.ikev1.errors import PeerError
from conformance.ikev1.events import (
    ChildDeleted,
    ChildInstalled,
    ExchangeFailed,
    IsakmpDeleted,
    IsakmpEstablished,
    LifetimeReached,
    MessageReceived,
    MessageRejected,
    MessageSent,
    NotifyReceived,
)
from conformance.ikev1.lifetimes import Due, Lives
from conformance.ikev1.payloads import Notification
from conformance.ikev1.status import Lifetimes

if TYPE_CHECKING:
    from collections.abc import Callable

PHASE1 = Phase1Proposal("aes128", "sha256", "ecp256", lifetime_seconds=10000)
PHASE2 = Phase2Proposal("aes128", "sha256", "tunnel", None, lifetime_seconds=100)
POLICY = LifetimePolicy(soft=0.9, overlap=5.0, retry=30.0)
PATIENT = replace(POLICY, soft=0.99)


def advance(pair: Any, until: float, tamper: Any = lambda _, data: [data]) -> None:
    """Let the timers of both ends fire at their own times."""
    while True:
        both = (pair.initiator.get_timer(), pair.responder.get_timer())
        timers = [timer for timer in both if timer is not None]
        if not timers or min(timers) > until:
            break
        pair.now = max(pair.now, min(timers))
        pair.initiator.handle_timer(pair.now)
        pair.responder.handle_timer(pair.now)
        pair.deliver(tamper)
    pair.now = until


def standing(events: Callable[[type], list[Any]]) -> set[tuple[int, int]]:
    """Pairs of SAs that an end installed and did not delete."""
    gone = {(event.spi_in, event.spi_out) for event in events(ChildDeleted)}
    return {(event.spi_in, event.spi_out) for event in events(ChildInstalled)} - gone


def assert_same_pair_stands(pair: Any) -> None:
    """Each end holds one pair of SAs, and it is the same."""
    ((mine, yours),) = standing(pair.of_initiator)
    assert standing(pair.of_responder) == {(yours, mine)}


def policies(initiator: LifetimePolicy | None, responder: LifetimePolicy | None) -> dict[str, Any]:
    """Overrides for both ends."""
    return {"initiator": {"lifetimes": initiator}, "responder": {"lifetimes": responder}}


WHO = [(POLICY, None), (None, POLICY), (POLICY, PATIENT), (PATIENT, POLICY), (POLICY, POLICY)]
WHO_IDS = ["initiator", "responder", "initiator-first", "responder-first", "both-at-once"]


@pytest.mark.covers("feature:rekey", by="self")
@pytest.mark.parametrize(("initiator", "responder"), WHO, ids=WHO_IDS)
def test_child_is_replaced_with_overlap(
    make_pair: Callable[..., Any],
    initiator: LifetimePolicy | None,
    responder: LifetimePolicy | None,
) -> None:
    """A new pair before the old one's end; the old one goes after the overlap, at both ends."""
    pair = make_pair(PHASE1, PHASE2, **policies(initiator, responder))
    pair.handshake()
    advance(pair, 92.0)
    assert len(standing(pair.of_initiator)) >= 2, "old and new stand beside each other"
    assert not pair.of_initiator(ChildDeleted)
    advance(pair, 100.0)
    assert_same_pair_stands(pair)
    gone = {event.spi_in for event in pair.of_initiator(ChildDeleted)}
    assert pair.of_initiator(ChildInstalled)[0].spi_in in gone
    advance(pair, 1000.0)
    assert standing(pair.of_initiator)
    assert not pair.of_initiator(ExchangeFailed) + pair.of_responder(ExchangeFailed)
    assert not pair.of_initiator(MessageRejected) + pair.of_responder(MessageRejected)


# Both name a pair by the SPIs that they receive by; what the larger of each pair is decides.
SUCCESSORS = [((9, 1), (8, 7)), ((8, 7), (9, 1)), ((1, 9), (7, 8)), ((5, 3), (2, 5))]


@pytest.mark.covers("feature:rekey", by="self")
@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize(("ours", "theirs"), SUCCESSORS)
def test_of_two_successors_the_larger_stays(
    ours: tuple[int, int],
    theirs: tuple[int, int],
    mirrored: bool,  # noqa: FBT001
) -> None:
    """Whoever began it, in whatever order they came, and seen from either end."""
    limits, lives = Lifetimes(100, None), Lives[int](POLICY)
    lives.begin(100, (100, 101), limits, 0.0, is_answer=False)
    assert lives.due(90.0) == [(100, Due.REPLACE)]
    for key, is_answer in ((ours, False), (theirs, True)):
        seen = key[::-1] if mirrored else key
        replaced = None if is_answer else 100
        lives.begin(seen[0], seen, limits, 90.0, is_answer=is_answer, replaces=replaced)
    step = -1 if mirrored else 1
    larger, smaller = sorted((ours, theirs), key=lambda key: sorted(key)[::-1], reverse=True)
    due = lives.due(95.0)
    assert sorted(due) == sorted([(100, Due.RETIRE), (smaller[::step][0], Due.RETIRE)])
    for name, _ in due:
        lives.end(name)
    assert list(lives.lives) == [larger[::step][0]]
    assert lives.get_timer() == 90.0 + 90.0


def test_both_ends_keep_the_larger_pair(make_pair: Callable[..., Any]) -> None:
    """Both begin to replace it at once; of the two new pairs the larger stands."""
    pair = make_pair(PHASE1, PHASE2, **policies(POLICY, POLICY))
    pair.handshake()
    advance(pair, 99.0)
    old, *new = pair.of_initiator(ChildInstalled)
    assert [one.role for one in new] != [old.role] * 2
    assert len(new) == 2
    pairs = [tuple(sorted((one.spi_in, one.spi_out), reverse=True)) for one in new]
    ((mine, yours),) = standing(pair.of_initiator)
    assert tuple(sorted((mine, yours), reverse=True)) == max(pairs)


def test_replaces_names_the_old_pair(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(PHASE1, PHASE2, **policies(POLICY, None))
    pair.handshake()
    advance(pair, 99.0)
    first, second = pair.of_initiator(ChildInstalled)
    assert (first.replaces, second.replaces) == (None, first.spi_in)
    reached = [(event.spi, event.consequence) for event in pair.of_initiator(LifetimeReached)]
    spi = first.spi_in.to_bytes(4)
    assert reached == [(spi, "replace"), (spi, "retire")]
    assert spi.hex() in str(pair.of_initiator(LifetimeReached)[0])


@pytest.mark.covers("life:2", "feature:rekey", by="self")
@pytest.mark.parametrize("outbound", [True, False])
def test_kilobytes_count_as_seconds_do(make_pair: Callable[..., Any], outbound: bool) -> None:  # noqa: FBT001
    """Soft after nine tenths of the octets, hard after all of them."""
    small = replace(PHASE2, lifetime_kilobytes=10)
    pair = make_pair(PHASE1, small, **policies(POLICY, None))
    pair.handshake()
    (first,) = pair.of_initiator(ChildInstalled)
    assert first.lifetime_kilobytes == 10
    spi = first.spi_out if outbound else first.spi_in
    pair.initiator.note_traffic(spi, 9 * 1024 - 1, 1.0)
    pair.now = 1.0
    advance(pair, 1.0)
    assert len(pair.of_initiator(ChildInstalled)) == 1
    pair.initiator.note_traffic(spi, 300, 2.0)
    pair.now = 2.0
    advance(pair, 2.0)
    assert len(pair.of_initiator(ChildInstalled)) == 2
    pair.initiator.note_traffic(spi, 1024, 3.0)
    pair.now = 3.0
    advance(pair, 3.0)
    assert_same_pair_stands(pair)


@pytest.mark.covers("feature:rekey", by="self")
def test_our_own_limit_in_octets_needs_no_agreement(make_pair: Callable[..., Any]) -> None:
    """It replaces, and ends nothing; the successor counts anew."""
    pair = make_pair(PHASE1, PHASE2, **policies(replace(POLICY, soft_octets=5000), None))
    pair.handshake()
    (first,) = pair.of_initiator(ChildInstalled)
    assert first.lifetime_kilobytes is None
    for now, octets, stand in ((1.0, 4999, 1), (2.0, 1, 2), (3.0, 4999, 2)):
        pair.initiator.note_traffic(pair.of_initiator(ChildInstalled)[-1].spi_out, octets, now)
        pair.now = now
        advance(pair, now)
        assert len(pair.of_initiator(ChildInstalled)) == stand


def test_without_rekeying_it_expires(make_pair: Callable[..., Any]) -> None:
    """At the hard limit the SAs go, with a Delete to the peer."""
    pair = make_pair(PHASE1, PHASE2, **policies(replace(POLICY, rekey=False), None))
    pair.handshake()
    advance(pair, 99.9)
    assert_same_pair_stands(pair)
    advance(pair, 100.0)
    assert standing(pair.of_initiator) == standing(pair.of_responder) == set()
    assert [event.by_peer for event in pair.of_responder(ChildDeleted)] == [True]


def test_a_replacement_that_fails_is_tried_again(make_pair: Callable[..., Any]) -> None:
    """The first Quick Mode is lost altogether; the second is in time."""
    longer = replace(PHASE2, lifetime_seconds=1000)
    pair = make_pair(PHASE1, longer, **policies(POLICY, None))
    pair.handshake()
    advance(pair, 925.0, lambda _, __: [])
    assert [event.exchange for event in pair.of_initiator(ExchangeFailed)] == [
        ExchangeType.QUICK_MODE
    ]
    advance(pair, 940.0)
    assert_same_pair_stands(pair)
    assert len(pair.of_initiator(ChildInstalled)) == 2


@pytest.mark.covers("feature:reauth", by="self")
@pytest.mark.parametrize(("initiator", "responder"), WHO, ids=WHO_IDS)
def test_isakmp_sa_is_authenticated_anew(
    make_pair: Callable[..., Any],
    initiator: LifetimePolicy | None,
    responder: LifetimePolicy | None,
) -> None:
    """A new phase 1 without a Quick Mode; the old SA goes after the overlap, children stay."""
    short, long = replace(PHASE1, lifetime_seconds=100), replace(PHASE2, lifetime_seconds=5000)
    pair = make_pair(short, long, **policies(initiator, responder))
    pair.handshake()
    advance(pair, 104.0)
    for events in (pair.of_initiator, pair.of_responder):
        gone = {event.cookie_i for event in events(IsakmpDeleted)}
        made = [event.cookie_i for event in events(IsakmpEstablished)]
        assert made[0] in gone
        assert len(set(made) - gone) == 1
    assert_same_pair_stands(pair)
    assert len(pair.of_initiator(ChildInstalled)) == 1
    pair.initiator.start_quick_mode(104.0)
    pair.deliver()
    assert len(pair.of_responder(ChildInstalled)) == 2


# -- how limits are said -----------------------------------------------------------------------

ENCODED = [
    ((PHASE_1, 28800, None, False), "800b0001 800c7080"),
    ((PHASE_1, 86400, None, False), "800b0001 000c0004 00015180"),
    ((PHASE_2, 3600, None, True), "80010001 00020004 00000e10"),
    ((PHASE_2, 3600, 4608000, False), "80010001 80020e10 80010002 00020004 00465000"),
    ((PHASE_2, None, 5, False), "80010002 80020005"),
]


@pytest.mark.covers("life:1", "life:2", "attr1:11", "attr1:12", "attr2:1", "attr2:2", by="self")
@pytest.mark.parametrize(("arguments", "octets"), ENCODED)
def test_lifetime_attributes(arguments: Any, octets: str) -> None:
    """RFC 2407 4.5: a type before each duration, TV where it fits and TLV where it does not."""
    table, seconds, kilobytes, variable = arguments
    attributes = encode_lifetimes(table, seconds, kilobytes, variable=variable)
    writer = Writer()
    for attribute in attributes:
        attribute.write(writer)
    assert writer.data == bytes.fromhex(octets)
    assert status.read_lifetimes(table, attributes) == (seconds, kilobytes)


@pytest.mark.covers("life:1", "life:2", "attr2:2", by="self")
@pytest.mark.parametrize("variable", [True, False])
def test_agreed_in_either_form(make_pair: Callable[..., Any], variable: bool) -> None:  # noqa: FBT001
    """The responder returns what was offered, in its own form, though it would send another."""
    limits = {"lifetime_seconds": 50000, "lifetime_kilobytes": 4000}
    forms = [replace(PHASE2, lifetime_variable=form, **limits) for form in (variable, not variable)]
    pair = make_pair(initiator={"phase2": (forms[0],)}, responder={"phase2": (forms[1],)})
    pair.handshake()
    for events in (pair.of_initiator, pair.of_responder):
        (child,) = events(ChildInstalled)
        assert (child.lifetime_seconds, child.lifetime_kilobytes) == (50000, 4000)


@pytest.mark.covers("notify:24576", "feature:responder-lifetime", by="self")
def test_responder_lifetime_in_both_phases(make_pair: Callable[..., Any]) -> None:
    """RFC 2407 4.6.3.1: the initiator keeps to what the responder says it will."""
    theirs = replace(PHASE2, lifetime_seconds=60, lifetime_kilobytes=7)
    pair = make_pair(
        PHASE1,
        PHASE2,
        initiator={"lifetimes": replace(POLICY, rekey=False)},
        responder={
            "phase1": (replace(PHASE1, lifetime_seconds=500),),
            "phase2": (theirs,),
            "responder_lifetime": True,
        },
    )
    pair.handshake()
    (child,) = pair.of_initiator(ChildInstalled)
    assert (child.lifetime_seconds, child.lifetime_kilobytes) == (60, 7)
    said = pair.of_initiator(NotifyReceived)
    assert [(e.notify_type, e.protocol) for e in said] == [
        (NotifyType.RESPONDER_LIFETIME, Protocol.ISAKMP),
        (NotifyType.RESPONDER_LIFETIME, Protocol.ESP),
    ]
    assert said[0].data == bytes.fromhex("800b0001800c01f4")
    assert said[1].spi == child.spi_out.to_bytes(4)
    advance(pair, 499.0)
    assert not pair.of_initiator(IsakmpDeleted)
    advance(pair, 500.0)
    assert pair.of_initiator(IsakmpDeleted)


def test_responder_lifetime_only_where_it_differs(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(PHASE1, PHASE2, responder={"responder_lifetime": True})
    pair.handshake()
    assert not pair.of_initiator(NotifyReceived)


@pytest.mark.covers("notify:24577", by="self")
@pytest.mark.parametrize("enabled", [True, False, None])
def test_replay_status(make_pair: Callable[..., Any], enabled: bool | None) -> None:  # noqa: FBT001
    pair = make_pair(responder={"replay_status": enabled})
    pair.handshake()
    (child,) = pair.of_initiator(ChildInstalled)
    assert child.peer_replay_detection is enabled


@pytest.mark.parametrize("data", [b"", b"\0\0\0\2", b"\0\0\1", bytes(5)])
def test_malformed_replay_status(data: bytes) -> None:
    with pytest.raises(PeerError, match="REPLAY-STATUS"):
        status.replay_detection([Notification(NotifyType.REPLAY_STATUS, Protocol.ESP, b"", data)])


def test_every_truncation_of_responder_lifetime() -> None:
    """A prefix is refused or says less; it never says something else."""
    whole = Lifetimes(86400, 7)
    good = status.responder_lifetime(PHASE_2, Protocol.ESP, b"\0\0\1\0", whole)
    for size in range(len(good.data)):
        try:
            cut = replace(good, data=good.data[:size])
            read = status.responder_lifetimes(PHASE_2, [cut], Protocol.ESP)
        except PeerError:
            continue
        assert read in {Lifetimes(None, None), Lifetimes(86400, None)}
    assert status.responder_lifetimes(PHASE_2, [good], Protocol.ESP) == whole
    assert status.responder_lifetimes(PHASE_2, [good], Protocol.AH) == (None, None)


# -- first contact -----------------------------------------------------------------------------


@pytest.mark.covers("notify:24578", "feature:initial-contact", by="self")
@pytest.mark.parametrize("exchange", ["main", "aggressive"])
def test_initial_contact(make_pair: Callable[..., Any], exchange: str) -> None:
    """A peer that has lost everything says so, and what we held with it goes."""
    common = {"exchange": exchange}
    first = make_pair(initiator={"initial_contact": True, **common}, responder=common)
    first.handshake()
    again = make_pair(initiator={"initial_contact": True, **common}, responder=common)
    again.initiator.initiate(50.0)
    again.initiator.datagrams_to_send(50.0)
    again.initiator.terminate(50.0)
    again.responder, again.now = first.responder, 50.0
    again.initiator.initiate(50.0)
    again.deliver()
    (lost,) = first.of_responder(ChildInstalled)
    (gone,) = again.of_responder(ChildDeleted)
    assert (gone.spi_in, gone.by_peer) == (lost.spi_in, False)
    (isakmp,) = again.of_responder(IsakmpDeleted)
    assert isakmp.cookie_i == first.of_responder(IsakmpEstablished)[0].cookie_i
    said = again.of_responder(NotifyReceived)
    assert [e.notify_type for e in said] == [NotifyType.INITIAL_CONTACT]
    assert said[0].protected
    assert len(said[0].spi) == 16
    assert len(again.of_responder(ChildInstalled)) == 1


def test_initial_contact_is_said_once(make_pair: Callable[..., Any]) -> None:
    """Whoever holds an SA with the peer does not say that it has none."""
    pair = make_pair(initiator={"initial_contact": True})
    pair.handshake()
    pair.handshake()
    assert len(pair.of_responder(NotifyReceived)) == 1
    assert not pair.of_responder(ChildDeleted)


# -- commit bit --------------------------------------------------------------------------------

MINOR_VERSION = 17
"""Its octet in the header."""
COMMITS = ["informational", "quick-mode"]


@pytest.mark.covers("notify:16384", "feature:commit", by="self")
@pytest.mark.parametrize("commit", COMMITS)
def test_commit_bit(make_pair: Callable[..., Any], commit: str) -> None:
    """RFC 2408 3.1: the initiator installs upon CONNECTED, which has the message ID of the SA."""
    pair = make_pair(responder={"commit": commit})
    pair.handshake(lambda number, data: [] if number == 10 else [data])
    assert not pair.of_initiator(ChildInstalled)
    assert pair.of_responder(ChildInstalled)
    pair.pass_time()
    assert_same_pair_stands(pair)
    (child,) = pair.of_initiator(ChildInstalled)
    (said,) = pair.of_initiator(NotifyReceived)
    assert (said.notify_type, said.message_id) == (NotifyType.CONNECTED, child.message_id)
    kind = {"informational": ExchangeType.INFORMATIONAL, "quick-mode": ExchangeType.QUICK_MODE}
    assert said.exchange is kind[commit]
    quick = [e for e in pair.of_responder(MessageSent) if e.exchange is ExchangeType.QUICK_MODE]
    assert all(event.datagram[19] & 2 for event in quick)


@pytest.mark.parametrize("commit", COMMITS)
@pytest.mark.parametrize("change", ["truncated", "flipped"])
def test_damaged_connected(make_pair: Callable[..., Any], commit: str, change: str) -> None:
    """Whatever became of the tenth message, only the whole of it installs anything."""
    pair = make_pair(responder={"commit": commit})
    pair.handshake(lambda number, data: [] if number == 10 else [data])
    good = pair.sent[9]
    for index in range(len(good)):
        if (change, index) == ("flipped", MINOR_VERSION):
            continue  # which nothing authenticates, and which changes nothing
        bad = (
            good[:index]
            if change == "truncated"
            else bytes(octet ^ (index == place) for place, octet in enumerate(good))
        )
        pair.initiator.receive_datagram(bad, ("10.0.0.2", 500), 0.0)
        pair.initiator.datagrams_to_send(0.0)
    pair.deliver()
    assert not pair.of_initiator(ChildInstalled)
    assert pair.of_initiator(MessageRejected)
    quick = ExchangeType.QUICK_MODE
    ended = [e for e in pair.of_initiator(ExchangeFailed) if e.exchange is quick]
    failed = [event.reason for event in ended]
    if failed:
        assert (commit, change) == ("quick-mode", "flipped")
        assert "HASH(4) differs" in failed[0]
        return
    pair.initiator.receive_datagram(good, ("10.0.0.2", 500), 0.0)
    pair.deliver()
    assert_same_pair_stands(pair)


def test_connected_never_comes(make_pair: Callable[..., Any]) -> None:
    """The wait ends with a reason, not with SAs."""
    pair = make_pair(responder={"commit": "informational"})
    pair.handshake(lambda number, data: [] if number >= 10 else [data])
    pair.pass_time(lambda _, __: [])
    assert pair.of_initiator(ExchangeFailed)
    assert not pair.of_initiator(ChildInstalled)
    assert any(event.repeated for event in pair.of_initiator(MessageSent))
    assert not pair.of_responder(MessageReceived)[9:]
