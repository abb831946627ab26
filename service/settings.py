"""The settings: read once from the environment, checked, and documented by `palimpsest settings`."""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from domain.publishing import PublishRules

DAY = 24 * 60 * 60
"""In seconds."""


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")


class SettingError(Exception):
    """A variable has a wrong value; the message names it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the environment decides. See `VARIABLES` for the meaning of each."""

    database_url: str | None = None
    data_dir: Path = Path(".palimpsest")
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    auth_secret: str | None = None
    auth_public_key: Path | None = None
    auth_audience: str | None = None
    auth_issuer: str | None = None
    description_min_length: int = 20
    draft_ttl_days: float = 30
    compute_share: float | None = None
    cors_origins: tuple[str, ...] = ()
    rate_limit: bool = True
    log_level: str = "info"

    @property
    def ttl_seconds(self) -> int:
        """The life of a draft after its last change, in whole seconds, at least one."""
        return max(1, round(self.draft_ttl_days * DAY))

    @property
    def publish_rules(self) -> PublishRules:
        """The settings that publishing records or enforces."""
        return PublishRules(self.description_min_length, self.compute_share)


class Variable(msgspec.Struct, frozen=True):
    """One environment variable: the field of `Settings` it sets, how its text is read, and its meaning."""

    name: str
    field: str
    read: Callable[[str], Any]
    default: str
    meaning: str


def _url(text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    return text


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def _number(low: float, high: float, *, above: bool = False) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or (above and value == low):
            raise ValueError(f"must be a number {'above' if above else 'from'} {low:g} , at most {high:g}")
        return value

    return read


def _secret(text: str) -> str:
    if len(text.encode()) < 32:
        raise ValueError("must have at least 32 bytes")
    return text


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError("must be the path of a file")
    return path


def _choice(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return read


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(","))
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be origins such as https://app.example, separated by commas, without a path")
    return origins


def _switch(text: str) -> bool:
    return _choice("on", "off")(text) == "on"


VARIABLES = (
    Variable(
        "PALIMPSEST_DATABASE_URL",
        "database_url",
        _url,
        "the embedded PostgreSQL in the data directory",
        "postgresql://… of a server, 15 or newer",
    ),
    Variable(
        "PALIMPSEST_DATA_DIR", "data_dir", Path, ".palimpsest", "Embedded PostgreSQL and generated secret live here"
    ),
    Variable("PALIMPSEST_HOST", "host", str, "127.0.0.1", "Address to listen on"),
    Variable("PALIMPSEST_PORT", "port", _whole(1, 65535), "8000", "Port to listen on"),
    Variable("PALIMPSEST_WORKERS", "workers", _whole(1, 64), "1", "Server processes"),
    Variable(
        "PALIMPSEST_AUTH_SECRET",
        "auth_secret",
        _secret,
        "generated once into the data directory",
        "HS256 key of the tokens, at least 32 bytes",
    ),
    Variable(
        "PALIMPSEST_AUTH_PUBLIC_KEY",
        "auth_public_key",
        _file,
        "unset",
        "PEM or JWKS file: then only its EdDSA, ES256 or RS256 signatures are accepted",
    ),
    Variable("PALIMPSEST_AUTH_AUDIENCE", "auth_audience", str, "unset: not looked at", "`aud` that a token must have"),
    Variable("PALIMPSEST_AUTH_ISSUER", "auth_issuer", str, "unset: not looked at", "`iss` that a token must have"),
    Variable(
        "PALIMPSEST_DESCRIPTION_MIN_LENGTH",
        "description_min_length",
        _whole(0, 5000),
        "20",
        "Characters of description or transcript that publishing needs",
    ),
    Variable(
        "PALIMPSEST_DRAFT_TTL_DAYS",
        "draft_ttl_days",
        _number(0, 36500, above=True),
        "30",
        "Life of a draft after its last change",
    ),
    Variable(
        "PALIMPSEST_COMPUTE_SHARE",
        "compute_share",
        _number(0, 1),
        "unset: compute_budget stays null",
        "Part of the budget that publishing sets aside as compute_budget",
    ),
    Variable(
        "PALIMPSEST_CORS_ORIGINS",
        "cors_origins",
        _origins,
        "unset: none",
        "Origins, separated by commas, whose pages may call the API from a browser",
    ),
    Variable("PALIMPSEST_RATE_LIMIT", "rate_limit", _switch, "on", "`off` for benchmarks"),
    Variable(
        "PALIMPSEST_LOG_LEVEL",
        "log_level",
        _choice("debug", "info", "warning", "error"),
        "info",
        "Least severity that is logged; JSON lines when not on a terminal",
    ),
)
"""Every variable, in the order of docs/api.md, Running."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment; an empty value counts as unset. Raises `SettingError`."""
    values = {}
    for variable in VARIABLES:
        text = environment.get(variable.name, "")
        if text:
            try:
                values[variable.field] = variable.read(text)
            except ValueError as error:
                raise SettingError(f"{variable.name} {error}, not {_shown(variable, text)}") from None
    return Settings(**values)


def _shown(variable: Variable, text: str) -> str:
    """The wrong value for the message, unless it is a secret or may carry a password."""
    return "the given value" if variable.field in ("auth_secret", "database_url") else repr(text)
