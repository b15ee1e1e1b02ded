"""Factors, levels and the names of combinations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conformance.crypto.transforms import ESP_TRANSFORMS
from conformance.errors import UserError
from conformance.ipsec.transforms import INTEGRITY
from conformance.matrix.factors import (
    COMBINED,
    FACTORS,
    Factor,
    all_levels,
    combination_id,
    find_factor,
    parse_restrictions,
    plain_combination,
)

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"
PLAIN_ID = "main-psk-aes128-sha256-modp2048--esp-aes128-sha256-tunnel-pfs_none"


def test_the_factors_are_those_of_the_architecture() -> None:
    """The table of docs/architecture.md has them all, in report order."""
    names = [factor.name for factor in FACTORS]
    assert names == [
        "exchange", "auth", "cipher", "hash", "group", "pfs",
        "protocol", "esp_cipher", "esp_integrity", "esn", "mode", "family",
        "certificates", "mode_config", "fragmentation", "nat", "lifetime", "event",
    ]  # fmt: skip
    text = ARCHITECTURE.read_text("utf-8").partition("| factor |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in text.splitlines()[2:]]
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == names
    assert all(factor.plain in factor.levels for factor in FACTORS)


def test_the_plain_combination_names_the_smoke_cell() -> None:
    assert combination_id(plain_combination(all_levels())) == PLAIN_ID


@pytest.mark.parametrize(
    ("levels", "end"),
    [
        ({"family": "ipv6"}, "-family_ipv6"),
        ({"nat": "initiator", "esn": "yes"}, "-esn_yes-nat_initiator"),
        ({"certificates": "chain"}, "-certificates_chain"),
        ({"mode_config": "pull"}, "-mode_config_pull"),
        ({"fragmentation": "yes"}, "-fragmentation_yes"),
        ({"nat": "initiator"}, "-nat_initiator"),
        ({"lifetime": "kilobytes"}, "-lifetime_kilobytes"),
        ({"event": "dpd"}, "-event_dpd"),
        (
            {"event": "rekey", "nat": "initiator", "mode_config": "push", "fragmentation": "yes"},
            "-mode_config_push-fragmentation_yes-nat_initiator-event_rekey",
        ),
    ],
    ids=str,
)
def test_what_is_unusual_stands_at_the_end_of_the_id_by_name(
    levels: dict[str, str], end: str
) -> None:
    """In report order, whatever the order in which the levels are given."""
    combination = plain_combination(all_levels()) | levels
    assert combination_id(combination) == PLAIN_ID + end


@pytest.mark.parametrize("factor", FACTORS, ids=lambda factor: factor.name)
def test_every_level_gives_an_id_of_its_own_that_is_a_good_file_name(factor: Factor) -> None:
    """Also the rare ones; the plus of a bundle is as good in a file's name as a letter."""
    plain = plain_combination(all_levels())
    ids = [combination_id(plain | {factor.name: level}) for level in factor.known]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9_+-]+", name) for name in ids)


def test_a_rare_level_is_known_and_not_usual() -> None:
    usual, wide = all_levels(), all_levels(wide=True)
    for factor in FACTORS:
        assert not set(factor.rare) & set(usual[factor.name])
        assert wide[factor.name] == usual[factor.name] + factor.rare


def test_levels_of_esp_are_the_suites_own_transforms() -> None:
    """By the same names, and the same ones protect integrity themselves."""
    ciphers = set(find_factor("esp_cipher").known) - {"none"}
    assert ciphers <= ESP_TRANSFORMS.keys()
    assert {name for name in ciphers if ESP_TRANSFORMS[name].authenticates} == set(COMBINED)
    assert set(find_factor("esp_integrity").known) <= INTEGRITY.keys()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], {}),
        (["cipher=aes128"], {"cipher": ("aes128",)}),
        (["cipher=3des,aes128"], {"cipher": ("aes128", "3des")}),
        (["event=rekey,none"], {"event": ("none", "rekey")}),
        (["protocol=esp+ipcomp"], {"protocol": ("esp+ipcomp",)}),
        (
            ["cipher = aes128 , 3des", "mode=tunnel"],
            {"cipher": ("aes128", "3des"), "mode": ("tunnel",)},
        ),
    ],
)
def test_restrictions_are_read_in_report_order(
    texts: list[str], expected: dict[str, tuple[str, ...]]
) -> None:
    assert parse_restrictions(texts) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("cipher", "not of the form", "--factor cipher=aes128,3des"),
        ("cipher=", "not of the form", "--factor cipher=aes128,3des"),
        ("cypher=aes128", "unknown factor 'cypher'", "Did you mean 'cipher'?"),
        ("cipher=aes127", "unknown level of cipher 'aes127'", "Did you mean 'aes1"),
        ("mode=zzz", "unknown level of mode 'zzz'", "Known: tunnel, transport."),
    ],
)
def test_a_bad_restriction_is_told_with_what_is_valid(text: str, message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_restrictions([text])
    assert message in caught.value.message
    assert hint in caught.value.hint
