"""XAUTH beyond one question: rounds, further attributes, retries, and what ends it.

draft-beaulieu-ike-xauth-02 5 and 6.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conformance.ikev1.config import Phase1Proposal
from conformance.ikev1.constants import ConfigurationType, ExchangeType, NotifyType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildDeleted,
    ChildInstalled,
    IsakmpDeleted,
    MessageReceived,
    MessageRejected,
    MessageSent,
    UserAuthenticated,
)
from conformance.ikev1.mode_config import attributes_of
from conformance.ikev1.payloads import Configuration
from conformance.ikev1.policies import XauthPolicy, XauthRound
from conformance.ikev1.xauth import FAIL, OK, TYPES, accepts, answer

if TYPE_CHECKING:
    from collections.abc import Callable

PHASE1 = Phase1Proposal("aes128", "sha256", "ecp256")
USERS = ((b"ann", b"hunter2"), (b"joe", b"swordfish"))
JOE = XauthPolicy(
    user=b"joe",
    password=b"swordfish",
    answers=(
        ("xauth-passcode", b"323415"),
        ("xauth-domain", b"example"),
        ("xauth-next-pin", b"4711"),
        ("xauth-answer", b"blue"),
    ),
)
SIDES = {"xauth-init-psk": ("initiator", "responder"), "xauth-resp-psk": ("responder", "initiator")}
NAME, PASSWORD = "xauth-user-name", "xauth-user-password"
OTP = b"otp-md5 499 ke1234"


def pair_of(
    make_pair: Callable[..., Any], gateway: XauthPolicy, user: XauthPolicy = JOE, **changes: Any
) -> tuple[Any, Any, Any]:
    """The pair after its handshake, and the event filters of user and gateway."""
    method = changes.pop("method", "xauth-init-psk")
    sides = SIDES[method]
    policies = {side: {"xauth": one} for side, one in zip(sides, (user, gateway), strict=True)}
    pair = make_pair(replace(PHASE1, auth=method), **policies, **changes)
    pair.handshake()
    return pair, *(getattr(pair, f"of_{side}") for side in sides)


def transactions(events: Any) -> list[str]:
    """Kind, identifier and attributes of every Transaction message: those sent, those received."""
    return [
        line.removeprefix("ATTR ")
        for event in events(MessageSent) + events(MessageReceived)
        if event.exchange is ExchangeType.TRANSACTION
        for line in event.payloads
        if line.startswith("ATTR ")
    ]


ROUNDS: list[tuple[str, tuple[XauthRound, ...]]] = [
    ("two factors", (XauthRound((NAME, PASSWORD, "xauth-passcode")),)),
    ("domain", (XauthRound((NAME, PASSWORD, "xauth-domain")),)),
    ("next pin", (XauthRound(), XauthRound(("xauth-next-pin",), message=b"Choose a PIN"))),
    ("answer", (XauthRound(), XauthRound(("xauth-answer",), message=b"Your favourite colour?"))),
    ("name first", (XauthRound((NAME,)), XauthRound((PASSWORD,)))),
    ("otp", (XauthRound((NAME,), "otp", OTP), XauthRound((NAME, PASSWORD), "otp", OTP))),
    ("other type", (XauthRound(), XauthRound(kind="radius-chap"))),
    ("s/key", (XauthRound(kind="s-key", challenge=b"s/key 99 ke1234"),)),
]


@pytest.mark.covers("xauth:16523", "xauth:16526", "xauth:16528", "xauth:16529", by="self")
@pytest.mark.parametrize("method", SIDES)
@pytest.mark.parametrize("rounds", [row[1] for row in ROUNDS], ids=[row[0] for row in ROUNDS])
def test_rounds(make_pair: Callable[..., Any], method: str, rounds: tuple[XauthRound, ...]) -> None:
    """One REQUEST and REPLY for each, then one SET and ACK, then Quick Mode."""
    policy = XauthPolicy(users=USERS, rounds=rounds)
    pair, _, gateway = pair_of(make_pair, policy, method=method)
    (event,) = gateway(UserAuthenticated)
    assert (event.user, event.accepted) == ("joe", True)
    names = [name for one in rounds for name in one.asks if name not in {NAME, PASSWORD}]
    assert event.answers == tuple((name, dict(JOE.answers)[name]) for name in names)
    assert not [value for _, value in event.answers if value.decode() in repr(event)]
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1
    kinds = [line.split()[0] for line in transactions(gateway)]
    assert kinds.count("REQUEST") == kinds.count("REPLY") == len(rounds)
    assert kinds.count("SET") == kinds.count("ACK") == 1


@pytest.mark.covers("xauth:16524", by="self")
def test_messages_reach_the_user(make_pair: Callable[..., Any]) -> None:
    """Those of questions and the one that comes with the verdict."""
    rounds = (XauthRound(message=b"Password and PIN"),)
    policy = XauthPolicy(users=USERS, rounds=rounds, verdict=b"Welcome")
    _, user, _ = pair_of(make_pair, policy)
    (event,) = user(UserAuthenticated)
    assert event.messages == ("Password and PIN", "Welcome")


WRONG: list[tuple[str, XauthRound, XauthPolicy]] = [
    ("password", XauthRound(), replace(JOE, password=b"guess")),
    ("another's password", XauthRound(), replace(JOE, user=b"ann")),
    (
        "passcode",
        XauthRound((NAME, PASSWORD, "xauth-passcode"), expects=(("xauth-passcode", b"1"),)),
        JOE,
    ),
    (
        "domain",
        XauthRound((NAME, PASSWORD, "xauth-domain"), expects=(("xauth-domain", b"other"),)),
        JOE,
    ),
    ("s/key", XauthRound(kind="s-key", challenge=b"s/key 9 ab"), replace(JOE, password=b"guess")),
]


@pytest.mark.parametrize(("asked", "user"), [row[1:] for row in WRONG], ids=[r[0] for r in WRONG])
def test_a_wrong_answer(
    make_pair: Callable[..., Any], asked: XauthRound, user: XauthPolicy
) -> None:
    """STATUS is FAIL, both ends let go of the ISAKMP SA, and no event shows a secret."""
    policy = XauthPolicy(users=USERS, rounds=(asked,))
    pair, mine, yours = pair_of(make_pair, policy, user)
    for events in (mine, yours):
        assert [one.accepted for one in events(UserAuthenticated)] == [False]
        assert events(IsakmpDeleted)
        assert not events(ChildInstalled)
    text = repr(pair.initiator_events + pair.responder_events)
    for secret in ("guess", "swordfish", "323415"):
        assert secret not in text


def test_the_last_of_several_rounds_decides(make_pair: Callable[..., Any]) -> None:
    rounds = (
        XauthRound(),
        XauthRound(("xauth-answer",), message=b"?", expects=(("xauth-answer", b"red"),)),
    )
    _, _, gateway = pair_of(make_pair, XauthPolicy(users=USERS, rounds=rounds))
    assert [one.accepted for one in gateway(UserAuthenticated)] == [False]


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_retries_stay_in_one_transaction(make_pair: Callable[..., Any], tries: int) -> None:
    """6: the gateway may ask again, under the same identifier, before it says FAIL."""
    policy = XauthPolicy(users=USERS, tries=tries, identifier=4711)
    _, _, gateway = pair_of(make_pair, policy, replace(JOE, password=b"guess"))
    lines = transactions(gateway)
    assert sum(line.startswith("REQUEST") for line in lines) == tries
    assert {line.split()[1] for line in lines} == {"4711"}


def test_a_second_try_can_succeed(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who mistyped is asked again and gets in."""
    passwords = [b"guess", b"swordfish"]

    def typed(request: Configuration, policy: XauthPolicy, identifier: int) -> Any:
        return answer(request, replace(policy, password=passwords.pop(0)), identifier)

    monkeypatch.setattr("conformance.ikev1.xauth.answer", typed)
    pair, _, gateway = pair_of(make_pair, XauthPolicy(users=USERS, tries=2))
    assert gateway(UserAuthenticated) == [UserAuthenticated("joe", accepted=True)]
    assert len(pair.of_initiator(ChildInstalled)) == 1


