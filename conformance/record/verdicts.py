"""From an observation to a verdict: an ordered table of rules (RFC 2408, 2409, 4301, 4303)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.record.agreement import established, first_disagreement, readable, sa_holders
from conformance.record.notifies import ERRORS, REFUSALS, notify_name
from conformance.record.records import Judgement, Observation, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from conformance.record.records import Traffic


@dataclass(frozen=True, slots=True)
class Finding:
    """That a rule applies, with what it found."""

    words: Mapping[str, str] = field(default_factory=dict)
    """What fills the rule's reason."""
    fault: str | None = None
    """The peer whose fault it looks like."""
    requirement: str | None = None
    """The requirement, where the finding knows it better than the rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: when it applies, and what follows."""

    name: str
    verdict: Verdict
    find: Callable[[Observation], Finding | None]
    reason: str
    requirement: str | None = None


def _error(seen: Observation) -> Finding | None:
    return Finding({"error": seen.error}) if seen.error else None


def _not_alive(seen: Observation) -> Finding | None:
    if seen.alive is not False:
        return None
    words = seen.error or "after the cell a daemon did not answer any more, or is another process"
    return Finding({"words": words})


def _cleartext(seen: Observation) -> Finding | None:
    if seen.traffic is None or not seen.traffic.cleartext_seen:
        return None
    return Finding({"count": str(seen.traffic.cleartext_seen)})


MUST_BE_REFUSED = {("certificates", "revoked"): ("a revoked certificate", "RFC 5280 6.1.3")}
"""(factor, level) -> what the responder must not accept, and where this is said."""


def _forbidden(seen: Observation) -> tuple[str, str] | None:
    asked = [MUST_BE_REFUSED.get(pair) for pair in seen.combination.items()]
    return next((found for found in asked if found), None)


def _refused_as_due(seen: Observation) -> Finding | None:
    found, said = _forbidden(seen), _first_notify(seen, ERRORS)
    if not found or established(seen):
        return None
    words = said[0] if said else seen.responder.failure
    return Finding({"what": found[0], "said": words}, None, found[1]) if words else None


def _accepted_forbidden(seen: Observation) -> Finding | None:
    found = _forbidden(seen)
    if not found or not seen.responder.ike:
        return None
    return Finding({"what": found[0]}, seen.responder.peer, found[1])


def _undeclared_and_refused(seen: Observation) -> Finding | None:
    if not seen.undeclared or sa_holders(seen):
        return None
    refusal = _first_notify(seen, REFUSALS)
    own_words = [] if seen.timed_out else _failures(seen, _undeclaring(seen))
    said = [refusal[0]] if refusal else own_words
    return _about_undeclared(seen, said[0]) if said else None


def _not_offered(seen: Observation) -> Finding | None:
    """A device began with what its own configuration offers, and we took only the combination."""
    found = None if established(seen) else _first_notify(seen, REFUSALS)
    device = seen.initiator
    if device in readable(seen) or not found or found[1] != seen.responder.peer:
        return None
    said = seen.responder.failure or found[0]
    return Finding({"device": device.peer, "said": said}, device.peer)


def _declared_and_refused(seen: Observation) -> Finding | None:
    found = None if seen.undeclared or established(seen) else _first_notify(seen, REFUSALS)
    return found and Finding({"notify": found[0], "peer": found[1]}, found[1])


def _error_notify(seen: Observation) -> Finding | None:
    found = None if established(seen) else _first_notify(seen, ERRORS)
    return found and Finding({"notify": found[0], "peer": found[1]})


def _diverged(seen: Observation) -> Finding | None:
    if seen.divergence is None or established(seen):
        return None
    first = seen.divergence
    explanation = f" ({first.explanation})" if first.explanation else ""
    return Finding(
        {
            "name": first.name,
            "expected": first.expected,
            "got": first.got,
            "explanation": explanation,
        }
    )


def _one_sided(seen: Observation) -> Finding | None:
    holders = sa_holders(seen)
    others = [end for end in readable(seen) if end not in holders]
    if not holders or not others:
        return None
    failure = f": {others[0].failure}" if others[0].failure else ""
    holder = f"{holders[0].role} {holders[0].peer}"
    return Finding({"holder": holder, "other": f"{others[0].role} {others[0].peer}{failure}"})


def _timed_out(seen: Observation) -> Finding | None:
    if not seen.timed_out:
        return None
    stage = "after the SAs stood" if established(seen) else "before both ends held the SAs"
    return Finding({"stage": stage, "said": _said(seen)})


def _gave_up(seen: Observation) -> Finding | None:
    said = _said(seen)
    return Finding({"said": said}) if said and not established(seen) else None


