"""vpnc as initiator: all that its manifest claims passes, and what gateways make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.matrix import Plan, load_manifests
from conformance.matrix.constraints import CONSTRAINTS, first_exclusion
from conformance.matrix.factors import FACTORS, all_levels, plain_combination
from conformance.matrix.plan import make_cell
from conformance.record import Run, Verdict
from conformance.resources import peers_root
from conformance.runner.host import run_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from conformance.lab import Lab
    from conformance.record import Record

pytestmark = pytest.mark.lab

CLIENT, REFERENCE, STRONGSWAN, LIBRESWAN = (
    "vpnc-0.5.3",
    "reference",
    "strongswan-5.9.8",
    "libreswan-4.10",
)
MANIFESTS = load_manifests(peers_root())
CLAIMS = MANIFESTS[CLIENT].claims
USUAL = plain_combination(all_levels()) | {
    "exchange": "aggressive",
    "auth": "xauth-init-psk",
    "hash": "sha1",
    "group": "modp1024",
    "esp_integrity": "sha1",
    "mode_config": "pull",
}
"""What its users have: a group's name and secret, XAUTH, an address from the gateway."""
AT_ONCE = 2
"""Its processes compute long, and each cell has ten seconds."""

LEVELS = [
    f"{factor.name}={level}"
    for factor in FACTORS
    for level in CLAIMS[factor.name]
    if level != USUAL[factor.name]
]
TOGETHER = [
    "cipher=3des hash=md5 group=modp1536 esp_cipher=3des esp_integrity=md5 pfs=modp1536",
    "cipher=aes256 hash=md5 esp_cipher=aes192 pfs=modp1536",
    "cipher=aes192 group=modp2048 esp_cipher=aes256 esp_integrity=md5 pfs=modp1024",
    "auth=hybrid-init-rsa-sig nat=initiator",
    "nat=initiator pfs=modp1024 esp_cipher=aes256",
]
CHANGES = ["", *LEVELS, *TOGETHER]
"""What differs from the usual combination: every level that it claims, and some together."""


def combination(change: str) -> dict[str, str]:
    """The usual combination with a change."""
    return USUAL | dict(pair.split("=") for pair in change.split())


def run_in(lab: Lab, folder: Path, cells: Sequence[tuple[str, str]]) -> Run:
    """A run of these cells, each a gateway and a change."""
    planned = tuple(
        make_cell(MANIFESTS, (CLIENT, gateway), combination(change)) for gateway, change in cells
    )
    plan = Plan(
        seed=1,
        strength=2,
        pairings=tuple(dict.fromkeys(cell.pairing for cell in planned)),
        combinations=tuple(combination(change) for change in dict.fromkeys(c for _, c in cells)),
        cells=planned,
    )
    made = Run.create(folder, plan, lab.describe())
    run_cells(
        lab,
        MANIFESTS,
        made,
        planned,
        started=lambda _: None,
        finished=lambda _: None,
        at_once=AT_ONCE,
    )
    return made


def record_of(run: Run, gateway: str, change: str) -> Record:
    """The record of one cell."""
    return run.record(make_cell(MANIFESTS, (CLIENT, gateway), combination(change)).id)


@pytest.fixture(scope="module")
def run(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every change against both gateways that take all of it."""
    cells = [(gateway, change) for change in CHANGES for gateway in (REFERENCE, STRONGSWAN)]
    return run_in(lab, tmp_path_factory.mktemp("results"), cells)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("gateway", [REFERENCE, STRONGSWAN])
def test_all_that_it_claims_passes(
    run: Run, gateway: str, change: str, prove_cell: Callable[[Run, Record], None]
) -> None:
    """Both ends' SAs, ESP both ways that the client's own keys open, Delete from the client."""
    record = record_of(run, gateway, change)
    assert not record.undeclared
    assert record.verdict is Verdict.PASS, f"{record.reason}; {record.initiator}"
    assert record.traffic is not None
    assert record.traffic.forward_decrypted >= 2
    assert record.initiator.child is not None
    assert record.initiator.child.remote_selector.endswith("/24")
    assert record.initiator.child.local_selector.endswith("/32")
    prove_cell(run, record)


def test_the_claims_stand_together() -> None:
    """No change above is one that no peer could do."""
    assert [c for c in CHANGES if first_exclusion(combination(c), CONSTRAINTS)] == []


def test_what_it_has_no_option_for_is_unsupported(lab: Lab, tmp_path: Path) -> None:
    """Main Mode is refused before anything is sent."""
    record = record_of(
        run_in(lab, tmp_path, [(REFERENCE, "exchange=main")]), REFERENCE, "exchange=main"
    )
    assert record.verdict is Verdict.UNSUPPORTED
    assert "vpnc has no option for exchange=main" in record.reason


def test_libreswan_refuses_a_key_length_ahead_of_its_cipher(lab: Lab, tmp_path: Path) -> None:
    """docs/findings.md has why; the order of attributes has no meaning in RFC 2408 3.3."""
    change = "group=modp1536"
    record = record_of(run_in(lab, tmp_path, [(LIBRESWAN, change)]), LIBRESWAN, change)
    assert record.verdict is Verdict.FAIL
    assert f"{LIBRESWAN} answered NO-PROPOSAL-CHOSEN" in record.reason


def test_libreswan_dies_of_a_delete_of_both_spis(lab: Lab, tmp_path: Path) -> None:
    """docs/findings.md has why. Until then all goes well: SAs at both ends, ESP both ways."""
    change = "cipher=3des hash=md5 group=modp1536"
    record = record_of(run_in(lab, tmp_path, [(LIBRESWAN, change)]), LIBRESWAN, change)
    assert record.verdict is Verdict.ERROR
    assert f"{LIBRESWAN} ended" in record.reason
    assert "received Delete SA" in record.reason
    assert record.initiator.child is not None
    assert record.responder.child is not None
    assert record.traffic is not None
    assert (record.traffic.forward_decrypted, record.traffic.backward_decrypted) == (2, 2)
