"""MD4, for one-time passwords of the first kind (RFC 1320, RFC 1760)."""

from __future__ import annotations

_MASK = 0xFFFFFFFF
_BLOCK = 64
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_ORDER_2 = (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
_ORDER_3 = (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15)


def _f(x: int, y: int, z: int) -> int:
    return (x & y) | (~x & z)


def _g(x: int, y: int, z: int) -> int:
    return (x & y) | (x & z) | (y & z)


def _h(x: int, y: int, z: int) -> int:
    return x ^ y ^ z


# RFC 1320 3.4: (function, constant, order of the words, rotations) of each round
_ROUNDS = (
    (_f, 0, tuple(range(16)), (3, 7, 11, 19)),
    (_g, 0x5A827999, _ORDER_2, (3, 5, 9, 13)),
    (_h, 0x6ED9EBA1, _ORDER_3, (3, 9, 11, 15)),
)


def md4(data: bytes) -> bytes:
    """The digest, 16 octets."""
    padding = b"\x80" + bytes(-(len(data) + 9) % _BLOCK)
    padded = data + padding + (8 * len(data)).to_bytes(8, "little")
    state = _START
    for start in range(0, len(padded), _BLOCK):
        state = _compress(state, padded[start : start + _BLOCK])
    return b"".join(word.to_bytes(4, "little") for word in state)


def _compress(state: tuple[int, int, int, int], block: bytes) -> tuple[int, int, int, int]:
    words = [int.from_bytes(block[at : at + 4], "little") for at in range(0, _BLOCK, 4)]
    a, b, c, d = state
    for mix, constant, order, rotations in _ROUNDS:
        for step, index in enumerate(order):
            total = (a + mix(b, c, d) + words[index] + constant) & _MASK
            shift = rotations[step % 4]
            rotated = ((total << shift) | (total >> (32 - shift))) & _MASK
            a, b, c, d = d, rotated, b, c
    return (
        (state[0] + a) & _MASK,
        (state[1] + b) & _MASK,
        (state[2] + c) & _MASK,
        (state[3] + d) & _MASK,
    )
