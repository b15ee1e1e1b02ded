"""What the connections of one peer share: its addresses, its SAs and its ways out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.packet import Address as IpAddress
    from conformance.ipsec.sad import Sad

Address = tuple[str, int]
"""IP address as text, and UDP port."""


class CommandError(Exception):
    """A command that cannot be obeyed; the text goes to whoever gave it."""


@dataclass(frozen=True, slots=True)
class Host:
    """What a connection shares with its peer's others."""

    address: IpAddress
    """The outer address."""
    ike_port: int
    """Where IKE leaves from before any NAT is found."""
    inner: IpAddress
    """The address inside tunnels."""
    sad: Sad
    send_from_ike_port: Callable[[bytes, Address], None]
    send_from_natt_port: Callable[[bytes, Address], None]
    send_packet: Callable[[bytes, IpAddress], None]
    """Sends a whole IP packet; raises OSError."""
