"""Several SA payloads in one Quick Mode, and what becomes of bundles (RFC 2409 5.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.ikev1.config import Phase2Proposal
from conformance.ikev1.constants import ExchangeType, NotifyType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildDeleted,
    ChildInstalled,
    ExchangeFailed,
    MessageRejected,
    MessageSent,
    NotifyReceived,
)
from conformance.ikev1.policies import LifetimePolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ESP = Phase2Proposal("aes128", "sha256", "tunnel", None)
AH = Phase2Proposal("none", "sha1", "transport", None, "ah")
BUNDLE = Phase2Proposal("aes256gcm16", "none", "tunnel", None, "ah+esp+ipcomp", ah_integrity="md5")
HANDSHAKE = 9
"""Datagrams of an undisturbed handshake."""


def several(pfs: str | None = None, **changes: Any) -> dict[str, Any]:
    """A configuration with three SA payloads."""
    one, two, three = (replace(proposal, pfs=pfs, **changes) for proposal in (ESP, AH, BUNDLE))
    return {"phase2": (one,), "phase2_further": ((two,), (three,))}


def quick_messages(events: list[MessageSent]) -> list[MessageSent]:
    return [one for one in events if one.exchange is ExchangeType.QUICK_MODE]


@pytest.mark.covers("exchange:32", "feature:several-sas", by="self")
@pytest.mark.parametrize("pfs", [None, "ecp256"])
def test_three_at_once(make_pair: Callable[..., Any], pfs: str | None) -> None:
    """One exchange, one nonce and at most one KE each way; six SAs or bundles come of it."""
    pair = make_pair(initiator=several(pfs), responder=several(pfs))
    pair.handshake()
    mine, yours = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert [event.protocol for event in mine] == ["esp", "ah", "ah+esp+ipcomp"]
    keys = set()
    for here, there in zip(mine, yours, strict=True):
        for one, other in zip(here.protections, there.protections, strict=True):
            assert (one.spi_in, one.spi_out) == (other.spi_out, other.spi_in)
            assert one.encryption_key_in == other.encryption_key_out
            assert one.integrity_key_out == other.integrity_key_in
            keys |= {one.integrity_key_in, one.integrity_key_out, one.encryption_key_in}
    assert len(keys - {b""}) == 2 * 3 + 2
    types = [line.split()[0] for line in quick_messages(pair.of_initiator(MessageSent))[0].payloads]
    assert types == ["HASH", "SA", "SA", "SA", "NONCE", *(["KE"] if pfs else []), "ID", "ID"]
    assert len(pair.sent) == HANDSHAKE
    pair.initiator.terminate(1.0)
    pair.deliver()
    assert len(pair.of_responder(ChildDeleted)) == len(pair.of_initiator(ChildDeleted)) == 3
    assert not pair.of_responder(MessageRejected)


def test_a_responder_takes_what_it_is_configured_for_anywhere(
    make_pair: Callable[..., Any],
) -> None:
    """It need not know how many, nor in which order."""
    pair = make_pair(
        initiator={"phase2": (AH,), "phase2_further": ((ESP,), (ESP,))},
        responder={"phase2": (ESP, AH)},
    )
    pair.handshake()
    mine, yours = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert [event.protocol for event in mine] == ["ah", "esp", "esp"]
    assert [event.spi_in for event in mine] == [event.spi_out for event in yours]


def test_one_that_is_refused_refuses_all(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(initiator=several(), responder={"phase2": (ESP,), "phase2_further": ((AH,),)})
    pair.handshake()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.notify is NotifyType.NO_PROPOSAL_CHOSEN
    assert not pair.of_responder(ChildInstalled) + pair.of_initiator(ChildInstalled)
    assert pair.of_initiator(ExchangeFailed)


def test_a_replacement_offers_what_it_replaces(make_pair: Callable[..., Any]) -> None:
    """Each pair lives and is replaced by itself, from whichever SA payload it came."""
    policy = {"lifetimes": LifetimePolicy(soft=0.5, overlap=1.0)}
    further = (replace(AH, lifetime_seconds=100),)
    config = {"phase2": (ESP,), "phase2_further": (further,), **policy}
    quiet = {**config, "lifetimes": LifetimePolicy(rekey=False)}
    pair = make_pair(initiator=config, responder=quiet)
    pair.handshake()
    pair.now = 50.0
    pair.initiator.handle_timer(50.0)
    pair.deliver()
    esp, ah, again = pair.of_initiator(ChildInstalled)
    assert (esp.protocol, ah.protocol, again.protocol) == ("esp", "ah", "ah")
    assert again.replaces == ah.spi_in
    offer = quick_messages(pair.of_initiator(MessageSent))[-2].payloads
    assert [line.split()[0] for line in offer][:3] == ["HASH", "SA", "NONCE"]
    pair.now = 51.0
    pair.initiator.handle_timer(51.0)
    pair.deliver()
    assert [event.spi_out for event in pair.of_responder(ChildDeleted)] == [ah.spi_in]


def test_lifetimes_of_each(make_pair: Callable[..., Any]) -> None:
    """RFC 2407 4.6.3.1: a RESPONDER-LIFETIME speaks of the SA whose SPI it names."""
    theirs = {
        "phase2": (replace(ESP, lifetime_seconds=70),),
        "phase2_further": ((AH,), (replace(BUNDLE, lifetime_seconds=80, lifetime_kilobytes=9),)),
        "responder_lifetime": True,
    }
    pair = make_pair(initiator=several(), responder=theirs)
    pair.handshake()
    limits = [(e.lifetime_seconds, e.lifetime_kilobytes) for e in pair.of_initiator(ChildInstalled)]
    assert limits == [(70, None), (3600, None), (80, 9)]
    said = pair.of_initiator(NotifyReceived)
    assert [event.protocol.label for event in said] == ["ESP", "AH", "ESP"]


@pytest.mark.parametrize("commit", ["informational", "quick-mode"])
def test_with_the_commit_bit(make_pair: Callable[..., Any], commit: str) -> None:
    pair = make_pair(initiator=several(), responder={**several(), "commit": commit})
    pair.handshake()
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 3


@pytest.mark.parametrize("lost", range(1, HANDSHAKE + 1))
def test_one_lost_datagram(make_pair: Callable[..., Any], lost: int) -> None:
    pair = make_pair(initiator=several(), responder=several())
    pair.handshake(lambda number, data: [] if number == lost else [data])
    pair.pass_time()
    mine, yours = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert len(mine) == len(yours) == 3
    assert [event.spi_in for event in mine] == [event.spi_out for event in yours]


def test_every_datagram_twice(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(initiator=several(), responder=several())
    pair.handshake(lambda number, data: [data] * (2 if number < 40 else 1))
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 3


@given(st.integers(7, 9), st.integers(28, 700), st.none() | st.integers(0, 255))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damage_is_never_installed(
    make_pair: Callable[..., Any], message: int, place: int, octet: int | None
) -> None:
    """A changed or truncated Quick Mode message is rejected and repeated; nothing is raised."""

    def tamper(number: int, data: bytes) -> Iterable[bytes]:
        if number != message or place >= len(data):
            return [data]
        rest = b"" if octet is None else bytes([octet]) + data[place + 1 :]
        return [data[:place] + rest, data]

    pair = make_pair(initiator=several(), responder=several())
    pair.handshake(tamper)
    pair.pass_time()
    mine, yours = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert len(mine) in {0, 3}
    if mine and yours:
        assert [event.spi_in for event in mine] == [event.spi_out for event in yours]


# -- bundles stand and fall as a unit ----------------------------------------------------------


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_delete_of_any_protocol_removes_the_bundle(
    make_pair: Callable[..., Any], kept: int
) -> None:
    """What was agreed on as a unit cannot be used in part (RFC 2408 3.15 and 4.2)."""
    pair = make_pair(phase2=BUNDLE)
    pair.handshake()
    pair.initiator.terminate(1.0)
    pair.deliver(lambda number, data: [data] if number == HANDSHAKE + kept else [])
    (gone,) = pair.of_responder(ChildDeleted)
    (child,) = pair.of_responder(ChildInstalled)
    assert (gone.spi_in, gone.spi_out) == (child.spi_in, child.spi_out)
    assert gone.by_peer
    assert not pair.of_responder(MessageRejected)


def test_an_answer_without_one_of_the_protocols(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(phase2=BUNDLE, responder_deviations=("missing-protocol",))
    pair.handshake()
    (rejected, *_) = pair.of_initiator(MessageRejected)
    assert rejected.notify is NotifyType.BAD_PROPOSAL_SYNTAX
    assert str(rejected.divergence).startswith(
        "protocol differs: expected AH and ESP and IPCOMP, got ESP and IPCOMP"
    )
    assert not pair.of_initiator(ChildInstalled)


def test_an_answer_that_drops_compression_may_be_another_offer(
    make_pair: Callable[..., Any],
) -> None:
    """What is left is taken where it was offered too, under whichever number (RFC 2408 4.2)."""
    packed = Phase2Proposal("aes128", "md5", "tunnel", None, "ah+esp", ah_integrity="sha1")
    alone = replace(packed, protocol="esp", ah_integrity=None)
    pair = make_pair(
        initiator={"phase2": (packed, alone)},
        responder={"phase2": (packed,)},
        responder_deviations=("missing-protocol",),
    )
    pair.handshake()
    (child,) = pair.of_initiator(ChildInstalled)
    assert (child.protocol, len(child.protections)) == ("esp", 1)


def test_configurations_that_are_refused(make_pair: Callable[..., Any]) -> None:
    with pytest.raises(LocalError, match="1 to 8 SA payloads"):
        make_pair(initiator={"phase2_further": ((ESP,),) * 8})
    with pytest.raises(LocalError, match="1 to 8 SA payloads"):
        make_pair(initiator={"phase2_further": ((),)})
    with pytest.raises(LocalError, match="same PFS group"):
        make_pair(initiator={"phase2_further": ((replace(ESP, pfs="ecp256"),),)})
