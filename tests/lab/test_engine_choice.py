"""Which engine is taken, and what is said when the one asked for cannot be."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from conformance.errors import UserError
from conformance.lab.engine import Engine, choose, requested
from conformance.lab.host_docker import HostDockerEngine
from conformance.lab.paths import state_folder


@dataclass
class FakeEngine:
    """An engine that never runs."""

    name: str
    base_url: str = "unix:///nowhere"

    def is_running(self) -> bool:
        return False

    def start(self) -> None: ...

    def flush(self) -> None: ...

    def stop(self) -> None: ...


def take(name: str, refusal: str) -> str:
    def docker() -> Engine:
        return FakeEngine("docker")

    def embedded() -> Engine:
        return FakeEngine("embedded")

    return choose(name, lambda: refusal, {"docker": docker, "embedded": embedded}).name


@pytest.mark.parametrize(
    ("name", "refusal", "taken"),
    [
        ("auto", "", "docker"),
        ("auto", "its kernel refuses ESP or AH", "embedded"),
        ("docker", "", "docker"),
        ("embedded", "", "embedded"),
        ("embedded", "no Docker answers", "embedded"),
    ],
)
def test_choice(name: str, refusal: str, taken: str) -> None:
    assert take(name, refusal) == taken


def test_docker_by_name_that_cannot_is_an_error_with_the_reason() -> None:
    with pytest.raises(UserError, match="no ESP"):
        take("docker", "its kernel refuses ESP or AH: no ESP")


def test_embedded_by_name_does_not_probe_the_host() -> None:
    def probe() -> str:
        raise AssertionError

    builders = {"embedded": lambda: FakeEngine("embedded")}
    assert choose("embedded", probe, builders).name == "embedded"


@pytest.mark.parametrize(
    ("option", "environment", "name"),
    [
        (None, None, "auto"),
        ("auto", "embedded", "embedded"),
        ("docker", "embedded", "docker"),
        (None, "docker", "docker"),
    ],
)
def test_the_option_goes_before_the_environment(
    option: str | None, environment: str | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IPSEC_CONFORMANCE_ENGINE", raising=False)
    if environment:
        monkeypatch.setenv("IPSEC_CONFORMANCE_ENGINE", environment)
    assert requested(option) == name


@pytest.mark.parametrize(("option", "environment"), [("podman", ""), (None, "podman")])
def test_an_unknown_engine_is_named_with_those_there_are(
    option: str | None, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPSEC_CONFORMANCE_ENGINE", environment)
    with pytest.raises(UserError, match="podman") as error:
        requested(option)
    assert "auto, docker, embedded" in error.value.hint


def test_a_docker_that_does_not_answer_is_refused_by_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    engine = HostDockerEngine.from_environment()
    assert engine.refusal() == "no Docker answers at unix:///nowhere/docker.sock"
    with pytest.raises(UserError, match="nowhere"):
        engine.start()


def test_a_state_folder_too_deep_for_sockets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPSEC_CONFORMANCE_STATE", "/tmp/" + 100 * "x")  # noqa: S108 - never made
    with pytest.raises(UserError, match="too long"):
        state_folder()
