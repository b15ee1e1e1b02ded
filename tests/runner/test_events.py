"""What happens to the SAs of a cell while they stand, with ends that do as they are told."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from conformance.matrix.factors import find_factor
from conformance.runner import events
from conformance.runner.events import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.runner.end import End


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes only while somebody sleeps."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    stopped = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(events, "time", stopped)
    return now


def held(spi: int | None) -> SimpleNamespace:
    return SimpleNamespace(child=None if spi is None else SimpleNamespace(spi_in=spi))


def end(before: int | None, looks: Iterator[int | None]) -> End:
    """An end that held an SPI, and then holds one after the other of ``looks``."""
    driver = SimpleNamespace(sas=lambda *_: held(next(looks)))
    made: Any = SimpleNamespace(held=held(before), peer=driver, connection=None, log="")
    return cast("End", made)


def steps(*spis: int | None) -> Iterator[int | None]:
    """Those, and the last one for ever."""
    return (spis[min(step, len(spis) - 1)] for step in count())


def test_every_event_of_the_factor_can_happen() -> None:
    assert [*EVENTS] == [level for level in find_factor("event").known if level != "none"]


def test_for_dpd_the_cell_is_silent_longer_than_any_peer_waits(clock: list[float]) -> None:
    assert EVENTS["dpd"]([]) is None
    assert clock == [events.SILENCE]


@pytest.mark.parametrize(
    ("ends", "seconds"),
    [
        ([(1, (1, 3)), (2, (2, 4))], 0.5),
        ([(1, (3,)), (2, (2, 2, 2, 4))], 1.0),
        ([(1, (3,)), (2, (None, 4))], 0.5),
        ([(None, (3,)), (2, (4,))], 0.25),
    ],
    ids=["both-at-once", "one-later", "none-between", "none-before"],
)
def test_a_rekey_is_over_once_both_ends_hold_new_sas(
    clock: list[float], ends: Sequence[tuple[int | None, tuple[int | None, ...]]], seconds: float
) -> None:
    assert EVENTS["rekey"]([end(before, steps(*looks)) for before, looks in ends]) is None
    assert clock == [seconds]


@pytest.mark.parametrize(
    ("answered", "told"),
    [(events.PINGS, None), (1, None), (0, "none of 100 echo requests was answered")],
)
def test_more_passes_than_an_end_lets_its_sas_carry(
    clock: list[float], answered: int, told: str | None
) -> None:
    """The end that began pings; then it is a rekey like any other."""
    ends: list[Any] = [end(1, steps(3)), end(2, steps(4))]
    ends[0].peer.ping = lambda _, count, __: (count, answered)
    assert EVENTS["rekey-bytes"](ends) == told
    assert clock == ([0.25] if told is None else [0.0])


@pytest.mark.parametrize(
    "ends",
    [[(1, (1,)), (2, (2,))], [(1, (3,)), (2, (2,))], [(1, (None,)), (2, (4,))]],
    ids=["neither", "one-end", "one-lost-its-sas"],
)
def test_a_rekey_that_does_not_come_about_is_told_when_its_time_is_out(
    clock: list[float], ends: Sequence[tuple[int, tuple[int | None, ...]]]
) -> None:
    told = EVENTS["rekey"]([end(before, steps(*looks)) for before, looks in ends])
    assert told == "not both ends held new SAs after 15 s"
    assert clock == [events.REKEY]
