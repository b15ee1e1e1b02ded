"""Every certificate encoding of the registry in a handshake: taken, or CERT-TYPE-UNSUPPORTED.

RFC 2408 3.9, RFC 4945 3.3.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.asymmetric import PrivateKey
from conformance.crypto.certificates import Certificate
from conformance.ikev1.config import Identification, Phase1Proposal
from conformance.ikev1.constants import CertificateEncoding, ExchangeType, NotifyType
from conformance.ikev1.credentials import Credentials
from conformance.ikev1.deviations import DEVIATIONS, Deviation, Position
from conformance.ikev1.events import IsakmpEstablished, MessageRejected
from conformance.ikev1.payloads import CertificatePayload, CertificateRequest, Payload

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED = json.loads(
    (Path(__file__).parents[2] / "vectors" / "ikev1" / "authentication.json").read_text()
)
MADE, NAMES = RECORDED["credentials"], RECORDED["names"]
CLOCK = datetime(2026, 6, 1, tzinfo=UTC).timestamp
ROLES = ("initiator", "responder")
REFUSED = [0, 2, 3, 6, 9, 10, 11, 12, 13, 14, 15, 255]


@cache
def credentials(role: str) -> Credentials:
    """The recorded RSA key and certificate of one end."""
    own = MADE["rsa-sig"][role]
    return Credentials(
        PrivateKey.load(own["key"].encode()),
        (Certificate.parse(bytes.fromhex(own["certificate"])),),
        authorities=(Certificate.parse(bytes.fromhex(MADE["authority"]["certificate"])),),
        clock=CLOCK,
    )


def pair_with(
    make_pair: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    who: str,
    change: Callable[[tuple[Payload, ...]], tuple[Payload, ...]],
) -> Any:
    """Two ends that sign, one of whom changes the message with its certificate."""
    number = {"initiator": 5, "responder": 6}[who]
    position = Position(ExchangeType.MAIN_MODE, number)
    row = Deviation("said", "for this test", (position,), payloads=change)
    monkeypatch.setitem(DEVIATIONS, row.name, row)
    overrides: dict[str, Any] = {
        role: {
            "phase1": (Phase1Proposal("aes128", "sha256", "ecp256", "rsa-sig"),),
            "local_id": Identification.fqdn(NAMES[role]),
            "remote_id": Identification.fqdn(NAMES[other]),
            "credentials": credentials(role),
        }
        for role, other in (ROLES, ROLES[::-1])
    }
    pair = make_pair(**overrides, **{f"{who}_deviations": (row.name,)})
    pair.handshake()
    return pair


def encoded(number: int) -> Callable[[tuple[Payload, ...]], tuple[Payload, ...]]:
    """Certificates that are said to be of another encoding."""

    def change(payloads: tuple[Payload, ...]) -> tuple[Payload, ...]:
        encoding = CertificateEncoding(number)
        return tuple(
            replace(one, encoding=encoding) if isinstance(one, CertificatePayload) else one
            for one in payloads
        )

    return change


def events_of_the_other(pair: Any, who: str) -> Any:
    """The event filter of the end that judges."""
    return pair.of_responder if who == "initiator" else pair.of_initiator


@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(
            number,
            marks=pytest.mark.covers(f"cert:{number}" if number <= 10 else "cert:ikev2", by="self"),
        )
        for number in REFUSED
    ],
)
def test_encodings_that_we_do_not_have(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, number: int, who: str
) -> None:
    """Whatever the octets: the encoding alone is the reason."""
    pair = pair_with(make_pair, monkeypatch, who, encoded(number))
    events = events_of_the_other(pair, who)
    assert not events(IsakmpEstablished)
    assert events(MessageRejected)[0].notify is NotifyType.CERT_TYPE_UNSUPPORTED
    assert CertificateEncoding(number).label in events(MessageRejected)[0].reason


@pytest.mark.covers("cert:{number}", by="self")
@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize("number", [4, 5])
def test_encodings_that_we_have(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, number: int, who: str
) -> None:
    """The same message with X.509 for signatures and for key exchange."""
    pair = pair_with(make_pair, monkeypatch, who, encoded(number))
    assert events_of_the_other(pair, who)(IsakmpEstablished)


@pytest.mark.covers("cert:{number}", by="self")
@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize("number", [7, 8])
def test_lists_are_judged_as_lists(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, number: int, who: str
) -> None:
    """A revocation list beside the certificate is read; octets that are none are a reason."""
    broken = CertificatePayload(CertificateEncoding(number), b"\x30\x00")
    pair = pair_with(make_pair, monkeypatch, who, lambda payloads: (*payloads, broken))
    events = events_of_the_other(pair, who)
    assert not events(IsakmpEstablished)
    assert "revocation list" in events(MessageRejected)[0].reason


@pytest.mark.covers("payload:CR", by="self")
@pytest.mark.parametrize("number", [0, 1, 2, 4, 7, 10, 255])
def test_any_certificate_may_be_asked_for(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A request for an encoding that we do not have is no reason to refuse (RFC 2408 3.10)."""
    request = CertificateRequest(CertificateEncoding(number), b"")
    pair = pair_with(make_pair, monkeypatch, "initiator", lambda payloads: (*payloads, request))
    assert pair.of_responder(IsakmpEstablished)
