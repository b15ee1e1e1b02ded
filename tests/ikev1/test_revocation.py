"""Revocation lists and chains in the handshake: asked for, sent, needed where policy says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto import issuing
from conformance.crypto.asymmetric import PrivateKey
from conformance.crypto.certificates import Certificate
from conformance.ikev1.config import Identification, Phase1Proposal
from conformance.ikev1.constants import CertificateEncoding, NotifyType
from conformance.ikev1.credentials import Credentials
from conformance.ikev1.deviations import Seams
from conformance.ikev1.events import ChildInstalled, MessageRejected, MessageSent
from conformance.ikev1.payloads import CertificatePayload

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PAST = (timedelta(days=-2), timedelta(days=-1))
ADDRESSES = {"initiator": "10.0.0.1", "responder": "10.0.0.2"}
I, R = "initiator", "responder"  # noqa: E741 - the roles' letters in the RFC


@cache
def root() -> issuing.Authority:
    return issuing.Authority(issuing.Authority.create(NOW), NOW)


@cache
def between() -> issuing.Authority:
    return root().intermediate()


@cache
def issued(role: str, authority: str) -> issuing.Credentials:
    return {"root": root, "between": between}[authority]().issue(ADDRESSES[role], "ecdsa-256")


def credentials(role: str, *, low: bool = False, **changes: Any) -> Credentials:
    """What the lab issued, trusting the root."""
    made = issued(role, "between" if low else "root")
    return Credentials(
        PrivateKey.load(made.private_key),
        tuple(Certificate.parse(one) for one in (made.certificate, *made.chain)),
        authorities=(Certificate.parse(made.authority),),
        clock=NOW.timestamp,
        **changes,
    )


def run(make_pair: Callable[..., Any], exchange: str = "main", **ends: Credentials) -> Any:
    """The pair after its handshake."""
    pair = make_pair(
        **{
            role: {
                "exchange": exchange,
                "phase1": (Phase1Proposal("aes128", "sha256", "ecp256", "ecdsa-256"),),
                "local_id": Identification.ipv4_addr(address),
                "credentials": ends.get(role, credentials(role)),
            }
            for role, address in ADDRESSES.items()
        }
    )
    pair.handshake()
    return pair


def refusal(pair: Any) -> str:
    """Why the responder refused the initiator."""
    told: MessageRejected = pair.of_responder(MessageRejected)[0]
    assert told.notify is NotifyType.INVALID_CERTIFICATE
    assert not pair.of_responder(ChildInstalled)
    return told.reason


def lines(pair: Any, kind: str) -> list[str]:
    sent = pair.of_initiator(MessageSent)
    return [line for one in sent for line in one.payloads if line.startswith(kind)]


@pytest.mark.parametrize("exchange", ["main", "aggressive"])
def test_lists_are_required(make_pair: Callable[..., Any], exchange: str) -> None:
    """Without one the peer is refused; a configured one that is in order will do."""
    for lists, reason in [
        ((), "no revocation list of"),
        ((root().crl(),), ""),
        ((root().crl((issued(R, "root").certificate,)),), ""),
        ((root().crl((issued(I, "root").certificate,)),), "is revoked"),
        ((root().crl(validity=PAST),), "is out of date"),
    ]:
        judge = credentials(R, require_crl=True, revocations=lists)
        pair = run(make_pair, exchange, responder=judge)
        if reason:
            assert reason in refusal(pair)
        else:
            assert pair.of_responder(ChildInstalled)


@pytest.mark.covers("cert:7", by="self")
@pytest.mark.parametrize("exchange", ["main", "aggressive"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_list_comes_in_a_cert_payload(
    make_pair: Callable[..., Any], exchange: str, *, wrapped: bool
) -> None:
    """Whoever needs a list and has none asks for it, and gets it with the certificate."""
    own = credentials(I, revocations=(root().crl(),), wrapped=wrapped)
    pair = run(make_pair, exchange, initiator=own, responder=credentials(R, require_crl=True))
    assert pair.of_responder(ChildInstalled)
    kinds = [line.split()[1] for line in lines(pair, "CERT")]
    assert kinds == ["PKCS7-X509" if wrapped else "X509-SIGNATURE", "CRL"]


def test_a_list_is_sent_only_when_asked_for(make_pair: Callable[..., Any]) -> None:
    """RFC 4945 3.2.3 and 3.3.3."""
    pair = run(make_pair, initiator=credentials(I, revocations=(root().crl(),)))
    assert pair.of_responder(ChildInstalled)
    assert not [line for line in lines(pair, "CERT") if "CRL" in line]


@pytest.mark.parametrize(
    ("validity", "revoked", "reason"),
    [(PAST, False, "is out of date"), ((PAST[0], -PAST[0]), True, "is revoked")],
)
def test_a_received_list_is_judged(
    make_pair: Callable[..., Any], validity: Any, reason: str, *, revoked: bool
) -> None:
    """A stale one does not help, and who sends its own revocation is believed."""
    named = (issued(I, "root").certificate,) if revoked else ()
    own = credentials(I, revocations=(root().crl(named, validity),))
    pair = run(make_pair, initiator=own, responder=credentials(R, require_crl=True))
    assert reason in refusal(pair)


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_chain_with_the_lists_of_both_authorities(
    make_pair: Callable[..., Any], *, wrapped: bool
) -> None:
    """Each issuer needs its own list."""
    both = (root().crl(), between().crl())
    own = credentials(I, low=True, wrapped=wrapped)
    for lists, good in ((both, True), (both[:1], False), (both[1:], False)):
        judge = credentials(R, require_crl=True, revocations=lists)
        pair = run(make_pair, initiator=own, responder=judge)
        assert bool(pair.of_responder(ChildInstalled)) is good


def test_a_revoked_authority(make_pair: Callable[..., Any]) -> None:
    judge = credentials(R, revocations=(root().crl((between().certificate,)),))
    assert "is revoked" in refusal(
        run(make_pair, initiator=credentials(I, low=True), responder=judge)
    )


def test_a_chain_without_its_middle(make_pair: Callable[..., Any]) -> None:
    own = credentials(I, low=True)
    own = replace(own, certificates=own.certificates[:1])
    pair = run(make_pair, initiator=own)
    assert pair.of_responder(MessageRejected)[0].notify is NotifyType.INVALID_CERT_AUTHORITY


@pytest.mark.covers("cert:8", by="self")
def test_a_list_for_authorities_has_its_own_encoding(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 2408 3.9 encoding 8 carries the list that names an authority."""
    genuine = Seams.payloads

    def payloads(self: Seams, position: Any, sent: Any) -> Any:
        return tuple(
            replace(one, encoding=CertificateEncoding.ARL)
            if isinstance(one, CertificatePayload) and one.encoding is CertificateEncoding.CRL
            else one
            for one in genuine(self, position, sent)
        )

    monkeypatch.setattr(Seams, "payloads", payloads)
    for named, reason in (((), ""), ((between().certificate,), "is revoked")):
        lists = (root().crl(named), between().crl())
        own = credentials(I, low=True, revocations=lists)
        pair = run(make_pair, initiator=own, responder=credentials(R, require_crl=True))
        if reason:
            assert reason in refusal(pair)
        else:
            assert pair.of_responder(ChildInstalled)
        assert [line for line in lines(pair, "CERT") if line.startswith("CERT ARL")]
