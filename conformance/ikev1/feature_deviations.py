"""Deviations beyond phase 1 and Quick Mode: every exchange of its own, and what features add.

RFC 2408 3.1, RFC 2407 4.6.3, RFC 2409 5.6, RFC 3706, RFC 3947.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from conformance.ikev1.buffer import GENERIC_SIZE
from conformance.ikev1.constants import FLAG_COMMIT, ExchangeType, NotifyType, PayloadType
from conformance.ikev1.deviation import Deviation, Payloads, Position, flip
from conformance.ikev1.message import HEADER_SIZE
from conformance.ikev1.payloads import (
    Configuration,
    Delete,
    NatOriginalAddress,
    Notification,
    OpaquePayload,
    SecurityAssociation,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_NAT_D = {PayloadType.NAT_D, PayloadType.NAT_D_DRAFT, PayloadType.NAT_D_LATE_DRAFT}
_FLAGS_AT = 19
_FRAGMENT_NUMBER_AT = HEADER_SIZE + GENERIC_SIZE + 2


def _notified(
    notify_type: NotifyType, change: Callable[[Notification], Notification]
) -> Callable[[Payloads], Payloads]:
    """Change notifies of one type, wherever they travel."""
    return lambda payloads: tuple(
        change(one) if isinstance(one, Notification) and one.notify_type is notify_type else one
        for one in payloads
    )


def _next_sequence(ack: Notification) -> Notification:
    return replace(ack, data=(int.from_bytes(ack.data) + 1).to_bytes(len(ack.data)))


def _one_nat_d(payloads: Payloads) -> Payloads:
    found = [one for one in payloads if one.payload_type in _NAT_D]
    return tuple(one for one in payloads if one.payload_type not in _NAT_D or one is found[0])


def _short_nat_d(payloads: Payloads) -> Payloads:
    return tuple(
        replace(one, data=one.data[:-1])
        if isinstance(one, OpaquePayload) and one.payload_type in _NAT_D
        else one
        for one in payloads
    )


def _no_original_address(payloads: Payloads) -> Payloads:
    return tuple(one for one in payloads if not isinstance(one, NatOriginalAddress))


def _other_identifier(payloads: Payloads) -> Payloads:
    return tuple(
        replace(one, identifier=one.identifier ^ 1) if isinstance(one, Configuration) else one
        for one in payloads
    )


def _other_group(payloads: Payloads) -> Payloads:
    """The answer's group under the next number."""
    return tuple(
        _renumbered(one) if isinstance(one, SecurityAssociation) else one for one in payloads
    )


def _renumbered(sa: SecurityAssociation) -> SecurityAssociation:
    (proposal,) = sa.proposals
    (transform,) = proposal.transforms
    number, *rest = transform.attributes
    changed = replace(number, value=(number.number ^ 1).to_bytes(len(number.value)))
    transform = transform._replace(attributes=(changed, *rest))
    return replace(sa, proposals=(replace(proposal, transforms=(transform,)),))


def _other_delete(payloads: Payloads) -> Payloads:
    return tuple(
        replace(one, spis=tuple(flip(spi, 0) for spi in one.spis))
        if isinstance(one, Delete)
        else one
        for one in payloads
    )


def _no_connected(payloads: Payloads) -> Payloads:
    return _notified(
        NotifyType.CONNECTED, lambda one: replace(one, notify_type=NotifyType.REPLAY_STATUS)
    )(payloads)


def _wrong_first_body(chain: bytes) -> bytes:
    return flip(chain, GENERIC_SIZE)


def _commits(datagram: bytes) -> bytes:
    flags = datagram[_FLAGS_AT] | FLAG_COMMIT
    return datagram[:_FLAGS_AT] + bytes([flags]) + datagram[_FLAGS_AT + 1 :]


def _number_zero(fragments: list[bytes]) -> list[bytes]:
    at, first = _FRAGMENT_NUMBER_AT, fragments[0]
    return [first[:at] + b"\0" + first[at + 1 :], *fragments[1:]]


def _at(exchange: ExchangeType, *numbers: int) -> tuple[Position, ...]:
    return tuple(Position(exchange, number) for number in numbers)


_MM, _AM, _QM = ExchangeType.MAIN_MODE, ExchangeType.AGGRESSIVE, ExchangeType.QUICK_MODE
_INFO, _ACK = ExchangeType.INFORMATIONAL, ExchangeType.ACKNOWLEDGED_INFORMATIONAL
_TA, _NG, _BASE = ExchangeType.TRANSACTION, ExchangeType.NEW_GROUP_MODE, ExchangeType.BASE
_WITH_NAT_D = (*_at(_MM, 3, 4), *_at(_AM, 2, 3), *_at(_BASE, 3, 4))

