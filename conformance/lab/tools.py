"""Tools in the lab: a container of a tool's image on the lab's network, while it is used."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from conformance.lab.containers import LABELS, NETWORK
from conformance.lab.context import BuildContext
from conformance.lab.digests import context_files
from conformance.lab.images import ensure_image
from conformance.resources import peers_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

    from conformance.lab.lab import Lab


def tool_context(name: str) -> BuildContext:
    """Return the context of a tool's image: its folder alone."""
    return BuildContext(name, context_files(peers_root() / name))


@contextmanager
def running_tool(lab: Lab, name: str) -> Iterator[Container]:
    """Give a running container of the tool, built where it has changed; it is removed afterwards.

    Its address is whichever the network has free: it is neither captured nor routed for.
    """
    image = ensure_image(lab.client, tool_context(name))
    container = lab.client.containers.run(
        image.id, detach=True, network=NETWORK, labels=LABELS, init=True
    )
    try:
        container.reload()
        yield container
    finally:
        container.remove(force=True)
