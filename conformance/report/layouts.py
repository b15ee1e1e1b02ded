"""The grids on the page of the data plane: which cells each has, and what its rows are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from conformance.matrix.data_plane import ALIGNMENT, EMPTY, EXCHANGE, WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.matrix.data_plane import DataCell


class Layout(NamedTuple):
    """Which cells a grid has, and what its rows are."""

    name: str
    title: str
    lead: str
    holds: Callable[[DataCell], bool]
    group: Callable[[DataCell], str]
    row: Callable[[DataCell], str]


def _is_plain(cell: DataCell) -> bool:
    return cell.case == EXCHANGE and cell.udp == "no"


def _family(cell: DataCell) -> str:
    """What transforms are grouped by: the mode and cipher, or the protocols."""
    if cell.protocol != "esp":
        return {"ah": "AH", "ipcomp": "IPComp"}.get(cell.protocol, "Bundles")
    if cell.integrity not in ("sha256", "none"):
        return f"ESP, integrity with {cell.cipher}"
    mode = re.search(r"ctr|ccm|gcm|gmac", cell.cipher)
    letters = re.match(r"\d?[a-z]+", cell.cipher)
    name = f"aes-{mode[0]}" if mode else letters[0] if letters else cell.cipher
    return f"ESP, {name}"


LAYOUTS = (
    Layout(
        "transforms",
        "Transforms",
        "Twenty packets or so in each cell: every padding residue, a middling size, and the MTU.",
        _is_plain,
        _family,
        lambda cell: cell.transform,
    ),
    Layout(
        "udp",
        "ESP in UDP",
        "The same with a UDP header ahead of ESP, over IPv4 (RFC 3948).",
        lambda cell: cell.case == EXCHANGE and cell.udp == "yes",
        _family,
        lambda cell: cell.transform,
    ),
    Layout(
        "empty",
        "Packets without a payload",
        "In transport mode nothing is then left between ESP's header and its trailer.",
        lambda cell: cell.case == EMPTY,
        _family,
        lambda cell: cell.transform,
    ),
    Layout(
        "alignment",
        "AH as the kernel aligns it",
        "In IPv4, without the flag that has it align AH to four octets (XFRM_STATE_ALIGN4), which "
        "all other cells set.",
        lambda cell: cell.case == ALIGNMENT,
        _family,
        lambda cell: cell.transform,
    ),
    Layout(
        "windows",
        "Replay windows",
        "The oldest number within the window passes once, the one left of it never.",
        lambda cell: cell.case == WINDOW,
        lambda cell: cell.transform,
        lambda cell: f"{cell.window} packets",
    ),
    Layout(
        "negatives",
        "What must be dropped",
        "Each packet comes between two good ones, which must pass, and must be dropped for the "
        "right reason: that of the audit event, or the counter of the kernel.",
        lambda cell: cell.is_negative,
        lambda cell: cell.case,
        lambda cell: cell.transform,
    ),
)
"""In the order of the page."""
