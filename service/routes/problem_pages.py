"""A page for each kind of problem, which its `type` links to."""

from html import escape

from service.call import Call, Reply
from service.context import Context
from service.problems import PROBLEMS, Problem
from service.routes.pages import page_reply
from service.routing import route

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head>
<body><main><h1>{title}</h1><p>Status {status}, <code>/problems/{slug}</code></p>
<p>{explanation}</p></main></body></html>
"""


@route("GET", "/problems/{slug:str}")
async def problem_page(context: Context, call: Call, slug: str) -> Reply:
    """What a problem means."""
    kind = PROBLEMS.get(slug)
    if kind is None:
        raise Problem("not-found", "There is no such problem.")
    page = _PAGE.format(title=escape(kind.title), status=kind.status, slug=slug, explanation=escape(kind.explanation))
    return page_reply(call, page.encode())


ROUTES = [problem_page]
