"""Whatever a peer asks or answers, in whatever order: nothing raises but PeerError."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.crypto.random import seeded_random
from conformance.ikev1.attributes import Attribute
from conformance.ikev1.config import Config, Identification, Phase1Proposal, Phase2Proposal
from conformance.ikev1.constants import ConfigurationType
from conformance.ikev1.context import Context
from conformance.ikev1.deviations import Seams
from conformance.ikev1.errors import PeerError
from conformance.ikev1.events import UserAuthenticated
from conformance.ikev1.formalities import Formalities
from conformance.ikev1.mode_config import NUMBERS
from conformance.ikev1.payloads import Configuration
from conformance.ikev1.policies import ModeConfigPolicy, XauthPolicy, XauthRound

ROUNDS = (
    XauthRound(),
    XauthRound(kind="otp", challenge=b"otp-md5 9 ab"),
    XauthRound(kind="radius-chap"),
    XauthRound(("xauth-answer",), message=b"?", expects=(("xauth-answer", b"blue"),)),
)
GATEWAY = XauthPolicy(users=((b"joe", b"swordfish"),), rounds=ROUNDS, tries=3)
USER = XauthPolicy(user=b"joe", password=b"swordfish", answers=(("xauth-answer", b"blue"),))

KNOWN = st.sampled_from(list(NUMBERS.values()))
ATTRIBUTES = st.builds(
    lambda number, value: Attribute(number, value, basic=len(value) == 2),
    st.one_of(KNOWN, KNOWN, st.integers(0, 0x7FFF)),
    st.one_of(
        st.sampled_from([b"", b"\0\1", b"\0\0", b"joe", b"swordfish", b"\n\1\0\7"]),
        st.binary(max_size=20),
    ),
)
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([ConfigurationType.REQUEST, ConfigurationType.SET]),
        st.lists(ATTRIBUTES, max_size=5),
    ),
    max_size=6,
)


def formalities(*, user_is_us: bool | None, gateway: bool, push: bool) -> Formalities:
    """One end after phase 1."""
    nowhere = Identification.selector("192.0.2.1/32")
    config = Config(
        b"secret",
        nowhere,
        None,
        (Phase1Proposal("aes128", "sha256", "ecp256"),),
        (Phase2Proposal("aes128", "sha256", "tunnel", None),),
        nowhere,
        nowhere,
        xauth=USER if user_is_us else GATEWAY,
        mode_config=ModeConfigPolicy(gateway=gateway, push=push, use_address=True),
    )
    context = Context(config, seeded_random("a"), lambda: 256, Seams())
    return Formalities(context, user_is_us)


@settings(max_examples=300)
@given(
    messages=MESSAGES,
    user_is_us=st.sampled_from([True, False, None]),
    gateway=st.booleans(),
    push=st.booleans(),
)
def test_a_peer_that_asks_anything(
    *, messages: Any, user_is_us: bool | None, gateway: bool, push: bool
) -> None:
    """Each question is answered or refused; nobody is let in by asking."""
    end = formalities(user_is_us=user_is_us, gateway=gateway, push=push)
    for kind, attributes in messages:
        with suppress(PeerError):
            end.answer(Configuration(kind, 0, tuple(attributes)))
    if user_is_us is False:
        assert not end.done
        assert not [one for one in end.context.events if isinstance(one, UserAuthenticated)]


@settings(max_examples=300)
@given(replies=st.lists(st.lists(ATTRIBUTES, max_size=5), min_size=1, max_size=8))
def test_a_user_who_answers_anything(replies: Any) -> None:
    """Only the right answers to all rounds let a user in, and these need the password's hashes."""
    end = formalities(user_is_us=False, gateway=True, push=False)
    for attributes in replies:
        if (question := end.next_question()) is None:
            break
        end.take(question, Configuration(ConfigurationType.REPLY, 0, tuple(attributes)))
    assert not end.done
