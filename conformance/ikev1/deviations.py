"""Named ways to break one MUST on purpose, applied at the seams of every outgoing message.

A peer that accepts a message with a deviation does not check the requirement it breaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from conformance.ikev1.attributes import Attribute
from conformance.ikev1.buffer import GENERIC_SIZE
from conformance.ikev1.constants import ExchangeType
from conformance.ikev1.deviation import Deviation, Payloads, Position, flip
from conformance.ikev1.errors import LocalError
from conformance.ikev1.feature_deviations import FEATURE_DEVIATIONS
from conformance.ikev1.payloads import (
    CertificatePayload,
    Configuration,
    Hash,
    KeyExchange,
    Nonce,
    SecurityAssociation,
    Signature,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Change = Callable[[Payloads], Payloads]

__all__ = ["DEVIATIONS", "Deviation", "Position", "Seams", "flip"]


def _wrong_hash(payloads: Payloads) -> Payloads:
    return tuple(
        Hash(flip(payload.data, 0)) if isinstance(payload, Hash) else payload
        for payload in payloads
    )


def _wrong_signature(payloads: Payloads) -> Payloads:
    return tuple(
        Signature(flip(payload.data, -1)) if isinstance(payload, Signature) else payload
        for payload in payloads
    )


def _hash_for_signature(payloads: Payloads) -> Payloads:
    return tuple(Hash(one.data) if isinstance(one, Signature) else one for one in payloads)


def _other_identifier(payloads: Payloads) -> Payloads:
    return tuple(
        replace(one, identifier=one.identifier ^ 1) if isinstance(one, Configuration) else one
        for one in payloads
    )


def _status_ok(payloads: Payloads) -> Payloads:
    """XAUTH-STATUS OK stands in the place of every answer."""
    told = (Attribute(_XAUTH_STATUS, b"\0\1", basic=True),)
    return tuple(
        replace(one, attributes=told) if isinstance(one, Configuration) else one for one in payloads
    )


def _no_certificate(payloads: Payloads) -> Payloads:
    return tuple(one for one in payloads if not isinstance(one, CertificatePayload))


def _short_nonce(payloads: Payloads) -> Payloads:
    return tuple(
        Nonce(payload.data[:7]) if isinstance(payload, Nonce) else payload for payload in payloads
    )


def _short_key_exchange(payloads: Payloads) -> Payloads:
    return tuple(
        KeyExchange(payload.data[:-1]) if isinstance(payload, KeyExchange) else payload
        for payload in payloads
    )


def _altered_sa(payload: SecurityAssociation) -> SecurityAssociation:
    proposal = payload.proposals[0]
    transform = proposal.transforms[0]
    first = transform.attributes[0]
    altered = replace(first, value=(first.number + 1).to_bytes(len(first.value)))
    transform = transform._replace(attributes=(altered, *transform.attributes[1:]))
    return replace(payload, proposals=(replace(proposal, transforms=(transform,)),))


def _altered_transform(payloads: Payloads) -> Payloads:
    return tuple(
        _altered_sa(payload) if isinstance(payload, SecurityAssociation) else payload
        for payload in payloads
    )


def _on_sa(change: Callable[[SecurityAssociation], SecurityAssociation]) -> Change:
    return lambda payloads: tuple(
        change(payload) if isinstance(payload, SecurityAssociation) else payload
        for payload in payloads
    )


def _with_attribute(attribute: Attribute) -> Change:
    """The first transform with one attribute more, in the place of its like if it is not basic."""

    def change(payload: SecurityAssociation) -> SecurityAssociation:
        proposal, *others = payload.proposals
        transform, *more = proposal.transforms
        kept = [
            one for one in transform.attributes if attribute.basic or one.type != attribute.type
        ]
        transform = transform._replace(attributes=(*kept, attribute))
        return replace(
            payload, proposals=(replace(proposal, transforms=(transform, *more)), *others)
        )

    return _on_sa(change)


def _twice(payloads: Payloads) -> Payloads:
    first = next(one for one in payloads if isinstance(one, SecurityAssociation))
    return (first, *payloads)


def _wrong_first_body(chain: bytes) -> bytes:
    return flip(chain, GENERIC_SIZE)


def _nonzero_message_id(datagram: bytes) -> bytes:
    return flip(datagram, 23)


def _reserved_octet(chain: bytes) -> bytes:
    return flip(chain, 1)


_MM, _AM, _QM = ExchangeType.MAIN_MODE, ExchangeType.AGGRESSIVE, ExchangeType.QUICK_MODE
_BASE, _AO = ExchangeType.BASE, ExchangeType.AUTHENTICATION_ONLY

_TA, _XAUTH_STATUS = ExchangeType.TRANSACTION, 16527

_PHASE_1 = (
    *(Position(_MM, number) for number in range(1, 7)),
    *(Position(_AM, number) for number in range(1, 4)),
)
_KEY_EXCHANGES = (Position(_MM, 3), Position(_MM, 4), Position(_AM, 1), Position(_AM, 2))
_PROOFS_I = (Position(_MM, 5), Position(_AM, 3), Position(_BASE, 3), Position(_AO, 3))
_PROOFS_R = (Position(_MM, 6), Position(_AM, 2), Position(_BASE, 4), Position(_AO, 2))

_ROWS = (
    Deviation(
        "wrong-hash-i",
        "HASH_I covers what the initiator sent, RFC 2409 5",
        _PROOFS_I,
        payloads=_wrong_hash,
    ),
    Deviation(
        "wrong-hash-r",
        "HASH_R covers what the responder sent, RFC 2409 5",
        _PROOFS_R,
        payloads=_wrong_hash,
    ),
    Deviation(
        "wrong-sig-i",
        "SIG_I is the signature over HASH_I, RFC 2409 5.1",
        _PROOFS_I,
        payloads=_wrong_signature,
    ),
    Deviation(
        "wrong-sig-r",
        "SIG_R is the signature over HASH_R, RFC 2409 5.1",
        _PROOFS_R,
        payloads=_wrong_signature,
    ),
    Deviation(
        "no-certificate",
        "a certificate that was asked for is sent, RFC 2408 3.10 and RFC 4945 3.2.7",
        (*_PROOFS_I, *_PROOFS_R),
        payloads=_no_certificate,
    ),
    Deviation(
        "hash-for-sig",
        "who is no user of XAUTH signs, draft-ietf-ipsec-isakmp-hybrid-auth-05 3.2",
        (Position(_MM, 5), Position(_MM, 6), Position(_AM, 2), Position(_AM, 3)),
        payloads=_hash_for_signature,
    ),
    Deviation(
        "wrong-hash-of-transaction",
        "a hash authenticates every Transaction, draft-dukes-ike-mode-cfg-02 3.1.1",
        (Position(_TA, 1), Position(_TA, 2)),
        plain=_wrong_first_body,
    ),
    Deviation(
        "other-identifier",
        "an answer has the identifier of its question, draft-dukes-ike-mode-cfg-02 3.2",
        (Position(_TA, 2),),
        payloads=_other_identifier,
    ),
    Deviation(
        "status-ok-in-reply",
        "XAUTH-STATUS in a REPLY is FAIL, draft-beaulieu-ike-xauth-02 6.2",
        (Position(_TA, 2),),
        payloads=_status_ok,
    ),
    Deviation(
        "wrong-hash-1",
        "HASH(1) authenticates the first Quick Mode message, RFC 2409 5.5",
        (Position(_QM, 1),),
        plain=_wrong_first_body,
    ),
    Deviation(
        "wrong-hash-2",
        "HASH(2) authenticates the second Quick Mode message, RFC 2409 5.5",
        (Position(_QM, 2),),
        plain=_wrong_first_body,
    ),
    Deviation(
        "wrong-hash-3",
        "HASH(3) authenticates the third Quick Mode message, RFC 2409 5.5",
        (Position(_QM, 3),),
        plain=_wrong_first_body,
    ),
    Deviation(
        "altered-chosen-transform",
        "a responder does not modify attributes of an offer, RFC 2409 5",
        (Position(_MM, 2), Position(_AM, 2)),
        payloads=_altered_transform,
    ),
    Deviation(
        "altered-chosen-esp-transform",
        "a responder does not modify attributes of an offer, RFC 2409 5",
        (Position(_QM, 2),),
        payloads=_altered_transform,
    ),
    Deviation(
        "short-nonce",
        "a nonce has 8 to 256 octets, RFC 2409 5",
        _KEY_EXCHANGES,
        payloads=_short_nonce,
    ),
    Deviation(
        "short-public-value",
        "a public value has the length of its group, RFC 2409 5",
        _KEY_EXCHANGES,
        payloads=_short_key_exchange,
    ),
    Deviation(
        "nonzero-message-id",
        "the message ID is 0 in phase 1, RFC 2408 3.1",
        _PHASE_1,
        wire=_nonzero_message_id,
    ),
    Deviation(
        "reserved-octet",
        "the RESERVED octet of a generic header is 0, RFC 2408 3.2",
        _PHASE_1,
        plain=_reserved_octet,
    ),
    Deviation(
        "conflicting-attributes",
        "attributes of one class do not conflict, RFC 2407 4.5.2",
        (Position(_QM, 1),),
        payloads=_with_attribute(Attribute(5, b"\0\x01", basic=True)),
    ),
    Deviation(
        "unknown-attribute",
        "an attribute that is not supported ends the negotiation, RFC 2407 4.5.3",
        (Position(_QM, 1),),
        payloads=_with_attribute(Attribute(77, b"\0\x01", basic=True)),
    ),
    Deviation(
        "basic-as-variable",
        "basic attributes are not encoded as variable, RFC 2407 4.5",
        (Position(_QM, 1),),
        payloads=_with_attribute(Attribute(4, b"\0\x01", basic=False)),
    ),
    Deviation(
        "missing-protocol",
        "all protocols of a proposal are answered as a unit, RFC 2408 4.2",
        (Position(_QM, 2),),
        payloads=_on_sa(lambda sa: replace(sa, proposals=sa.proposals[1:])),
    ),
    Deviation(
        "surplus-sa",
        "SA payloads are answered one by one, RFC 2409 5.5",
        (Position(_QM, 2),),
        payloads=_twice,
    ),
)

DEVIATIONS = {row.name: row for row in (*_ROWS, *FEATURE_DEVIATIONS)}
"""Every deviation by its name."""


class Seams:
    """The deviations of one endpoint, by seam; without any, everything passes unchanged."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        unknown = sorted(set(names) - set(DEVIATIONS))
        if unknown:
            raise LocalError(f"unknown deviation {unknown[0]!r}; known: {', '.join(DEVIATIONS)}")
        self._active = [DEVIATIONS[name] for name in names]

    def _at(self, position: Position) -> list[Deviation]:
        return [deviation for deviation in self._active if position in deviation.positions]

    def payloads(self, position: Position, payloads: Payloads) -> Payloads:
        """Before writing."""
        for deviation in self._at(position):
            payloads = deviation.payloads(payloads) if deviation.payloads else payloads
        return payloads

    def plain(self, position: Position, chain: bytes) -> bytes:
        """Before encryption."""
        for deviation in self._at(position):
            chain = deviation.plain(chain) if deviation.plain else chain
        return chain

    def parts(self, position: Position, fragments: list[bytes]) -> list[bytes]:
        """Before fragments are sent."""
        for deviation in self._at(position):
            fragments = deviation.parts(fragments) if deviation.parts else fragments
        return fragments

    def wire(self, position: Position, datagram: bytes) -> bytes:
        """Before sending."""
        for deviation in self._at(position):
            datagram = deviation.wire(datagram) if deviation.wire else datagram
        return datagram
