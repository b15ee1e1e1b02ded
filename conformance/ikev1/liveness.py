"""How long an ISAKMP SA lives: its age, whether its peer is there, and whether it can reach us.

RFC 2407 4.5.4 (lifetimes), RFC 3706 5.4 (dead peer detection), RFC 3948 4 (keepalives).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.ikev1.dpd import DeadPeerDetection
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import PeerDead, Role
from conformance.ikev1.natt import KEEPALIVE
from conformance.ikev1.status import Lifetimes

if TYPE_CHECKING:
    from conformance.ikev1.association import Association


def begin(association: Association, now: float) -> DeadPeerDetection:
    """From now on signs of life are counted."""
    context, capabilities = association.context, association.capabilities
    if capabilities.nat is not None:
        capabilities.nat.note_sent(now)
    policy = context.config.dpd
    first = int.from_bytes(context.random(4)) >> 1 if policy else 0
    capable = "DPD" in capabilities.peer
    return DeadPeerDetection(policy, association.cookies, first, now, capable)


def begin_life(association: Association, now: float) -> None:
    """The ISAKMP SA ages by what was agreed on, and by what the responder said beside it."""
    phase_1, cookie_i = association.phase_1, association.phase_1.cookie_i
    if phase_1.agreement is None:
        raise LocalError("phase 1 has not been negotiated yet")
    agreed = Lifetimes(phase_1.agreement.lifetime_seconds, phase_1.agreement.lifetime_kilobytes)
    association.context.isakmp_lives.begin(
        cookie_i,
        (cookie_i,),
        agreed.shorter(association.capabilities.lifetimes),
        now,
        is_answer=phase_1.role is Role.RESPONDER,
        replaces=association.replaces,
    )


def get_timer(association: Association) -> float | None:
    """When handle_timer() wants to be called; None for never."""
    nat = association.capabilities.nat
    timers = (
        association.dpd.get_timer() if association.dpd else None,
        nat.keepalive_at if nat else None,
    )
    return min((timer for timer in timers if timer is not None), default=None)


def handle_timer(association: Association, now: float) -> None:
    """Ask or give up, and keep the mapping of a NAT."""
    _watch_the_peer(association, now)
    nat = association.capabilities.nat
    if nat is not None and not association.deleted and nat.keepalive_due(now):
        association.context.datagrams.append((KEEPALIVE, association.address))
        nat.note_sent(now)


def note_traffic(association: Association, now: float, *, received: bool) -> None:
    """The data plane heard from the peer, or spoke to it."""
    if association.capabilities.nat is not None and not received:
        association.capabilities.nat.note_sent(now)
    if association.dpd is None:
        return
    if received:
        association.dpd.note_heard(now)
    else:
        association.dpd.note_sent()


def _watch_the_peer(association: Association, now: float) -> None:
    """Ask whether the peer is there, or remove all that we hold with a dead one."""
    dpd, sa, context = association.dpd, association.isakmp_sa, association.context
    if dpd is None or sa is None or association.deleted:
        return
    if dpd.is_dead(now):
        context.events.append(PeerDead(sa.cookie_i, sa.cookie_r, dpd.asked))
        for child in list(context.children.values()):
            context.forget_child(child, by_peer=False)
        association.forget_isakmp(by_peer=False)
    elif question := dpd.question(now):
        association.inform(question, now)
