"""The host's Docker as an engine, once a probe has shown that its kernel can do ESP and AH."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import docker
from docker.errors import APIError, ContainerError, DockerException
from requests.exceptions import RequestException

from conformance.errors import UserError
from conformance.lab.context import BuildContext
from conformance.lab.digests import context_files
from conformance.lab.embedded import answers
from conformance.lab.images import ensure_image

if TYPE_CHECKING:
    from docker import DockerClient

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
_PROBE_FOLDER = Path(__file__).with_name("probe")


@dataclass(frozen=True, slots=True)
class HostDockerEngine:
    """A Docker API that is there already; starting and stopping it is not ours."""

    base_url: str
    name: str = "docker"

    @classmethod
    def from_environment(cls) -> HostDockerEngine:
        """Return the engine at ``DOCKER_HOST``, or at Docker's own socket."""
        return cls(os.environ.get("DOCKER_HOST") or DEFAULT_SOCKET)

    def is_running(self) -> bool:
        """Tell whether the Docker API answers now."""
        return answers(self.base_url)

    def start(self) -> None:
        """Check that it answers.

        Raises:
            UserError: it does not.
        """
        if not self.is_running():
            raise UserError(
                f"No Docker answers at {self.base_url}.", "Start it, or set DOCKER_HOST."
            )

    def flush(self) -> None:
        """Nothing: the host's Docker keeps its own images."""

    def stop(self) -> None:
        """Nothing: the host's Docker goes on."""

    def refusal(self) -> str:
        """Return why this Docker cannot carry a lab; an empty string when it can."""
        if not self.is_running():
            return f"no Docker answers at {self.base_url}"
        try:
            with closing(docker.DockerClient(base_url=self.base_url, timeout=600)) as client:
                return probe(client)
        except UserError as error:
            return error.message
        except (DockerException, RequestException) as error:
            return f"the probe failed: {error}"


def probe(client: DockerClient) -> str:
    """Try ESP and AH in a privileged container's own network namespace; return what is refused."""
    image = ensure_image(client, BuildContext("probe", context_files(_PROBE_FOLDER)))
    try:
        client.containers.run(
            image.id, privileged=True, network_mode="none", remove=True, stderr=True
        )
    except ContainerError as error:
        return f"its kernel refuses ESP or AH: {' '.join(str(error).split())}"
    except APIError as error:
        return f"it runs no privileged container: {error.explanation}"
    return ""
