"""The arrows between the packages: domain ← projections ← service."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "domain": {"domain"},
    "projections": {"domain", "projections"},
    "service": {"domain", "projections", "service"},
}
PURE = {"msgspec"}
"""What the domain may import beside the standard library."""
WORLD = {"asyncio", "os", "pathlib", "random", "secrets", "socket", "subprocess", "threading", "time", "datetime"}
"""Parts of the standard library that the domain has no business with: I/O, clocks, chance."""


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_package_imports_one_that_stands_above_it(package: str) -> None:
    modules = list((ROOT / package).rglob("*.py"))
    assert modules
    for path in modules:
        ours = imported(path) & MAY_IMPORT.keys()
        assert ours <= MAY_IMPORT[package], path


def test_the_domain_is_pure() -> None:
    import sys

    for path in (ROOT / "domain").rglob("*.py"):
        names = imported(path) - {"domain"} - PURE
        assert names <= sys.stdlib_module_names, path
        assert not names & WORLD, path
