"""Twofish with 128, 192 or 256-bit keys, tables made from the definition.

Schneier, Kelsey, Whiting, Wagner, Hall, Ferguson: "Twofish: A 128-Bit Block Cipher", 1998.
"""

from __future__ import annotations

from functools import reduce
from operator import xor

from conformance.crypto.block import BlockCipher, rotate_left, words

_MASK = 0xFFFFFFFF
_ROUNDS = 16
_KEY_SIZES = (16, 24, 32)
_RHO = 0x01010101
_MDS_POLYNOMIAL, _RS_POLYNOMIAL = 0x169, 0x14D

# The 4-bit permutations t0 to t3 of q0 and q1, section 4.3.5.
_T = (
    ("817d6f320b59eca4", "ecb81235f4a6709d", "ba5e6d90c8f32471", "d7f4126e9b3085ca"),
    ("28bdf76e31940ac5", "1e2b4c376da5f908", "4c75169a0ed82b3f", "b951c3de647f208a"),
)
# The matrices MDS (section 4.2) and RS (section 4.3), row by row.
_MDS = ("01ef5b5b", "5befef01", "ef5b01ef", "ef01ef5b")
_RS = ("01a455875a58db9e", "a45682f31ec668e5", "02a1fcc147ae3d19", "a455875a58db9e03")

# Which permutation each octet of the word goes through, from the last key word to the first and
# once more at the end, section 4.3.5.
_Q_ORDER = {
    2: ((0, 1, 0, 1), (0, 0, 1, 1), (1, 0, 1, 0)),
    3: ((1, 1, 0, 0), (0, 1, 0, 1), (0, 0, 1, 1), (1, 0, 1, 0)),
    4: ((1, 0, 0, 1), (1, 1, 0, 0), (0, 1, 0, 1), (0, 0, 1, 1), (1, 0, 1, 0)),
}


def _multiply(a: int, b: int, polynomial: int) -> int:
    """A product in GF(2^8)."""
    product = 0
    while b:
        product ^= a * (b & 1)
        a = a << 1 ^ polynomial * (a >> 7)
        b >>= 1
    return product


def _permutation(tables: tuple[str, ...]) -> bytes:
    t = [[int(digit, 16) for digit in table] for table in tables]

    def value(x: int) -> int:
        a, b = x >> 4, x & 15
        for first, second in ((t[0], t[1]), (t[2], t[3])):
            mixed = a ^ (b >> 1 | (b & 1) << 3) ^ (a << 3 & 8)
            a, b = first[a ^ b], second[mixed]
        return b << 4 | a

    return bytes(map(value, range(256)))


_Q = tuple(_permutation(tables) for tables in _T)


def _mds_column(column: int) -> list[int]:
    """What each value of one octet adds to the word that MDS gives."""
    rows = [bytes.fromhex(row)[column] for row in _MDS]
    return [
        int.from_bytes(bytes(_multiply(x, entry, _MDS_POLYNOMIAL) for entry in rows), "little")
        for x in range(256)
    ]


_MDS_COLUMNS = [_mds_column(column) for column in range(4)]


def _rs_word(octets: bytes) -> int:
    """Four octets from eight of the key, through the Reed-Solomon matrix."""
    products = [
        reduce(
            xor,
            (
                _multiply(a, b, _RS_POLYNOMIAL)
                for a, b in zip(bytes.fromhex(row), octets, strict=True)
            ),
        )
        for row in _RS
    ]
    return int.from_bytes(bytes(products), "little")


def _tables(key_words: list[int]) -> list[list[int]]:
    """The function h as four tables, one per octet of its argument, section 4.3.2."""
    order = _Q_ORDER[len(key_words)]
    tables = []
    for octet in range(4):
        table = []
        for x in range(256):
            value = x
            for word, which in zip(reversed(key_words), order, strict=False):
                value = _Q[which[octet]][value] ^ (word >> 8 * octet & 255)
            table.append(_MDS_COLUMNS[octet][_Q[order[-1][octet]][value]])
        tables.append(table)
    return tables


def _h(tables: list[list[int]], x: int) -> int:
    a, b, c, d = tables
    return a[x & 255] ^ b[x >> 8 & 255] ^ c[x >> 16 & 255] ^ d[x >> 24]


def _subkeys(even: list[int], odd: list[int]) -> list[int]:
    """K0 to K39, section 4.3.3."""
    even_tables, odd_tables = _tables(even), _tables(odd)
    keys = []
    for i in range(4 + _ROUNDS):
        a = _h(even_tables, 2 * i * _RHO)
        b = rotate_left(_h(odd_tables, (2 * i + 1) * _RHO), 8)
        keys += [a + b & _MASK, rotate_left(a + 2 * b & _MASK, 9)]
    return keys


class Twofish(BlockCipher):
    """The cipher under one key of 16, 24 or 32 octets."""

    block_size = 16

    def __init__(self, key: bytes) -> None:
        """Derive subkeys and S-boxes; raises ValueError for a key of another length."""
        if len(key) not in _KEY_SIZES:
            raise ValueError(f"Twofish has no keys of {len(key)} octets here")
        key_words = words(key)
        self._keys = _subkeys(key_words[::2], key_words[1::2])
        self._boxes = _tables([_rs_word(key[at : at + 8]) for at in range(0, len(key), 8)][::-1])

    def _f(self, first: int, second: int, number: int) -> tuple[int, int]:
        a, b = _h(self._boxes, first), _h(self._boxes, rotate_left(second, 8))
        k = 8 + 2 * number
        return a + b + self._keys[k] & _MASK, a + 2 * b + self._keys[k + 1] & _MASK

    def encrypt_block(self, block: bytes) -> bytes:
        """Whitening, 16 rounds, whitening; section 4."""
        a, b, c, d = (word ^ key for word, key in zip(words(block), self._keys, strict=False))
        for number in range(_ROUNDS):
            f, g = self._f(a, b, number)
            a, b, c, d = rotate_left(c ^ f, -1), rotate_left(d, 1) ^ g, a, b
        return _octets((c, d, a, b), self._keys[4:8])

    def decrypt_block(self, block: bytes) -> bytes:
        """The rounds backwards."""
        c, d, a, b = (word ^ key for word, key in zip(words(block), self._keys[4:8], strict=True))
        for number in reversed(range(_ROUNDS)):
            f, g = self._f(c, d, number)
            a, b, c, d = c, d, rotate_left(a, 1) ^ f, rotate_left(b ^ g, -1)
        return _octets((a, b, c, d), self._keys[:4])


def _octets(state: tuple[int, int, int, int], whitening: list[int]) -> bytes:
    return b"".join(
        (word ^ key).to_bytes(4, "little") for word, key in zip(state, whitening, strict=True)
    )
