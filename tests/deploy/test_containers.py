"""The image, the composition, the manifests and the unit: what can be checked without the programs they are for."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.server.fakes import BruteForceIndex
from tests.server.running import running
from typeahead.cli import parser
from typeahead.commands.serve import all_settings
from typeahead.server.http.routes import PROBE_PATHS
from typeahead.settings.sources import resolve

DOCKER, UNIT = ROOT / "deploy" / "docker", ROOT / "deploy" / "systemd" / "typeahead.service"
VARIABLES = {each.variable for each in all_settings()} | {
    f"{each.variable}_FILE" for each in all_settings() if each.about.given_by == "environment"
}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, with continued lines joined and comments left out."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(row for row, (name, _) in enumerate(found) if name == "FROM") :]


def given(name: str) -> list[str]:
    return [rest for each, rest in last_stage() if each == name]


def variables(environment: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in shlex.split(environment))


def test_the_image_has_what_the_package_is_built_from() -> None:
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    sources = {source for line in copied for source in line}
    built = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    beside = {"models", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE"}
    assert {*built["wheel"]["only-include"]} | beside == sources
    assert all((ROOT / source).exists() for source in sources)
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == sources


def test_the_image_runs_without_rights_and_has_its_code_compiled() -> None:
    assert [rest.split()[-1] for name, rest in instructions() if name == "RUN"][1:3] == ['".[all]"', "compile"]
    (user,) = given("USER")
    assert all(int(number) > 0 for number in user.split(":"))
    # Servers have to look for the same processor's code.
    cpu = [rest for name, rest in instructions() if name == "ENV" and "NUMBA_CPU_NAME" in rest]
    assert len(cpu) == 2
    assert cpu[0] == cpu[1]


def test_the_command_of_the_image_is_one_that_the_program_has() -> None:
    (entry,), (command,) = given("ENTRYPOINT"), given("CMD")
    assert json.loads(entry) == ["typeahead"]
    arguments = json.loads(command)
    assert parser(arguments[0]).parse_args(arguments).command == "serve"


def environments() -> Iterator[tuple[str, str]]:
    """Every variable that is set anywhere, with where."""
    for rest in given("ENV"):
        yield from ((name, "Dockerfile") for name in variables(rest))
    for service in compose()["services"].values():
        yield from ((name, "compose.yaml") for name in service.get("environment", {}))
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line.startswith("Environment="):
            yield line.removeprefix("Environment=").partition("=")[0], UNIT.name


def test_every_variable_is_a_setting() -> None:
    ours = [(name, where) for name, where in environments() if name.startswith("TYPEAHEAD_")]
    assert len(ours) > 6
    for name, where in ours:
        assert name in VARIABLES, f"{where}: {name} is no setting"


@pytest.mark.parametrize("status", ["ready", "draining"])
def test_the_health_check_of_the_image_tells_whether_the_server_is_ready(status: str) -> None:
    (check,) = given("HEALTHCHECK")
    command = json.loads(check[check.index("CMD ") + 4 :])
    assert command[0] == "python"
    with running(BruteForceIndex()) as server:
        server.server.app.status = status
        script = command[2].replace("8765", str(server.port))
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        server.server.app.status = "ready"
    assert (ended.returncode == 0) == (status == "ready")


def compose() -> Any:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))


#: What the operator makes, as the comments say.
_MADE = {"index.tar", "operator_token", "postgres_password"}


def test_the_composition_holds_together() -> None:
    whole = compose()
    assert set(whole["services"]) == {"node1", "node2", "haproxy", "postgres", "prometheus", "grafana"}
    for name, service in whole["services"].items():
        assert set(service.get("networks", ())) <= set(whole["networks"]), name
        assert set(service.get("secrets", ())) <= set(whole["secrets"]), name
        assert set(service.get("depends_on", ())) <= set(whole["services"]), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert Path(source).name in _MADE or (DOCKER / source).exists(), source
            else:
                assert source in whole["volumes"], source
    for node in ("node1", "node2"):
        service = whole["services"][node]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert (DOCKER / service["build"]["context"]).resolve() == ROOT
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert node in service["environment"]["TYPEAHEAD_ALLOWED_HOSTS"].split(",")
    targets = yaml.safe_load((DOCKER / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"][0]
    assert targets["static_configs"][0]["targets"] == ["node1:8765", "node2:8765"]
    for path in (DOCKER / "grafana").rglob("*.yaml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["apiVersion"] == 1


@pytest.mark.parametrize("config", ["docker/haproxy.cfg", "proxies/haproxy.cfg"])
def test_haproxy_takes_its_configuration(config: str, tmp_path: Path) -> None:
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("haproxy is not installed: apt-get install haproxy")
    from tests.deploy.proxied import make_certificate

    make_certificate(tmp_path)
    text = (ROOT / "deploy" / config).read_text(encoding="utf-8").replace("/etc/ssl/", f"{tmp_path}/")
    # The names are those of containers.
    (tmp_path / "haproxy.cfg").write_text(re.sub(r" node\d:", " 127.0.0.1:", text), encoding="utf-8")
    checked = subprocess.run(
        [program, "-c", "-f", tmp_path / "haproxy.cfg"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


def manifests() -> list[Any]:
    return list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "typeahead.yaml").read_text(encoding="utf-8")))


def manifest(kind: str) -> Any:
    (found,) = [one for one in manifests() if one["kind"] == kind]
    return found


def test_the_manifests_refer_to_one_another() -> None:
    for one in manifests():
        assert {"apiVersion", "kind", "metadata"} <= set(one)
    spec = manifest("Deployment")["spec"]
    pod = spec["template"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    for selector in (
        spec["selector"]["matchLabels"],
        manifest("Service")["spec"]["selector"],
        manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for container in (*pod["initContainers"], *pod["containers"]):
        assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes)
        command = parser(container["args"][0]).parse_args(container["args"])
        assert command.command in ("serve", "snapshot")
    assert volumes["config"]["configMap"]["name"] == manifest("ConfigMap")["metadata"]["name"]
    claim = manifest("PersistentVolumeClaim")["metadata"]["name"]
    assert volumes["snapshot"]["persistentVolumeClaim"]["claimName"] == claim
    (port,) = pod["containers"][0]["ports"]
    assert manifest("Service")["spec"]["ports"][0]["targetPort"] == port["name"]
    backend = manifest("Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend["name"] == manifest("Service")["metadata"]["name"]


def test_pods_are_contained_and_probed() -> None:
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    (user,) = given("USER")
    assert user == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    for container in (*pod["initContainers"], *pod["containers"]):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
    server = pod["containers"][0]
    probes = {server[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert probes == set(PROBE_PATHS)


def test_the_settings_of_the_manifests_are_settings(tmp_path: Path) -> None:
    (tmp_path / "typeahead.toml").write_text(manifest("ConfigMap")["data"]["typeahead.toml"], encoding="utf-8")
    found = resolve(
        all_settings(), options=parser("serve").parse_args(["serve"]), environment={}, file=tmp_path / "typeahead.toml"
    )
    assert found.values["index"] == ("/index/copy",)


def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is here."""
    text = UNIT.read_text(encoding="utf-8")
    path = tmp_path / UNIT.name
    path.write_text(text.replace("/opt/typeahead/bin/typeahead", sys.executable), encoding="utf-8")
    return path


def test_the_unit_starts_a_command_that_the_program_has() -> None:
    (command,) = re.findall(r"^ExecStart=\S+ (.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    options = parser("serve").parse_args(command.split())
    assert str(options.socket).endswith(".sock")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit_and_finds_it_well_contained(tmp_path: Path) -> None:
    path = unit(tmp_path)
    verified = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    # From 0, nothing is exposed, to 100.
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=10", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout[-300:]
