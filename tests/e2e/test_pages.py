"""The pages and their files: media types, caching, and the headers that keep a browser to them."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from service.api.routes.pages import WEB
from service.http.problems import PROBLEMS
from tests.support.harness import Client, Server

ROOT = Path(__file__).parents[2]


def test_a_page_is_asked_about_each_time_and_sent_when_it_changed(client: Client) -> None:
    page = client.get("/docs")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert client.get("/docs", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    assert client.get("/docs", headers={"If-None-Match": f"W/{page.headers['etag']}"}).status_code == 304
    assert client.get("/docs", headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("autosave.js", "text/javascript; charset=utf-8"),
        ("docs/docs.js", "text/javascript; charset=utf-8"),
        ("docs/docs.css", "text/css; charset=utf-8"),
        ("common/icon.svg", "image/svg+xml"),
    ],
)
def test_files_have_their_media_type(client: Client, name: str, media_type: str) -> None:
    response = client.get(f"/static/{name}")

    assert response.headers["content-type"] == media_type
    assert response.content == (WEB / name).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/absent.js",
        "/static/docs/docs.html",
        "/static/docs.js",
        "/static/docs/",
        "/static/docs/absent.js",
        "/static/absent/docs.js",
        "/static/docs/docs/docs.js",
        "/static/../app.py",
        "/static/docs/../docs.js",
        "/static/../web/autosave.js",
        "/static/%2e%2e/web/docs.js",
        "/static/..%2fapp.py",
        "/static/docs/..%2fautosave.js",
        "/static/%2e%2e%2fapp.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/static/docs/docs.js%00",
        "/static/docs/docs.js%00.css",
        "/static/docs%00/docs.js",
        "/static/docs/.docs.js",
        "/static/" + "a" * 5000 + ".js",
        "/problems/absent",
    ],
)
def test_nothing_else_is_served(server: Server, path: str) -> None:
    with server.client() as client:
        response = client.send(client.build_request("GET", server.url + path))

    assert response.status_code == 404
    assert response.json()["type"] == "/problems/not-found"


@pytest.mark.parametrize(
    "path", ["/docs", "/static/docs/docs.js", "/openapi.json", "/api/v1/tasks", "/health/live", "/no"]
)
def test_every_response_tells_browsers_to_run_our_own_files_alone(client: Client, path: str) -> None:
    headers = client.get(path).headers

    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("page", sorted(WEB.rglob("*.html")), ids=lambda page: page.name)
def test_pages_load_nothing_from_elsewhere_and_need_no_inline_code(page: Path) -> None:
    html = page.read_text()

    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", html)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", html)


@pytest.mark.parametrize("slug", PROBLEMS)
def test_every_problem_has_a_page_with_an_example(client: Client, slug: str) -> None:
    page = client.get(f"/problems/{slug}")

    assert page.status_code == 200
    assert f'"/problems/{slug}"' in page.text


def test_the_wheel_has_the_pages_and_the_migrations(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    for folder in (ROOT / "service" / "web", ROOT / "service" / "store" / "migrations"):
        files = [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc"]
        assert files
        assert {str(file.relative_to(ROOT)) for file in files} <= names
