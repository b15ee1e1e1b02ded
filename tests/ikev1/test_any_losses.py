"""Whatever is lost of the further exchanges: a result at most once, or a reason for none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.crypto.dh import GROUPS
from conformance.ikev1.config import Phase2Proposal
from conformance.ikev1.events import (
    ChildDeleted,
    ChildInstalled,
    ExchangeFailed,
    GroupAgreed,
    PeerAuthenticated,
)
from conformance.ikev1.policies import NewGroupPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

PRIVATE = {"phase2": (Phase2Proposal("aes128", "sha256", "tunnel", "private-32768"),)}
OFFER = NewGroupPolicy(((32768, GROUPS["modp768"].parameters),))
BOTH = ("initiator", "responder")

CASES: dict[str, tuple[dict[str, dict[str, Any]], type[Any]]] = {
    "base": ({who: {"exchange": "base"} for who in BOTH}, ChildInstalled),
    "authentication-only": (
        {who: {"exchange": "authentication-only"} for who in BOTH},
        PeerAuthenticated,
    ),
    "new-group": (
        {
            "initiator": PRIVATE | {"new_groups": OFFER},
            "responder": PRIVATE | {"new_groups": NewGroupPolicy(accept=True)},
        },
        GroupAgreed,
    ),
    "commit": ({"initiator": {"initiator_commits": True}}, ChildInstalled),
    "both-commit": (
        {"initiator": {"initiator_commits": True}, "responder": {"commit": "informational"}},
        ChildInstalled,
    ),
}
anything = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.covers("feature:retransmission", by="self")
@pytest.mark.parametrize("case", CASES)
@given(lost=st.sets(st.integers(1, 24)))
@anything
def test_any_losses_end_in_one_result_or_a_reason(
    make_pair: Callable[..., Any], case: str, lost: set[int]
) -> None:
    """Never two results, and an initiator without one says why."""
    overrides, result = CASES[case]
    pair = make_pair(**overrides)

    def drop(number: int, data: bytes) -> list[bytes]:
        return [] if number in lost else [data]

    pair.handshake(drop)
    pair.pass_time(drop)
    for events in (pair.of_initiator, pair.of_responder):
        assert len(events(result)) <= 1
    assert pair.of_initiator(result) or pair.of_initiator(ExchangeFailed)


@given(lost=st.sets(st.integers(10, 24)))
@anything
def test_any_losses_of_answered_deletes(make_pair: Callable[..., Any], lost: set[int]) -> None:
    """The peer acts upon each Delete at most once; unanswered, each has a reason."""
    pair = make_pair(**{who: {"acknowledged_deletes": True} for who in BOTH})
    pair.handshake()
    pair.initiator.terminate(pair.now)

    def drop(number: int, data: bytes) -> list[bytes]:
        return [] if number in lost else [data]

    pair.deliver(drop)
    pair.pass_time(drop)
    assert len(pair.of_responder(ChildDeleted)) <= 1
    assert pair.of_responder(ChildDeleted) or pair.of_initiator(ExchangeFailed)
    assert pair.initiator.get_timer() is None
