"""The facts of a cell: both ends' SAs, notifies, traffic and the verdict (RFC 2408, 2409, 4303)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec


class Verdict(StrEnum):
    """What a cell shows, always with a reason."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    """Both ends hold the SAs asked for, and protected traffic passed both ways."""
    FAIL = "fail"
    """A peer did not do what it claims, or two ends do not agree."""
    UNSUPPORTED = "unsupported"
    """A peer does not claim it and refused it."""
    INCONCLUSIVE = "inconclusive"
    """Time ran out, or something was not read: no proof either way."""
    ERROR = "error"
    """The suite's own side broke."""


class _Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all records: frozen, written with keywords, strict when read."""


class IkeSa(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An ISAKMP SA as one end tells it, in the suite's names of algorithms."""

    cookie_initiator: str
    """16 hexadecimal digits (RFC 2408 3.1); empty where the peer does not tell."""
    cookie_responder: str
    """16 hexadecimal digits; empty where the peer does not tell."""
    state: str
    """``established`` once Main Mode is through."""
    cipher: str
    """A level of the factor ``cipher``."""
    hash: str
    """A level of the factor ``hash``."""
    group: str
    """A level of the factor ``group``."""
    auth: str
    """A level of the factor ``auth``."""
    lifetime_seconds: int | None = None
    """What is left or agreed; None where the peer does not tell."""


