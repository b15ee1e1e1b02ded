"""RC5 with 32-bit words (RFC 2040 5 and 6); IKE's RC5-R16-B64 has 16 rounds (RFC 2451 2.5)."""

from __future__ import annotations

from conformance.crypto.block import BlockCipher, rotate_left, words

_MASK = 0xFFFFFFFF
_P, _Q = 0xB7E15163, 0x9E3779B9
_LONGEST_KEY = 255


class Rc5(BlockCipher):
    """RC5-32/rounds; the key has up to 255 octets."""

    block_size = 8

    def __init__(self, key: bytes, rounds: int = 16) -> None:
        """Expand the key; raises ValueError for a key length without a meaning."""
        if not 1 <= len(key) <= _LONGEST_KEY:
            raise ValueError(f"RC5 has no keys of {len(key)} octets")
        self._keys = _expand(key, 2 * (rounds + 1))

    def encrypt_block(self, block: bytes) -> bytes:
        """RFC 2040 6.1."""
        first, second, *rest = self._keys
        a, b = words(block)
        a, b = a + first & _MASK, b + second & _MASK
        for even, odd in zip(rest[::2], rest[1::2], strict=True):
            a = rotate_left(a ^ b, b) + even & _MASK
            b = rotate_left(b ^ a, a) + odd & _MASK
        return a.to_bytes(4, "little") + b.to_bytes(4, "little")

    def decrypt_block(self, block: bytes) -> bytes:
        """RFC 2040 6.2."""
        first, second, *rest = self._keys
        a, b = words(block)
        for odd, even in zip(rest[::-2], rest[-2::-2], strict=True):
            b = rotate_left(b - odd & _MASK, -a) ^ a
            a = rotate_left(a - even & _MASK, -b) ^ b
        a, b = a - first & _MASK, b - second & _MASK
        return a.to_bytes(4, "little") + b.to_bytes(4, "little")


def _expand(key: bytes, count: int) -> list[int]:
    """The table S of count words, RFC 2040 5.2 to 5.4."""
    secret = words(key)
    table = [_P + i * _Q & _MASK for i in range(count)]
    a = b = 0
    for n in range(3 * max(count, len(secret))):
        i, j = n % count, n % len(secret)
        a = table[i] = rotate_left(table[i] + a + b & _MASK, 3)
        b = secret[j] = rotate_left(secret[j] + a + b & _MASK, a + b)
    return table
