"""Serpent with 128, 192 or 256-bit keys, bitsliced (Anderson, Biham, Knudsen, AES submission).

Each S-box is applied to all 32 nibbles at once, through the polynomials over GF(2) of its outputs.
"""

from __future__ import annotations

from conformance.crypto.block import BlockCipher, rotate_left, words

_MASK = 0xFFFFFFFF
_PHI = 0x9E3779B9
_ROUNDS = 32
_KEY_SIZES = (16, 24, 32)

# fmt: off
_S_BOXES = (
    (3, 8, 15, 1, 10, 6, 5, 11, 14, 13, 4, 2, 7, 0, 9, 12),
    (15, 12, 2, 7, 9, 0, 5, 10, 1, 11, 14, 8, 6, 13, 3, 4),
    (8, 6, 7, 9, 3, 12, 10, 15, 13, 1, 14, 4, 0, 11, 5, 2),
    (0, 15, 11, 8, 12, 9, 6, 3, 13, 1, 2, 4, 10, 7, 5, 14),
    (1, 15, 8, 3, 12, 0, 11, 6, 2, 5, 4, 10, 9, 14, 7, 13),
    (15, 5, 2, 11, 4, 10, 9, 12, 0, 3, 14, 8, 13, 6, 7, 1),
    (7, 2, 12, 5, 8, 4, 6, 11, 14, 9, 1, 15, 13, 3, 10, 0),
    (1, 13, 15, 0, 14, 8, 2, 11, 7, 4, 12, 10, 9, 3, 5, 6),
)
# fmt: on

_Words = tuple[int, ...]
_Polynomials = tuple[tuple[int, ...], ...]


def _inverse(box: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(box.index(value) for value in range(16))


def _polynomials(box: tuple[int, ...]) -> _Polynomials:
    """For each output bit the monomials (sets of input bits) whose sum it is (Moebius)."""
    coefficients = list(box)
    for bit in (1, 2, 4, 8):
        for monomial in range(16):
            if monomial & bit:
                coefficients[monomial] ^= coefficients[monomial ^ bit]
    return tuple(tuple(m for m in range(16) if coefficients[m] >> out & 1) for out in range(4))


_FORWARD = tuple(_polynomials(box) for box in _S_BOXES)
_BACKWARD = tuple(_polynomials(_inverse(box)) for box in _S_BOXES)


def _substitute(polynomials: _Polynomials, state: _Words) -> _Words:
    monomials = [_MASK] * 16
    for m in range(1, 16):
        low = m & -m
        monomials[m] = monomials[m ^ low] & state[low.bit_length() - 1]
    result = []
    for chosen in polynomials:
        word = 0
        for m in chosen:
            word ^= monomials[m]
        result.append(word)
    return tuple(result)


def _mix(state: _Words) -> _Words:
    """The linear transformation."""
    a, b, c, d = state
    a, c = rotate_left(a, 13), rotate_left(c, 3)
    b, d = rotate_left(b ^ a ^ c, 1), rotate_left(d ^ c ^ (a << 3 & _MASK), 7)
    a, c = rotate_left(a ^ b ^ d, 5), rotate_left(c ^ d ^ (b << 7 & _MASK), 22)
    return a, b, c, d


def _unmix(state: _Words) -> _Words:
    a, b, c, d = state
    a, c = rotate_left(a, -5) ^ b ^ d, rotate_left(c, -22) ^ d ^ (b << 7 & _MASK)
    b, d = rotate_left(b, -1) ^ a ^ c, rotate_left(d, -7) ^ c ^ (a << 3 & _MASK)
    return rotate_left(a, -13), b, rotate_left(c, -3), d


def _add(state: _Words, key: _Words) -> _Words:
    return tuple(a ^ b for a, b in zip(state, key, strict=True))


def _octets(state: _Words) -> bytes:
    return b"".join(word.to_bytes(4, "little") for word in state)


class Serpent(BlockCipher):
    """The cipher under one key of 16, 24 or 32 octets."""

    block_size = 16

    def __init__(self, key: bytes) -> None:
        """Derive the 33 round keys; raises ValueError for a key of another length."""
        if len(key) not in _KEY_SIZES:
            raise ValueError(f"Serpent has no keys of {len(key)} octets here")
        self._keys = _round_keys(key)

    def encrypt_block(self, block: bytes) -> bytes:
        """32 rounds, the last with a key in place of the linear transformation."""
        state: _Words = tuple(words(block))
        for n in range(_ROUNDS):
            state = _substitute(_FORWARD[n % 8], _add(state, self._keys[n]))
            state = _mix(state) if n < _ROUNDS - 1 else _add(state, self._keys[_ROUNDS])
        return _octets(state)

    def decrypt_block(self, block: bytes) -> bytes:
        """The rounds backwards."""
        state: _Words = tuple(words(block))
        for n in reversed(range(_ROUNDS)):
            state = _unmix(state) if n < _ROUNDS - 1 else _add(state, self._keys[_ROUNDS])
            state = _add(_substitute(_BACKWARD[n % 8], state), self._keys[n])
        return _octets(state)


def _round_keys(key: bytes) -> list[_Words]:
    """The prekeys through the S-boxes; a short key is padded with a one bit and zeros."""
    prekeys = words((key + b"\x01").ljust(32, b"\x00")[:32])
    for i in range(4 * (_ROUNDS + 1)):
        word = prekeys[-8] ^ prekeys[-5] ^ prekeys[-3] ^ prekeys[-1] ^ _PHI ^ i
        prekeys.append(rotate_left(word, 11))
    return [
        _substitute(_FORWARD[(3 - n) % 8], tuple(prekeys[8 + 4 * n : 12 + 4 * n]))
        for n in range(_ROUNDS + 1)
    ]
