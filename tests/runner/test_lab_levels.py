"""Every level of every factor against every daemon, in both roles, one or a few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.matrix import Plan, load_manifests
from conformance.matrix.factors import (
    COMBINED,
    MIXED,
    all_levels,
    find_factor,
    plain_combination,
)
from conformance.matrix.plan import make_cell
from conformance.record import Run, Verdict
from conformance.resources import peers_root
from conformance.runner.host import run_cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.lab import Lab
    from conformance.record import Record

pytestmark = pytest.mark.lab

STRONGSWAN, LIBRESWAN, REFERENCE = "strongswan-5.9.8", "libreswan-4.10", "reference"
MANIFESTS = load_manifests(peers_root())
PAIRINGS = [
    pair
    for one, other in (
        (REFERENCE, STRONGSWAN),
        (REFERENCE, LIBRESWAN),
        (STRONGSWAN, LIBRESWAN),
    )
    for pair in ((one, other), (other, one))
]
PLAIN = plain_combination(all_levels())

PHASE_1 = [
    f"{name}={level}"
    for name in ("exchange", "auth", "cipher", "hash", "group", "pfs")
    for level in find_factor(name).known
]
CIPHERS = [level for level in find_factor("esp_cipher").known if level != "none"]
MACS = [level for level in find_factor("esp_integrity").known if level != "none"]
PHASE_2 = [
    *(f"esp_cipher={level}" for level in CIPHERS if level not in COMBINED),
    *(f"esp_cipher={level} esp_integrity=none" for level in COMBINED),
    *(f"esp_integrity={level}" for level in MACS),
    *(f"protocol=ah esp_cipher=none esp_integrity={level}" for level in MACS),
    "esn=yes",
    "esn=yes mode=transport",
    "esn=yes protocol=ah esp_cipher=none",
    "esn=yes esp_cipher=aes128gcm16 esp_integrity=none",
    "esn=yes event=rekey",
    "esp_cipher=null mode=transport",
    "esp_cipher=aes256gcm16 esp_integrity=none pfs=modp2048",
    "esp_cipher=aes128ccm12 esp_integrity=none nat=initiator",
    "esp_cipher=aes128ctr event=rekey",
    "protocol=esp+ipcomp esp_cipher=aes128gcm8 esp_integrity=none",
    "protocol=ah esp_cipher=none mode=transport",
    "protocol=esp+ipcomp",
    "protocol=esp+ipcomp mode=transport",
    "mode=transport",
]
FAMILIES = find_factor("family").rare
FEATURES = [
    "auth=xauth-init-psk exchange=aggressive",
    "auth=hybrid-init-rsa-sig exchange=aggressive",
    "auth=rsa-sig exchange=aggressive",
    "auth=rsa-sig certificates=chain",
    "auth=rsa-sig certificates=crl",
    "auth=rsa-sig certificates=revoked",
    "auth=rsa-sig fragmentation=yes",
    "auth=rsa-sig fragmentation=yes exchange=aggressive",
    "mode_config=pull",
    "mode_config=pull auth=xauth-init-psk",
    "mode_config=push auth=xauth-init-psk",
    "mode_config=pull auth=xauth-init-rsa-sig",
    "mode_config=pull auth=hybrid-init-rsa-sig",
    "nat=initiator",
    "nat=initiator exchange=aggressive",
    "nat=initiator auth=rsa-sig",
    "family=ipv6",
    "family=ipv6 mode=transport",
    "family=ipv6 exchange=aggressive",
    "family=ipv6 auth=rsa-sig",
    "family=ipv6 esp_cipher=aes128gcm16 esp_integrity=none",
    *(f"family={family} protocol=ah esp_cipher=none" for family in FAMILIES),
    *(f"family={family} protocol=esp+ipcomp" for family in FAMILIES),
    "family=ipv6 protocol=ah esp_cipher=none mode=transport",
    "family=ipv6 protocol=esp+ipcomp mode=transport",
    "family=4in6",
    "family=6in4",
    "lifetime=kilobytes",
    "lifetime=kilobytes protocol=ah esp_cipher=none",
    "event=dpd",
    "event=rekey",
    "event=rekey pfs=modp2048",
]
CHANGES = [*PHASE_1, *PHASE_2, *FEATURES]
"""What differs from the plain combination: what fails is named by it."""

CCM_BEHIND_NAT = "esp_cipher=aes128ccm12 esp_integrity=none nat=initiator"
FAULTS = {
    **{
        (REFERENCE, STRONGSWAN, f"protocol=esp+ipcomp{more}"): "RFC 2408 4.2"
        for more in ("", " mode=transport", " esp_cipher=aes128gcm8 esp_integrity=none")
    },
    **{
        (REFERENCE, STRONGSWAN, f"family=ipv6 protocol=esp+ipcomp{more}"): "RFC 2408 4.2"
        for more in ("", " mode=transport")
    },
    **{
        (*pairing, f"family={family} protocol=esp+ipcomp"): (
            "RFC 2408 4.2"
            if pairing == (REFERENCE, STRONGSWAN)
            else "the SAs stand, but no protected packet was seen from"
        )
        for pairing in PAIRINGS
        for family in MIXED
    },
    (REFERENCE, LIBRESWAN, "mode_config=push auth=xauth-init-psk"): (
        "draft-dukes-ike-mode-cfg-02 3.1.1"
    ),
    **{
        (*pairing, CCM_BEHIND_NAT): "no protected packet was seen from libreswan-4.10"
        for pairing in PAIRINGS
        if LIBRESWAN in pairing
    },
}
"""Daemons' faults, each with what its cell must say; docs/findings.md has the evidence."""


def combination(change: str) -> dict[str, str]:
    """The plain combination with a change."""
    return PLAIN | dict(pair.split("=") for pair in change.split())


@pytest.fixture(scope="module")
def run(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A cell for every change and pairing, the plain one once."""
    rows = [dict(row) for row in dict.fromkeys(tuple(combination(c).items()) for c in CHANGES)]
    cells = tuple(make_cell(MANIFESTS, pair, row) for row in rows for pair in PAIRINGS)
    plan = Plan(
        seed=1,
        strength=2,
        pairings=tuple(PAIRINGS),
        combinations=tuple(rows),
        cells=cells,
    )
    made = Run.create(tmp_path_factory.mktemp("results"), plan, lab.describe())
    run_cells(lab, MANIFESTS, made, cells, started=lambda _: None, finished=lambda _: None)
    return made


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("pairing", PAIRINGS, ids=" to ".join)
def test_a_level_passes_where_it_is_claimed(
    run: Run,
    pairing: tuple[str, str],
    change: str,
    prove_cell: Callable[[Run, Record], None],
) -> None:
    """What a peer claims passes; what it does not claim it refuses, in so many words."""
    cell = make_cell(MANIFESTS, pairing, combination(change))
    record = run.record(cell.id)
    fault = FAULTS.get((*pairing, change))
    if fault is not None:
        assert record.verdict is Verdict.FAIL
        assert fault in record.reason
        return
    expected = Verdict.UNSUPPORTED if cell.undeclared else Verdict.PASS
    assert record.verdict is expected, record.reason
    prove_cell(run, record)
