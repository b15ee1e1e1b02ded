"""What cannot stand in one combination, for every peer or for one peer in one role."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.errors import UserError
from conformance.matrix import load_manifests, make_plan, parse_restrictions
from conformance.matrix.constraints import CONSTRAINTS, Exclusion, Role, first_exclusion
from conformance.matrix.covering import Space
from conformance.matrix.factors import all_levels, check_level, find_factor, plain_combination
from conformance.matrix.manifest import FILE_NAME, load_manifest
from conformance.matrix.plan import make_cell

PEERS = Path(__file__).parents[2] / "peers"
MANIFESTS = load_manifests(PEERS)
PLAIN = plain_combination(all_levels())
AH = {"protocol": "ah", "esp_cipher": "none"}


@pytest.mark.parametrize(
    ("levels", "source"),
    [
        ({}, None),
        (AH, None),
        ({"protocol": "ah"}, "RFC 4302 1"),
        ({"esp_cipher": "none"}, "RFC 2407 4.4.4"),
        (AH | {"esp_integrity": "none"}, "RFC 2407 4.4.3"),
        (AH | {"esp_integrity": "aesxcbc"}, None),
        ({"protocol": "ah", "esp_cipher": "aes128ctr"}, "RFC 4302 1"),
        ({"esp_cipher": "aes128gcm16"}, "RFC 8221 4"),
        ({"esp_cipher": "aes256gmac"}, "RFC 8221 4"),
        ({"esp_cipher": "aes128ccm8", "esp_integrity": "none"}, None),
        ({"esp_integrity": "none"}, "RFC 8221 4"),
        ({"esp_cipher": "null", "esp_integrity": "none"}, "RFC 8221 4"),
        ({"esp_cipher": "null"}, None),
        ({"esp_cipher": "aes192ctr", "esn": "yes"}, None),
        ({"protocol": "esp+ipcomp"}, None),
        ({"protocol": "esp+ipcomp", "esp_cipher": "none"}, "RFC 2407 4.4.4"),
        ({"nat": "initiator"}, None),
        (AH | {"nat": "initiator"}, "RFC 3715 2.1"),
        ({"nat": "initiator", "mode": "transport"}, "RFC 3948 5.2"),
        ({"mode_config": "push"}, None),
        ({"mode_config": "pull", "mode": "transport"}, "draft-dukes-ike-mode-cfg-02 3"),
        ({"mode_config": "push", "mode": "transport"}, "draft-dukes-ike-mode-cfg-02 3"),
        ({"certificates": "revoked"}, "RFC 2409 5.4"),
        ({"certificates": "chain", "auth": "rsa-sig"}, None),
        ({"fragmentation": "yes"}, "[MS-IKEE] 3.3"),
        ({"fragmentation": "yes", "auth": "hybrid-init-rsa-sig"}, "[MS-IKEE] 3.3"),
        ({"fragmentation": "yes", "auth": "rsa-sig"}, None),
        ({"fragmentation": "yes", "auth": "xauth-init-rsa-sig"}, None),
        ({"event": "rekey", "nat": "initiator", "mode_config": "pull"}, None),
        ({"family": "ipv6"}, None),
        ({"family": "ipv6", "mode": "transport"}, None),
        (AH | {"family": "6in4"}, None),
        ({"family": "4in6", "mode": "transport"}, "RFC 4301 4.1"),
        ({"family": "6in4", "mode": "transport"}, "RFC 4301 4.1"),
        ({"family": "ipv6", "nat": "initiator"}, "RFC 3948 1"),
        ({"family": "4in6", "mode_config": "pull"}, "draft-dukes-ike-mode-cfg-02 3.3"),
    ],
    ids=str,
)
def test_what_no_peer_can_combine(levels: dict[str, str], source: str | None) -> None:
    found = first_exclusion(PLAIN | levels, CONSTRAINTS)
    assert (found and found.source) == source


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda one: one.source)
def test_a_constraint_speaks_of_levels_that_are_and_leaves_some_of_each_factor(
    constraint: Exclusion,
) -> None:
    """For each of its factors a combination is left that is excluded but for this factor."""
    for name, levels in constraint.when.items():
        for level in levels:
            check_level(find_factor(name), level)
        assert set(find_factor(name).known) - set(levels)
    assert constraint.reason.endswith(".")
    assert constraint.role is None


@pytest.mark.parametrize("level", ["ah", "esp+ipcomp"])
def test_every_level_can_stand_in_some_combination(level: str) -> None:
    space = Space(all_levels(wide=True), CONSTRAINTS)
    needs = AH if level == "ah" else {}
    assert PLAIN | {"protocol": level} | needs in space


@pytest.mark.parametrize(
    ("role", "concerned"),
    [
        (None, ["initiator", "responder"]),
        ("initiator", ["initiator"]),
        ("responder", ["responder"]),
    ],
)
def test_an_exclusion_concerns_a_peer_in_its_role(role: Role | None, concerned: list[Role]) -> None:
    exclusion = Exclusion(when={"mode": ("tunnel",)}, reason="So.", source="here", role=role)
    roles: list[Role] = ["initiator", "responder"]
    assert [one for one in roles if exclusion.concerns(one)] == concerned


EXCEPTIONS: list[tuple[str, dict[str, str], Role, list[str]]] = [
    ("libreswan-4.10", {"auth": "xauth-resp-psk"}, "responder",
     ["libreswan-4.10: auth=xauth-resp-psk"]),
    ("libreswan-4.10", {"auth": "xauth-resp-psk"}, "initiator", []),
    ("libreswan-4.10", {"auth": "xauth-init-psk"}, "responder", []),
    ("libreswan-4.10", {"mode_config": "push"}, "initiator",
     ["libreswan-4.10: mode_config=push with auth=psk"]),
    ("libreswan-4.10", {"mode_config": "push"}, "responder",
     ["libreswan-4.10: mode_config=push with auth=psk"]),
    ("libreswan-4.10", {"mode_config": "push", "auth": "xauth-init-psk"}, "initiator", []),
    ("libreswan-4.10", {"mode_config": "pull"}, "initiator", []),
    ("libreswan-4.10", {"auth": "hybrid-init-rsa-sig"}, "initiator",
     ["libreswan-4.10: auth=hybrid-init-rsa-sig"]),
    ("strongswan-5.9.8", {"mode_config": "push", "auth": "hybrid-init-rsa-sig"}, "initiator", []),
    ("reference", {"mode_config": "push"}, "initiator", []),
    ("strongswan-5.9.8", {"esn": "yes"}, "responder", []),
    ("libreswan-4.10", {"esn": "yes"}, "responder", ["libreswan-4.10: esn=yes"]),
    ("strongswan-5.9.8", {"esp_cipher": "aes128gmac", "esp_integrity": "none"}, "initiator", []),
    ("libreswan-4.10", {"esp_cipher": "aes128gmac", "esp_integrity": "none"}, "initiator",
     ["libreswan-4.10: esp_cipher=aes128gmac"]),
    ("libreswan-4.10", {"esp_cipher": "aes128gcm8", "esp_integrity": "none"}, "initiator", []),
]  # fmt: skip


@pytest.mark.parametrize(("peer", "levels", "role", "expected"), EXCEPTIONS)
def test_what_a_peer_does_not_do_in_one_role_it_may_do_in_the_other(
    peer: str, levels: dict[str, str], role: Role, expected: list[str]
) -> None:
    assert MANIFESTS[peer].undeclared(PLAIN | levels, role) == expected


@pytest.mark.parametrize(
    ("pairing", "undeclared"),
    [
        (("libreswan-4.10", "reference"), ("libreswan-4.10: mode_config=push with auth=psk",)),
        (("reference", "libreswan-4.10"), ("libreswan-4.10: mode_config=push with auth=psk",)),
        (("reference", "strongswan-5.9.8"), ()),
        (("libreswan-4.10", "libreswan-4.10"), ("libreswan-4.10: mode_config=push with auth=psk",)),
    ],
)
def test_a_cell_has_what_each_end_does_not_do_in_its_role(
    pairing: tuple[str, str], undeclared: tuple[str, ...]
) -> None:
    """A Libreswan without XAUTH takes no push; one that pushes is fine."""
    assert make_cell(MANIFESTS, pairing, PLAIN | {"mode_config": "push"}).undeclared == undeclared


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('role = "both"', "exceptions[0].role: Invalid enum value 'both'"),
        ('roles = ["initiator"]', "exceptions[0]: Object contains unknown field `roles`"),
    ],
)
def test_a_role_that_is_none_is_told(tmp_path: Path, line: str, message: str) -> None:
    folder = tmp_path / "libreswan-4.10"
    folder.mkdir()
    text = (PEERS / "libreswan-4.10" / FILE_NAME).read_text("utf-8")
    (folder / FILE_NAME).write_text(text.replace("[[exceptions]]", f"[[exceptions]]\n{line}", 1))
    with pytest.raises(UserError) as caught:
        load_manifest(folder)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("texts", "message", "hint"),
    [
        (["protocol=ah"], "AH encrypts nothing.", "or --factor esp_cipher=none."),
        (["fragmentation=yes"], "too large for one datagram.", "--factor auth=rsa-sig,"),
        (["mode_config=pull", "mode=transport"], "inside a tunnel.", "or --factor mode=tunnel."),
    ],
)
def test_levels_of_which_no_combination_can_stand_are_no_empty_plan(
    texts: list[str], message: str, hint: str
) -> None:
    """An empty run would look like one in which nothing failed."""
    with pytest.raises(UserError) as caught:
        make_plan(MANIFESTS, restrictions=parse_restrictions(texts))
    assert caught.value.message.startswith("no combination is left of these levels: ")
    assert message in caught.value.message
    assert hint in caught.value.hint
