"""XAUTH over every method, and hybrid authentication: whole handshakes of both roles.

draft-beaulieu-ike-xauth-02 7.2, draft-ietf-ipsec-isakmp-hybrid-auth-05.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ikev1_authentication as generator
import pytest

from conformance.ikev1 import keys
from conformance.ikev1.config import AUTH_METHODS, Identification, Phase1Proposal
from conformance.ikev1.constants import NotifyType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildInstalled,
    ExchangeFailed,
    IsakmpDeleted,
    IsakmpEstablished,
    MessageRejected,
    MessageSent,
    UserAuthenticated,
)
from conformance.ikev1.methods import METHOD_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RECORDED = json.loads(
    (Path(__file__).parents[2] / "vectors" / "ikev1" / "authentication.json").read_text()
)
MADE, NAMES = RECORDED["credentials"], RECORDED["names"]
I, R = "initiator", "responder"  # noqa: E741 - the roles' letters in the RFC
OTHER = {I: R, R: I}
EXTENDED = [row for row in METHOD_ROWS.values() if row.user]
HYBRID = [row.name for row in EXTENDED if not row.user_proves]
EXCHANGES = ("main", "aggressive")
MODES = [*product(HYBRID, EXCHANGES)]


@cache
def recorded(auth: str, role: str) -> Any:
    """The credentials of the vectors; reading a private key takes its time."""
    return generator.credentials(MADE, auth, role)


def pair_for(make_pair: Callable[..., Any], auth: str, exchange: str, **changes: Any) -> Any:
    """A pair with the recorded keys and user.

    initiator= and responder= change the Config, deviations= names a deviation of either.
    """
    overrides = {
        role: {
            "exchange": exchange,
            "phase1": (Phase1Proposal("aes128", "sha256", "ecp256", auth),),
            "local_id": Identification.fqdn(NAMES[role]),
            "remote_id": Identification.fqdn(NAMES[OTHER[role]]),
            "credentials": recorded(auth, role),
            "xauth": generator.xauth(auth, role),
            **changes.get(role, {}),
        }
        for role in NAMES
    }
    return make_pair(**overrides, **changes.get("pair", {}))


def of(pair: Any, who: str) -> Any:
    """The event filter of one end."""
    return getattr(pair, f"of_{who}")


def proof_of(pair: Any, who: str) -> str:
    """What one end proved itself by in phase 1."""
    lines = [line for event in of(pair, who)(MessageSent) for line in event.payloads]
    kinds = [str(line).split()[0] for line in lines]
    return next(kind for kind in kinds if kind in {"HASH", "SIG"})


def test_numbers() -> None:
    """draft-beaulieu-ike-xauth-02 7.2 and the hybrid draft, by side of the user."""
    bases = ("psk", "dss-sig", "rsa-sig", "rsa-enc", "rsa-rev")
    xauth = [f"xauth-{side}-{base}" for base in bases for side in ("init", "resp")]
    hybrid = [f"hybrid-{side}-{base}-sig" for base in ("rsa", "dss") for side in ("init", "resp")]
    assert [AUTH_METHODS[name] for name in xauth] == [*range(65001, 65011)]
    assert [AUTH_METHODS[name] for name in hybrid] == [*range(64221, 64225)]


EVERY = [
    pytest.param(
        row,
        exchange,
        marks=pytest.mark.covers(f"auth:{row.number}", by="self"),
        id=f"{exchange}-{row.name}",
    )
    for row, exchange in product(EXTENDED, EXCHANGES)
]


@pytest.mark.parametrize(("row", "exchange"), EVERY)
def test_whole_handshakes(make_pair: Callable[..., Any], row: Any, exchange: str) -> None:
    """Phase 1 by the base method, then XAUTH of whoever the method names, then Quick Mode."""
    pair = pair_for(make_pair, row.name, exchange)
    pair.handshake()
    for cls in (MessageRejected, ExchangeFailed):
        assert not pair.of_initiator(cls) + pair.of_responder(cls)
    (mine,), (yours,) = pair.of_initiator(IsakmpEstablished), pair.of_responder(IsakmpEstablished)
    assert mine.auth == yours.auth == row.name
    assert mine.encryption_key == yours.encryption_key
    (user,), (gateway,) = (of(pair, who)(UserAuthenticated) for who in (row.user, OTHER[row.user]))
    assert user.accepted
    assert gateway == UserAuthenticated("joe", accepted=True)
    (mine,), (yours,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert mine.encryption_key_in == yours.encryption_key_out
    signed = row.base.endswith("-sig")
    assert (proof_of(pair, OTHER[row.user]) == "SIG") is signed
    assert (proof_of(pair, row.user) == "SIG") is (signed and row.user_proves)


@pytest.mark.parametrize(("row", "exchange"), EVERY)
def test_a_wrong_password(make_pair: Callable[..., Any], row: Any, exchange: str) -> None:
    """Whatever phase 1 proved, without XAUTH there is no Quick Mode and the ISAKMP SA goes."""
    wrong = replace(generator.xauth(row.name, row.user), password=b"guess")
    pair = pair_for(make_pair, row.name, exchange, **{row.user: {"xauth": wrong}})
    pair.handshake()
    for who in NAMES:
        assert [one.accepted for one in of(pair, who)(UserAuthenticated)] == [False]
        assert of(pair, who)(IsakmpDeleted)
        assert not of(pair, who)(ChildInstalled)


@pytest.mark.parametrize("row", [row for row in EXTENDED if row.base.endswith(("psk", "-sig"))])
def test_exchanges_that_begin_with_a_nonce(make_pair: Callable[..., Any], row: Any) -> None:
    """Base takes XAUTH over every method that it has; Authentication Only makes no keys for it."""
    with pytest.raises(LocalError, match=f"authentication-only exchange has no {row.name}"):
        pair_for(make_pair, row.name, "authentication-only")
    if not row.user_proves:
        with pytest.raises(LocalError, match=f"base exchange has no {row.name}"):
            pair_for(make_pair, row.name, "base")
        return
    pair = pair_for(make_pair, row.name, "base")
    pair.handshake()
    assert [one.accepted for one in of(pair, row.user)(UserAuthenticated)] == [True]
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1


# -- hybrid authentication ---------------------------------------------------------------------


def test_transcripts_name_the_method(make_pair: Callable[..., Any]) -> None:
    pair = pair_for(make_pair, "hybrid-init-rsa-sig", "main")
    pair.handshake()
    assert (
        "authentication method hybrid-init-rsa-sig" in pair.of_initiator(MessageSent)[0].payloads[0]
    )


@pytest.mark.parametrize(("auth", "exchange"), MODES)
def test_keys_are_those_of_signatures(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, auth: str, exchange: str
) -> None:
    """SKEYID = prf(Ni_b | Nr_b, g^xy), also at the side that signs nothing."""
    made: list[bytes] = []
    genuine = keys.skeyid_signature

    def skeyid(*values: Any) -> bytes:
        made.append(genuine(*values))
        return made[-1]

    monkeypatch.setattr(keys, "skeyid_signature", skeyid)
    pair = pair_for(make_pair, auth, exchange)
    pair.handshake()
    assert len(made) == 2
    assert len(set(made)) == 1


@pytest.mark.parametrize(("auth", "exchange"), MODES)
def test_only_the_user_asks_for_certificates(
    make_pair: Callable[..., Any], auth: str, exchange: str
) -> None:
    """It is shown one and shows none."""
    pair = pair_for(make_pair, auth, exchange)
    pair.handshake()
    user = METHOD_ROWS[auth].user
    assert user
    kinds = {
        who: {line.split()[0] for e in of(pair, who)(MessageSent) for line in e.payloads}
        for who in NAMES
    }
    assert kinds[user] & {"CR", "CERT", "SIG"} == {"CR"}
    assert kinds[OTHER[user]] & {"CR", "CERT", "SIG"} == {"CERT", "SIG"}


DEVIATIONS = [
    ("wrong-hash-i", "init", I, NotifyType.INVALID_HASH_INFORMATION, "HASH_I differs"),
    ("wrong-sig-r", "init", R, NotifyType.INVALID_SIGNATURE, "SIG_R differs"),
    ("no-certificate", "init", R, NotifyType.CERTIFICATE_UNAVAILABLE, "no certificate"),
    ("wrong-sig-i", "resp", I, NotifyType.INVALID_SIGNATURE, "SIG_I differs"),
    ("wrong-hash-r", "resp", R, NotifyType.INVALID_HASH_INFORMATION, "HASH_R differs"),
    ("no-certificate", "resp", I, NotifyType.CERTIFICATE_UNAVAILABLE, "no certificate"),
    ("hash-for-sig", "init", R, NotifyType.PAYLOAD_MALFORMED, "SIG missing"),
    ("hash-for-sig", "resp", I, NotifyType.PAYLOAD_MALFORMED, "SIG missing"),
]


@pytest.mark.parametrize("kind", ["rsa", "dss"])
@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize(("name", "side", "who", "notify", "reason"), DEVIATIONS)
def test_the_partner_catches_a_deviation(  # noqa: PLR0917 (one argument for each factor)
    make_pair: Callable[..., Any],
    kind: str,
    exchange: str,
    name: str,
    side: str,
    who: str,
    notify: NotifyType,
    reason: str,
) -> None:
    """HASH and SIG are verified wherever they stand."""
    pair = pair_for(
        make_pair,
        f"hybrid-{side}-{kind}-sig",
        exchange,
        pair={f"{who}_deviations": (name,)},
    )
    pair.handshake()
    told = of(pair, OTHER[who])(MessageRejected)[0]
    assert told.notify is notify
    assert reason in told.reason
    assert not pair.of_initiator(ChildInstalled) + pair.of_responder(ChildInstalled)


@pytest.mark.parametrize(("auth", "exchange"), MODES)
def test_a_gateway_without_a_key(make_pair: Callable[..., Any], auth: str, exchange: str) -> None:
    """Who is to sign and cannot says so; nothing is raised and nothing stands."""
    user = METHOD_ROWS[auth].user
    assert user
    gateway = OTHER[user]
    keyless = {"credentials": recorded(auth, user)}
    pair = pair_for(make_pair, auth, exchange, **{gateway: keyless})
    pair.handshake()
    pair.pass_time()
    told = of(pair, gateway)(MessageRejected)
    assert told[0].notify is NotifyType.AUTHENTICATION_FAILED
    assert not pair.of_initiator(ChildInstalled) + pair.of_responder(ChildInstalled)


@pytest.mark.parametrize(("auth", "exchange"), MODES)
def test_a_gateway_that_nobody_vouches_for(
    make_pair: Callable[..., Any], auth: str, exchange: str
) -> None:
    """A user without an authority believes no certificate, though it has a key of its own."""
    user = METHOD_ROWS[auth].user
    assert user
    own = replace(recorded(auth, OTHER[user]), authorities=(), clock=None)
    pair = pair_for(make_pair, auth, exchange, **{user: {"credentials": own}})
    pair.handshake()
    assert of(pair, user)(MessageRejected)[0].notify is NotifyType.INVALID_CERT_AUTHORITY
    assert not of(pair, user)(IsakmpEstablished)


def test_credentials_of_hybrid_authentication(make_pair: Callable[..., Any]) -> None:
    """Either a private key or whom to trust; for mutual signatures both."""
    own = recorded("hybrid-init-rsa-sig", I)
    for auth, credentials, words in [
        ("hybrid-init-rsa-sig", None, "private key"),
        ("hybrid-init-rsa-sig", replace(own, authorities=(), clock=None), "trusted authority"),
        ("hybrid-init-dss-sig", recorded("rsa-sig", I), "private key for it"),
        ("xauth-init-rsa-sig", own, "private key for it"),
        ("xauth-init-rsa-enc", own, "an RSA private key"),
    ]:
        with pytest.raises(LocalError, match=words):
            pair_for(make_pair, auth, "main", initiator={"credentials": credentials})


def changed_copies(data: bytes) -> Iterable[bytes]:
    """A sample of truncations with a length field that fits, and of flipped bits."""
    for size in range(28, len(data), 29):
        yield data[:24] + size.to_bytes(4) + data[28:size]
    for index in (i for i in range(0, len(data), 13) if i not in {17, 44, 52, 54, 55}):
        yield data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


@pytest.mark.parametrize("auth", ["hybrid-init-rsa-sig", "hybrid-resp-rsa-sig"])
@pytest.mark.parametrize(("exchange", "target"), [("main", 5), ("main", 6), ("aggressive", 3)])
def test_changed_proofs_never_raise_nor_establish(
    make_pair: Callable[..., Any], auth: str, exchange: str, target: int
) -> None:
    pair = pair_for(make_pair, auth, exchange)
    pair.handshake()
    for copy in changed_copies(pair.sent[target - 1]):
        other = pair_for(make_pair, auth, exchange)
        other.handshake(lambda number, data, copy=copy: [copy] if number == target else [data])
        assert not other.of_initiator(ChildInstalled) + other.of_responder(ChildInstalled)


@pytest.mark.parametrize(("auth", "exchange"), MODES)
@pytest.mark.parametrize("number", range(1, 7))
def test_lost_messages_are_repeated(
    make_pair: Callable[..., Any], auth: str, exchange: str, number: int
) -> None:
    pair = pair_for(make_pair, auth, exchange)
    pair.handshake(lambda n, data: [] if n == number else [data])
    pair.pass_time()
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1