@pytest.mark.parametrize("method", SIDES)
def test_a_user_who_cannot_answer(make_pair: Callable[..., Any], method: str) -> None:
    """6.1: a REPLY with STATUS FAIL; it ends the transaction, so that no SET follows (5)."""
    policy = XauthPolicy(users=USERS, rounds=(XauthRound((NAME, PASSWORD, "xauth-passcode")),))
    _, user, gateway = pair_of(make_pair, policy, replace(JOE, answers=()), method=method)
    for events in (user, gateway):
        assert [one.accepted for one in events(UserAuthenticated)] == [False]
        assert events(IsakmpDeleted)
    kinds = [line.split()[0] for line in transactions(gateway)]
    assert set(kinds) == {"REQUEST", "REPLY"}


@pytest.mark.parametrize("method", SIDES)
def test_a_user_whom_phase_1_has_proved(make_pair: Callable[..., Any], method: str) -> None:
    """5.5: SET(STATUS=OK) alone."""
    policy = XauthPolicy(trusted=True)
    pair, user, gateway = pair_of(make_pair, policy, method=method)
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1
    assert [one.accepted for one in user(UserAuthenticated)] == [True]
    assert sorted(line.split()[0] for line in transactions(gateway)) == ["ACK", "SET"]


@pytest.mark.parametrize(
    ("asks", "message", "words"),
    [
        (("xauth-next-pin", PASSWORD), b"", "asked for alone"),
        (("xauth-answer", PASSWORD), b"?", "asked for alone"),
        (("xauth-answer",), b"", "with a message"),
    ],
)
def test_what_goes_together(asks: tuple[str, ...], message: bytes, words: str) -> None:
    """6.2 forbids some pairs of attributes."""
    with pytest.raises(LocalError, match=words):
        XauthRound(asks, message=message)


