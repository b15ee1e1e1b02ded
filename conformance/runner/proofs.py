"""What a combination asks for beyond its SAs, and whether the capture shows that it happened.

RFC 2407 4.5 (lifetimes), RFC 3706 5.3 (DPD), RFC 3947 4 (port change),
draft-dukes-ike-mode-cfg-02 2, [MS-IKEE] 3.3 (fragments),
draft-beaulieu-ike-xauth-02 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.drivers.methods import METHODS
from conformance.ikev1.attributes import PHASE_2, life_durations
from conformance.ikev1.constants import ExchangeType, NotifyType
from conformance.ikev1.mode_config import NUMBERS
from conformance.ikev1.payloads import Configuration, SecurityAssociation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.ikev1.message import Message
    from conformance.runner.dissect import WireMessage

    Check = Callable[[Sequence[WireMessage], str, str], str | None]
    """Messages, address of the initiator, address of the responder -> what is missing."""


KILOBYTES = 2
"""The life type (RFC 2407 4.5)."""
XAUTH = {number for name, number in NUMBERS.items() if name.startswith("xauth-")}
"""The attributes of XAUTH; what else a Transaction exchange carries is Mode Config."""


def _answered_dpd(messages: Sequence[WireMessage], *ends: str) -> str | None:
    notified = [
        (message.source, notification.notify_type)
        for message in messages
        for notification in message.notifications
    ]
    for asker, answerer in (ends, ends[::-1]):
        asked, answered = (asker, NotifyType.R_U_THERE), (answerer, NotifyType.R_U_THERE_ACK)
        if asked in notified and answered in notified:
            return None
    closed = _closed(messages, ExchangeType.INFORMATIONAL)
    return None if closed else "no R-U-THERE that was answered"


def _fragmented(messages: Sequence[WireMessage], *ends: str) -> str | None:
    silent = [end for end in ends if not any(m.fragments > 1 for m in messages if m.source == end)]
    return f"no fragments from {' and '.join(silent)}" if silent else None


def _configured(messages: Sequence[WireMessage], *_: str) -> str | None:
    return _transaction(messages, "Mode Config", of_user=False)


def _asked_user(messages: Sequence[WireMessage], *_: str) -> str | None:
    return _transaction(messages, "XAUTH", of_user=True)


def _transaction(messages: Sequence[WireMessage], what: str, *, of_user: bool) -> str | None:
    """XAUTH and Mode Config share an exchange: their attributes tell which one it was."""
    passed = [one for one in messages if one.header.exchange is ExchangeType.TRANSACTION]
    if not passed:
        return f"no Transaction exchange, so no {what}"
    read = [one.message for one in passed if one.message]
    found = {
        attribute.type in XAUTH
        for message in read
        for configuration in message.all(Configuration)
        for attribute in configuration.attributes
    }
    if of_user in found or _closed(passed, ExchangeType.TRANSACTION):
        return None
    return f"no {what} in the Transaction exchanges"


def _port_changed(messages: Sequence[WireMessage], *_: str) -> str | None:
    floated = {message.source for message in messages if message.floated}
    return None if len(floated) > 1 else "IKE did not go on at port 4500"


def _rekeyed(messages: Sequence[WireMessage], *_: str) -> str | None:
    quick = {
        message.header.message_id
        for message in messages
        if message.header.exchange is ExchangeType.QUICK_MODE
    }
    return None if len(quick) > 1 else "no second Quick Mode"


def _limited(messages: Sequence[WireMessage], *ends: str) -> str | None:
    """Both the offer and the answer of a Quick Mode say kilobytes."""
    quick = [one for one in messages if one.header.exchange is ExchangeType.QUICK_MODE]
    sources = {one.source for one in quick if one.message and _kilobytes(one.message)}
    silent = [end for end in ends if end not in sources]
    if not silent or _closed(quick, ExchangeType.QUICK_MODE):
        return None
    return f"no limit in kilobytes from {' and '.join(silent)}"


def _kilobytes(message: Message) -> bool:
    return any(
        life_durations(PHASE_2, transform.attributes).get(KILOBYTES)
        for sa in message.all(SecurityAssociation)
        for proposal in sa.proposals
        for transform in proposal.transforms
    )


CHECKS: dict[tuple[str, str], Check] = {
    ("event", "dpd"): _answered_dpd,
    ("event", "rekey"): _rekeyed,
    ("event", "rekey-bytes"): _rekeyed,
    ("fragmentation", "yes"): _fragmented,
    ("lifetime", "kilobytes"): _limited,
    ("mode_config", "pull"): _configured,
    ("mode_config", "push"): _configured,
    ("nat", "initiator"): _port_changed,
    **{("auth", name): _asked_user for name, method in METHODS.items() if method.user},
}
"""(factor, level) -> what must be seen."""


def unproven(
    combination: Mapping[str, str], messages: Sequence[WireMessage], initiator: str, responder: str
) -> tuple[str, ...]:
    """What ``combination`` asks for and the capture lacks, each as ``factor=level: reason``."""
    found = (
        (factor, level, CHECKS[factor, level](messages, initiator, responder))
        for factor, level in combination.items()
        if (factor, level) in CHECKS
    )
    return tuple(f"{factor}={level}: {missing}" for factor, level, missing in found if missing)


def _closed(messages: Sequence[WireMessage], exchange: ExchangeType) -> bool:
    """Whether encrypted messages of it passed that no key opens; between two plutos, for one."""
    return any(
        message.header.exchange is exchange
        and message.header.encrypted
        and message.message is None
        and not message.retransmission
        for message in messages
    )
