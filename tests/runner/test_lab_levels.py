"""Every level of every factor against every daemon, in both roles, one or a few at a time.

Every version of a daemon meets the reference with every change, and the other daemon of its time
with those that are about features.
"""

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
    from collections.abc import Callable, Iterable, Sequence

    from conformance.lab import Lab
    from conformance.record import Record

pytestmark = pytest.mark.lab

REFERENCE = "reference"
MANIFESTS = load_manifests(peers_root())


def of_kind(kind: str) -> list[str]:
    """Every version of a daemon."""
    return [name for name, manifest in MANIFESTS.items() if manifest.kind == kind]


def both_ways(ones: Iterable[str], others: Sequence[str]) -> list[tuple[str, str]]:
    """Each with each, in both roles."""
    return [pair for one in ones for other in others for pair in ((one, other), (other, one))]


STRONGSWANS, LIBRESWANS = of_kind("strongswan"), of_kind("libreswan")
WITH_REFERENCE = both_ways([REFERENCE], [*STRONGSWANS, *LIBRESWANS])
AMONG_DAEMONS = [
    pair
    for pair in both_ways(STRONGSWANS, LIBRESWANS)
    if MANIFESTS[pair[0]].image == MANIFESTS[pair[1]].image
]
"""Those of one Debian; the matrix has every version of one with every version of the other."""
PLAIN = plain_combination(all_levels())

CTR = "esp_cipher=aes128ctr"
GCM = "esp_cipher=aes128gcm8 esp_integrity=none"
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
    f"protocol=esp+ipcomp {GCM}",
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
    "event=rekey-bytes",
    "event=rekey-bytes protocol=ah esp_cipher=none",
]
CHANGES = [*PHASE_1, *PHASE_2, *FEATURES]
"""What differs from the plain combination: what fails is named by it."""

TRIED = [
    *((pairing, change) for change in CHANGES for pairing in WITH_REFERENCE),
    *((pairing, change) for change in FEATURES for pairing in AMONG_DAEMONS),
]
"""The pairings, each with what it is tried with."""

CCM_BEHIND_NAT = "esp_cipher=aes128ccm12 esp_integrity=none nat=initiator"
IPCOMP = [f"protocol=esp+ipcomp{more}" for more in ("", " mode=transport", f" {GCM}")]
FAULTS = {
    **{(REFERENCE, peer, change): "RFC 2408 4.2" for peer in STRONGSWANS for change in IPCOMP},
    **{
        (REFERENCE, peer, "mode_config=push auth=xauth-init-psk"): (
            "draft-dukes-ike-mode-cfg-02 3.1.1"
        )
        for peer in LIBRESWANS
    },
    **{
        (REFERENCE, peer, f"family=ipv6 protocol=esp+ipcomp{more}"): "RFC 2408 4.2"
        for peer in STRONGSWANS
        for more in ("", " mode=transport")
    },
    **{
        (*pairing, f"family={family} protocol=esp+ipcomp"): (
            "RFC 2408 4.2"
            if pairing[0] == REFERENCE and pairing[1] in STRONGSWANS
            else "the SAs stand, but no protected packet was seen from"
        )
        for pairing in (*WITH_REFERENCE, *AMONG_DAEMONS)
        for family in MIXED
    },
    **{
        ("libreswan-5.2", REFERENCE, change): "an end still held SAs after the Delete"
        for change in (
            *("event=rekey", "event=rekey pfs=modp2048", f"{CTR} event=rekey"),
            *("event=rekey-bytes", "event=rekey-bytes protocol=ah esp_cipher=none"),
        )
    },
    **{
        (REFERENCE, "libreswan-5.2", f"mode_config=pull{more}"): "identifier 0"
        for more in ("", " auth=xauth-init-psk", " auth=xauth-init-rsa-sig")
    },
    **{
        (REFERENCE, "libreswan-4.3", f"auth=xauth-resp-{key}"): "the remote deleted the ISAKMP SA"
        for key in ("psk", "rsa-sig")
    },
    **{
        (*pairing, CCM_BEHIND_NAT): f"no protected packet was seen from {peer}"
        for peer in LIBRESWANS
        for pairing in both_ways([REFERENCE], [peer])
    },
}
"""Daemons' faults, each with what its cell must say; docs/findings.md has the evidence."""


def combination(change: str) -> dict[str, str]:
    """The plain combination with a change."""
    return PLAIN | dict(pair.split("=") for pair in change.split())


@pytest.fixture(scope="module")
def run(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A cell for everything that is tried, the plain one once for each pairing."""
    tried = [(pairing, combination(change)) for pairing, change in TRIED]
    once = {cell.id: cell for cell in (make_cell(MANIFESTS, *one) for one in tried)}
    cells = tuple(once.values())
    rows = {tuple(row.items()): row for _, row in tried}
    plan = Plan(
        seed=1,
        strength=2,
        pairings=(*WITH_REFERENCE, *AMONG_DAEMONS),
        combinations=tuple(rows.values()),
        cells=cells,
    )
    made = Run.create(tmp_path_factory.mktemp("results"), plan, lab.describe())
    run_cells(lab, MANIFESTS, made, cells, started=lambda _: None, finished=lambda _: None)
    return made


@pytest.mark.parametrize(
    ("pairing", "change"),
    TRIED,
    ids=[f"{' to '.join(pairing)}-{change}" for pairing, change in TRIED],
)
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
