"""The Transaction exchange: XAUTH of either side, Mode Config pulled and pushed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conformance.ikev1 import one_time, vendor_ids, xauth
from conformance.ikev1.buffer import Reader
from conformance.ikev1.config import Phase1Proposal
from conformance.ikev1.constants import ConfigurationType, ExchangeType, PayloadType
from conformance.ikev1.describe import describe_payload
from conformance.ikev1.errors import DecodeError, LocalError
from conformance.ikev1.events import (
    ChildInstalled,
    ConfigurationReceived,
    IsakmpDeleted,
    IsakmpEstablished,
    MessageReceived,
    MessageRejected,
    MessageSent,
    UserAuthenticated,
)
from conformance.ikev1.message import write_body
from conformance.ikev1.mode_config import attributes_of
from conformance.ikev1.payloads import Configuration, parse_payload
from conformance.ikev1.policies import ModeConfigPolicy, XauthPolicy, XauthRound

if TYPE_CHECKING:
    from collections.abc import Callable

PHASE1 = Phase1Proposal("aes128", "sha256", "ecp256")
USERS = ((b"ann", b"a very secret word"), (b"joe", b"This is a test."))
OTP = b"otp-md5 499 ke1234"
CHALLENGES = {"generic": b"", "radius-chap": b"", "otp": OTP, "s-key": b"s/key 99 ke1234"}
SIDES = {"xauth-init-psk": ("initiator", "responder"), "xauth-resp-psk": ("responder", "initiator")}


def ends(user: str, gateway: str, kind: str, password: bytes = USERS[1][1]) -> dict[str, Any]:
    """The overrides of both Configs."""
    policy = XauthPolicy(users=USERS, kind=kind, challenge=CHALLENGES[kind])
    return {
        user: {"xauth": XauthPolicy(user=b"joe", password=password)},
        gateway: {"xauth": policy},
    }


def of(pair: Any, who: str) -> Any:
    """The event filter of one end."""
    return getattr(pair, f"of_{who}")


@pytest.mark.covers("exchange:6", "payload:14", by="self")
@pytest.mark.covers(
    *(f"xauth:{number}" for number in (16520, 16521, 16522, 16525, 16527)), by="self"
)
@pytest.mark.covers("auth:{method}", "xauthtype:{kind}", by="self")
@pytest.mark.covers("configtype:1", "configtype:2", "configtype:3", "configtype:4", by="self")
@pytest.mark.parametrize("method", SIDES)
@pytest.mark.parametrize("kind", CHALLENGES)
@pytest.mark.parametrize("exchange", ["main", "aggressive"])
def test_xauth(make_pair: Callable[..., Any], method: str, kind: str, exchange: str) -> None:
    """REQUEST, REPLY, SET, ACK; and Quick Mode, begun by the initiator, only then."""
    user, gateway = SIDES[method]
    overrides = ends(user, gateway, kind)
    for one in overrides.values():
        one["exchange"] = exchange
    pair = make_pair(replace(PHASE1, auth=method), **overrides)
    pair.handshake()
    for who, name in ((user, ""), (gateway, "joe")):
        assert of(pair, who)(UserAuthenticated) == [UserAuthenticated(name, accepted=True)]
        assert len(of(pair, who)(ChildInstalled)) == 1
        assert not of(pair, who)(MessageRejected)
        assert vendor_ids.XAUTH in of(pair, who)(IsakmpEstablished)[0].vendor_ids
    lines = [
        e.payloads[1].split("[")[0].split()[1]
        for e in pair.of_initiator(MessageSent) + pair.of_initiator(MessageReceived)
        if e.exchange is ExchangeType.TRANSACTION
    ]
    assert sorted(lines) == ["ACK", "REPLY", "REQUEST", "SET"]


@pytest.mark.parametrize("method", SIDES)
@pytest.mark.parametrize("kind", CHALLENGES)
def test_wrong_password(make_pair: Callable[..., Any], method: str, kind: str) -> None:
    """The status says FAIL, the ISAKMP SA goes, nothing is installed, no event shows a secret."""
    user, gateway = SIDES[method]
    pair = make_pair(replace(PHASE1, auth=method), **ends(user, gateway, kind, b"guess"))
    pair.handshake()
    for who in (user, gateway):
        (verdict,) = of(pair, who)(UserAuthenticated)
        assert not verdict.accepted
        assert of(pair, who)(IsakmpDeleted)
        assert not of(pair, who)(ChildInstalled)
    text = repr(pair.initiator_events + pair.responder_events)
    assert "guess" not in text
    assert "This is a test" not in text


def test_no_quick_mode_before_xauth(make_pair: Callable[..., Any]) -> None:
    """A user who skips XAUTH gets nothing."""
    pair = make_pair(
        replace(PHASE1, auth="xauth-init-psk"), **ends("initiator", "responder", "generic")
    )
    pair.handshake(lambda number, data: [data] if number < 7 else [])
    pair.initiator.start_quick_mode(1.0)
    (data, _) = pair.initiator.datagrams_to_send(1.0)[-1]
    pair.responder.receive_datagram(data, ("10.0.0.1", 500), 1.0)
    pair.deliver()
    assert "before XAUTH" in pair.of_responder(MessageRejected)[-1].reason
    assert not pair.of_responder(ChildInstalled)


@pytest.mark.parametrize("number", range(7, 11))
def test_lost_transactions_are_repeated(make_pair: Callable[..., Any], number: int) -> None:
    pair = make_pair(
        replace(PHASE1, auth="xauth-init-psk"), **ends("initiator", "responder", "generic")
    )
    pair.handshake(lambda n, data: [] if n == number else [data])
    pair.pass_time()
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1


@pytest.mark.parametrize("number", range(7, 11))
@pytest.mark.parametrize("change", ["truncated", "flipped"])
def test_damaged_transactions(make_pair: Callable[..., Any], number: int, change: str) -> None:
    """Every prefix and every changed octet is refused or ignored, and the good one still works."""

    def tamper(n: int, data: bytes) -> list[bytes]:
        if n != number:
            return [data]
        if change == "truncated":
            return [*(data[:size] for size in range(len(data))), data]
        flips = (place for place in range(len(data)) if place in range(16, 28))
        return [*(bytes(o ^ (i == at) for i, o in enumerate(data)) for at in flips), data]

    pair = make_pair(
        replace(PHASE1, auth="xauth-init-psk"), **ends("initiator", "responder", "generic")
    )
    pair.handshake(tamper)
    pair.pass_time()
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1


# -- Mode Config -------------------------------------------------------------------------------

GIVEN = (("ip4-address", bytes([10, 1, 0, 7])), ("ip4-dns", bytes([10, 2, 0, 53])))
ASKED = (("ip4-address", b""), ("ip4-dns", b""), ("ip4-nbns", b""), ("unity-banner", b""))


@pytest.mark.covers("exchange:6", "config:1", "config:3", "feature:pull", "feature:push", by="self")
@pytest.mark.parametrize("push", [True, False])
@pytest.mark.parametrize(("host", "gateway"), SIDES.values())
@pytest.mark.parametrize("with_xauth", [True, False])
def test_mode_config(
    make_pair: Callable[..., Any], *, push: bool, host: str, gateway: str, with_xauth: bool
) -> None:
    """The host learns what the gateway has; Quick Mode comes afterwards."""
    overrides = ends(host, gateway, "generic") if with_xauth else {host: {}, gateway: {}}
    overrides[host]["mode_config"] = ModeConfigPolicy(gateway=False, push=push, values=ASKED)
    overrides[gateway]["mode_config"] = ModeConfigPolicy(gateway=True, push=push, values=GIVEN)
    method = {"initiator": "xauth-init-psk", "responder": "xauth-resp-psk"}[host]
    pair = make_pair(replace(PHASE1, auth=method if with_xauth else "psk"), **overrides)
    pair.handshake()
    settings = (("ip4-address", "10.1.0.7"), ("ip4-dns", "10.2.0.53"))
    assert of(pair, host)(ConfigurationReceived) == [ConfigurationReceived(GIVEN, settings)]
    assert not of(pair, gateway)(ConfigurationReceived)
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1
    assert "ip4-dns 10.2.0.53" in str(of(pair, host)(ConfigurationReceived)[0])


@pytest.mark.parametrize("asks", [True, False])
def test_both_wait_or_both_push(make_pair: Callable[..., Any], *, asks: bool) -> None:
    """Peers of different minds install nothing, and whoever is asked says so."""
    pair = make_pair(
        initiator={"mode_config": ModeConfigPolicy(gateway=False, push=not asks)},
        responder={"mode_config": ModeConfigPolicy(gateway=True, push=asks)},
    )
    pair.handshake()
    assert not pair.of_initiator(ChildInstalled)
    rejected = pair.of_initiator(MessageRejected) + pair.of_responder(MessageRejected)
    assert bool(rejected) is asks


# -- pieces ------------------------------------------------------------------------------------


BODIES = [
    (Configuration(ConfigurationType.REQUEST, 7), "01000007"),
    (
        Configuration(ConfigurationType.SET, 65535, attributes_of([("xauth-status", xauth.OK)])),
        "0300ffffc08f0001",
    ),
    (
        Configuration(ConfigurationType.REPLY, 1, attributes_of(GIVEN[:1])),
        "02000001000100040a010007",
    ),
]


@pytest.mark.parametrize(("payload", "body"), BODIES)
def test_attribute_payload(payload: Configuration, body: str) -> None:
    """Written as drawn and parsed back; no prefix is the same."""
    data = bytes.fromhex(body)
    assert write_body(payload) == data
    assert parse_payload(PayloadType.ATTR, Reader(data)) == payload
    for size in range(len(data)):
        try:
            assert parse_payload(PayloadType.ATTR, Reader(data[:size])) != payload
        except DecodeError:
            continue


def test_reserved_octet_of_the_attribute_payload() -> None:
    with pytest.raises(DecodeError, match="reserved"):
        parse_payload(PayloadType.ATTR, Reader(bytes.fromhex("01010007")))


def test_secrets_are_not_shown() -> None:
    payload = Configuration(
        ConfigurationType.REPLY, 1, attributes_of([("xauth-user-password", b"hunter2")])
    )
    assert "hunter2" not in repr(payload) + describe_payload(payload)
    assert "hunter2" not in repr(XauthPolicy(password=b"hunter2", users=((b"a", b"hunter2"),)))


def test_unknown_attribute() -> None:
    with pytest.raises(LocalError, match="ip9-address"):
        attributes_of([("ip9-address", b"")])


@pytest.mark.parametrize(("number", "receiver"), [(7, "initiator"), (8, "responder")])
def test_wrong_hash(make_pair: Callable[..., Any], number: int, receiver: str) -> None:
    """draft-dukes-ike-mode-cfg-02 3.1.1: the hash authenticates question and answer alike."""

    def garble_the_hash(n: int, data: bytes) -> list[bytes]:
        within = 28 + 16  # the second block of ciphertext decrypts to nothing but hash
        changed = bytes(octet ^ (index == within) for index, octet in enumerate(data))
        return [changed if n == number else data]

    pair = make_pair(
        replace(PHASE1, auth="xauth-init-psk"), **ends("initiator", "responder", "generic")
    )
    pair.handshake(garble_the_hash)
    assert "HASH(1) differs" in of(pair, receiver)(MessageRejected)[0].reason
    assert not pair.of_responder(UserAuthenticated)
    assert not pair.of_initiator(ChildInstalled)


@pytest.mark.parametrize("user", [b"", b"eve", b"joe"])
@pytest.mark.parametrize("kind", CHALLENGES)
def test_nobody_is_no_user(user: bytes, kind: str) -> None:
    """An unknown name proves nothing, not even with the empty password."""
    challenge = CHALLENGES[kind]
    proofs = {
        "generic": b"",
        "radius-chap": xauth.chap_response(1, b"", b""),
        "otp": one_time.response(b"", challenge),
        "s-key": one_time.response(b"", challenge),
    }
    values = [
        ("xauth-type", xauth.TYPES[kind].to_bytes(2)),
        ("xauth-user-name", user),
        ("xauth-user-password", proofs[kind] or b""),
    ]
    reply = Configuration(ConfigurationType.REPLY, 1, attributes_of(values))
    assert not xauth.accepts(reply, XauthRound(kind=kind), challenge, b"", USERS)
