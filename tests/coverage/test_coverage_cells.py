"""What cells prove: by their levels, by their transcripts, and only where they passed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.matrix import load_manifests
from conformance.matrix.factors import all_levels, plain_combination
from conformance.record import Verdict
from conformance.resources import peers_root
from tests.coverage.cells import (
    FAULTY,
    cell_proofs,
    claimed,
    combination_rows,
    opposite,
    transcript_rows,
)
from tests.coverage.inventory import ROWS

PLAIN = plain_combination(all_levels(wide=True))
TRANSCRIPT = """\
         reference                                             libreswan-4.10
   0.000 |-- Main Mode 1: HDR, SA, VID  [RFC 2409 5] -->|
         |  SA proposal 1 ISAKMP [transform 1 id 1: encryption algorithm 7 (AES-CBC), \
key length 128, hash algorithm 4 (sha256), life type seconds, life duration 28800]
         |  VID afcad71368a1f1c96b8696fc77570100 (DPD)
   0.003 |<-- Main Mode 6: HDR*, ID, HASH --|
         |  ID IPV4-ADDR 10.77.0.10
         |  HASH (32 octets)
         |  N INITIAL-CONTACT ISAKMP SPI 0011
   0.004 |-- Quick Mode 1: HDR*, HASH, SA, NONCE, ID, ID  [RFC 2409 5.5] -->|
         |  SA proposal 1 ESP SPI 00000100 [transform 1 id 12: encapsulation mode tunnel, \
authentication algorithm 5 (sha256)]
   0.005 |-- Transaction 1: HDR*, HASH, ATTR -->|
         |  ATTR SET 7 [xauth-status, unity-banner, attribute 9999]
   0.006 |-- Informational 1: HDR*, HASH, D -->|
         |  D ESP 00000100
         |  CERT X509-SIGNATURE (700 octets)