def _nothing(seen: Observation) -> Finding | None:
    return None if established(seen) else Finding()


def _disagreement(seen: Observation) -> Finding | None:
    found = first_disagreement(seen) if established(seen) else None
    if found is None:
        return None
    words = {"where": found.where, "expected": found.expected, "got": found.got}
    return Finding(words, found.peer, found.requirement)


def _no_traffic_read(seen: Observation) -> Finding | None:
    return Finding() if seen.traffic is None else None


def _one_way(seen: Observation) -> Finding | None:
    if seen.traffic is None:
        return None
    silent = [
        f"{sender.peer} to {receiver.peer}"
        for sender, receiver, count in (
            (seen.initiator, seen.responder, seen.traffic.forward_seen),
            (seen.responder, seen.initiator, seen.traffic.backward_seen),
        )
        if not count
    ]
    return _about_traffic(seen.traffic, silent)


def _undecrypted(seen: Observation) -> Finding | None:
    traffic = seen.traffic
    if traffic is None:
        return None
    short = [
        f"{end.role} {end.peer} ({decrypted} of {count} packets)"
        for end, decrypted, count in (
            (seen.initiator, traffic.forward_decrypted, traffic.forward_seen),
            (seen.responder, traffic.backward_decrypted, traffic.backward_seen),
        )
        if decrypted < count
    ]
    return _about_traffic(traffic, short)


def _unproven(seen: Observation) -> Finding | None:
    if not seen.unproven:
        return None
    level = seen.unproven[0].partition(": ")[0]
    requirement = _ASKED_FOR.get(level) or _ASKED_FOR.get(level.partition("=")[0])
    return Finding({"missing": "; ".join(seen.unproven)}, requirement=requirement)


def _delete_untold(seen: Observation) -> Finding | None:
    return Finding() if seen.deleted is None or seen.delete_seen is None else None


def _not_deleted(seen: Observation) -> Finding | None:
    return None if seen.deleted else Finding()


def _delete_unseen(seen: Observation) -> Finding | None:
    return None if seen.delete_seen else Finding()


def _works_by_wire(seen: Observation) -> Finding | None:
    ends = (seen.initiator, seen.responder)
    unread = [end for end in ends if end not in readable(seen)]
    if not unread:
        return None
    return Finding({"holder": readable(seen)[0].peer, "device": unread[0].peer})


def _works_undeclared(seen: Observation) -> Finding | None:
    return _about_undeclared(seen, "") if seen.undeclared else None


def _works(_: Observation) -> Finding:
    return Finding()


_ASKED_FOR = {
    "auth": "draft-beaulieu-ike-xauth-02 5",
    "mode_config": "draft-dukes-ike-mode-cfg-02 2",
    "fragmentation": "[MS-IKEE] 3.3",
    "nat": "RFC 3947 4",
    "lifetime": "RFC 2407 4.5",
    "event=dpd": "RFC 3706 5.2",
    "event=rekey": "RFC 2408 4.3",
    "event=rekey-bytes": "RFC 2408 4.3",
}
"""A factor, or one level of it -> what says how that is done which a capture must show."""