FEATURE_DEVIATIONS = (
    Deviation(
        "wrong-informational-hash",
        "HASH(1) authenticates an Informational, RFC 2409 5.7",
        _at(_INFO, 1),
        plain=_wrong_first_body,
    ),
    Deviation(
        "wrong-acknowledged-hash-1",
        "HASH(1) authenticates the question, draft-ietf-ipsec-ike-01 5.7",
        _at(_ACK, 1),
        plain=_wrong_first_body,
    ),
    Deviation(
        "wrong-acknowledged-hash-2",
        "HASH(2) authenticates the answer, draft-ietf-ipsec-ike-01 5.7",
        _at(_ACK, 2),
        plain=_wrong_first_body,
    ),
    Deviation(
        "answer-to-another-delete",
        "an answer is one to the question, draft-ietf-ipsec-ike-01 5.7",
        _at(_ACK, 2),
        payloads=_other_delete,
    ),
    Deviation(
        "wrong-group-hash-1",
        "HASH(1) authenticates a proposed group, RFC 2409 5.6",
        _at(_NG, 1),
        plain=_wrong_first_body,
    ),
    Deviation(
        "wrong-group-hash-2",
        "HASH(2) authenticates an accepted group, RFC 2409 5.6",
        _at(_NG, 2),
        plain=_wrong_first_body,
    ),
    Deviation(
        "altered-group",
        "a responder does not modify attributes of an offer, RFC 2409 5 and 5.6",
        _at(_NG, 2),
        payloads=_other_group,
    ),
    Deviation(
        "wrong-transaction-hash",
        "a prf over the Attribute payload authenticates it, draft-dukes-ike-mode-cfg-02 3.1.1",
        _at(_TA, 1, 2),
        plain=_wrong_first_body,
    ),
    Deviation(
        "other-transaction-identifier",
        "an answer has the identifier of its question, draft-dukes-ike-mode-cfg-02 3.2",
        _at(_TA, 2),
        payloads=_other_identifier,
    ),
    Deviation(
        "commit-without-connected",
        "who sets the commit bit says CONNECTED, RFC 2408 3.1",
        (*_at(_QM, 4), *_at(_INFO, 1)),
        payloads=_no_connected,
    ),
    Deviation(
        "commit-bit-alone",
        "who sets the commit bit says CONNECTED, RFC 2408 3.1",
        _at(_QM, 2),
        wire=_commits,
    ),
    Deviation(
        "dpd-other-sequence",
        "R-U-THERE-ACK has the sequence number of its R-U-THERE, RFC 3706 5.3",
        _at(_INFO, 1),
        payloads=_notified(NotifyType.R_U_THERE_ACK, _next_sequence),
    ),
    Deviation(
        "dpd-short-sequence",
        "the sequence number has four octets, RFC 3706 5.3",
        _at(_INFO, 1),
        payloads=_notified(NotifyType.R_U_THERE, lambda one: replace(one, data=one.data[1:])),
    ),
    Deviation(
        "dpd-other-cookies",
        "R-U-THERE names the cookies of its ISAKMP SA, RFC 3706 5.3",
        _at(_INFO, 1),
        payloads=_notified(NotifyType.R_U_THERE, lambda one: replace(one, spi=flip(one.spi, 0))),
    ),
    Deviation(
        "single-nat-d",
        "there is a NAT-D for the destination and one for the source, RFC 3947 3.2",
        _WITH_NAT_D,
        payloads=_one_nat_d,
    ),
    Deviation(
        "short-nat-d",
        "NAT-D is a whole hash, RFC 3947 3.2",
        _WITH_NAT_D,
        payloads=_short_nat_d,
    ),
    Deviation(
        "no-original-address",
        "transport mode through NATs needs both NAT-OA, RFC 3947 5.2",
        _at(_QM, 1, 2),
        payloads=_no_original_address,
    ),
    Deviation(
        "fragment-number-zero",
        "fragments are numbered from 1, [MS-IKEE] 2.2.2",
        (*_at(_MM, *range(1, 7)), *_at(_AM, 1, 2, 3), *_at(_QM, 1, 2, 3)),
        parts=_number_zero,
    ),
    Deviation(
        "cut-responder-lifetime",
        "RESPONDER-LIFETIME holds whole attributes, RFC 2407 4.6.3.1",
        (*_at(_MM, 6), *_at(_QM, 2), *_at(_INFO, 1)),
        payloads=_notified(
            NotifyType.RESPONDER_LIFETIME, lambda one: replace(one, data=one.data[:-1])
        ),
    ),
    Deviation(
        "odd-replay-status",
        "REPLAY-STATUS is 0 or 1, RFC 2407 4.6.3.2",
        _at(_QM, 2),
        payloads=_notified(
            NotifyType.REPLAY_STATUS, lambda one: replace(one, data=one.data[:-1] + b"\2")
        ),
    ),
)
"""Further rows of DEVIATIONS."""
