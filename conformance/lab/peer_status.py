"""What of each peer stands in the lab: its image, its containers; and what package it runs."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import docker

from conformance.lab.addresses import SIDES
from conformance.lab.containers import container_name
from conformance.lab.context import REFERENCE, build_context
from conformance.lab.images import LAB_LABEL, image_tag
from conformance.lab.lab import running_engine
from conformance.lab.paths import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker.models.containers import Container

PACKAGE_VERSION = ("dpkg-query", "--show", "--showformat=${Version}")
"""What prints a Debian package's full version; its name comes last."""


class PeerStatus(NamedTuple):
    """One peer in the lab that stands."""

    built: bool
    """Whether the engine has the image of what its folder holds now."""
    running: int
    """How many of its containers run."""

    @property
    def words(self) -> str:
        """For a table."""
        image = "image built" if self.built else "no image"
        return f"{image}, {self.running} of {len(SIDES)} containers run"


def image_digest(peer: str) -> str:
    """The digest of what the peer's image is made from now."""
    return build_context(peer, cache_folder()).digest


def peer_statuses(peers: Iterable[str]) -> dict[str, PeerStatus] | None:
    """How each of these peers, which have images, stands in the lab; None where there is none."""
    active = running_engine()
    if active is None:
        return None
    wanted: Any = {"label": f"{LAB_LABEL}=1"}
    with closing(docker.DockerClient(base_url=active.base_url, timeout=60)) as client:
        running = {str(found.name) for found in client.containers.list(filters=wanted)}
        tags = {tag for image in client.images.list(filters=wanted) for tag in image.tags}
    return {
        peer: PeerStatus(
            _tag(peer) in tags, sum(container_name(peer, side) in running for side in SIDES)
        )
        for peer in peers
    }


def _tag(peer: str) -> str:
    """The image's name by its digest; the reference's would ask for wheels, so its newest."""
    return image_tag(peer) if peer == REFERENCE else image_tag(peer, image_digest(peer))


def package_version(container: Container, package: str) -> str:
    """The package's name with its full version, where a Debian package carries the daemon."""
    done: Any = container.exec_run([*PACKAGE_VERSION, package])
    return f"{package} {done.output.decode().strip()}" if done.exit_code == 0 else package
