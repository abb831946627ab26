"""What is delivered beside the code refers to what there is: image, compose file, dashboard and alerts."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from service.http.problems import PROBLEMS
from service.postgres import server as embedded
from service.settings import VARIABLES
from tests.support.harness import Client

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
INSTRUCTIONS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
ALERTS = yaml.safe_load((ROOT / "ops" / "alerts.yaml").read_text())["groups"][0]["rules"]
PANELS = json.loads((ROOT / "ops" / "grafana-dashboard.json").read_text())["panels"]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + [target["expr"] for panel in PANELS for target in panel["targets"]]


def instructions(name: str) -> list[str]:
    return [arguments for instruction, arguments in INSTRUCTIONS if instruction == name]


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sources = [
        source for line in instructions("COPY") if not line.startswith("--from=") for source in shlex.split(line)[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert packages <= set(sources)


def test_the_image_is_built_in_stages_and_runs_as_nobody_in_particular() -> None:
    assert len(instructions("FROM")) == 2
    assert instructions("USER") == ["palimpsest"]
    assert json.loads(instructions("ENTRYPOINT")[0]) + json.loads(instructions("CMD")[0]) == ["palimpsest", "serve"]
    variables = re.findall(r"\b(PALIMPSEST_\w+)=", DOCKERFILE)
    assert set(variables) <= {variable.name for variable in VARIABLES}
    assert "--require-hashes" in DOCKERFILE


def locked(name: str) -> dict[str, str]:
    """The requirements of a lock file: name and version with markers and hashes."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    return dict(line.split("==", 1) for line in text.replace("\\\n", " ").splitlines())