def request(*values: tuple[str, bytes]) -> Configuration:
    return Configuration(ConfigurationType.REQUEST, 0, attributes_of(values))


ANSWERS: list[tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]] = [
    ([(NAME, b""), (PASSWORD, b"")], [(NAME, b"joe"), (PASSWORD, b"swordfish")]),
    ([(NAME, b"")], [(NAME, b"joe")]),
    (
        [("xauth-type", b"\0\0"), ("xauth-next-pin", b""), ("xauth-message", b"PIN")],
        [("xauth-type", b"\0\0"), ("xauth-next-pin", b"4711")],
    ),
    (
        [("xauth-type", b"\0\2"), (PASSWORD, b""), ("xauth-challenge", b"junk")],
        [("xauth-type", b"\0\2"), ("xauth-status", FAIL)],
    ),
    (
        [("xauth-type", b"\0\x09"), (NAME, b""), (PASSWORD, b"")],
        [("xauth-type", b"\0\x09"), ("xauth-status", FAIL)],
    ),
    ([("xauth-message", b"hello")], [("xauth-status", FAIL)]),
]


@pytest.mark.parametrize(("asked", "answered"), ANSWERS)
def test_answers(asked: Any, answered: Any) -> None:
    """6.2: TYPE comes back as it came, and only where it came; only what is asked is told."""
    assert list(answer(request(*asked), JOE, 1)) == answered


def test_a_missing_type_means_generic() -> None:
    """6.2: a gateway takes a REPLY without it, as strongSwan sends it."""
    reply = Configuration(
        ConfigurationType.REPLY, 0, attributes_of([(NAME, b"joe"), (PASSWORD, b"swordfish")])
    )
    assert accepts(reply, XauthRound(), b"", b"", USERS)
    assert not accepts(reply, XauthRound(kind="radius-chap"), b"", b"", USERS)


@pytest.mark.parametrize(
    ("kind", "challenge", "proof"),
    [
        ("radius-chap", b"c", b""),
        ("radius-chap", b"c", b"\1"),
        ("radius-chap", b"c", bytes(18)),
        ("otp", b"no challenge", b"\0"),
        ("s-key", b"", b"\0"),
    ],
)
def test_proofs_of_the_wrong_form(kind: str, challenge: bytes, proof: bytes) -> None:
    """No length raises anything, and no challenge of our own that is none lets anybody in."""
    values = [("xauth-type", TYPES[kind].to_bytes(2)), (NAME, b"joe"), (PASSWORD, proof)]
    reply = Configuration(ConfigurationType.REPLY, 0, attributes_of(values))
    assert not accepts(reply, XauthRound(kind=kind), challenge, b"", USERS)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([("xauth-message", b"hi")], "XAUTH-STATUS missing"),
        ([("xauth-type", TYPES["otp"].to_bytes(2))], "XAUTH-STATUS missing"),
    ],
)
def test_a_set_without_a_status(
    make_pair: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    values: list[tuple[str, bytes]],
    reason: str,
) -> None:
    """It says nothing, so that nothing is believed."""
    genuine = attributes_of

    def garbled(given: Any) -> Any:
        return genuine(values if ("xauth-status", OK) in given else given)

    monkeypatch.setattr("conformance.ikev1.formalities.attributes_of", garbled)
    _, user, _ = pair_of(make_pair, XauthPolicy(trusted=True))
    told = user(MessageRejected)[0]
    assert told.notify is NotifyType.PAYLOAD_MALFORMED
    assert told.reason == reason
    assert not user(UserAuthenticated)
    assert not user(ChildInstalled)


