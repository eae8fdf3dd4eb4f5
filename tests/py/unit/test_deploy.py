"""What deploy/ asks of the program is what the program has; tools/check lints the Dockerfile."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from llamabox.api.openapi import describe
from llamabox.option_environment import PREFIX, find_variables
from llamabox.option_parser import CommandLine, parse

_ROOT = Path(__file__).parents[3]
_DEPLOY = _ROOT / "deploy"
_PROBES = set(describe([], "", needs_key=True)["paths"])
_DOCKERFILE = (_DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def _instructions(name: str) -> list[str]:
    """What follows each instruction of this name, its lines joined."""
    joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", _DOCKERFILE))
    return [found.strip() for found in re.findall(rf"(?m)^{name} (.*)$", joined)]


def _read(words: list[str], environment: dict[str, str]) -> CommandLine:
    """The command line, in which the program knows every word and every variable."""
    _, unknown = find_variables(environment)
    assert not unknown
    command_line = parse(words, environment)
    assert not command_line.warnings
    return command_line


def _yaml(name: str) -> list[dict[str, Any]]:
    text = (_DEPLOY / "kubernetes" / name).read_text(encoding="utf-8")
    return list(yaml.safe_load_all(text))


def test_an_image_starts_the_program_as_nobody_in_particular() -> None:
    user, group = _instructions("USER")[-1].split(":")
    assert int(user) > 0 and int(group) > 0
    assert json.loads(_instructions("ENTRYPOINT")[-1]) == ["llama-box"]
    assert _instructions("WORKDIR") == ["/models"]


def test_variables_of_an_image_are_options() -> None:
    assigned = dict(word.split("=", 1) for word in shlex.split(_instructions("ENV")[-1]))
    own = {name: value for name, value in assigned.items() if name.startswith(PREFIX)}
    http = _read([], own).config.http
    assert (http.host, http.port, http.metrics) == ("0.0.0.0", 8080, True)
    assert _instructions("EXPOSE") == [str(http.port)]


def test_an_image_is_healthy_while_its_probe_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    python, option, code = json.loads(_instructions("HEALTHCHECK")[-1].partition("CMD ")[2])
    assert (python, option) == ("python", "-c")
    asked: list[str] = []
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: asked.append(url))
    monkeypatch.setenv("LLAMA_BOX_PORT", "9000")
    exec(compile(code, "HEALTHCHECK", "exec"), {})  # noqa: S102
    assert asked == ["http://127.0.0.1:9000/health"]
    assert "/health" in _PROBES


def test_images_are_listed_for_extras_that_exist() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (_DEPLOY / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| [\w ]+ \| ((?:`[\w-]+`(?:, )?)+) \|.* \|.* \| `--", page)
    extras = {extra for row in rows for extra in re.findall(r"`([\w-]+)`", row)}
    assert len(extras) == 9
    assert extras <= set(project["optional-dependencies"])


def test_the_service_of_systemd() -> None:
    unit = configparser.ConfigParser(interpolation=None, comment_prefixes="#")
    unit.optionxform = str
    unit.read(_DEPLOY / "llamabox.service", encoding="utf-8")
    service = unit["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert Path(program).name == "llama-box"
    config = _read(words, {}).config
    assert config.http.timeout_s < int(service["TimeoutStopSec"])
    assert (service["DynamicUser"], service["ProtectSystem"]) == ("yes", "strict")
    named = re.findall(rf"{PREFIX}\w+", (_DEPLOY / "llamabox.service").read_text(encoding="utf-8"))
    _read([], dict.fromkeys(named, "x"))


def _container() -> dict[str, Any]:
    (deployment,) = _yaml("deployment.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


def test_probes_are_routes_without_a_key() -> None:
    container = _container()
    names = ("startupProbe", "livenessProbe", "readinessProbe")
    paths = {name: container[name]["httpGet"]["path"] for name in names}
    assert paths == {
        "startupProbe": "/readyz",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert set(paths.values()) <= _PROBES
    (port,) = container["ports"]
    assert {container[name]["httpGet"]["port"] for name in names} == {port["name"]}


def test_a_pod_is_started_as_it_should_be_and_has_time_to_stop() -> None:
    (deployment,) = _yaml("deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    container = _container()
    config = _read(container["args"], {v["name"]: "x" for v in container["env"]}).config
    (_, seconds) = container["lifecycle"]["preStop"]["exec"]["command"]
    assert int(seconds) + config.http.timeout_s < pod["terminationGracePeriodSeconds"]
    assert str(config.engine.n_threads) == container["resources"]["requests"]["cpu"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    user = pod["securityContext"]["runAsUser"]
    assert _instructions("USER")[-1] == f"{user}:{pod['securityContext']['runAsGroup']}"
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    assert mounts["models"]["readOnly"] is True


def test_manifests_speak_of_the_same_things() -> None:
    (deployment,) = _yaml("deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    service, budget = _yaml("service.yaml")
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["ports"][0]["targetPort"] == _container()["ports"][0]["name"]
    (whole,) = _yaml("kustomization.yaml")
    (gpu,) = _yaml("cuda/kustomization.yaml")
    for folder, named in (("", whole["resources"]), ("cuda", [p["path"] for p in gpu["patches"]])):
        assert all((_DEPLOY / "kubernetes" / folder / name).is_file() for name in named)
    (patch,) = _yaml("cuda/gpu.yaml")
    assert patch["metadata"]["name"] == deployment["metadata"]["name"]
    (patched,) = patch["spec"]["template"]["spec"]["containers"]
    assert patched["name"] == _container()["name"]
    assert gpu["images"][0]["name"] == _container()["image"].partition(":")[0]
