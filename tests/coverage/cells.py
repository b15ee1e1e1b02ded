"""What a cell of the matrix proves: the rows of its levels, and those that its transcript shows."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

from conformance.matrix.constraints import CONSTRAINTS, first_exclusion
from conformance.record import Verdict
from conformance.record.verdicts import MUST_BE_REFUSED
from tests.coverage.inventory import UnknownRowError, row_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conformance.matrix import Manifest
    from conformance.record import Record, Run
    from tests.coverage.results import Proof

REFERENCE = "reference"
ROLES = ("initiator", "responder")

# "factor" serves every level of it, "factor=level" one level before that. A row may hold the levels
# of the same combination.
LEVEL_ROWS: dict[str, tuple[str, ...]] = {
    "exchange": ("exchange:{exchange}",),
    "auth": ("auth:{auth}",),
    "cipher": ("cipher:{cipher}",),
    "hash": ("hash:{hash}",),
    "group": ("group:{group}",),
    "pfs": ("group:{pfs}", "feature:pfs"),
    "pfs=none": (),
    "protocol=esp": ("protocol:esp",),
    "protocol=ah": ("protocol:ah", "ah:{esp_integrity}"),
    "protocol=esp+ipcomp": ("protocol:esp", "protocol:ipcomp", "ipcomp:deflate", "feature:bundles"),
    "esp_cipher": ("esp:{esp_cipher}",),
    "esp_cipher=none": (),
    "esp_integrity": ("integ:{esp_integrity}",),
    "esp_integrity=none": (),
    "esn=no": (),
    "esn=yes": ("attr2:11", "feature:esn"),
    "mode": ("encap:{mode}",),
    "family=ipv4": (),
    "family=ipv6": ("feature:6in6",),
    "family=4in6": ("feature:4in6",),
    "family=6in4": ("feature:6in4",),
    "certificates=leaf": (),
    "certificates=chain": ("feature:chain",),
    "certificates=crl": ("feature:crl",),
    "certificates=revoked": ("feature:crl",),
    "mode_config=none": (),
    "mode_config=pull": ("exchange:6", "feature:pull"),
    "mode_config=push": ("exchange:6", "feature:push"),
    "fragmentation=no": (),
    "fragmentation=yes": ("payload:132", "feature:fragmentation"),
    "nat=none": (),
    "nat=initiator": (
        "natt:rfc",
        "natt:nat-d",
        "natt:float",
        "natt:esp-in-udp",
        "encap:udp-{mode}",
    ),
    "lifetime=seconds": (),
    "lifetime=kilobytes": ("life:2",),
    "event=none": (),
    "event=dpd": ("feature:dpd",),
    "event=rekey": ("feature:rekey",),
    "event=rekey-bytes": ("feature:rekey",),
}
"""The rows of each level of each factor (`conformance.matrix.factors`)."""
SILENT: dict[str, tuple[str, ...]] = {"nat=initiator": ("mode",), "mode=transport": ("family",)}
"""Factors whose rows do not hold beside a level: ESP in UDP is another mode, and without a tunnel
nothing is inside of anything."""

# what a line of a transcript matches, the rows that it shows
LINES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\bHDR, [A-Z]", ("payload:0",)),
    (r"Quick Mode \d", ("exchange:32",)),
    (r"Quick Mode 1: HDR\*, HASH", ("feature:iv-chain", "feature:padding")),
    (r"Quick Mode 1: .*\bID, ID\b", ("feature:client-ids",)),
    (r"Quick Mode 1: HDR\*, HASH, SA, NONCE(, KE)?  ?\[", ("feature:no-client-ids",)),
    (r"(?i:informational) \d", ("exchange:5",)),
    (r"(?i:transaction) \d", ("exchange:6",)),
    (r"\bSA proposal \d", ("payload:SA", "payload:P", "payload:T", "doi:1", "situation:1")),
    (r"\bproposal \d+ (?P<a>[A-Z]+)", ("protocol:{a}",)),
    (r"\bproposal \d+ ISAKMP .*transform \d+ id 1\b", ("protocol:key-ike",)),
    (r"\blife type seconds", ("life:1", "feature:lifetimes")),
    (r"\blife type kilobytes", ("life:2",)),
    (r"\b(?P<a>KE|HASH|SIG|NONCE|NAT-(?:D|OA)(?:-DRAFT)?|FRAGMENT)\b", ("payload:{a}",)),
    (r"\bID (?P<a>[A-Z0-9-]{4,})", ("payload:ID", "id:{a}")),
    (r"\b(?P<a>CERT|CR) (?P<b>[A-Z0-9-]+) \(", ("payload:{a}", "cert:{b}")),
    (r"\bNAT-D\b", ("natt:nat-d",)),
    (r"\bNAT-OA\b", ("natt:nat-oa",)),
    (r"\bFRAGMENT\b", ("feature:fragmentation",)),
    (r"\bencapsulation mode (?P<a>[a-z-]+)", ("encap:{a}",)),
    (r"\bN INITIAL-CONTACT\b", ("feature:initial-contact",)),
    (r"\bN R-U-THERE-ACK\b", ("feature:dpd",)),
    (r"\bATTR REPLY \d+ \[ip4-address", ("feature:pull",)),
    (r"\bATTR ACK \d+ \[ip4-address", ("feature:push",)),
    (r"\bN (?P<a>[A-Z-]{6,})", ("payload:N", "notify:{a}")),
    (r"\bD (ISAKMP|ESP|AH|IPCOMP) ", ("payload:D", "feature:delete")),
    (r"\bVID [0-9a-f]+", ("payload:VID",)),
    (r"\bVID [0-9a-f]+ \((?P<a>.*?)\)", ("vid:{a}",)),
    (r"\bATTR (?P<a>[A-Z]+) ", ("payload:ATTR", "configtype:{a}")),
)
_CONFIGURATION = re.compile(r"\bATTR [A-Z]+ \d+ \[(.*?)\]")
_PROPOSAL = re.compile(r"\bproposal \d+ ([A-Z]+)[^\[]*\[(.*?)\]")
_ATTRIBUTE = re.compile(r"[:,] ([A-Za-z][A-Za-z ]*?) \S+(?: \([^)]*\))?(?=[,;]|$)")


def level_rows(factor: str, combination: Mapping[str, str]) -> tuple[str, ...]:
    """The ids of the rows that one level of a combination stands for; KeyError without any entry.

    Raises UnknownRowError where the inventory lacks one.
    """
    return tuple(row_id(row.format_map(combination)) for row in _templates(factor, combination))


def _templates(factor: str, combination: Mapping[str, str]) -> tuple[str, ...]:
    level = f"{factor}={combination[factor]}"
    return LEVEL_ROWS[level] if level in LEVEL_ROWS else LEVEL_ROWS[factor]


def combination_rows(combination: Mapping[str, str]) -> set[str]:
    """The ids of the rows that the levels of a combination stand for.

    Where a level must be refused, nothing else came about.
    """
    forbidden = [
        factor for factor, level in combination.items() if (factor, level) in MUST_BE_REFUSED
    ]
    levels = {f"{factor}={level}" for factor, level in combination.items()}
    silent = {factor for level in levels & SILENT.keys() for factor in SILENT[level]}
    told = set(forbidden or combination) - silent
    return {row for factor in told for row in level_rows(factor, combination)}


def transcript_rows(text: str) -> set[str]:
    """The ids of the rows that a transcript shows; what the inventory does not name is passed."""
    return {row for line in text.splitlines() for row in _known(_line_rows(line))}


def _line_rows(line: str) -> Iterator[str]:
    for pattern, rows in LINES:
        for match in re.finditer(pattern, line):
            yield from (row.format_map(match.groupdict()) for row in rows)
    for protocol, attributes in _PROPOSAL.findall(line):
        kind = "attr1" if protocol == "ISAKMP" else "attr2"
        yield from (f"{kind}:{name}" for name in _ATTRIBUTE.findall(attributes))
    for names in _CONFIGURATION.findall(line):
        yield from (
            f"{kind}:{name}" for name in names.split(", ") for kind in ("config", "xauth", "unity")
        )


def _known(rows: Iterator[str]) -> Iterator[str]:
    for row in rows:
        try:
            yield row_id(row)
        except UnknownRowError:
            continue


def opposite(pairing: tuple[str, str]) -> str | None:
    """The daemon that the reference met, with its role; "self" where it met itself.

    None where two daemons met each other, which proves nothing of the reference.
    """
    for role, name, other in zip(ROLES, pairing, reversed(pairing), strict=True):
        if other == REFERENCE:
            return "self" if name == REFERENCE else f"{name} as {role}"
    return None


def cell_proofs(run: Run, record: Record) -> set[Proof]:
    """What a cell proves: nothing unless it passed and the reference was one of its ends."""
    by = opposite(record.pairing)
    if by is None or record.verdict is not Verdict.PASS:
        return set()
    transcript = run.cell_folder(record.cell) / record.evidence["transcript"]
    shown = transcript_rows(transcript.read_text("utf-8"))
    return {(row, by) for row in combination_rows(record.combination) | shown}


def claimed(manifests: Mapping[str, Manifest], plain: Mapping[str, str]) -> set[Proof]:
    """What has to be proven: every level that a daemon claims, in each role where it does it."""
    return {
        (row, f"{name} as {role}")
        for name, manifest in manifests.items()
        if name != REFERENCE
        for factor in manifest.claims
        for combination in _claims(manifest, factor, plain)
        for role in manifest.roles
        if not manifest.undeclared(combination, role)
        for row in level_rows(factor, combination)
    } - FAULTY.keys()


_TWO_PROPOSALS = "strongSwan answers an offer of IPComp with two proposals"
FAULTY: dict[Proof, str] = {
    **{
        (row, f"strongswan-{version} as responder"): _TWO_PROPOSALS
        for row in ("protocol:4", "ipcomp:2", "feature:bundles")
        for version in ("5.9.1", "5.9.8", "6.0.1")
    },
    ("feature:pull", "libreswan-5.2 as responder"): (
        "Libreswan 5.2 answers a request of Mode Config under another identifier"
    ),
    ("feature:rekey", "libreswan-5.2 as initiator"): (
        "Libreswan 5.2 ends replaced SAs without a word"
    ),
}
"""What a daemon claims and does so wrongly that the reference refuses it: a heading of
docs/findings.md, whose cell test_lab_levels.py expects to fail."""


def _claims(manifest: Manifest, factor: str, plain: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Each claimed level of a factor, with each of those other levels that its rows name."""
    for level in manifest.claims[factor]:
        combination = {**plain, factor: level}
        text = "".join(_templates(factor, combination))
        named = [name for name in manifest.claims if f"{{{name}}}" in text and name != factor]
        apart = [one for one in CONSTRAINTS if set(one.when) <= {factor, *named}]
        for levels in product(*(_present(manifest.claims[name]) for name in named)):
            claim = combination | dict(zip(named, levels, strict=True))
            if first_exclusion(claim, apart) is None:
                yield claim


def _present(levels: tuple[str, ...]) -> tuple[str, ...]:
    """Those that name something: beside AH there is no ``none``."""
    return tuple(level for level in levels if level != "none")
