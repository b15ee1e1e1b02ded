"""The suite's words for rows of the inventory: levels of factors, names of tables, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.crypto.ciphers import CIPHERS
from conformance.crypto.dh import GROUPS
from conformance.crypto.prf import HASHES
from conformance.crypto.transforms import AH_TRANSFORMS, COMPRESSIONS, ESP_TRANSFORMS
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
from conformance.ikev1.natt import FLAVOURS
from conformance.ikev1.xauth import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.ikev1.constants import NamedNumber


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
    "group": {name: row.ike_id for name, row in GROUPS.items()} | {"32768": "private"},
    "grouptype": {name: int(row.parameters.group_type) for name, row in GROUPS.items()},
    "life": {"seconds": 1, "kilobytes": 2},
    "feature": {"commit bit": "commit"},
    "natt": {"rfc3947": "rfc"},
    "encap": {name: number for number, name in ENCAPSULATION_MODES.items()}
    | {f"{row.name}-{mode}": code for row in FLAVOURS for mode, code in row.modes.items()},
    "esp": {name: row.esp_id for name, row in ESP_TRANSFORMS.items()},
    "ah": {name: row.ah_id for name, row in AH_TRANSFORMS.items()},
    "integ": {name: row.attribute_id for name, row in AH_TRANSFORMS.items()},
    "ipcomp": COMPRESSIONS,
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
