"""``python -m tests.ipsec.transform_page``: write docs/esp-transforms.md from the tables."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.crypto.transforms import AH_TRANSFORMS, ESP_INTEGRITY
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from tests.ipsec.oracles import (
    COMBINED,
    CUT_OF,
    MAC_FILES,
    PACKETS,
    PAYLOADS,
    PLAIN_CIPHERS,
    SCAPY_CIPHERS,
    SCAPY_MACS,
    family_of,
    load,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from conformance.crypto.macs import MacRow
    from conformance.ipsec.transforms import EncryptionTransform

PAGE = Path(__file__).parents[2] / "docs" / "esp-transforms.md"
_FEW = 3

HEAD = """# The transforms of ESP and AH

Made by `python -m tests.ipsec.transform_page` from the tables of `conformance/ipsec/transforms.py`;
`tests/ipsec/test_transform_page.py` holds it to them. Keys are in bits, without the salt; all else
in octets.

* *vectors*: documents whose cases `tests/ipsec/test_esp_vectors.py` sends through ESP, or through
  the keyed algorithm where they are no packets; in brackets the key lengths they have.
* *second*: libraries that verified generated vectors (`vectors/generate/ciphers.py`).
* *scapy*: compared octet for octet, both ways, in `tests/ipsec/test_esp_scapy.py` and
  `test_ah_scapy.py`.

Every row, each key length, passes the engine's own tests too, and AH's ICVs that scapy lacks are
written out in `tests/ipsec/test_transforms.py`: what has nothing in these columns has that alone.
`tests/ipsec/test_transform_mutants.py` makes rows wrong and checks that the oracles notice.

## Encryption
"""

NOTES = """
## What the documents leave open
* **KPDK** (RFC 2407 4.5, attribute 4) is "Key/Pad/Data/Key" of RFC 1826, which RFC 1828 (MD5) and
  RFC 1852 (SHA) define: key, keyfill, datagram, key. The digest is whole: neither cuts it. Their AH
  had no sequence number; here it has RFC 4302's header, as all AH that IKE negotiates. KAME cuts
  keyed hashes to 96 bits under that header, so it would not understand these packets. The key's
  length is free in both documents; here it is the digest's.
* **DES-MAC** (attribute 3) is in draft-bitan-auth-des-mac-00 alone, of August 1997: DES in CBC mode
  from an IV of zeros, the whole last block, a key of 64 bits. ESP pads its payload to eight octets.
  What AH does is a note to its authors; RFC 4302 3.3.3.2.2 answers it: zeros that are not sent,
  behind the high half of the sequence number.
* **SHA2-256 cut to 96 bits** is draft-ietf-ipsec-ciph-sha-256-00, which old Linux kernels followed
  where RFC 4868 has 128 bits. Peers know it as a local option (`sha2-truncbug`), under attribute 5
  or Libreswan's private 252.
* None of these four has a line in the table of numbers (`conformance/crypto/transforms.py`), so
  that nothing offers or accepts them: an SA is given them by hand, `integrity="sha256_96"`.
* **Serpent and Twofish** were AES candidates; their use in ESP is in a draft about all five, and in
  no RFC.
* **AES-GMAC**: RFC 4543 section 7 says that the IV is not authenticated. draft-mcgrew-gcm-test-01
  section 3 calls that a misprint, and its vector authenticates it.
* **AES-CCM**: RFC 4309 points to the vectors of RFC 3610, whose nonces have 13 octets; ESP's have
  11, as some of NIST's have. None was found that has tags of 8 or 12 octets with them.
"""

_INTEGRITY_HEAD = (
    "algorithm", "key", "salt", "IV", "block", "ICV", "defined in", "of", "negotiated", "vectors",
    "scapy",
)  # fmt: skip


def _cipher_shape(row: EncryptionTransform) -> tuple[str | int, ...]:
    return family_of(row.name), row.salt_size, row.iv_size, row.block_size, row.icv_size, row.source


def _bits(row: EncryptionTransform) -> int:
    return 8 * (row.key_size - row.salt_size)


def _series(values: Sequence[int]) -> str:
    if len(values) <= _FEW:
        return ", ".join(map(str, values))
    return f"{values[0]} to {values[-1]}"


def _documents(names: Iterable[str], *files: str) -> Iterator[tuple[str, str, bool]]:
    """Row, document, and whether its cases were generated."""
    wanted = set(names)
    for case in load(*files):
        if case["row"] in wanted:
            yield case["row"], case["document"], "verified_by" in case


def _cells(rows: Sequence[EncryptionTransform], *, generated: bool) -> str:
    bits = {row.name: _bits(row) for row in rows}
    found: dict[str, set[int]] = {}
    for name, document, made in _documents(bits, *PACKETS, *PAYLOADS, *PLAIN_CIPHERS, *COMBINED):
        if made is generated:
            found.setdefault(document, set()).add(bits[name])
    return "; ".join(
        document if lengths == set(bits.values()) else f"{document} ({_list(lengths)})"
        for document, lengths in found.items()
    )


def _list(lengths: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(lengths)))


def _encryption() -> Iterator[str]:
    yield "| transform | key | salt | IV | block | ICV | defined in | vectors | second | scapy |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for _, group in groupby(sorted(ENCRYPTION.values(), key=_order), _cipher_shape):
        rows = list(group)
        names = f"`{rows[0].name}`" if len(rows) == 1 else f"`{rows[0].name}` to `{rows[-1].name}`"
        row, scapy = rows[0], {one.name for one in rows} <= SCAPY_CIPHERS.keys()
        yield (
            f"| {names} | {_series(sorted({_bits(one) for one in rows}))} | {row.salt_size} "
            f"| {row.iv_size} | {row.block_size} | {row.icv_size} | {row.source} "
            f"| {_cells(rows, generated=False)} | {_cells(rows, generated=True)} "
            f"| {'yes' if scapy else ''} |"
        )


def _order(row: EncryptionTransform) -> tuple[str | int, ...]:
    return *_cipher_shape(row), row.key_size


def _integrity() -> Iterator[str]:
    yield f"| {' | '.join(_INTEGRITY_HEAD)} |"
    yield "|---" * len(_INTEGRITY_HEAD) + "|"
    for row in INTEGRITY.values():
        whole = CUT_OF.get(row.name, row.name)
        documents = dict.fromkeys(document for _, document, _ in _documents([whole], *MAC_FILES))
        vectors = "; ".join(documents) + ", cut" * (row.name in CUT_OF)
        yield (
            f"| `{row.name}` | {8 * (row.key_size - row.salt_size)} | {row.salt_size} "
            f"| {row.iv_size} | {row.block_size} | {row.icv_size} | {row.source} "
            f"| {_of(row)} | {_negotiated(row.name)} | {vectors} "
            f"| {'yes' if row.name in SCAPY_MACS else ''} |"
        )


def _of(row: MacRow) -> str:
    return "AH" if row.ah_only else "ESP, AH" if row.icv_size else "ESP"


def _negotiated(name: str) -> str:
    numbered = name in AH_TRANSFORMS or name in ESP_INTEGRITY
    return "yes" if numbered or name == "none" else "no"


def render() -> str:
    """The page."""
    return "\n".join(
        (HEAD, *_encryption(), "\n## Integrity\n", *_integrity(), NOTES.rstrip("\n"), "")
    )


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
