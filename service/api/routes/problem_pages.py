"""A page for each kind of problem, which its `type` links to."""

from html import escape

import msgspec

from service.api.context import Context
from service.api.openapi.examples import problem_example
from service.api.openapi.operation import CONDITIONAL, PAGE, Operation
from service.api.responses import Response
from service.api.routes.pages import page_response
from service.api.routing import route
from service.http.problems import PROBLEMS, Problem
from service.http.request import Request

_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{title}: Palimpsest</title>
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <link rel="icon" href="/static/common/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/static/common/tokens.css">
  <link rel="stylesheet" href="/static/docs/docs.css">
</head>
<body>
  <header class="bar">
    <p class="wordmark"><a href="/">Palimpsest</a></p>
    <a class="quiet" href="/docs">The API</a>
  </header>
  <main class="problem">
    <p><span class="status bad">{status}</span> <code>/problems/{slug}</code></p>
    <h1>{title}</h1>
    <p>{explanation}</p>
    <figure><figcaption class="quiet">For example</figcaption><pre tabindex="0"><code>{example}</code></pre></figure>
    <p><a href="/docs#problems">All problems</a></p>
  </main>
</body>
</html>
"""


@route(
    Operation(
        "GET",
        "/problems/{slug}",
        "Pages",
        "What a problem means",
        PAGE,
        ("not-found",),
        ("slug", *CONDITIONAL),
        public=True,
    )
)
async def problem_page(context: Context, request: Request, slug: str) -> Response:
    """What a problem means."""
    kind = PROBLEMS.get(slug)
    if kind is None:
        raise Problem("not-found", "This problem does not exist.")
    example = msgspec.json.format(msgspec.json.encode(problem_example(slug)), indent=2).decode()
    page = _PAGE.format(
        title=escape(kind.title),
        status=kind.status,
        slug=slug,
        explanation=escape(kind.explanation),
        example=escape(example, quote=False),
    )
    return page_response(request, page.encode())
