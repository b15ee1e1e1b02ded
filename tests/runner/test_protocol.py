"""What host and runner say to each other survives the journey as one line of JSON."""

from __future__ import annotations

import msgspec
import pytest

from conformance.runner.protocol import CellStarted, Event, Job, RunnerFailed, Station

STATION = Station(
    peer="reference",
    kind="reference",
    container="ipsec-conformance-reference-a",
    number=11,
)
JOB = Job(
    initiators={"reference": STATION},
    responders={"reference": STATION},
    cells=(),
    seed=1,
    bridge="ipsecconf0",
    translator="10.77.0.254",
    psk="secret",
    timeout=10.0,
    at_once=4,
)


def test_a_job_travels() -> None:
    assert msgspec.json.decode(msgspec.json.encode(JOB), type=Job) == JOB


@pytest.mark.parametrize("event", [CellStarted("a--b"), RunnerFailed("no bridge")])
def test_an_event_travels_on_one_line(event: Event) -> None:
    line = msgspec.json.encode(event)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Event) == event


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"type":"cell-vanished"}', type=Event)
