"""Tiger, 192 bits, with the padding of its first publication (Anderson and Biham, FSE 1996).

Hash algorithm 3 of RFC 2409 Appendix A. The S-boxes come from the authors' own generator.
"""

from __future__ import annotations

from functools import cache

from conformance.crypto.block import words

_MASK = 0xFFFFFFFFFFFFFFFF
_START = (0x0123456789ABCDEF, 0xFEDCBA9876543210, 0xF096A5B4C3B2E187)
_TITLE = b"Tiger - A Fast New Hash Function, by Ross Anderson and Eli Biham"
_GENERATOR_PASSES = 5
_BLOCK = 64

_State = tuple[int, int, int]
_Boxes = list[list[int]]


def tiger(data: bytes) -> bytes:
    """The 24 octets of Tiger over data."""
    bits = 8 * len(data)
    padded = data + b"\x01"
    padded += bytes((_BLOCK - 8 - len(padded)) % _BLOCK) + bits.to_bytes(8, "little")
    state, boxes = _START, _s_boxes()
    for at in range(0, len(padded), _BLOCK):
        state = _compress(state, padded[at : at + _BLOCK], boxes)
    return b"".join(word.to_bytes(8, "little") for word in state)


def _compress(state: _State, block: bytes, boxes: _Boxes) -> _State:
    """Three passes with a key schedule between them, then the feedforward."""
    x = words(block, 8)
    a, b, c = state
    for multiplier in (5, 7, 9):
        a, b, c = _pass((a, b, c), x, multiplier, boxes)
        a, b, c = c, a, b
        x = _schedule(x)
    return a ^ state[0], b - state[1] & _MASK, c + state[2] & _MASK


def _pass(state: _State, x: list[int], multiplier: int, boxes: _Boxes) -> _State:
    """Eight rounds."""
    a, b, c = state
    s0, s1, s2, s3 = boxes
    for word in x:
        c ^= word
        o = c.to_bytes(8, "little")
        a = a - (s0[o[0]] ^ s1[o[2]] ^ s2[o[4]] ^ s3[o[6]]) & _MASK
        b = (b + (s3[o[1]] ^ s2[o[3]] ^ s1[o[5]] ^ s0[o[7]])) * multiplier & _MASK
        a, b, c = b, c, a
    # Eight rotations by one place are one by two.
    return b, c, a


def _schedule(x: list[int]) -> list[int]:
    """The message words of the next pass."""
    x = list(x)
    x[0] = x[0] - (x[7] ^ 0xA5A5A5A5A5A5A5A5) & _MASK
    x[1] ^= x[0]
    x[2] = x[2] + x[1] & _MASK
    x[3] = x[3] - (x[2] ^ ((x[1] ^ _MASK) << 19 & _MASK)) & _MASK
    x[4] ^= x[3]
    x[5] = x[5] + x[4] & _MASK
    x[6] = x[6] - (x[5] ^ (x[4] ^ _MASK) >> 23) & _MASK
    x[7] ^= x[6]
    x[0] = x[0] + x[7] & _MASK
    x[1] = x[1] - (x[0] ^ ((x[7] ^ _MASK) << 19 & _MASK)) & _MASK
    x[2] ^= x[1]
    x[3] = x[3] + x[2] & _MASK
    x[4] = x[4] - (x[3] ^ (x[2] ^ _MASK) >> 23) & _MASK
    x[5] ^= x[4]
    x[6] = x[6] + x[5] & _MASK
    x[7] = x[7] - (x[6] ^ 0x0123456789ABCDEF) & _MASK
    return x


@cache
def _s_boxes() -> _Boxes:
    """S-boxes 1 to 4, shuffled column by column with Tiger itself over the title of the paper."""
    columns = [[bytearray(range(256)) for _ in range(8)] for _ in range(4)]
    state, left = _START, 0
    octets: list[bytes] = []
    for _ in range(_GENERATOR_PASSES):
        for row in range(256):
            for box in columns:
                if not left:
                    state, left = _compress(state, _TITLE, _words(columns)), 3
                    octets = [word.to_bytes(8, "little") for word in state]
                _swap(box, row, octets[3 - left])
                left -= 1
    return _words(columns)


def _swap(box: list[bytearray], row: int, others: bytes) -> None:
    for column, other in zip(box, others, strict=True):
        column[row], column[other] = column[other], column[row]


def _words(columns: list[list[bytearray]]) -> _Boxes:
    return [
        [int.from_bytes(bytes(octets), "little") for octets in zip(*box, strict=True)]
        for box in columns
    ]
