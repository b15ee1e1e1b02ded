"""Images: their Debian bases, and one per peer, built when what it is made from has changed."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, ImageNotFound
from requests.exceptions import RequestException

from conformance.console import screen, step
from conformance.errors import UserError
from conformance.lab.debian import bootstrap
from conformance.lab.digests import DIGEST_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker import DockerClient

    from conformance.lab.context import BuildContext

SLIM_BASE = re.compile(r"debian:([a-z]+)-slim")
"""The bases that need no registry, with the suite that they are bootstrapped from."""
LAB_LABEL = "org.ipsec-conformance.lab"
DIGEST_LABEL = "org.ipsec-conformance.digest"
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy")
_TAIL = 15


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image that stands in the engine."""

    peer: str
    id: str
    digest: str
    was_built: bool
    """True when this call built it."""

    @property
    def tag(self) -> str:
        """``ipsec-conformance/<peer>:<digest>``."""
        return image_tag(self.peer, self.digest)


def image_tag(peer: str, digest: str = "latest") -> str:
    """Return the name an image is found by."""
    return f"ipsec-conformance/{peer}:{digest[:DIGEST_LENGTH]}"


def ensure_image(client: DockerClient, context: BuildContext) -> BuiltImage:
    """Return the image of this context, built when the engine has none of its digest.

    Raises:
        UserError: it does not build; the message has the failing step's last lines.
    """
    digest = context.digest
    try:
        found = client.images.get(image_tag(context.peer, digest))
    except ImageNotFound:
        ensure_base(client, context.base)
        with step(f"Building the image of {context.peer}"):
            identity = build(client, context, digest)
        return BuiltImage(context.peer, identity, digest, was_built=True)
    return BuiltImage(context.peer, str(found.id), digest, was_built=False)


def remove_superseded(client: DockerClient, current: Iterable[BuiltImage]) -> None:
    """Remove the earlier images of these peers, less what a container still uses."""
    for image in current:
        repository = image_tag(image.peer).rpartition(":")[0]
        keep = {image.tag, image_tag(image.peer)}
        for found in client.images.list(name=repository):
            for tag in set(found.tags) - keep:
                _remove_unused(client, tag)


def _remove_unused(client: DockerClient, tag: str) -> None:
    try:
        client.images.remove(tag)
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise


def ensure_base(client: DockerClient, base: str) -> None:
    """Have a base such as ``debian:bookworm-slim``: there already, pulled, or bootstrapped as that.

    Raises:
        UserError: no registry answers, and mmdebstrap failed or makes no such base.
    """
    try:
        client.images.get(base)
    except ImageNotFound:
        if not _pull_base(client, base):
            with step(f"Bootstrapping {base} (no registry answers)"):
                _bootstrap_base(client, base)


def _pull_base(client: DockerClient, base: str) -> bool:
    repository, _, tag = base.partition(":")
    try:
        with screen.status(f"Asking the registry for {base} ..."):
            client.images.pull(repository, tag=tag or "latest")
    except (APIError, RequestException):
        return False
    return True


def _bootstrap_base(client: DockerClient, base: str) -> None:
    repository, _, tag = base.partition(":")
    slim = SLIM_BASE.fullmatch(base)
    if slim is None:
        raise UserError(f"No registry answers for {base}.", "debian:<suite>-slim needs none.")
    with tempfile.TemporaryDirectory(prefix="ipsec-conformance-") as folder:
        archive = Path(folder, "base.tar")
        bootstrap(archive, suite=slim[1])
        client.api.import_image(
            src=str(archive), repository=repository, tag=tag, changes=["CMD bash"]
        )


def build(client: DockerClient, context: BuildContext, digest: str) -> str:
    """Build and tag an image; return its id.

    Raises:
        UserError: a step failed; the message names the peer and has the build's last lines.
    """
    proxies = {name: os.environ[name] for name in _PROXY_VARIABLES if name in os.environ}
    stream = client.api.build(
        fileobj=context.archive(),
        custom_context=True,
        tag=image_tag(context.peer, digest),
        labels={LAB_LABEL: "1", DIGEST_LABEL: digest},
        network_mode="host",
        buildargs=proxies,
        rm=True,
        forcerm=True,
        decode=True,
    )
    _follow(context.peer, stream)
    image = client.images.get(image_tag(context.peer, digest))
    image.tag(image_tag(context.peer))
    return str(image.id)


def _follow(peer: str, stream: Iterable[dict[str, Any]]) -> None:
    """Read a build's output to its end, so that its connection is free again; then judge it."""
    lines: list[str] = []
    failed = False
    try:
        for event in stream:
            text = event.get("error") or event.get("stream", "")
            lines += [line for line in text.splitlines() if line.strip()]
            failed = failed or "error" in event
    except (APIError, RequestException) as error:
        raise UserError(f"The image of {peer} does not build: {error}") from error
    if failed:
        raise UserError(f"The image of {peer} does not build.", "\n".join(lines[-_TAIL:]))
