"""Records as JSON lines: one record, one line, for other programs to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.record.records import Record


def write_json_lines(records: Iterable[Record], stream: BinaryIO) -> None:
    """Write every record as one line of JSON, flushed line by line so that a reader can follow."""
    encoder = msgspec.json.Encoder()
    for record in records:
        stream.write(encoder.encode(record) + b"\n")
        stream.flush()
