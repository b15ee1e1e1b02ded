# ruff: noqa: INP001 (a script, not a package)
"""Write vectors/ikev1/main_quick_psk.json: a whole Main Mode and Quick Mode replayable from seeds.

Run from the project's root: python vectors/generate/ikev1_handshake.py
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from handshakes import ADDRESSES, PSK, SELECTORS, carry, outcome

from conformance.crypto.random import seeded_random
from conformance.ikev1.config import Config, Identification, Phase1Proposal, Phase2Proposal
from conformance.ikev1.endpoint import Endpoint

TARGET = Path(__file__).parents[1] / "ikev1" / "main_quick_psk.json"


@dataclass(frozen=True)
class Handshake:
    """The factors of one vector."""

    cipher: str
    hash: str
    group: str
    esp_cipher: str
    integrity: str
    mode: str
    pfs: str | None


CASES = (
    Handshake("aes128", "sha256", "modp2048", "aes128", "sha256", "tunnel", None),
    Handshake("3des", "md5", "modp1024", "aes256", "sha1", "tunnel", "modp1024"),
    Handshake("aes256", "sha1", "modp1536", "aes192", "sha256", "transport", "ecp256"),
    Handshake("aes192", "sha256", "ecp256", "aes128", "sha1", "tunnel", "modp1536"),
)


def endpoint(case: Handshake, role: str) -> Endpoint:
    """The initiator or responder of a case, its randomness drawn from its role's name."""
    other = next(name for name in ADDRESSES if name != role)
    config = Config(
        PSK.encode(),
        Identification.ipv4_addr(ADDRESSES[role]),
        Identification.ipv4_addr(ADDRESSES[other]),
        (Phase1Proposal(case.cipher, case.hash, case.group),),
        (Phase2Proposal(case.esp_cipher, case.integrity, case.mode, case.pfs),),
        Identification.selector(SELECTORS[role]),
        Identification.selector(SELECTORS[other]),
    )
    return Endpoint(config, (ADDRESSES[other], 500), random=seeded_random(role))


def vector(case: Handshake) -> dict[str, Any]:
    """One case with its messages and keys."""
    ends = {role: endpoint(case, role) for role in ADDRESSES}
    return {"factors": asdict(case), "messages": carry(ends), **outcome(ends["initiator"])}


def build() -> dict[str, Any]:
    """The whole file."""
    return {
        "source": {
            "document": "RFC 2409",
            "section": "5.4 and 5.5",
            "title": "Main Mode with pre-shared key, Quick Mode",
            "method": "generated",
            "generator": "vectors/generate/ikev1_handshake.py",
            "verified_by": "tshark's decryption, tests/ikev1/test_lab_tshark_ikev1.py",
        },
        "psk": PSK,
        "addresses": ADDRESSES,
        "selectors": SELECTORS,
        "cases": [vector(case) for case in CASES],
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(build(), indent=2) + "\n")
