"""What a peer really does, level by level: ``peers/<name>/observed.json``."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.errors import UserError
from conformance.matrix.constraints import Role
from conformance.matrix.factors import FACTORS
from conformance.record.agreement import established
from conformance.record.records import EndState, Record, Verdict
from conformance.record.store import write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

FILE_NAME = "observed.json"
"""Its name in a peer's folder."""


class Outcome(StrEnum):
    """What came of asking a peer for a level."""

    WORKS = "works"
    """Both ends hold the SAs, and protected traffic passed."""
    REFUSED = "refused"
    """The peer said no, as is due to what it does not claim."""
    FAILS = "fails"
    """No SAs came of it, whoever's fault that is."""
    BREAKS = "breaks"
    """The peer took it: SAs stood at both ends, or it died of it; and it did not go well."""
    UNASKED = "cannot be asked"
    """Its configuration has no words for it, or our driver knows better than to try."""
    OPEN = "inconclusive"
    """No proof either way, or our side broke."""


class Seen(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What was seen of one level."""

    outcome: Outcome
    beside: str = ""
    """What else differs from the plain combination, as ``factor=level factor=level``."""
    reason: str = ""
    """Why it does not work; empty where it works."""


Levels = dict[str, dict[str, Seen]]
"""Factor -> level -> what was seen of it."""


class Observed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every level that a peer was asked for, in each role, and what it was then."""

    peer: str
    date: str
    """The day, UTC."""
    image: str
    """The digest of what its image is made from."""
    package: str
    """The package that carries the daemon, with its full version."""
    version: str
    """What the running daemon says of itself."""
    kernel: str
    """Of the engine: what protected the traffic."""
    roles: dict[Role, Levels]

    def require(self, image: str) -> None:
        """UserError where these observations were of another image."""
        if self.image != image:
            raise UserError(
                f"what was observed of {self.peer} before was another image ({self.image})",
                "Check all of it again: without --factor and --role.",
            )

    def joined(self, earlier: Observed) -> Observed:
        """These observations, and of those before what was not asked for again.

        UserError where the earlier ones were of another image.
        """
        earlier.require(self.image)
        roles: dict[Role, Levels] = {}
        for role, levels in (*earlier.roles.items(), *self.roles.items()):
            known = roles.setdefault(role, {})
            for factor, seen in levels.items():
                known[factor] = known.get(factor, {}) | seen
        return msgspec.structs.replace(self, roles=roles)


def outcome_of(record: Record, peer: str, unasked: Collection[str]) -> tuple[Outcome, str]:
    """What a cell's record says of ``peer``, and why in one line that is the same the next time.

    ``unasked`` are the words with which its driver tells that it cannot ask for something.
    """
    told = [end.failure for end in _ends(record, peer) if end.failure in unasked]
    if told:
        return Outcome.UNASKED, str(told[0])
    others = [claim for claim in record.undeclared if not claim.startswith(f"{peer}: ")]
    if others and record.verdict is not Verdict.PASS:
        return Outcome.OPEN, f"the other end does not claim it ({'; '.join(others)})"
    outcome = _OUTCOMES[record.verdict]
    if outcome is Outcome.FAILS and (established(record) or record.alive is False):
        outcome = Outcome.BREAKS
    return outcome, "" if outcome is Outcome.WORKS else stable(record.reason)


_OUTCOMES = {
    Verdict.PASS: Outcome.WORKS,
    Verdict.UNSUPPORTED: Outcome.REFUSED,
    Verdict.FAIL: Outcome.FAILS,
    Verdict.INCONCLUSIVE: Outcome.OPEN,
    Verdict.ERROR: Outcome.OPEN,
}

_PASSING = (
    (re.compile(r"\b(?:[A-Z][a-z]{2} +\d+ )?\d\d:\d\d:\d\d(?:\.\d+)?:? ?"), ""),
    (re.compile(r"#\d+\b"), "#N"),
    (re.compile(r"\bc[0-9a-f]{8}\b"), "CELL"),
    (re.compile(r"\b0x[0-9a-f]{8}\b"), "SPI"),
    (
        re.compile(r"\b\d+\.\d+\.\d+\.\d+(?:/\d+)?(?::\d+)?\b|\b[0-9a-f]{4}:(?::?[0-9a-f]{1,4})+"),
        "ADDRESS",
    ),
    (re.compile(r"\bmessage ID (?:0x)?[0-9a-fA-F]+\b|\bmsgid: ?[0-9a-f]+\b"), "message ID"),
)
"""What differs from run to run in a peer's words -> what stands for it."""


def stable(reason: str) -> str:
    """A reason without times, numbers of states, SPIs and addresses, on one line."""
    for pattern, word in _PASSING:
        reason = pattern.sub(word, reason)
    return " ".join(reason.split())


def _ends(record: Record, peer: str) -> Iterator[EndState]:
    return (end for end in (record.initiator, record.responder) if end.peer == peer)


def load_observed(folder: Path) -> Observed | None:
    """What was observed of the peer in ``folder``; None where it was never checked. UserError."""
    path = folder / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Observed)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise UserError(f"{path} cannot be read: {error}", "Check the peer again.") from error


def write_observed(folder: Path, observed: Observed) -> Path:
    """Write it beside the manifest, a level a line in report order, so that diffs are readable."""
    path = folder / FILE_NAME
    facts = msgspec.to_builtins(observed)
    roles = {role: _in_order(facts["roles"][role]) for role in sorted(facts["roles"])}
    write_atomically(path, (_lines({**facts, "roles": roles}) + "\n").encode())
    return path


def _in_order(levels: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Factors and their levels as `FACTORS` has them; levels it no longer has are left out."""
    return {
        factor.name: {level: seen[level] for level in factor.known if level in seen}
        for factor in FACTORS
        if (seen := levels.get(factor.name))
    }


def _lines(value: Any, depth: int = 0) -> str:
    """JSON with a line for each value, and for each level all that was seen of it."""
    if not isinstance(value, dict) or "outcome" in value:
        return json.dumps(value, ensure_ascii=False)
    margin = "  " * (depth + 1)
    items = [f"{margin}{json.dumps(key)}: {_lines(one, depth + 1)}" for key, one in value.items()]
    return "{\n" + ",\n".join(items) + "\n" + "  " * depth + "}"
