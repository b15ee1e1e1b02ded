"""Factors, levels and the names of combinations."""

from __future__ import annotations

import re

import pytest

from conformance.errors import UserError
from conformance.matrix.factors import (
    FACTORS,
    Factor,
    all_levels,
    combination_id,
    parse_restrictions,
    plain_combination,
)

PLAIN_ID = "main-psk-aes128-sha256-modp2048--esp-aes128-sha256-tunnel-pfs_none"


def test_the_factors_are_those_of_the_architecture() -> None:
    assert [factor.name for factor in FACTORS] == [
        "exchange", "auth", "cipher", "hash", "group", "pfs",
        "protocol", "esp_cipher", "esp_integrity", "mode", "family",
    ]  # fmt: skip
    assert all(factor.plain in factor.levels for factor in FACTORS)


def test_the_plain_combination_names_the_smoke_cell() -> None:
    assert combination_id(plain_combination(all_levels())) == PLAIN_ID


def test_a_family_other_than_ipv4_stands_in_the_id() -> None:
    combination = plain_combination(all_levels()) | {"family": "ipv6"}
    assert combination_id(combination) == f"{PLAIN_ID}-ipv6"


@pytest.mark.parametrize("factor", FACTORS, ids=lambda factor: factor.name)
def test_every_level_gives_an_id_of_its_own_that_is_a_good_file_name(factor: Factor) -> None:
    plain = plain_combination(all_levels())
    ids = [combination_id(plain | {factor.name: level}) for level in factor.levels]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9_-]+", name) for name in ids)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], {}),
        (["cipher=aes128"], {"cipher": ("aes128",)}),
        (["cipher=3des,aes128"], {"cipher": ("aes128", "3des")}),
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