RULES: tuple[Rule, ...] = (
    Rule("not-alive", Verdict.ERROR, _not_alive, "{words}"),
    Rule("error", Verdict.ERROR, _error, "the suite's own side broke: {error}"),
    Rule(
        "cleartext",
        Verdict.FAIL,
        _cleartext,
        "{count} packets that should have been protected went in clear",
        "RFC 4301 5.1",
    ),
    Rule(
        "accepted-forbidden",
        Verdict.FAIL,
        _accepted_forbidden,
        "the responder accepted {what}",
        "RFC 5280 6.1.3",
    ),
    Rule("refused-as-due", Verdict.PASS, _refused_as_due, "{what} was refused: {said}"),
    Rule(
        "undeclared-refused",
        Verdict.UNSUPPORTED,
        _undeclared_and_refused,
        "not claimed ({claims}) and refused: {said}",
    ),
    Rule(
        "not-offered",
        Verdict.FAIL,
        _not_offered,
        "{device} began, but did not offer what the combination asks for: {said}",
        "RFC 2408 4.2",
    ),
    Rule(
        "declared-refused",
        Verdict.FAIL,
        _declared_and_refused,
        "{peer} answered {notify} to what it claims to support",
        "RFC 2408 5.4",
    ),
    Rule(
        "divergence",
        Verdict.FAIL,
        _diverged,
        "{name} differs: expected {expected}, got {got}{explanation}",
    ),
    Rule("error-notify", Verdict.FAIL, _error_notify, "{peer} sent {notify}", "RFC 2408 3.14.1"),
    Rule(
        "one-sided",
        Verdict.FAIL,
        _one_sided,
        "only {holder} holds the SAs, not {other}",
        "RFC 2409 5.5",
    ),
    Rule(
        "disagreement",
        Verdict.FAIL,
        _disagreement,
        "{where}: expected {expected}, got {got}",
    ),
    Rule("timeout", Verdict.INCONCLUSIVE, _timed_out, "time ran out {stage}{said}"),
    Rule("gave-up", Verdict.FAIL, _gave_up, "the negotiation ended without SAs{said}"),
    Rule(
        "nothing",
        Verdict.INCONCLUSIVE,
        _nothing,
        "no SAs at either end, and neither end says why",
    ),
    Rule(
        "no-traffic", Verdict.INCONCLUSIVE, _no_traffic_read, "the SAs stand; no traffic was read"
    ),
    Rule(
        "one-way",
        Verdict.FAIL,
        _one_way,
        "the SAs stand, but no protected packet was seen from {which} ({traffic})",
        "RFC 4303 3.3",
    ),
    Rule(
        "undecrypted",
        Verdict.FAIL,
        _undecrypted,
        "not every protected packet decrypted: from {which} ({traffic})",
        "RFC 4303 3.4",
    ),
    Rule(
        "unproven",
        Verdict.FAIL,
        _unproven,
        "traffic passed both ways, but not all that was asked for was seen: {missing}",
    ),
    Rule(
        "delete-untold",
        Verdict.INCONCLUSIVE,
        _delete_untold,
        "traffic passed both ways, but it was not seen whether Delete ended the SAs",
    ),
    Rule(
        "not-deleted",
        Verdict.FAIL,
        _not_deleted,
        "traffic passed both ways, but an end still held SAs after the Delete",
        "RFC 2408 5.15",
    ),
    Rule(
        "delete-unseen",
        Verdict.FAIL,
        _delete_unseen,
        "the SAs are gone at both ends, but no Delete was seen on the wire",
        "RFC 2408 3.15",
    ),
    Rule(
        "works-undeclared",
        Verdict.PASS,
        _works_undeclared,
        "works although not declared ({claims})",
    ),
    Rule(
        "works-by-wire",
        Verdict.PASS,
        _works_by_wire,
        "by the wire: {holder} holds the SAs asked for, under their keys {device} was asked and "
        "answered, a Delete was sent; what {device} itself holds cannot be read",
        "RFC 2409 5.5",
    ),
    Rule(
        "works",
        Verdict.PASS,
        _works,
        "both ends hold the SAs asked for, traffic passed both ways, Delete ended them",
        "RFC 2409 5.5",
    ),
)
"""The rules in order: the first that applies gives the verdict. The last always applies."""


def judge(seen: Observation) -> Judgement:
    """The verdict of the first rule that applies; pure, so that a record can be judged again."""
    for rule in RULES:
        found = rule.find(seen)
        if found is not None:
            return Judgement(
                verdict=rule.verdict,
                reason=rule.reason.format(**found.words),
                fault=found.fault,
                requirement=found.requirement or rule.requirement,
            )
    raise AssertionError("the last rule always applies")


def exit_status(verdicts: Iterable[Verdict]) -> int:
    """0 where every cell came to a fact (pass, fail, unsupported); 1 where one did not."""
    return int(any(verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR) for verdict in verdicts))


def _first_notify(seen: Observation, wanted: Collection[str]) -> tuple[str, str] | None:
    """The first notify of ``wanted`` and its sender: from the wire, else as the ends tell."""
    ends = (seen.responder, seen.initiator)
    for notify in seen.wire_notifies:
        if notify_name(notify.name) in wanted:
            senders = [end.peer for end in ends if end.address == notify.source]
            return notify_name(notify.name), (senders or [seen.responder.peer])[0]
    told = [name for end in ends for name in map(notify_name, end.notifies) if name in wanted]
    return (told[0], seen.responder.peer) if told else None


def _undeclaring(seen: Observation) -> set[str]:
    return {claim.partition(": ")[0] for claim in seen.undeclared}


def _failures(seen: Observation, peers: Collection[str]) -> list[str]:
    return [
        f'{end.peer} says "{end.failure}"'
        for end in (seen.initiator, seen.responder)
        if end.failure and end.peer in peers
    ]


def _said(seen: Observation) -> str:
    failures = _failures(seen, {seen.initiator.peer, seen.responder.peer})
    return f"; {'; '.join(failures)}" if failures else ""


def _about_undeclared(seen: Observation, said: str) -> Finding:
    return Finding({"claims": "; ".join(seen.undeclared), "said": said})


def _about_traffic(traffic: Traffic, which: list[str]) -> Finding | None:
    return Finding({"which": " and ".join(which), "traffic": traffic.reason}) if which else None
