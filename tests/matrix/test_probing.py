"""The probing plan: every level, in a combination that can stand, with no needless change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from conformance.matrix.constraints import CONSTRAINTS, first_exclusion
from conformance.matrix.factors import FACTORS, all_levels
from conformance.matrix.manifest import load_manifests
from conformance.matrix.probing import PLAIN, change_of, changed, changes, probes
from conformance.resources import peers_root

if TYPE_CHECKING:
    from conformance.matrix.constraints import Role

MANIFESTS = load_manifests(peers_root())
REFERENCE, LIBRESWAN = MANIFESTS["reference"], MANIFESTS["libreswan-4.10"]
ROLES: tuple[Role, ...] = ("initiator", "responder")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("peer", MANIFESTS)
def test_every_level_of_every_factor_is_probed(peer: str, role: Role) -> None:
    """Claimed or not, once each, in a combination that holds it and that can stand."""
    asked = probes(MANIFESTS[peer], role, REFERENCE)
    assert [(one.factor, one.level) for one in asked] == [
        (factor.name, level) for factor in FACTORS for level in factor.known
    ]
    for one in asked:
        assert one.combination[one.factor] == one.level
        assert first_exclusion(one.combination, CONSTRAINTS) is None
        assert one.combination == changed(one.companions) | {one.factor: one.level}


@pytest.mark.parametrize(
    ("peer", "role"), [(name, role) for name, one in MANIFESTS.items() for role in one.roles]
)
def test_a_claimed_level_is_probed_where_it_is_claimed(peer: str, role: Role) -> None:
    """Beside it stands what the peer claims; only a level that is excepted altogether is not."""
    manifest = MANIFESTS[peer]
    for one in probes(manifest, role, REFERENCE):
        told = manifest.undeclared(one.combination, role)
        excepted = [claim for claim in told if one.level in claim]
        assert one.level not in manifest.claims[one.factor] or told == excepted


@pytest.mark.parametrize(
    ("level", "companions"),
    [
        (("cipher", "3des"), ""),
        (("esp_cipher", "aes256gcm16"), "esp_integrity=none"),
        (("esp_cipher", "none"), "protocol=ah"),
        (("protocol", "ah"), "esp_cipher=none"),
        (("certificates", "chain"), "auth=rsa-sig"),
        (("pfs", "ecp256"), "group=ecp256"),
        (("mode_config", "push"), "auth=xauth-init-psk"),
    ],
)
def test_what_stands_beside_a_level(level: tuple[str, str], companions: str) -> None:
    """As little as constraints and the exceptions of Libreswan's manifest leave possible."""
    name, wanted = level
    (probe,) = probes(LIBRESWAN, "initiator", REFERENCE, {name: (wanted,)})
    assert probe.companions == companions


def test_a_peer_that_claims_no_plain_combination_is_probed_near_its_own() -> None:
    """A client that knows Aggressive Mode with XAUTH alone keeps both while ciphers change."""
    claims = LIBRESWAN.claims | {"exchange": ("aggressive",), "auth": ("xauth-init-psk",)}
    client = msgspec.structs.replace(LIBRESWAN, claims=claims)
    asked = probes(client, "initiator", REFERENCE, {"cipher": ("aes256",), "exchange": ("main",)})
    assert [change_of(one.combination) for one in asked] == [
        "exchange=aggressive auth=xauth-init-psk cipher=aes256",
        "auth=xauth-init-psk",
    ]


def test_the_changes_hold_every_level() -> None:
    """Each combination once, the plain one among them; a change and its combination are one."""
    combinations = [changed(change) for change in changes()]
    assert PLAIN in combinations
    for name, levels in all_levels(wide=True).items():
        assert {one[name] for one in combinations} == set(levels)
    assert [change_of(one) for one in combinations] == changes()
