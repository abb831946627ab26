"""Which other web pages may call the API from a browser (CORS); none unless the setting names them.

A page of another origin needs a token as everybody does: no cookie is ever looked at, so that credentials are not
allowed and none could be lent.
"""

from collections.abc import Mapping

from service.http.headers import Header

MAX_AGE = 600
"""Seconds for which a browser may remember what it is allowed."""

REQUEST_HEADERS = "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID, X-Request-Id"
RESPONSE_HEADERS = (
    "ETag, Last-Modified, Location, Retry-After, Server-Timing, X-Request-Id,"
    " X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
)


class Cors:
    """The answers to browsers that ask on behalf of a page of another origin."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._allowed = {origin.encode() for origin in origins}

    def headers(self, given: Mapping[bytes, bytes]) -> list[Header]:
        """What every answer carries, to a request with these headers."""
        if not self._allowed:
            return []
        vary = (b"vary", b"origin")
        origin = given.get(b"origin")
        if origin not in self._allowed:
            return [vary]
        return [
            vary,
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", RESPONSE_HEADERS.encode()),
        ]

    def preflight(self, given: Mapping[bytes, bytes], allow: str) -> list[Header]:
        """What besides answers a browser that asks beforehand; `allow` are the methods of the path."""
        if given.get(b"origin") not in self._allowed or b"access-control-request-method" not in given:
            return []
        return [
            (b"access-control-allow-methods", allow.encode()),
            (b"access-control-allow-headers", REQUEST_HEADERS.encode()),
            (b"access-control-max-age", b"%d" % MAX_AGE),
        ]
