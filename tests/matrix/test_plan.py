"""Plans: every pairing whose roles are taken, one list of combinations, what is not declared."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import pytest

from conformance.errors import UserError
from conformance.matrix import (
    Plan,
    combination_id,
    load_manifests,
    make_plan,
    parse_pairing,
    parse_restrictions,
    repeat_command,
)
from conformance.matrix.constraints import CONSTRAINTS
from conformance.matrix.covering import Space, missing_tuples
from conformance.matrix.factors import all_levels, find_factor

MANIFESTS = load_manifests(Path(__file__).parents[2] / "peers")
PLAN = make_plan(MANIFESTS)
CLIENT = "vpnc-0.5.3"
"""It only begins, and does none of the usual levels of ``auth`` and ``mode_config``."""
BOTH_ROLES = [name for name in MANIFESTS if name != CLIENT]


def rows_of(plan: Plan, pairing: tuple[str, str]) -> list[dict[str, str]]:
    return [cell.combination for cell in plan.cells if cell.pairing == pairing]


def test_the_default_plan_is_every_pairing_whose_roles_are_taken() -> None:
    """Peers of both roles share one list of rows; a client has the rows that it can do."""
    apart = {(one.initiator, peer) for peer in MANIFESTS for one in MANIFESTS[peer].apart}
    assert (CLIENT, "libreswan-4.10") in apart
    kinds = {name: manifest.kind for name, manifest in MANIFESTS.items()}
    versions = {(a, b) for a in MANIFESTS for b in MANIFESTS if a != b and kinds[a] == kinds[b]}
    assert set(PLAN.pairings) == {(a, b) for a in MANIFESTS for b in BOTH_ROLES} - apart - versions
    assert len({cell.id for cell in PLAN.cells}) == len(PLAN.cells)
    shared = rows_of(PLAN, ("reference", "reference"))
    assert 25 <= len(shared) <= 35
    for pairing in PLAN.pairings:
        rows = rows_of(PLAN, pairing)
        assert [row for row in PLAN.combinations if row in rows] == rows
        assert not [row for row in rows if row in shared] if CLIENT in pairing else rows == shared


def test_two_versions_of_a_daemon_meet_where_they_are_named() -> None:
    names = ["libreswan-4.3", "libreswan-5.2"]
    assert len(make_plan(MANIFESTS, peers=names, limit=1).pairings) == 4


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("responder", BOTH_ROLES)
def test_a_client_without_usual_levels_is_planned_with_its_rare_ones(
    responder: str, *, wide: bool
) -> None:
    """Without any option the plan covers what both claim, and nothing else."""
    plan = make_plan(MANIFESTS, pairings=[(CLIENT, responder)], wide=wide)
    claims = [MANIFESTS[name].claims for name in (CLIENT, responder)]
    usual = all_levels(wide=wide)
    both = {
        name: [
            one for one in find_factor(name).known if all(one in levels[name] for levels in claims)
        ]
        for name in usual
    }
    levels = {
        name: tuple(one for one in known if one in usual[name]) or tuple(known)
        for name, known in both.items()
    }
    exceptions = (*MANIFESTS[CLIENT].exceptions, *MANIFESTS[responder].exceptions_as("responder"))
    assert levels["auth"][0] == "xauth-init-psk"
    assert levels["mode_config"] == ("pull",)
    assert missing_tuples(plan.combinations, Space(levels, (*CONSTRAINTS, *exceptions)), 2) == []
    assert not any(cell.undeclared for cell in plan.cells)


def test_a_client_is_asked_for_more_where_the_levels_are_named() -> None:
    """Then its refusals are what is wanted."""
    restrictions = parse_restrictions(["auth=psk", "exchange=main"])
    plan = make_plan(MANIFESTS, pairings=[(CLIENT, "reference")], restrictions=restrictions)
    assert plan.cells
    assert all(f"{CLIENT}: auth=psk" in cell.undeclared for cell in plan.cells)


def test_a_role_that_is_not_taken_is_planned_where_it_is_named() -> None:
    plan = make_plan(MANIFESTS, pairings=[("reference", CLIENT)])
    assert plan.cells
    assert all(f"{CLIENT}: role=responder" in cell.undeclared for cell in plan.cells)


def test_the_first_row_is_the_plain_one() -> None:
    assert combination_id(PLAN.combinations[0]) == (
        "main-psk-aes128-sha256-modp2048--esp-aes128-sha256-tunnel-pfs_none"
    )
    assert PLAN.cells[0].id.startswith("reference--reference--main-psk-aes128-")


@pytest.mark.parametrize("strength", [2, 3])
def test_all_levels_meet_in_the_rows(strength: int) -> None:
    rows = make_plan(MANIFESTS, strength=strength, pairings=[("reference",) * 2]).combinations
    assert missing_tuples(rows, Space(all_levels()), strength) == []


@pytest.mark.parametrize("peer", BOTH_ROLES)
def test_all_that_a_peer_claims_meets_in_rows_that_it_claims(peer: str) -> None:
    """A row refused for one level covers none of its others, so refused rows do not count here."""
    manifest = MANIFESTS[peer]
    claimed = [row for row in PLAN.combinations if not manifest.undeclared(row, "initiator")]
    usual = {
        name: tuple(level for level in levels if level in manifest.claims[name])
        for name, levels in all_levels().items()
    }
    assert missing_tuples(claimed, Space(usual, manifest.exceptions), 2) == []
    assert len(claimed) >= 12


def test_undeclared_cells_stay_in_the_plan_with_who_and_what() -> None:
    cells = [cell for cell in PLAN.cells if cell.combination["group"] == "modp1024"]
    touching = [cell for cell in cells if "libreswan-4.10" in cell.pairing]
    assert touching
    assert all("libreswan-4.10: group=modp1024" in cell.undeclared for cell in touching)
    others = [cell for cell in cells if "libreswan" not in " ".join(cell.pairing)]
    assert not any(cell.undeclared for cell in others)


def test_plans_repeat_and_survive_json() -> None:
    assert make_plan(MANIFESTS) == PLAN
    assert msgspec.json.decode(msgspec.json.encode(PLAN), type=Plan) == PLAN
    assert make_plan(MANIFESTS, seed=2).combinations != PLAN.combinations


def test_pairings_and_peers_choose_columns() -> None:
    one = make_plan(MANIFESTS, pairings=[("reference", "strongswan-5.9.8")])
    assert {cell.pairing for cell in one.cells} == {("reference", "strongswan-5.9.8")}
    two = make_plan(MANIFESTS, peers=["reference", "libreswan-4.10"])
    assert len(two.pairings) == 4
    twice = make_plan(MANIFESTS, pairings=[("reference", "reference")] * 2)
    assert twice.pairings == (("reference", "reference"),)


def test_limit_keeps_the_first_rows() -> None:
    limited = make_plan(MANIFESTS, limit=3)
    assert limited.combinations == PLAN.combinations[:3]


@pytest.mark.parametrize(
    ("texts", "rows"),
    [
        (["cipher=aes128", "hash=sha1", "group=modp1536"], range(12, 40)),
        (
            [
                "exchange=main",
                "cipher=aes128",
                "hash=sha1",
                "group=modp1536",
                "pfs=none",
                "mode=tunnel",
            ],
            range(6, 7),
        ),
    ],
)
def test_restricted_plans_have_twelve_rows_where_there_are_so_many(
    texts: list[str], rows: range
) -> None:
    plan = make_plan(MANIFESTS, restrictions=parse_restrictions(texts))
    assert len(plan.combinations) in rows
    assert {row["hash"] for row in plan.combinations} == {"sha1"}
    assert len({combination_id(row) for row in plan.combinations}) == len(plan.combinations)


def test_levels_that_no_pairing_shares_are_planned_all_the_same() -> None:
    plan = make_plan(MANIFESTS, restrictions=parse_restrictions(["group=modp1024"]))
    assert all(cell.undeclared for cell in plan.cells if "libreswan-4.10" in cell.pairing)


def test_the_repeat_command_plans_that_cell_alone() -> None:
    cell = PLAN.cells[100]
    words = shlex.split(repeat_command(cell, 5))
    options = list(zip(words[2::2], words[3::2], strict=True))
    assert words[:2] == ["ipsec-conformance", "matrix"]
    again = make_plan(
        MANIFESTS,
        pairings=[parse_pairing(value) for name, value in options if name == "--pairing"],
        restrictions=parse_restrictions(value for name, value in options if name == "--factor"),
    )
    assert again.cells == (cell,)
    assert ("--seed", "5") in options


@pytest.mark.parametrize("text", ["reference", "a,b,c", "reference,", ","])
def test_a_bad_pairing_is_told(text: str) -> None:
    with pytest.raises(UserError, match="not of the form INITIATOR,RESPONDER"):
        parse_pairing(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"peers": ["refrence"]}, "unknown peer 'refrence'"),
        ({"peers": [CLIENT]}, "none of vpnc-0.5.3 can begin what another of them answers"),
        ({"pairings": [("reference", "linux")]}, "unknown peer 'linux'"),
        ({"limit": 0}, "a limit of 0 leaves no combination"),
        ({"strength": 4}, "strength 4 is not offered"),
    ],
)
def test_bad_arguments_are_told(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_plan(MANIFESTS, **arguments)  # type: ignore[arg-type]


def test_a_wide_plan_takes_the_rare_levels_in() -> None:
    """Every level of every factor stands in some row; named ones narrow it as ever."""
    narrowed = {
        "group": ("modp2048",),
        "pfs": ("none", "modp768"),
        "cipher": ("aes128", "des"),
        "esp_cipher": ("aes128", "aes128gcm16", "none"),
        "auth": ("psk", "rsa-sig", "xauth-init-psk"),
    }
    wide = make_plan(MANIFESTS, wide=True, restrictions=narrowed, pairings=[("reference",) * 2])
    for name, levels in (all_levels(wide=True) | narrowed).items():
        assert {row[name] for row in wide.combinations} == set(levels)
