"""Build contexts, their digests, and what is said of a build that fails."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker.errors import ImageNotFound
from requests.exceptions import ConnectionError as RequestConnectionError

from conformance.errors import UserError
from conformance.lab import debian
from conformance.lab.context import BuildContext, peer_files
from conformance.lab.digests import context_files, files_digest
from conformance.lab.images import build, ensure_base, ensure_image, image_tag
from conformance.lab.wheelhouse import requirements
from conformance.resources import peer_names, peers_root, project_root

if TYPE_CHECKING:
    from docker import DockerClient


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "peer"
    (root / "templates").mkdir(parents=True)
    (root / "Dockerfile").write_text("# What it begins with\nFROM debian:trixie-slim AS base\n")
    (root / "templates" / "daemon.conf").write_text("key = 1\n")
    (root / "entrypoint.sh").write_text("#!/bin/sh\n")
    (root / "entrypoint.sh").chmod(0o755)
    return root


def digest(folder: Path) -> str:
    return files_digest(context_files(folder))


def test_the_digest_is_stable(folder: Path) -> None:
    assert digest(folder) == digest(folder)
    assert len(digest(folder)) == 12


@pytest.mark.parametrize(
    "change",
    [
        lambda f: (f / "Dockerfile").write_text("FROM debian\n"),
        lambda f: (f / "templates" / "daemon.conf").rename(f / "templates" / "other.conf"),
        lambda f: (f / "entrypoint.sh").chmod(0o644),
        lambda f: (f / "new").write_text(""),
    ],
    ids=["content", "name", "mode", "file"],
)
def test_the_digest_changes_with(folder: Path, change: Any) -> None:
    before = digest(folder)
    change(folder)
    assert digest(folder) != before


@pytest.mark.parametrize("name", ["peer.toml", "observed.json", "entrypoint.pyc"])
def test_the_digest_does_not_change_with_what_the_image_does_not_hold(
    folder: Path, name: str
) -> None:
    before = digest(folder)
    (folder / name).write_text("claims = []\n")
    assert digest(folder) == before


def test_bytes_cannot_move_between_two_files_unseen(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_text("ab")
    second.write_text("c")
    before = files_digest({"1": first, "2": second})
    first.write_text("a")
    second.write_text("bc")
    assert files_digest({"1": first, "2": second}) != before


def test_the_archive_holds_files_and_their_modes(folder: Path) -> None:
    archive = BuildContext("peer", context_files(folder)).archive()
    with tarfile.open(fileobj=archive) as tar:
        modes = {member.name: member.mode for member in tar}
    assert modes == {"Dockerfile": 0o644, "entrypoint.sh": 0o755, "templates/daemon.conf": 0o644}


class FakeImage:
    """What a build leaves."""

    id = "sha256:0123"

    def __init__(self) -> None:
        self.tags: list[str] = []

    def tag(self, name: str) -> None:
        self.tags.append(name)


class FakeClient:
    """The few calls of a Docker client that a build makes."""

    def __init__(self, output: list[dict[str, str]], standing: tuple[str, ...] = ()) -> None:
        self.output, self.standing, self.image = output, set(standing), FakeImage()
        self.api = self.images = self
        self.builds: list[str] = []
        self.registry = False
        self.asked: list[str] = []

    def build(self, **options: Any) -> list[dict[str, str]]:
        self.builds.append(options["tag"])
        if not any("error" in line for line in self.output):
            self.standing.add(options["tag"])
        return self.output

    def get(self, name: str) -> FakeImage:
        if name not in self.standing:
            raise ImageNotFound(name)
        return self.image

    def pull(self, repository: str, tag: str) -> None:
        self.asked.append(f"{repository}:{tag}")
        if not self.registry:
            raise RequestConnectionError
        self.standing.add(f"{repository}:{tag}")

    def import_image(self, src: str, repository: str, tag: str, changes: list[str]) -> None:
        assert Path(src).read_text() == "a Debian"
        assert changes == ["CMD bash"]
        self.standing.add(f"{repository}:{tag}")


def test_a_failed_build_names_the_peer_and_shows_the_step(folder: Path) -> None:
    output = [
        {"stream": "Step 2/2 : RUN apt-get install nonsense\n"},
        {"stream": "E: Unable to locate package nonsense\n"},
        {"error": "The command returned a non-zero code: 100"},
    ]
    context = BuildContext("strongswan-0.0", context_files(folder))
    client: Any = FakeClient(output)
    with pytest.raises(UserError, match=r"image of strongswan-0\.0 does not build") as error:
        build(client, context, context.digest)
    assert "Unable to locate package nonsense" in error.value.hint
    assert "non-zero code: 100" in error.value.hint
    assert client.image.tags == []


def test_an_image_is_built_once_for_one_digest(folder: Path) -> None:
    context = BuildContext("alpha", context_files(folder))
    client: Any = FakeClient([{"stream": "done\n"}], ("debian:trixie-slim",))
    assert ensure_image(client, context).was_built
    assert client.image.tags == ["ipsec-conformance/alpha:latest"]
    assert not ensure_image(client, context).was_built
    assert client.builds == [image_tag("alpha", context.digest)]


def test_the_base_is_what_the_dockerfile_begins_with(folder: Path) -> None:
    assert BuildContext("peer", context_files(folder)).base == "debian:trixie-slim"
    (folder / "Dockerfile").write_text("RUN true\n")
    with pytest.raises(UserError, match="Dockerfile of peer has no line FROM"):
        _ = BuildContext("peer", context_files(folder)).base


@pytest.fixture
def bootstrapped(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines of mmdebstrap, which makes its tar file at once."""
    commands: list[list[str]] = []

    def run(command: list[str], _what: str) -> str:
        commands.append(command)
        target = next(Path(word) for word in command if word.endswith(".tar"))
        target.write_text("a Debian")
        return ""

    monkeypatch.setattr(debian, "run_tool", run)
    return commands


