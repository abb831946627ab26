"""What is not documented fails here: settings and commands (README), targets (Makefile)."""

import re
import subprocess
from pathlib import Path

import pytest

from service.cli.main import main
from service.settings import VARIABLES, SettingError, Settings, Variable, read_settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_every_setting_is_in_the_readme(variable: Variable) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `{variable.name}` |"))
    assert variable.meaning in row
    assert variable.default in row


@pytest.mark.parametrize("name", main.commands)
def test_every_command_is_in_the_readme(name: str) -> None:
    summary = (main.commands[name].help or "").splitlines()[0]
    assert f"| `palimpsest {name}` | {summary} |" in README


def test_the_defaults_are_those_of_an_empty_environment() -> None:
    assert read_settings({}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PALIMPSEST_DATABASE_URL", "mysql://x"),
        ("PALIMPSEST_PORT", "0"),
        ("PALIMPSEST_PORT", "eighty"),
        ("PALIMPSEST_WORKERS", "-1"),
        ("PALIMPSEST_AUTH_SECRET", "short"),
        ("PALIMPSEST_AUTH_PUBLIC_KEY", "/does/not/exist"),
        ("PALIMPSEST_DESCRIPTION_MIN_LENGTH", "5001"),
        ("PALIMPSEST_DRAFT_TTL_DAYS", "0"),
        ("PALIMPSEST_DRAFT_TTL_DAYS", "nan"),
        ("PALIMPSEST_COMPUTE_SHARE", "1.01"),
        ("PALIMPSEST_CORS_ORIGINS", "*"),
        ("PALIMPSEST_CORS_ORIGINS", "https://app.example/"),
        ("PALIMPSEST_CORS_ORIGINS", "https://app.example, javascript:alert(1)"),
        ("PALIMPSEST_RATE_LIMIT", "maybe"),
        ("PALIMPSEST_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_refused_and_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=rf"^{name} must "):
        read_settings({name: value})


def test_a_secret_is_never_shown() -> None:
    with pytest.raises(SettingError) as refused:
        read_settings({"PALIMPSEST_AUTH_SECRET": "short"})
    assert "short" not in str(refused.value)


def test_every_target_is_declared_once_and_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    assert targets == phony.split()
    command = ["make", "--no-print-directory", "help"]  # it says where it is when make runs the tests
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert shown.stderr == ""
    assert [line.split()[0] for line in shown.stdout.splitlines()] == targets
