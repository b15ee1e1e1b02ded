"""The suite's words for rows of the inventory: levels of factors, names of tables, labels."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from conformance.crypto.ciphers import CIPHERS, ESP_CIPHERS
from conformance.crypto.dh import GROUPS
from conformance.crypto.macs import MACS
from conformance.crypto.prf import HASHES
from conformance.ikev1.attributes import ENCAPSULATION_MODES, PHASE_1, PHASE_2
from conformance.ikev1.config import AUTH_METHODS
from conformance.ikev1.constants import (
    CertificateEncoding,
    ConfigurationType,
    ExchangeType,
    IdType,
    NotifyType,
    PayloadType,
    Protocol,
)
from conformance.ikev1.mode_config import CONFIGURATION
from conformance.ikev1.xauth import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.ikev1.constants import NamedNumber

_KEYS = ("", "128", "192", "256")
_AEAD = {"ctr": 13, "ccm8": 14, "ccm12": 15, "ccm16": 16, "gcm8": 18, "gcm12": 19, "gcm16": 20}
_GMAC = {128: 11, 192: 12, 256: 13}
_AH = {"md5": 2, "sha1": 3, "sha256": 5, "sha384": 6, "sha512": 7, "ripemd160": 8, "aesxcbc": 9}


def _labels(registry: type[NamedNumber]) -> dict[str, int]:
    return {one.label: int(one) for one in registry}


NAMES: Mapping[str, Mapping[str, int | str]] = {
    "exchange": {"main": 2, "aggressive": 4} | _labels(ExchangeType),
    "payload": _labels(PayloadType),
    "protocol": {"ah": 2, "esp": 3, "ipcomp": 4} | _labels(Protocol),
    "attr1": {row.name: row.number for row in PHASE_1},
    "attr2": {row.name: row.number for row in PHASE_2},
    "cipher": {name: row.ike_id for name, row in CIPHERS.items()},
    "hash": {name: row.ike_id for name, row in HASHES.items()},
    "auth": AUTH_METHODS,
    "group": {name: row.ike_id for name, row in GROUPS.items()},
    "encap": {name: number for number, name in ENCAPSULATION_MODES.items()},
    "esp": {name: row.esp_id for name, row in ESP_CIPHERS.items()}
    | {f"aes{bits}{mode}": code for bits, (mode, code) in product(_KEYS, _AEAD.items())}
    | {f"aes{bits}gmac": 23 for bits in _KEYS}
    | {f"seed{bits}": 21 for bits in _KEYS}
    | {"null": 11},
    "ah": _AH | {f"aes{bits}gmac": code for bits, code in _GMAC.items()} | {"aescmac": 250},
    "integ": {name: row.attribute_id for name, row in MACS.items()}
    | {f"aes{bits}gmac": code for bits, code in _GMAC.items()}
    | {"ripemd160": 8},
    "ipcomp": {"deflate": 2},
    "id": _labels(IdType),
    "cert": _labels(CertificateEncoding),
    "notify": _labels(NotifyType),
    "configtype": _labels(ConfigurationType),
    **{
        kind: {row.name: row.number for row in CONFIGURATION if row.number in numbers}
        for kind, numbers in (
            ("config", range(1, 16)),
            ("xauth", range(16520, 16530)),
            ("unity", range(28672, 28683)),
        )
    },
    "xauthtype": TYPES,
}
"""Kind of row -> word -> code."""
