"""A peer that several workers use: its channels, and how it is started again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from conformance.drivers import DriverError
from conformance.runner.stand import Stand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.drivers import Connection, Driver


class Peer:
    """A driver of a process that can die, hang or be beyond help."""

    peer = "libreswan-4.10"

    def __init__(self) -> None:
        self.process, self.runs, self.hangs, self.hopeless = 1, 1, False, False
        self.loaded: list[list[str]] = []
        self.channels: list[Any] = []
        self.refuses: dict[str, str] = {}

    def version(self) -> str:
        return "4.10"

    def answers(self) -> bool:
        return not self.hangs

    def alive(self) -> bool:
        return self.runs == self.process

    def another(self) -> Any:
        channel = SimpleNamespace(process=self.process, closed=False)
        channel.close = lambda: setattr(channel, "closed", True)
        self.channels.append(channel)
        return channel

    def configure(self, connections: Sequence[Connection]) -> dict[str, str]:
        if self.hangs or not self.alive():
            raise DriverError("the shell has ended")
        self.loaded.append([connection.name for connection in connections])
        return self.refuses

    def restart(self) -> None:
        if self.hopeless:
            raise DriverError("pluto does not start")
        self.hangs, self.process = False, self.process + 1
        self.runs = self.process

    def close(self) -> None: ...


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def stand(peer: Peer) -> Stand:
    return Stand(cast("Driver", peer), 11)


def named(*names: str) -> list[Connection]:
    return [cast("Connection", SimpleNamespace(name=name)) for name in names]


def test_a_channel_is_used_again_once_it_is_given_back(stand: Stand, peer: Peer) -> None:
    with stand.channel("a") as first, stand.channel("b") as second:
        assert first is not second
    with stand.channel("c") as third:
        assert third in (first, second)
    assert len(peer.channels) == 2


def die(peer: Peer) -> None:
    peer.runs = 0


def hang(peer: Peer) -> None:
    peer.hangs = True


def replace_itself(peer: Peer) -> None:
    peer.runs = 7


@pytest.mark.parametrize("happens", [die, hang, replace_itself])
def test_what_has_died_or_hangs_is_started_again_with_all_that_waits(
    stand: Stand, peer: Peer, happens: Any
) -> None:
    """What has begun is over; its channel is not used again."""
    stand.configure(named("a", "b", "c"))
    with stand.channel("a") as old:
        happens(peer)
        stand.mend()
    assert peer.loaded == [["a", "b", "c"], ["b", "c"]]
    assert old.closed
    with stand.channel("b") as new:
        assert new is not old
        assert new.process == peer.process


def test_what_is_well_is_left_alone(stand: Stand, peer: Peer) -> None:
    stand.configure(named("a"))
    stand.mend()
    assert (peer.loaded, peer.runs) == ([["a"]], 1)


def test_what_dies_while_it_loads_is_asked_once_more(stand: Stand, peer: Peer) -> None:
    die(peer)
    peer.refuses = {"b": "no such group"}
    assert stand.configure(named("a", "b")) == {"b": "no such group"}
    assert peer.loaded == [["a", "b"]]


def test_a_refused_connection_is_not_loaded_again(stand: Stand, peer: Peer) -> None:
    peer.refuses = {"b": "no such group"}
    stand.configure(named("a", "b"))
    die(peer)
    stand.mend()
    assert peer.loaded[-1] == ["a"]


def test_a_peer_that_cannot_be_started_again_is_lost_to_its_cells_alone(
    stand: Stand, peer: Peer
) -> None:
    """The run goes on; each of its cells says why it has no proof."""
    die(peer)
    peer.hopeless = True
    stand.mend()
    with (
        pytest.raises(DriverError, match="could not be started again: pluto does not start"),
        stand.channel("a"),
    ):
        pass
    assert stand.configure(named("b")) == {}
