"""The headers that every response carries: for security, and for browsers that call the API from another origin (CORS).

CORS is off unless the setting names origins. A page of another origin needs a token as any client does: cookies are
never read, so credentials are not allowed.
"""

from collections.abc import Mapping

Header = tuple[bytes, bytes]

_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "font-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)

SECURITY_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", "; ".join(_POLICY).encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Only the service's own files are loaded, no page may frame it, and no referrer reveals a token in an address."""

PREFLIGHT_MAX_AGE = 600
"""Seconds for which a browser may cache the answer to a preflight."""

REQUEST_HEADERS = "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID, X-Request-Id"
RESPONSE_HEADERS = (
    "ETag, Last-Modified, Link, Location, Retry-After, Server-Timing, WWW-Authenticate, X-Head, X-Next-After,"
    " X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id, X-Task-Version"
)


class Cors:
    """The CORS headers for pages of the allowed origins."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._allowed = {origin.encode() for origin in origins}

    def headers(self, given: Mapping[bytes, bytes]) -> list[Header]:
        """For every response, to a request with these headers."""
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

    def preflight(self, given: Mapping[bytes, bytes], allow: bytes) -> list[Header]:
        """For the response to a preflight; `allow` are the methods of the path."""
        if given.get(b"origin") not in self._allowed or b"access-control-request-method" not in given:
            return []
        return [
            (b"access-control-allow-methods", allow),
            (b"access-control-allow-headers", REQUEST_HEADERS.encode()),
            (b"access-control-max-age", b"%d" % PREFLIGHT_MAX_AGE),
        ]
