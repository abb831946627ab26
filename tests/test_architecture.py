"""The rooms of the house, and which rooms each may import: one row a room, no arrow upward, no cycle."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("domain", "projections", "service")

WHOLE_DOMAIN = {"domain", "projections"}
STORE = {*WHOLE_DOMAIN, "service.store"}

MAY_IMPORT: dict[str, set[str]] = {
    "domain": set(),
    "projections": {"domain"},
    "service.settings": {"domain"},
    "service.logs": set(),
    "service.postgres": {"service.settings", "service.logs"},
    "service.store": WHOLE_DOMAIN,
    "service.writing": STORE,
    "service.proof": STORE,
    "service.stream": STORE,
    "service.views": {*STORE, "service.proof"},
    "service.http": {*WHOLE_DOMAIN, "service.settings", "service.store.errors", "service.writing.requests"},
    "service.processes": {"service.settings", "service.logs", "service.views"},
    "service.metrics": {"service.store", "service.writing", "service.views", "service.processes"},
    "service.api": {
        *STORE,
        *{f"service.{room}" for room in ("settings", "writing", "proof", "stream", "views", "http", "metrics")},
    },
    "service.application": {
        *STORE,
        *{f"service.{room}" for room in ("settings", "writing", "stream", "http", "processes", "metrics", "api")},
    },
    "service.cli": {
        *STORE,
        *{f"service.{room}" for room in ("settings", "logs", "postgres", "writing", "proof", "stream", "views")},
        *{f"service.{room}" for room in ("http", "processes", "api", "application")},
    },
}
"""Every room, from the ground up: each may import itself and what its row names, all of which stand above its row."""

WORLD = {"asyncio", "os", "pathlib", "random", "secrets", "socket", "subprocess", "threading", "time", "datetime"}
"""Parts of the standard library that the domain has no business with: I/O, clocks, chance."""


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def room_of(module: str) -> str:
    """The row of the table that a module belongs to."""
    package, _, rest = module.partition(".")
    return package if package != "service" or not rest else f"service.{rest.partition('.')[0]}"


def imported(path: Path) -> set[str]:
    """The modules of the standard library, of others and of our own that a file imports, wherever it does."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            names |= {name if (name := f"{module}.{alias.name}") in MODULES else module for alias in node.names}
    return names


def covers(allowed: set[str], module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def test_every_module_stands_in_a_room() -> None:
    rooms = {room_of(module) for module in MODULES} - {"service"}
    assert rooms == MAY_IMPORT.keys()


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_its_row_names(room: str) -> None:
    strangers = {
        (module, name)
        for module, path in MODULES.items()
        if room_of(module) == room
        for name in imported(path)
        if name.partition(".")[0] in PACKAGES and not covers(MAY_IMPORT[room] | {room}, name)
    }
    assert not strangers


def test_no_row_names_a_room_above_it() -> None:
    """So there is no cycle between rooms."""
    known: set[str] = set()
    for room, allowed in MAY_IMPORT.items():
        assert {room_of(name) for name in allowed} <= known, room
        known.add(room)


def test_no_two_modules_import_each_other() -> None:
    left = {module: imported(path) & MODULES.keys() - {module} for module, path in MODULES.items()}
    while free := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in free:
            del left[module]
    assert not left


def test_the_domain_is_pure() -> None:
    for path in (ROOT / "domain").rglob("*.py"):
        names = {name.partition(".")[0] for name in imported(path)} - {"domain", "msgspec"}
        assert names <= sys.stdlib_module_names, path
        assert not names & WORLD, path