class ChildSa(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pair of one-way IPsec SAs as one end tells it."""

    spi_in: int
    """The SPI of what this end receives (RFC 4303 2.1)."""
    spi_out: int
    """The SPI of what this end sends."""
    protocol: str
    """A level of the factor ``protocol``."""
    mode: str
    """A level of the factor ``mode``."""
    cipher: str
    """A level of the factor ``esp_cipher``."""
    integrity: str
    """A level of the factor ``esp_integrity``."""
    esn: str = "no"
    """A level of the factor ``esn``."""
    pfs: str | None = None
    """The group of the exchange's own key exchange; None (or ``none``) where there was none."""
    lifetime_seconds: int | None = None
    """What is left or agreed; None where the peer does not tell."""
    local_selector: str
    """The addresses behind this end, in CIDR notation."""
    remote_selector: str
    """The addresses behind the other end, in CIDR notation."""
    packets_in: int | None = None
    """Packets accepted on ``spi_in``; None where the peer does not count."""
    packets_out: int | None = None
    """Packets sent on ``spi_out``; None where the peer does not count."""


Observed = Literal["sas", "wire"]
"""An end's own SAs were looked at, or, of a device out there, only what it sent and took."""


class EndState(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one end said of itself once the negotiation had ended or its time was up."""

    peer: str
    """The peer's name, e.g. ``libreswan-4.10``."""
    role: str
    """``initiator`` or ``responder``."""
    address: str | None = None
    """Its outer address, so that a notify on the wire can be laid at its door."""
    observed: Observed = "sas"
    """What its state is known by."""
    process: int
    """The daemon's process id; 0 where it cannot be seen."""
    version: str
    """The version that the running daemon told."""
    ike: IkeSa | None = None
    """Its ISAKMP SA; None where it has none."""
    child: ChildSa | None = None
    """Its IPsec SAs; None where it has none."""
    notifies: tuple[str, ...] = ()
    """Notifies it told of, sent or received, e.g. ``NO-PROPOSAL-CHOSEN`` (RFC 2408 3.14.1)."""
    failure: str | None = None
    """Why it gave up or refused, in its own words."""


class Traffic(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the capture holds of the traffic to protect; forward is from the initiator."""

    forward_seen: int
    """Protected packets from initiator to responder."""
    backward_seen: int
    """Protected packets from responder to initiator."""
    forward_decrypted: int
    """Those of them that decrypted with the SA's keys and held what was sent."""
    backward_decrypted: int
    """The same in the other direction."""
    cleartext_seen: int
    """Packets that should have been protected and went in clear."""
    reason: str
    """What was sent and how it was read, or why it could not be read."""


class WireNotify(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Notify payload in the capture (RFC 2408 3.14)."""

    source: str
    """The address that sent it."""
    exchange: str
    """The exchange that carried it, e.g. ``informational``."""
    name: str
    """The notify message type, e.g. ``NO-PROPOSAL-CHOSEN``."""
    protected: bool | None = None
    """Whether it was encrypted; None where that could not be told."""


class Divergence(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first value that differs from what was expected."""

    name: str
    """What differs, e.g. ``HASH_R``."""
    expected: str
    """What this end computed or configured."""
    got: str
    """What came."""
    explanation: str
    """What would explain the difference; empty where nothing is known to."""


class Observation(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that was seen in one cell: what a verdict is judged from."""

    cell: str
    """The cell's id."""
    combination: dict[str, str]
    """What was asked for: one level for each factor."""
    initiator: EndState
    """The initiator's own state."""
    responder: EndState
    """The responder's own state."""
    undeclared: tuple[str, ...] = ()
    """What a peer does not claim of this cell, as ``"<peer>: <claim>"``."""
    wire_notifies: tuple[WireNotify, ...] = ()
    """The notifies of the capture, in order."""
    traffic: Traffic | None = None
    """What the capture holds of the traffic; None where none was tried."""
    timed_out: bool = False
    """Whether time ran out while an answer was awaited; a refusal at once is no timeout."""
    deleted: bool | None = None
    """Whether the SAs were gone at both ends after the Delete; None where not tried."""
    delete_seen: bool | None = None
    """Whether the capture holds a Delete payload (RFC 2408 3.15); None where not readable."""
    alive: bool | None = None
    """Whether both daemons still ran, as the same processes, and answered; None where not asked."""
    divergence: Divergence | None = None
    """The first value that differs, where an end could name it."""
    unproven: tuple[str, ...] = ()
    """What was asked for and did not happen, or was not seen, as ``"<factor>=<level>: <why>"``."""
    error: str | None = None
    """What broke on the suite's own side."""


class Judgement(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What follows from an observation."""

    verdict: Verdict
    """The verdict."""
    reason: str
    """Why, in one sentence."""
    fault: str | None = None
    """The peer whose fault it looks like; None where one cell alone does not tell."""
    requirement: str | None = None
    """What the reason rests on, e.g. ``RFC 2409 5.5``."""


class Record(Observation, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An observation with its judgement and its evidence; written once, never rewritten."""

    verdict: Verdict
    """The verdict."""
    reason: str
    """Why, in one sentence."""
    fault: str | None = None
    """The peer whose fault it looks like from this cell alone."""
    requirement: str | None = None
    """What the reason rests on, e.g. ``RFC 2409 5.5``."""
    started: str
    """When the cell started: ISO 8601, UTC."""
    seconds: float
    """How long it took."""
    split: dict[str, float]
    """The seconds of each step, in order."""
    evidence: dict[str, str]
    """What there is to look at: a label, and the file's path relative to the cell's folder."""
    seed: int
    """The seed of the cell's randomness."""
    repeat: str
    """The command that runs this cell again."""

    @property
    def pairing(self) -> tuple[str, str]:
        """The names of initiator and responder."""
        return self.initiator.peer, self.responder.peer


def make_record(
    observation: Observation,
    judgement: Judgement,
    *,
    started: str,
    seconds: float,
    split: dict[str, float],
    evidence: dict[str, str],
    seed: int,
    repeat: str,
) -> Record:
    """Join what was seen, what follows from it, and how it was made."""
    parts: dict[str, Any] = msgspec.structs.asdict(observation) | msgspec.structs.asdict(judgement)
    return Record(
        **parts,
        started=started,
        seconds=seconds,
        split=split,
        evidence=evidence,
        seed=seed,
        repeat=repeat,
    )