"""
SHOWN = {
    *("exchange:32", "exchange:6", "exchange:5", "doi:1", "situation:1", "protocol:key-ike"),
    *("payload:1", "payload:2", "payload:3", "payload:5", "payload:6", "payload:8", "payload:10"),
    *("payload:11", "payload:12", "payload:13", "payload:14", "protocol:1", "protocol:3"),
    *("attr1:1", "attr1:14", "attr1:2", "attr1:11", "attr1:12", "attr2:4", "attr2:5", "life:1"),
    *("vid:DPD", "id:1", "notify:24578", "configtype:3", "xauth:16527", "unity:28672", "cert:4"),
    *("feature:delete", "feature:iv-chain", "feature:padding", "feature:client-ids", "encap:1"),
    *("feature:lifetimes", "feature:initial-contact", "payload:0"),
}


def test_a_transcript_shows_what_was_on_the_wire() -> None:
    assert transcript_rows(TRANSCRIPT) == SHOWN


def test_a_transcript_that_was_not_opened_shows_little() -> None:
    closed = "   0.0 |-- Quick Mode 1: HDR* -->|\n         |  not opened: no key\n"
    assert transcript_rows(closed) == {"exchange:32"}


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        (
            " Quick Mode 1: HDR*, HASH, SA, NONCE, KE  [RFC 2409 5.5] ",
            {"feature:no-client-ids", "payload:4"},
        ),
        ("NAT-D (32 octets)", {"payload:20", "natt:nat-d"}),
        ("NAT-D-DRAFT (32 octets)", {"payload:130", "natt:nat-d"}),
        ("NAT-OA IPV4-ADDR 10.0.0.1", {"payload:21", "natt:nat-oa"}),
        ("N R-U-THERE-ACK ISAKMP SPI 00", {"notify:36137", "feature:dpd"}),
        ("ATTR REPLY 7 [ip4-address, ip4-dns]", {"config:1", "config:3", "feature:pull"}),
        ("ATTR ACK 7 [ip4-address]", {"configtype:4", "feature:push"}),
        (
            "VID 90cb80913ebb696e086381b5ec427b1f (draft-ietf-ipsec-nat-t-ike-02\\n)",
            {"vid:draft-ietf-ipsec-nat-t-ike-02\\n"},
        ),
    ],
)
def test_lines_of_transcripts(line: str, rows: set[str]) -> None:
    assert rows <= transcript_rows(line)


def test_a_combination_stands_for_its_levels() -> None:
    rows = combination_rows(PLAIN | {"pfs": "ecp256", "mode": "transport", "auth": "rsa-sig"})
    assert {"exchange:2", "auth:3", "cipher:7", "group:14", "group:19", "encap:2"} <= rows
    assert "feature:pfs" in rows
    assert "feature:pfs" not in combination_rows(PLAIN)


def test_ah_has_no_cipher() -> None:
    rows = combination_rows(PLAIN | {"protocol": "ah", "esp_cipher": "none"})
    assert {"protocol:2", "ah:5", "integ:5"} <= rows
    assert not [row for row in rows if row.startswith("esp:")]


def test_a_cipher_that_authenticates_has_no_integrity_beside_it() -> None:
    rows = combination_rows(
        PLAIN | {"esp_cipher": "aes256gcm8", "esp_integrity": "none", "esn": "yes"}
    )
    assert {"esp:18", "attr2:11", "feature:esn"} <= rows
    assert not [row for row in rows if row.startswith("integ:")]
    assert "feature:esn" not in combination_rows(PLAIN)


def test_what_must_be_refused_proves_nothing_else() -> None:
    refused = {"auth": "rsa-sig", "certificates": "revoked"}
    assert combination_rows(PLAIN | refused) == {"feature:crl"}
    assert {"feature:chain", "auth:3"} <= combination_rows(
        PLAIN | refused | {"certificates": "chain"}
    )


def test_a_nat_makes_another_mode() -> None:
    rows = combination_rows(PLAIN | {"nat": "initiator"})
    assert {"natt:rfc", "encap:3"} <= rows
    assert "encap:1" not in rows


@pytest.mark.parametrize(
    ("pairing", "by"),
    [
        (("reference", "libreswan-4.10"), "libreswan-4.10 as responder"),
        (("libreswan-4.10", "reference"), "libreswan-4.10 as initiator"),
        (("reference", "reference"), "self"),
        (("strongswan-5.9.8", "libreswan-4.10"), None),
    ],
)
def test_who_met_the_reference(pairing: tuple[str, str], by: str | None) -> None:
    assert opposite(pairing) == by


def cell(folder: Path, verdict: Verdict, pairing: tuple[str, str]) -> tuple[Any, Any]:
    """What a run and a record tell of one cell."""
    (folder / "transcript.txt").write_text(TRANSCRIPT)
    run = SimpleNamespace(cell_folder=lambda _: folder)
    record = SimpleNamespace(
        cell="one",
        verdict=verdict,
        pairing=pairing,
        combination=PLAIN,
        evidence={"transcript": "transcript.txt"},
    )
    return run, record


def test_a_cell_that_passed(tmp_path: Path) -> None:
    proofs = cell_proofs(*cell(tmp_path, Verdict.PASS, ("reference", "libreswan-4.10")))
    expected = SHOWN | combination_rows(PLAIN)
    assert proofs == {(row, "libreswan-4.10 as responder") for row in expected}


@pytest.mark.parametrize("verdict", [one for one in Verdict if one is not Verdict.PASS])
def test_a_cell_that_did_not_pass_proves_nothing(tmp_path: Path, verdict: Verdict) -> None:
    assert not cell_proofs(*cell(tmp_path, verdict, ("reference", "libreswan-4.10")))


def test_two_daemons_prove_nothing_of_the_reference(tmp_path: Path) -> None:
    pairing = ("strongswan-5.9.8", "libreswan-4.10")
    assert not cell_proofs(*cell(tmp_path, Verdict.PASS, pairing))


def test_what_daemons_claim_is_due_in_both_roles() -> None:
    due = claimed(load_manifests(peers_root()), PLAIN)
    for role in ("initiator", "responder"):
        assert ("cipher:1", f"strongswan-5.9.8 as {role}") in due
        assert ("cipher:1", f"libreswan-4.10 as {role}") not in due
        assert ("encap:2", f"libreswan-4.10 as {role}") in due
        assert ("ah:7", f"libreswan-4.10 as {role}") in due
        assert ("ah:9", f"libreswan-4.10 as {role}") in due
        assert ("esp:20", f"libreswan-4.10 as {role}") in due
        assert ("esp:23", f"strongswan-5.9.8 as {role}") in due
        assert ("esp:23", f"libreswan-4.10 as {role}") not in due
        assert ("feature:esn", f"strongswan-5.9.8 as {role}") in due
        assert ("feature:esn", f"libreswan-4.10 as {role}") not in due
    assert ("auth:65002", "libreswan-4.10 as initiator") in due
    assert ("auth:65002", "libreswan-4.10 as responder") not in due
    assert not [by for _, by in due if by.startswith("reference")]
    assert {row for row, _ in due} <= ROWS.keys()


def test_faults_that_stand_for_a_proof_are_findings() -> None:
    text = (Path(__file__).parents[2] / "docs" / "findings.md").read_text()
    assert not [heading for heading in FAULTY.values() if f"\n## {heading}\n" not in text]
    assert FAULTY.keys().isdisjoint(claimed(load_manifests(peers_root()), PLAIN))
