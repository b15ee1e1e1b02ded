"""SAs as they grow old: rekeying under traffic, limits in kilobytes, hard ends, silent peers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from conformance.peer.timer import PAUSE, Timer

if TYPE_CHECKING:
    from conftest import End, Pair


def children(end: End) -> list[dict[str, Any]]:
    return list(end.call("sas", name="c")["children"])


def told(end: End, name: str) -> list[dict[str, Any]]:
    """The events of a name."""
    return [one for one in end.call("events", name="c")["events"] if one["event"] == name]


@pytest.mark.covers("life:seconds", by="self")
def test_an_sa_is_replaced_and_traffic_goes_on(pair: Pair) -> None:
    """The successor carries what leaves; the old one still receives until it is deleted."""
    policy = {"soft": 0.2, "overlap": 0.3, "retry": 5}
    pair.establish(phase2={"lifetime_seconds": 4}, lifetimes=policy, bob={"lifetimes": None})
    (first,) = children(pair.alice)
    assert pair.eventually(lambda: len(children(pair.alice)) == 2)
    old, new = children(pair.alice)
    assert (old["spi_in"], new["replaces"]) == (first["spi_in"], first["spi_in"])
    assert pair.alice.call("ping", name="c") == {"sent": 1, "received": 1}
    by_spi = {one["spi_in"]: one for one in children(pair.alice)}
    assert by_spi[new["spi_in"]]["packets_out"] == 1
    assert pair.eventually(lambda: old not in children(pair.alice))
    assert pair.eventually(lambda: len(children(pair.bob)) < 2)
    assert pair.alice.call("ping", name="c") == {"sent": 1, "received": 1}
    (reached, *_) = told(pair.alice, "LifetimeReached")
    assert (reached["spi"], reached["consequence"]) == (f"{first['spi_in']:08x}", "replace")


def test_the_old_sa_still_receives_while_it_stands(pair: Pair) -> None:
    """What was on its way when the successor came is not lost."""
    late: list[bytes] = []
    pair.wire.bend = lambda packet: late.append(packet) or [] if not late else [packet]
    policy = {"soft": 0.2, "overlap": 3, "retry": 5}
    pair.establish(phase2={"lifetime_seconds": 4}, lifetimes=policy, bob={"lifetimes": None})
    assert pair.alice.call("ping", name="c", timeout=0.1)["received"] == 0
    assert pair.eventually(lambda: len(children(pair.bob)) == 2)
    pair.wire.bend = lambda packet: [*late, packet]
    assert pair.alice.call("ping", name="c") == {"sent": 1, "received": 1}
    old, new = children(pair.bob)
    assert (old["packets_in"], old["packets_out"]) == (1, 0)
    assert (new["packets_in"], new["packets_out"]) == (1, 2)


@pytest.mark.covers("life:kilobytes", by="self")
def test_kilobytes_end_an_sa(pair: Pair) -> None:
    """Both directions count together, by inner packets (RFC 2407 4.5)."""
    policy = {"rekey": False}
    pair.establish(phase2={"lifetime_kilobytes": 2}, lifetimes=policy)
    pair.alice.call("ping", name="c", count=1, size=500)
    assert len(children(pair.alice)) == 1
    pair.alice.call("ping", name="c", count=1, size=500)
    for end in (pair.alice, pair.bob):
        assert pair.eventually(lambda end=end: not children(end))  # type: ignore[misc]
    reached = told(pair.alice, "LifetimeReached") + told(pair.bob, "LifetimeReached")
    assert {one["consequence"] for one in reached} == {"expire"}


def test_kilobytes_replace_an_sa(pair: Pair) -> None:
    pair.establish(phase2={"lifetime_kilobytes": 4}, lifetimes={"soft": 0.5, "overlap": 0.1})
    (first,) = children(pair.alice)
    for _ in range(2):
        pair.alice.call("ping", name="c", size=600)
    for end in (pair.alice, pair.bob):
        assert pair.eventually(
            lambda end=end: (
                [one["spi_in"] for one in children(end)]  # type: ignore[misc]
                not in ([first["spi_in"]], [first["spi_out"]])
            )
        )
    assert pair.bob.call("ping", name="c") == {"sent": 1, "received": 1}


def test_sas_end_at_their_hard_lifetime(pair: Pair) -> None:
    """Nobody need ask for it."""
    pair.establish(phase1={"lifetime_seconds": 1}, phase2={"lifetime_seconds": 1})
    for end in (pair.alice, pair.bob):
        assert pair.eventually(lambda end=end: not children(end))  # type: ignore[misc]
        assert pair.eventually(
            lambda end=end: end.call("sas", name="c")["ike"] is None  # type: ignore[misc]
        )


def test_without_a_policy_they_stay(pair: Pair) -> None:
    pair.establish(phase2={"lifetime_seconds": 1}, lifetimes=None)
    assert not pair.eventually(lambda: not children(pair.alice), 1.1)


@pytest.mark.covers("notify:36136", "notify:36137", "feature:dpd", by="self")
def test_questions_and_answers_are_told(pair: Pair) -> None:
    """Traffic is a sign of life, so only a silent peer is asked."""
    pair.establish(dpd={"idle": 0.3, "timeout": 1}, bob={"dpd": {"idle": 60}})
    for _ in range(5):
        assert pair.alice.call("ping", name="c")["received"] == 1
        assert not pair.eventually(lambda: bool(told(pair.alice, "NotifySent")), 0.1)
    assert pair.eventually(lambda: bool(told(pair.alice, "NotifyReceived")))
    assert told(pair.alice, "NotifySent")[0]["notify_type"] == "R-U-THERE"
    assert told(pair.alice, "NotifyReceived")[0]["notify_type"] == "R-U-THERE-ACK"
    assert told(pair.bob, "NotifyReceived")[0]["notify_type"] == "R-U-THERE"


def test_a_dead_peer_is_told_and_forgotten(pair: Pair) -> None:
    pair.establish(dpd={"idle": 0.1, "timeout": 0.1, "tries": 2})
    pair.bob.call("reset")
    assert pair.eventually(lambda: bool(told(pair.alice, "PeerDead")))
    assert pair.alice.call("sas", name="c") == {"ike": None, "children": []}


def test_a_deadline_that_stays_past_does_not_spin() -> None:
    calls: list[None] = []

    async def scenario() -> None:
        timer = Timer(lambda: 0.0, lambda: calls.append(None))
        timer.arm()
        await asyncio.sleep(20 * PAUSE)
        timer.cancel()
        before = len(calls)
        await asyncio.sleep(3 * PAUSE)
        assert len(calls) == before

    asyncio.run(scenario())
    assert 2 <= len(calls) <= 21


def test_a_deadline_may_come_nearer_and_go_away() -> None:
    calls: list[float] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        due: list[float | None] = [loop.time() + 60]
        timer = Timer(lambda: due[0], lambda: (calls.append(loop.time()), due.clear()))  # type: ignore[arg-type]
        timer.arm()
        due[0] = loop.time() + 0.02
        timer.arm()
        due[0] = None
        timer.arm()
        await asyncio.sleep(0.05)
        assert not calls

    asyncio.run(scenario())


def test_events_are_told_from_where_one_left_off(pair: Pair) -> None:
    pair.establish()
    first = pair.alice.call("events", name="c")
    assert first["next"] == len(first["events"])
    names = [one["event"] for one in first["events"]]
    assert names.index("IsakmpEstablished") < names.index("ChildInstalled")
    pair.alice.call("terminate", name="c", timeout=2)
    more = pair.alice.call("events", name="c", since=first["next"])
    assert [one["event"] for one in more["events"]][:2] == ["ChildDeleted", "IsakmpDeleted"]
