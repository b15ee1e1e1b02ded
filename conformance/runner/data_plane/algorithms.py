"""What the reference's data plane can do, as levels to plan with."""

from __future__ import annotations

from conformance.crypto.ciphers import ESP_CIPHERS
from conformance.ipsec.association import SecurityAssociation
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from conformance.linux.host import ENDS
from conformance.matrix.data_plane import Algorithms

_SAME_AS = {"cast": "cast128"}
"""What differs in negotiation alone."""
_ASKED_ONCE = "rc5-"
"""RC5 has 252 key lengths and the kernel none: the usual one asks it."""


def algorithms() -> Algorithms:
    """Every cipher with every key length, every integrity algorithm."""
    ciphers = [
        name for name in ESP_CIPHERS if name not in _SAME_AS and not name.startswith(_ASKED_ONCE)
    ]
    macs = [name for name, row in INTEGRITY.items() if row.icv_size]
    return Algorithms(
        ciphers=tuple(name for name in ciphers if not ENCRYPTION[name].icv_size),
        combined=tuple(name for name in ciphers if ENCRYPTION[name].icv_size),
        integrities=tuple(name for name in macs if _stands_in_esp(name)),
        ah_integrities=tuple(name for name in macs if not _stands_in_esp(name)),
    )


def _stands_in_esp(integrity: str) -> bool:
    """Whether the data plane takes it beside a cipher; some are AH's alone."""
    ends = ENDS[4]
    try:
        SecurityAssociation(
            spi=1,
            source=ends.reference,
            destination=ends.kernel,
            direction="in",
            mode="tunnel",
            cipher="null",
            integrity=integrity,
            integrity_key=bytes(INTEGRITY[integrity].key_size),
        )
    except ValueError:
        return False
    return True
