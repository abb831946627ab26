"""Bearer tokens (docs/api.md, Tokens and scopes): users and scopes. Verified tokens are cached until they expire."""

import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK

from service.http.problems import Problem
from service.settings import SettingError, Settings

log = logging.getLogger(__name__)

MIN_SECRET = 32
"""Bytes of a secret."""

UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
"""The accepted form of a uuid: with its hyphens, in either case."""

SCOPES = frozenset({"audit", "analytics"})
CACHE_SIZE = 10_000
"""Verified tokens in the cache, so that an autosave need not verify the same one again."""
MAX_TOKEN = 8192
"""Characters of a token."""


class User(msgspec.Struct, frozen=True):
    """The user of a token, and its scopes."""

    id: UUID
    scopes: frozenset[str]


class Key(msgspec.Struct, frozen=True):
    """A key that signatures are checked with, the one algorithm it is for, and its id in a key set."""

    algorithm: str
    material: Any
    key_id: str | None = None


class Verifier:
    """Checks tokens against keys; `aud` and `iss` only where they are given."""

    def __init__(self, keys: Sequence[Key], audience: str | None = None, issuer: str | None = None) -> None:
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._verified: dict[bytes, tuple[User, float]] = {}

    def user(self, authorization: bytes | None) -> User:
        """The user of an Authorization header's value. Raises the problem `unauthorized`."""
        if authorization is None:
            raise _unauthorized("A bearer token is required.")
        known = self._verified.get(authorization)
        if known is not None:
            if known[1] > time.time():
                return known[0]
            del self._verified[authorization]
            raise _unauthorized("The token has expired.", invalid=True)
        user, expires_at = self._verify(authorization)
        if len(self._verified) >= CACHE_SIZE:
            del self._verified[next(iter(self._verified))]
        self._verified[authorization] = user, expires_at
        return user

    def _verify(self, authorization: bytes) -> tuple[User, float]:
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN:
            raise _unauthorized("A bearer token is required.")
        claims = self._claims(token)
        try:
            if not UUID_TEXT.match(claims["sub"]):
                raise ValueError
            user_id = UUID(claims["sub"])
            scopes = claims.get("scope", "")
            return User(user_id, frozenset(scopes.split())), float(claims["exp"])
        except OverflowError:
            raise _unauthorized("The token's exp is not a time.", invalid=True) from None
        except (ValueError, AttributeError, TypeError):
            raise _unauthorized("The token's sub is not a uuid, or its scope is not a string.", invalid=True) from None

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            for key in self._candidates(header):
                try:
                    return jwt.decode(
                        token,
                        key.material,
                        algorithms=[key.algorithm],
                        audience=self._audience,
                        issuer=self._issuer,
                        options={
                            "require": ["exp", "sub"],
                            "verify_aud": self._audience is not None,
                            "verify_iat": False,
                        },
                    )
                except jwt.InvalidSignatureError:
                    continue
        except jwt.ExpiredSignatureError:
            raise _unauthorized("The token has expired.", invalid=True) from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError):
            raise _unauthorized("The token is not valid.", invalid=True) from None
        raise _unauthorized("The token is not signed by a known key.", invalid=True)

    def _candidates(self, header: Mapping[str, Any]) -> list[Key]:
        """The keys that may have signed: all of the algorithm, or those whose id the token names or that have none."""
        named = header.get("kid")
        return [
            key
            for key in self._keys
            if key.algorithm == header.get("alg") and (named is None or key.key_id in (None, named))
        ]


def verifier_of(settings: Settings) -> Verifier:
    """The verifier for the settings. Raises `SettingError` for a key file that cannot be used."""
    if settings.auth_public_key:
        keys = public_keys(read_key_file(settings.auth_public_key))
    else:
        keys = [Key("HS256", secret_of(settings))]
    return Verifier(keys, settings.auth_audience, settings.auth_issuer)


def secret_of(settings: Settings) -> str:
    """The HS256 key: the setting, or the one in the data directory, created (mode 0600) on first use."""
    if settings.auth_secret:
        return settings.auth_secret
    path = settings.data_dir / "secret"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # Created atomically, also when a second process starts at the same moment.
            descriptor, draft = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, path)
            Path(draft).unlink()
        return _checked_secret(path)
    except OSError as error:
        raise SettingError(f"PALIMPSEST_DATA_DIR cannot hold the secret: {error.strerror}") from None


def _checked_secret(path: Path) -> str:
    """The secret of a file, without the line end that an editor adds. Raises `SettingError` for a weak one."""
    try:
        secret = path.read_bytes().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        secret = ""
    if len(secret.encode()) < MIN_SECRET or len(set(secret)) < MIN_SECRET // 4:
        raise SettingError(
            f"PALIMPSEST_DATA_DIR: {path} holds no secret of at least {MIN_SECRET} bytes; remove it to have one made,"
            " and every token with it becomes invalid"
        )
    return secret


def read_key_file(path: Path) -> bytes:
    """The content of the file of public keys. Raises `SettingError` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingError(f"PALIMPSEST_AUTH_PUBLIC_KEY cannot be read: {error.strerror}") from None


def public_keys(data: bytes) -> list[Key]:
    """The keys of a PEM or JWKS file; EdDSA (Ed25519), ES256 and RS256 alone. Raises `SettingError`."""
    try:
        keys = _keys_of_set(data) if data.lstrip().startswith(b"{") else [_key(load_pem_public_key(data), None)]
    except (ValueError, TypeError, jwt.PyJWTError):
        raise SettingError(
            "PALIMPSEST_AUTH_PUBLIC_KEY must be a PEM or JWKS file of EdDSA, ES256 or RS256 keys"
        ) from None
    return keys


def _keys_of_set(data: bytes) -> list[Key]:
    """The usable keys of a JWKS. Others, such as keys for encryption, are skipped with a warning."""
    found = []
    for each in msgspec.json.decode(data, type=_KeySet).keys:
        try:
            if each.get("use", "sig") != "sig":
                raise ValueError("not for signatures")
            jwk = PyJWK.from_dict(each)
            found.append(_key(jwk.key, jwk.key_id))
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            log.warning("a key of PALIMPSEST_AUTH_PUBLIC_KEY is skipped: %s", error, extra={"kid": each.get("kid")})
    if not found:
        raise ValueError("no usable key")
    return found


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def _key(material: object, key_id: str | None) -> Key:
    if isinstance(material, ed25519.Ed25519PublicKey):
        return Key("EdDSA", material, key_id)
    if isinstance(material, ec.EllipticCurvePublicKey) and isinstance(material.curve, ec.SECP256R1):
        return Key("ES256", material, key_id)
    if isinstance(material, rsa.RSAPublicKey):
        return Key("RS256", material, key_id)
    raise ValueError("neither EdDSA, ES256 nor RS256")


def mint(settings: Settings, user_id: UUID, scope: str, ttl_seconds: int) -> str:
    """A token for a user, signed with the HS256 key, valid for `ttl_seconds`."""
    now = int(time.time())
    claims: dict[str, Any] = {"sub": str(user_id), "iat": now, "exp": now + ttl_seconds}
    if scope:
        claims["scope"] = scope
    if settings.auth_audience:
        claims["aud"] = settings.auth_audience
    if settings.auth_issuer:
        claims["iss"] = settings.auth_issuer
    return jwt.encode(claims, secret_of(settings), algorithm="HS256")


def _unauthorized(detail: str, *, invalid: bool = False) -> Problem:
    challenge = 'Bearer error="invalid_token"' if invalid else "Bearer"
    return Problem("unauthorized", detail, headers={"www-authenticate": challenge})