def test_a_base_is_asked_for_and_bootstrapped_where_no_registry_answers(
    bootstrapped: list[list[str]],
) -> None:
    """Each once: the next image of the suite finds it there."""
    client: Any = FakeClient([])
    for _ in range(2):
        ensure_base(client, "debian:trixie-slim")
    assert client.asked == ["debian:trixie-slim"]
    assert client.standing == {"debian:trixie-slim"}
    (command,) = bootstrapped
    assert command[-2] == "trixie"


def test_a_base_that_a_registry_has_is_pulled(bootstrapped: list[list[str]]) -> None:
    client: Any = FakeClient([])
    client.registry = True
    ensure_base(client, "alpine")
    assert client.asked == ["alpine:latest"]
    assert not bootstrapped


def test_bullseye_is_made_of_its_main_suite_alone(bootstrapped: list[list[str]]) -> None:
    ensure_base(cast("DockerClient", FakeClient([])), "debian:bullseye-slim")
    suite, _archive, *sources = bootstrapped[0][-3:]
    assert suite == "bullseye"
    assert sources == ["deb http://deb.debian.org/debian bullseye main"]


@pytest.mark.parametrize("base", ["alpine:3", "debian:bookworm", "debian:trixie-slim-x"])
def test_a_base_that_nothing_can_make_is_named(base: str, bootstrapped: list[list[str]]) -> None:
    with pytest.raises(UserError, match=f"No registry answers for {base}"):
        ensure_base(cast("DockerClient", FakeClient([])), base)
    assert not bootstrapped


SUITES = {
    "libreswan-4.3": "bullseye",
    "strongswan-5.9.1": "bullseye",
    "libreswan-4.10": "bookworm",
    "strongswan-5.9.8": "bookworm",
    "libreswan-5.2": "trixie",
    "strongswan-6.0.1": "trixie",
    "reference": "bookworm",
}


def test_the_peers_of_this_project_have_images() -> None:
    assert set(SUITES) <= set(peer_names())
    assert project_root() is not None


@pytest.mark.parametrize("peer", [peer for peer in SUITES if peer != "reference"])
def test_a_daemons_image_is_its_dockerfile_and_what_its_kind_shares(peer: str) -> None:
    context = BuildContext(peer, peer_files(peer))
    shared = context_files(peers_root() / "common" / peer.partition("-")[0])
    assert context.base == f"debian:{SUITES[peer]}-slim"
    assert context.files["Dockerfile"] == peers_root() / peer / "Dockerfile"
    assert {"entrypoint.sh"} < shared.keys()
    own = context_files(peers_root() / peer)
    assert (shared | own).items() <= context.files.items()
    assert "templates/connection.conf" not in own


def test_a_peers_own_file_goes_before_that_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = tmp_path / "libreswan-4.10"
    shutil.copytree(peers_root() / peer.name, peer)
    shutil.copytree(peers_root() / "common", tmp_path / "common")
    (peer / "templates").mkdir()
    (peer / "templates" / "passwd").write_text("another\n")
    monkeypatch.setenv("IPSEC_CONFORMANCE_PEERS", str(tmp_path))
    files = peer_files(peer.name)
    assert files["templates/passwd"] == peer / "templates" / "passwd"
    assert files["templates/ipsec.conf"].is_relative_to(tmp_path / "common")


def test_a_peers_folder_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPSEC_CONFORMANCE_PEERS", "/nowhere/peers")
    with pytest.raises(UserError, match="/nowhere/peers"):
        peers_root()


def test_the_wheelhouse_holds_what_runs_and_not_what_tests() -> None:
    names = " ".join(requirements())
    assert "cryptography" in names
    assert "pytest" not in names
