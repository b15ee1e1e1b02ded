"""Levels of ``auth``: what each asks of either end, and which one the ends' words mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.drivers.methods import METHODS, level_told
from conformance.matrix.factors import find_factor

if TYPE_CHECKING:
    from conftest import MakeConnection

INIT, RESP = "initiator", "responder"
ECDSA = ("ecdsa-256", "ecdsa-384", "ecdsa-521")
SILENT = ("psk", "none")
"""What a log that names no signature may mean."""


def test_every_level_of_auth_is_a_method() -> None:
    """In the factor's order, so that the plain level is the first that fits a silent log."""
    assert list(METHODS) == list(find_factor("auth").known)


@pytest.mark.parametrize("level", METHODS)
def test_a_method_has_a_key_where_an_end_proves_itself_with_one(level: str) -> None:
    method = METHODS[level]
    assert (method.key is not None) == ("key" in {method.initiator, method.responder})
    assert (method.user is not None) == level.startswith(("xauth", "hybrid"))
    assert ("none" in {method.initiator, method.responder}) == level.startswith("hybrid")


@pytest.mark.parametrize(
    ("level", "user", "asking"),
    [
        ("psk", None, None),
        ("ecdsa-384", None, None),
        ("xauth-init-psk", INIT, RESP),
        ("xauth-resp-psk", RESP, INIT),
        ("xauth-init-rsa-sig", INIT, RESP),
        ("xauth-resp-rsa-sig", RESP, INIT),
        ("hybrid-init-rsa-sig", INIT, RESP),
    ],
)
def test_one_end_is_the_user_and_the_other_asks(
    make_connection: MakeConnection, level: str, user: str | None, asking: str | None
) -> None:
    ends = (make_connection("initiator", auth=level), make_connection("responder", auth=level))
    assert [end.role for end in ends if end.is_user] == [user] * bool(user)
    assert [end.role for end in ends if end.asks_user] == [asking] * bool(asking)


@pytest.mark.parametrize(
    ("asked", "role", "proofs", "user", "told"),
    [
        # asked, who tells, what the other end's proof may have been, whom XAUTH asked, the level
        ("psk", INIT, SILENT, None, "psk"),
        ("psk", RESP, ["psk"], None, "psk"),
        ("rsa-sig", INIT, SILENT, None, "psk"),
        ("psk", INIT, ["rsa-sig"], None, "rsa-sig"),
        ("ecdsa-521", RESP, ECDSA, None, "ecdsa-521"),
        ("rsa-sig", RESP, ECDSA, None, "ecdsa-256"),
        ("xauth-init-psk", INIT, SILENT, INIT, "xauth-init-psk"),
        ("xauth-init-psk", RESP, SILENT, INIT, "xauth-init-psk"),
        ("xauth-resp-psk", INIT, ["psk"], RESP, "xauth-resp-psk"),
        ("xauth-init-psk", RESP, SILENT, None, "psk"),
        ("xauth-init-psk", RESP, SILENT, RESP, "xauth-resp-psk"),
        ("psk", INIT, SILENT, INIT, "xauth-init-psk"),
        ("xauth-init-rsa-sig", RESP, ["rsa-sig"], INIT, "xauth-init-rsa-sig"),
        ("xauth-resp-rsa-sig", INIT, ["rsa-sig"], None, "rsa-sig"),
        # Hybrid: the user proves itself with XAUTH alone, so the two ends see different proofs.
        ("hybrid-init-rsa-sig", INIT, ["rsa-sig"], INIT, "hybrid-init-rsa-sig"),
        ("hybrid-init-rsa-sig", RESP, SILENT, INIT, "hybrid-init-rsa-sig"),
        ("hybrid-init-rsa-sig", RESP, ["rsa-sig"], INIT, "xauth-init-rsa-sig"),
        ("xauth-init-rsa-sig", RESP, SILENT, INIT, "xauth-init-psk"),
        ("psk", INIT, ["BLISS"], None, "BLISS, user None"),
        ("psk", INIT, SILENT, "nobody", "psk or none, user nobody"),
    ],
)
def test_the_asked_level_is_told_only_where_it_fits(
    asked: str, role: str, proofs: list[str], user: str | None, told: str
) -> None:
    """What does not fit is told as the first level that does, or in the ends' own words."""
    assert level_told(asked, role, proofs, user) == told