def test_the_image_has_what_is_tested_here_and_no_tools() -> None:
    image, here = locked("image.lock"), locked("requirements.lock")
    assert image.items() <= here.items()
    assert "uvicorn" in image
    assert not {"pytest", "hypothesis", "mypy", "ruff", "playwright", "schemathesis", "uv"} & set(image)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as the image makes it, of nothing but what the image copies."""
    directory = tmp_path_factory.mktemp("wheel")
    source = directory / "source"
    source.mkdir()
    copied = [
        name for line in instructions("COPY") if not line.startswith("--from=") for name in shlex.split(line)[:-1]
    ]
    for name in copied:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, str(directory), str(source)], check=True, capture_output=True, timeout=120)
    (made,) = directory.glob("*.whl")
    return made


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    files = {
        str(path.relative_to(ROOT))
        for package in ("domain", "projections", "service")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "service/web/compose/compose.html" in files
    assert "service/store/migrations/0001_draft_events.sql" in files
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == files


def test_the_command_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    """Installed beside nothing else of ours, with the libraries of this environment."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, f"--target={tmp_path}", str(wheel)], check=True, capture_output=True, timeout=120)
    run = partial(
        subprocess.run,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    shown = run([sys.executable, str(tmp_path / "bin" / "palimpsest"), "--version"])
    assert shown.stdout == f"palimpsest, version {version}\n"
    assert COMPOSE["services"]["palimpsest"]["image"] == f"palimpsest:{version}"
    where = "import service, service.cli.serving; print(service.__file__)"
    found = run([sys.executable, "-c", where])
    assert Path(found.stdout.strip()).is_relative_to(tmp_path)


def test_the_image_asks_for_its_health_where_it_is_told(client: Client) -> None:
    (check,) = instructions("HEALTHCHECK")
    found = re.search(r"http://127\.0\.0\.1:(\d+)(/[a-z/]+)", check)
    assert found
    assert found[1] == instructions("EXPOSE")[0]
    assert client.get(found[2]).status_code == 200


def test_the_compose_file_keeps_the_service_from_writing_anywhere_but_where_it_may() -> None:
    service, database = COMPOSE["services"]["palimpsest"], COMPOSE["services"]["postgres"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert {mount.split(":")[0] for mount in service["tmpfs"]} == {"/tmp", "/data"}
    assert set(service["environment"]) <= {variable.name for variable in VARIABLES}
    assert service["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert database["volumes"][0].split(":")[0] in COMPOSE["volumes"]
    assert (
        f"palimpsest:{database['environment']['POSTGRES_PASSWORD']}@postgres"
        in service["environment"]["PALIMPSEST_DATABASE_URL"]
    )


@pytest.mark.parametrize("name", [name for name in embedded.SETTINGS if re.match("log_(error|min|parameter)_", name)])
def test_no_postgresql_logs_what_people_typed(name: str) -> None:
    value = embedded.SETTINGS[name]
    assert f"{name}={value}" in COMPOSE["services"]["postgres"]["command"]
    assert f"`{name} = {value}`" in OPERATIONS


@pytest.fixture(scope="module")
def families(server: Any) -> list[Metric]:
    """What `/metrics` says of a service in use."""
    with server.client() as client:
        task = client.new_draft()
        client.patch(f"/api/v1/tasks/{task}", json={"title": "a"})
        text = client.get("/metrics").text
    return list(text_string_to_metric_families(text))


@pytest.fixture(scope="module")
def metrics(families: list[Metric]) -> dict[str, dict[str, set[str]]]:
    """The values of each label of each metric."""
    found: dict[str, dict[str, set[str]]] = {}
    for sample in (sample for family in families for sample in family.samples):
        values = found.setdefault(sample.name, {})
        for label, value in sample.labels.items():
            values.setdefault(label, set()).add(value)
    return found


def wrong_with(expression: str, metrics: dict[str, dict[str, set[str]]], families: list[Metric]) -> list[str]:
    """What a PromQL expression asks for that `/metrics` does not have."""
    names = set(re.findall(r"palimpsest_\w+", expression))
    wrong = [f"{name} is no metric" for name in names - set(metrics)]
    for name, matchers in re.findall(r"(palimpsest_\w+)\{([^}]*)\}", expression):
        for label, operator, value in re.findall(r'(\w+)(=~|!=|!~|=)"([^"]*)"', matchers):
            known = metrics.get(name, {}).get(label)
            if known is None:
                wrong.append(f"{name} has no label {label}")
            elif label == "status":
                statuses = {"200", "201", "204", *(str(problem.status) for problem in PROBLEMS.values())}
                if not any(re.fullmatch(value, status) for status in statuses):
                    wrong.append(f"nothing is answered with {value}")
            elif "~" not in operator and value not in known:
                wrong.append(f"{label} of {name} is never {value}")
    labels = {label for name in names for label in metrics.get(name, {})}
    for grouping in re.findall(r"\bby \(([^)]*)\)", expression):
        wrong += [f"nothing has a label {label}" for label in set(re.split(r",\s*", grouping)) - labels]
    gauges = {family.name for family in families if family.type == "gauge"}
    growing = set(re.findall(r"\b(?:rate|increase)\(\s*(palimpsest_\w+)", expression))
    wrong += [f"{name} does not only grow" for name in growing & gauges]
    wrong += [f"{name} grows for ever" for name in names - growing - gauges if " unless " not in expression]
    return wrong


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_dashboard_and_alerts_ask_for_metrics_that_there_are(
    expression: str, metrics: dict[str, dict[str, set[str]]], families: list[Metric]
) -> None:
    assert "palimpsest_" in expression or expression.startswith("up{")
    assert wrong_with(expression, metrics, families) == []


@pytest.mark.parametrize(
    "expression",
    [
        "sum(palimpsest_queue_length)",
        'rate(palimpsest_request_seconds_count{code="500"}[5m])',
        'rate(palimpsest_request_seconds_count{status="5xx"}[5m])',
        'rate(palimpsest_request_seconds_count{route="/tasks"}[5m])',
        "sum by (worker) (palimpsest_orders_waiting)",
        "histogram_quantile(0.9, sum by (le) (rate(palimpsest_commit_seconds_count[5m])))",
        "rate(palimpsest_orders_waiting[5m])",
        "sum(palimpsest_conflicts_total) > 3",
    ],
)
def test_one_that_asks_for_something_else_would_be_found(
    expression: str, metrics: dict[str, dict[str, set[str]]], families: list[Metric]
) -> None:
    assert wrong_with(expression, metrics, families)


def test_every_metric_is_explained(metrics: dict[str, dict[str, set[str]]]) -> None:
    for name in metrics:
        family = re.sub(r"_(bucket|count|sum|total|created)$", "", name)
        assert f"`{family}" in OPERATIONS, family


@pytest.mark.parametrize("alert", [rule["alert"] for rule in ALERTS])
def test_every_alert_is_explained(alert: str) -> None:
    assert f"| `{alert}` |" in OPERATIONS


def test_every_setting_is_mentioned() -> None:
    for variable in VARIABLES:
        assert variable.name in OPERATIONS, variable.name
