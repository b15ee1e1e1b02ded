"""The plan of the data plane leaves nothing out, checked against products written here anew."""

from __future__ import annotations

from itertools import pairwise, product

import msgspec
import pytest

from conformance.errors import UserError
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from conformance.matrix.data_plane import (
    NEGATIVE_AH,
    NEGATIVE_ESP,
    DataCell,
    DataPlan,
    every_cell,
    make_data_plan,
    parse_data_restrictions,
    repeat_command,
)
from conformance.runner.data_plane.algorithms import algorithms

KNOWN = algorithms()
CELLS = list(every_cell(KNOWN))
WAYS = ("reference-to-linux", "linux-to-reference")
TUNNEL, TRANSPORT = ("ipv4", "ipv6", "4in6", "6in4"), ("ipv4", "ipv6")
AH_ALONE = {"aes128gmac", "aes192gmac", "aes256gmac", "md5-kpdk", "sha1-kpdk"}
"""RFC 4543 and RFC 1828 give these to AH alone."""
SHAPES = [("tunnel", one) for one in TUNNEL] + [("transport", one) for one in TRANSPORT]


def keys_of(cells: list[DataCell], *names: str) -> set[tuple[str, ...]]:
    return {tuple(getattr(cell, name) for name in names) for cell in cells}


def exchanged(protocol: str, udp: str = "no") -> list[DataCell]:
    wanted = (protocol, udp, "exchange")
    return [cell for cell in CELLS if (cell.protocol, cell.udp, cell.case) == wanted]


def esp_transforms() -> set[tuple[str, str]]:
    """Every cipher of the reference, and every MAC with AES and with NULL; RC5 and CAST once."""
    left_out = ("cast",)
    rows = [
        row
        for name, row in ENCRYPTION.items()
        if name not in left_out and not name.startswith("rc5-")
    ]
    pairs = {(row.name, "none" if row.icv_size else "sha256") for row in rows}
    macs = [row.name for row in INTEGRITY.values() if row.icv_size and row.name not in AH_ALONE]
    return pairs | set(product(("aes128", "null"), macs)) | {("aes128", "none")}


def test_esp_is_exhaustive() -> None:
    """Transform x key length x mode x family x ESN x direction; ESN wants an ICV."""
    expected = {
        (way, *transform, *shape, esn)
        for way, transform, shape, esn in product(WAYS, esp_transforms(), SHAPES, ("no", "yes"))
        if transform != ("aes128", "none") or esn == "no"
    }
    names = ("direction", "cipher", "integrity", "mode", "family", "esn")
    assert keys_of(exchanged("esp"), *names) == expected


def test_ah_is_exhaustive() -> None:
    macs = [row.name for row in INTEGRITY.values() if row.icv_size]
    expected = {
        (way, mac, *shape, esn)
        for way, mac, shape, esn in product(WAYS, macs, SHAPES, ("no", "yes"))
    }
    assert keys_of(exchanged("ah"), "direction", "integrity", "mode", "family", "esn") == expected


def test_every_transform_travels_in_udp_over_ipv4() -> None:
    cells = exchanged("esp", udp="yes")
    assert keys_of(cells, "cipher", "integrity") == esp_transforms()
    assert keys_of(cells, "mode", "family") == {
        ("tunnel", "ipv4"),
        ("tunnel", "6in4"),
        ("transport", "ipv4"),
    }


def test_every_window_is_tried_in_both_modes_and_families() -> None:
    cells = [cell for cell in CELLS if cell.case == "window"]
    sizes = ("32", "64", "128", "1024", "4096")
    shapes = list(product(("tunnel", "transport"), ("ipv4", "ipv6")))
    expected = {
        (way, *shape, esn, size)
        for way, shape, esn, size in product(WAYS, shapes, ("no", "yes"), sizes)
    }
    names = ("direction", "mode", "family", "esn", "window")
    for transform in {cell.transform for cell in cells}:
        of_it = [cell for cell in cells if cell.transform == transform]
        assert keys_of(of_it, *names) == expected


def test_every_negative_case_is_tried_in_every_kind_of_transform() -> None:
    esp = [cell for cell in CELLS if cell.is_negative and cell.protocol == "esp"]
    kinds = ("aes128", "aes128ctr", "null", "aes128gcm16", "aes128ccm16", "aes128gmac")
    assert {cell.cipher for cell in esp} == set(kinds)
    for kind in kinds:
        cases = {cell.case for cell in esp if cell.cipher == kind}
        assert cases == {*NEGATIVE_ESP, *(["flip-iv"] if kind != "null" else [])}
    ah = [cell for cell in CELLS if cell.is_negative and cell.protocol == "ah"]
    assert {cell.case for cell in ah} == set(NEGATIVE_AH)
    for cells in (esp, ah):
        assert len(keys_of(cells, "direction", "mode", "family", "esn")) == 16


def test_ids_are_readable_unlike_each_other_and_safe() -> None:
    ids = [cell.id for cell in CELLS]
    assert len(set(ids)) == len(ids)
    assert not {one for one in ids if set(one) - set("abcdefghijklmnopqrstuvwxyz0123456789._+-")}
    cell = DataCell(
        direction="reference-to-linux",
        protocol="esp",
        cipher="aes128",
        integrity="sha256",
        mode="tunnel",
        family="4in6",
        esn="yes",
        window="128",
        case="window",
    )
    assert cell.id == "reference-to-linux.esp-aes128-sha256.tunnel-4in6.window-128.esn.window"


def test_a_plan_keeps_to_its_levels_and_survives_json() -> None:
    texts = ["cipher=aes128gcm16", "mode=tunnel", "case=exchange,replay"]
    plan = make_data_plan(KNOWN, restrictions=parse_data_restrictions(texts, KNOWN), seed=7)
    assert {cell.cipher for cell in plan.cells} == {"aes128gcm16"}
    assert {cell.case for cell in plan.cells} == {"exchange", "replay"}
    assert msgspec.json.decode(msgspec.json.encode(plan), type=DataPlan) == plan


@pytest.mark.parametrize("cell", CELLS[:: len(CELLS) // 20], ids=lambda cell: cell.id)
def test_a_cell_is_repeated_by_its_command(cell: DataCell) -> None:
    words = repeat_command(cell, 3).split()
    factors = [text for flag, text in pairwise(words) if flag == "--factor"]
    assert words[:4] == ["ipsec-conformance", "data-plane", "--seed", "3"]
    plan = make_data_plan(KNOWN, restrictions=parse_data_restrictions(factors, KNOWN))
    assert plan.cells == (cell,)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["cipher"], "not of the form"),
        (["cipher="], "not of the form"),
        (["ciper=aes128"], "unknown factor 'ciper'"),
        (["cipher=aes12"], "unknown level of cipher 'aes12'"),
        (["protocol=ah", "cipher=aes128"], "no cell has protocol=ah cipher=aes128 at once"),
    ],
    ids=str,
)
def test_bad_levels_are_told(texts: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make_data_plan(KNOWN, restrictions=parse_data_restrictions(texts, KNOWN))
