"""What is noted of a cell while it runs, and the record that is made of it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from conformance.record.records import Divergence, Observation, Traffic, make_record
from conformance.record.verdicts import judge
from conformance.runner.dissect import dissect
from conformance.runner.evidence import CellEvidence
from conformance.runner.proofs import unproven
from conformance.runner.traffic import read_traffic
from conformance.runner.wire import deletes_seen, wire_notifies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from conformance.drivers.base import Attempt, Held, Role
    from conformance.matrix.plan import Cell
    from conformance.record.records import EndState, Record
    from conformance.record.wireshark import EspKey, IkeKey
    from conformance.runner.capture import Capture, Packet
    from conformance.runner.dissect import WireMessage
    from conformance.runner.evidence import EvidentEnd

DRAIN = 0.03
"""Seconds for the last packets to reach the capture's thread."""


class Story(NamedTuple):
    """How a cell went, as its ends tell it; initiator first wherever there are two."""

    ends: Sequence[EvidentEnd]
    states: tuple[EndState, EndState]
    addresses: tuple[str, str]
    """On the wire: behind a NAT, as the responder's side has them."""
    attempts: Sequence[Attempt]
    """Of the ends that tell how it ended; the first of them decides whether SAs stand."""
    repeat: str
    """The command that runs the cell again."""
    pinger: Role = "initiator"
    """The end that pings."""
    in_use: bool = False
    """Whether other packets than the cell's may pass through its SAs."""
    logs_delete: Callable[[], bool] | None = None
    """Whether the end that had to receive a Delete logged one, where no key opens the capture."""

    @property
    def stands(self) -> bool:
        """Whether SAs were established."""
        return self.attempts[0].established


class Account:
    """What a cell's steps took, the keys learnt, the pings, and what went wrong."""

    def __init__(self, cell: Cell, seed: int, capture: Capture) -> None:
        self.cell, self.seed = cell, seed
        self._capture = capture
        self.split: dict[str, float] = {}
        """Step -> seconds."""
        self.ike_keys: dict[IkeKey, None] = {}
        self.esp_keys: dict[EspKey, None] = {}
        self.sent = self.answered = 0
        """Echo requests."""
        self.deleted: bool | None = None
        """Whether both ends let go of their SAs; None where there were none."""
        self.alive: bool | None = None
        """Whether every peer still ran in the end."""
        self.error: str | None = None
        """What broke on the suite's side."""
        self.unproven: tuple[str, ...] = ()
        """Levels that nothing shows to have been in use, and why."""
        self.begin()

    def begin(self) -> None:
        """The cell begins now."""
        self._started, self._clock = datetime.now(UTC), time.monotonic()
        self._lost = self._capture.lost

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Take the time of a step."""
        clock = time.monotonic()
        try:
            yield
        finally:
            self.split[name] = round(time.monotonic() - clock, 3)

    def learn(self, held: Held) -> None:
        """Keep the keys of an end, also those that a rekey replaces."""
        self.ike_keys |= dict.fromkeys(held.ike_keys)
        self.esp_keys |= dict.fromkeys(held.esp_keys)

    def count(self, sent: int, answered: int) -> None:
        """Add echo requests, and how many of them were answered."""
        self.sent, self.answered = self.sent + sent, self.answered + answered

    def miss(self, event: str, what: str | None) -> None:
        """Note what an event did not bring about, if there is such a thing."""
        if what:
            self.unproven += (f"event={event}: {what}",)

    def packets(self, addresses: Iterable[str]) -> list[Packet]:
        """What passed between them; a capture with gaps is no witness, so that is an error."""
        time.sleep(DRAIN)
        if lost := self._capture.lost - self._lost:
            self.error = self.error or f"the capture lost {lost} packets while the cell ran"
        return self._capture.among(addresses)

    def record(
        self, story: Story, packets: Sequence[Packet], whole: Sequence[Packet]
    ) -> tuple[Record, dict[str, bytes]]:
        """The record and its evidence: ``packets`` as they passed, ``whole`` once joined."""
        levels = self.cell.combination
        messages = dissect(whole, levels["cipher"], levels["hash"], self.ike_keys)
        self.unproven += unproven(levels, messages, *story.addresses)
        observation = self._observation(story, whole, messages)
        keys = (self.ike_keys, self.esp_keys)
        evidence = CellEvidence(self.cell, story.ends, packets, messages, keys)
        record = make_record(
            observation,
            judge(observation),
            started=self._started.isoformat(timespec="milliseconds"),
            seconds=round(time.monotonic() - self._clock, 3),
            split=self.split,
            evidence=evidence.labels,
            seed=self.seed,
            repeat=story.repeat,
        )
        return record, evidence.files

    def _observation(
        self, story: Story, whole: Sequence[Packet], messages: Sequence[WireMessage]
    ) -> Observation:
        initiator, responder = story.states
        divergences = [one.divergence for one in story.attempts if one.divergence]
        return Observation(
            cell=self.cell.id,
            combination=self.cell.combination,
            initiator=initiator,
            responder=responder,
            undeclared=self.cell.undeclared,
            wire_notifies=wire_notifies(messages),
            traffic=self._traffic(story, whole),
            timed_out=story.attempts[0].timed_out,
            deleted=self.deleted,
            delete_seen=_delete_seen(story, messages),
            alive=self.alive,
            divergence=Divergence(**divergences[0]) if divergences else None,
            unproven=self.unproven,
            error=self.error,
        )

    def _traffic(self, story: Story, whole: Sequence[Packet]) -> Traffic | None:
        if not story.stands:
            return None
        return read_traffic(
            whole,
            story.ends[0].connection,
            story.addresses,
            self.esp_keys,
            (self.sent, self.answered),
            asks=story.pinger,
            in_use=story.in_use,
        )


def _delete_seen(story: Story, messages: Sequence[WireMessage]) -> bool | None:
    """From the capture; where no key opens it, the receiving end's log tells of the Delete."""
    seen = deletes_seen(messages)
    if seen is None and story.stands and story.logs_delete:
        return story.logs_delete()
    return seen
