"""DES keys that must not be used (RFC 2409 Appendix A and B)."""

from __future__ import annotations

# RFC 2409 Appendix A: the weak keys, then the semi-weak ones. The RFC prints the second and third
# weak key with the octets E0 and 1F, where those under which DES is its own inverse have 0E and F1.
_DES_WEAK = (
    "0101010101010101 1f1f1f1fe0e0e0e0 e0e0e0e01f1f1f1f fefefefefefefefe "
    "1f1f1f1f0e0e0e0e e0e0e0e0f1f1f1f1 "
    "01fe01fe01fe01fe 1fe01fe00ef10ef1 01e001e001f101f1 1ffe1ffe0efe0efe "
    "011f011f010e010e e0fee0fef1fef1fe fe01fe01fe01fe01 e01fe01ff10ef10e "
    "e001e001f101f101 fe1ffe1ffe0efe0e 1f011f010e010e01 fee0fee0fef1fef1"
)


def _without_parity(key: bytes) -> bytes:
    """DES ignores the lowest bit of each octet (RFC 2405 3)."""
    return bytes(octet & 0xFE for octet in key)


_WEAK_BITS = frozenset(_without_parity(bytes.fromhex(text)) for text in _DES_WEAK.split())


def is_weak_des_key(key: bytes) -> bool:
    """Whether eight octets are a weak or semi-weak key, whatever their parity bits."""
    return _without_parity(key) in _WEAK_BITS


def never_weak(_key: bytes) -> bool:
    """For ciphers without a list: DES-EDE3 too needs no check (RFC 2451 2.3)."""
    return False