# (deviation, who deviates, who catches it, what it says)
DEVIATIONS = [
    ("wrong-hash-of-transaction", "responder", "initiator", "HASH(1) differs"),
    ("wrong-hash-of-transaction", "initiator", "responder", "HASH(1) differs"),
    ("other-identifier", "initiator", "responder", "identifier 1"),
]


@pytest.mark.parametrize(("name", "who", "partner", "reason"), DEVIATIONS)
def test_the_partner_catches_a_deviation(
    make_pair: Callable[..., Any], name: str, who: str, partner: str, reason: str
) -> None:
    deviations: dict[str, Any] = {f"{who}_deviations": (name,)}
    pair, *_ = pair_of(make_pair, XauthPolicy(users=USERS), **deviations)
    told = getattr(pair, f"of_{partner}")(MessageRejected)[0]
    assert reason in told.reason
    assert not pair.of_initiator(ChildInstalled) + pair.of_responder(ChildInstalled)


def test_nobody_says_ok_to_himself(make_pair: Callable[..., Any]) -> None:
    """6.2: a STATUS in a REPLY means FAIL, whatever it says."""
    pair, _, gateway = pair_of(
        make_pair,
        XauthPolicy(users=USERS),
        replace(JOE, password=b"guess"),
        initiator_deviations=("status-ok-in-reply",),
    )
    assert [one.accepted for one in gateway(UserAuthenticated)] == [False]
    assert not pair.of_initiator(ChildInstalled) + pair.of_responder(ChildInstalled)


# -- later on ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", SIDES)
def test_the_gateway_asks_again(make_pair: Callable[..., Any], method: str) -> None:
    """6: at any time; a user who still knows the password keeps what it has."""
    pair, user, gateway = pair_of(make_pair, XauthPolicy(users=USERS), method=method)
    getattr(pair, SIDES[method][1]).authenticate_user(1.0)
    pair.deliver()
    for events in (user, gateway):
        assert [one.accepted for one in events(UserAuthenticated)] == [True, True]
        assert not events(ChildDeleted) + events(IsakmpDeleted) + events(MessageRejected)
    pair.initiator.start_quick_mode(2.0)
    pair.deliver()
    assert len(pair.of_responder(ChildInstalled)) == 2


@pytest.mark.parametrize("method", SIDES)
def test_a_user_who_fails_later_loses_everything(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """6: phase 1 and phase 2 alike."""
    pair, user, gateway = pair_of(make_pair, XauthPolicy(users=USERS), method=method)

    def forgotten(request: Configuration, policy: XauthPolicy, identifier: int) -> Any:
        return answer(request, replace(policy, password=b"guess"), identifier)

    monkeypatch.setattr("conformance.ikev1.xauth.answer", forgotten)
    getattr(pair, SIDES[method][1]).authenticate_user(1.0)
    pair.deliver()
    for events in (user, gateway):
        assert [one.accepted for one in events(UserAuthenticated)] == [True, False]
        assert len(events(ChildDeleted)) == len(events(IsakmpDeleted)) == 1


def test_no_quick_mode_while_the_user_is_asked(make_pair: Callable[..., Any]) -> None:
    pair, _, gateway = pair_of(make_pair, XauthPolicy(users=USERS))
    pair.responder.authenticate_user(1.0)
    pair.initiator.start_quick_mode(1.0)
    (data, _) = pair.initiator.datagrams_to_send(1.0)[-1]
    pair.responder.receive_datagram(data, ("10.0.0.1", 500), 1.0)
    pair.deliver()
    assert "before XAUTH" in gateway(MessageRejected)[0].reason
    assert len(gateway(ChildInstalled)) == 1


def test_only_a_gateway_asks(make_pair: Callable[..., Any]) -> None:
    pair, *_ = pair_of(make_pair, XauthPolicy(users=USERS))
    with pytest.raises(LocalError, match="no user whom we could ask"):
        pair.initiator.authenticate_user(1.0)
