"""The pages' files, without a browser: their rules are the service's, and what they load is what they need."""

import json
import re
from pathlib import Path

import pytest

from domain import task
from service.api.routes.pages import WEB

AUTOSAVE = WEB / "autosave"
PAGES = sorted(WEB.glob("*/*.html"))
IMPORT = re.compile(r"^(?:import|export)\b[^;]*?\bfrom '([^']+)';", re.MULTILINE)


def imports(file: Path) -> set[Path]:
    """Every module that a module needs, directly or not."""
    found: set[Path] = set()
    todo = [file]
    while todo:
        module = todo.pop()
        for name in IMPORT.findall(module.read_text()):
            needed = (module.parent / name).resolve()
            if needed not in found:
                found.add(needed)
                todo.append(needed)
    return found


def test_the_rules_of_a_task_are_those_of_the_service() -> None:
    source = (AUTOSAVE / "task-rules.js").read_text()
    rules = json.loads(source[source.index("TASK_RULES = ") + len("TASK_RULES = ") : source.rindex(";")])

    fresh = {"compute_budget": None, "status": "draft", "attachments": []}
    assert rules == {
        "fields": list(task.FIELDS),
        "newDraft": {**task.NEW, **fresh},
        "lengths": {
            "title": task.TITLE_LIMIT,
            "description": task.DESCRIPTION_LIMIT,
            "category": task.NAME_LIMIT,
            "task_type": task.NAME_LIMIT,
            "transcript": task.TRANSCRIPT_LIMIT,
            "reference": task.REFERENCE_LIMIT,
        },
        "attachments": task.ATTACHMENTS_LIMIT,
        "requirements": {"bytes": task.REQUIREMENTS_BYTES, "levels": task.REQUIREMENTS_LEVELS},
        "ranges": {"budget_usd": list(task.BUDGET_RANGE), "experimentation": list(task.EXPERIMENTATION_RANGE)},
    }


def test_the_form_offers_the_ranges_of_the_service() -> None:
    form = (WEB / "compose" / "compose.html").read_text()

    assert 'placeholder="{} to {}"'.format(*task.BUDGET_RANGE) in form
    assert 'type="range" min="{}" max="{}"'.format(*task.EXPERIMENTATION_RANGE) in form


def test_the_form_calls_the_fields_as_the_other_pages_do() -> None:
    names = dict(re.findall(r"(\w+): '([^']+)'", (WEB / "common" / "field-names.js").read_text()))
    labels = dict(re.findall(r'<label[^>]* for="(\w+)">([^<]+)', (WEB / "compose" / "compose.html").read_text()))

    fields = {*task.FIELDS, "transcript"}
    assert {field: labels[field].strip() for field in fields} == {field: names[field] for field in fields}


def test_the_autosave_client_can_be_copied_as_one_folder() -> None:
    assert imports(WEB / "autosave.js") == set(AUTOSAVE.glob("*.js"))


@pytest.mark.parametrize("folder", [folder for folder in WEB.iterdir() if folder.is_dir()], ids=lambda each: each.name)
def test_a_page_imports_from_its_own_folder_the_common_one_and_the_client(folder: Path) -> None:
    allowed = {folder.name, "common", "autosave"}
    for module in folder.glob("*.js"):
        assert {needed.parent.name for needed in imports(module)} <= allowed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_preloads_what_it_imports(page: Path) -> None:
    html = page.read_text()
    loaded = {
        WEB / name
        for name in re.findall(r'<(?:link rel="modulepreload" href|script type="module" src)="/static/([^"]+)"', html)
    }

    assert loaded == imports(page.with_suffix(".js")) | {page.with_suffix(".js")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    names = re.findall(r'"/static/([^"]+)"', page.read_text())

    assert names
    assert [name for name in names if not (WEB / name).is_file()] == []
