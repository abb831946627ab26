"""Tokens (docs/api.md, Tokens and scopes): which are accepted, and that nothing else is."""

import base64
import hmac
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from service.http.auth import MAX_TOKEN, Key, Verifier, mint, public_keys, read_key_file, verifier_of
from service.http.problems import Problem
from service.settings import SettingError, Settings
from tests.support.harness import DEADLINE, SECRET, Server, wait_until

USER = uuid4()


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": str(USER), "exp": int(time.time()) + 600, **more}


def signed(content: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    return jwt.encode(content, key, algorithm=algorithm, headers=headers or None)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in claims().items() if key != name}


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def unsigned(header: Any, content: Any, signature: str = "") -> str:
    return f"{part(header)}.{part(content)}.{signature}"


GOOD = signed(claims())
HEAD, BODY, SIGNATURE = GOOD.split(".")

REFUSED: dict[str, str] = {
    "nothing": "",
    "no token": "Bearer",
    "a blank token": "Bearer  ",
    "no scheme": GOOD,
    "another scheme": f"Basic {GOOD}",
    "two tokens": f"Bearer {GOOD} {GOOD}",
    "a list of tokens": f"Bearer {GOOD}, Bearer {GOOD}",
    "a word": "Bearer token",
    "two parts": f"Bearer {HEAD}.{BODY}",
    "four parts": f"Bearer {GOOD}.{SIGNATURE}",
    "no signature": f"Bearer {HEAD}.{BODY}.",
    "a cut signature": f"Bearer {GOOD[:-4]}",
    "another signature": f"Bearer {HEAD}.{BODY}.{part(b'x' * 32)}",
    "other claims": f"Bearer {HEAD}.{part(claims(sub=str(uuid4())))}.{SIGNATURE}",
    "alg none": f"Bearer {jwt.encode(claims(), None, algorithm='none')}",
    "alg None": f"Bearer {unsigned({'alg': 'None', 'typ': 'JWT'}, claims())}",
    "alg none with a signature": f"Bearer {unsigned({'alg': 'none'}, claims(), SIGNATURE)}",
    "no alg": f"Bearer {unsigned({'typ': 'JWT'}, claims(), SIGNATURE)}",
    "alg a number": f"Bearer {unsigned({'alg': 5}, claims(), SIGNATURE)}",
    "alg a list": f"Bearer {unsigned({'alg': ['HS256']}, claims(), SIGNATURE)}",
    "another key": f"Bearer {signed(claims(), 'another secret of thirty-two bytes')}",
    "HS512": f"Bearer {signed(claims(), SECRET * 2, 'HS512')}",
    "expired": f"Bearer {signed(claims(exp=int(time.time()) - 1))}",
    "long expired": f"Bearer {signed(claims(exp=0))}",
    "no exp": f"Bearer {signed(without('exp'))}",
    "a null exp": f"Bearer {signed(claims(exp=None))}",
    "exp a word": f"Bearer {signed(claims(exp='tomorrow'))}",
    "exp a list": f"Bearer {signed(claims(exp=[1]))}",
    "exp NaN": f"Bearer {signed(claims(exp=float('nan')))}",
    "exp -Infinity": f"Bearer {signed(claims(exp=float('-inf')))}",
    "not yet valid": f"Bearer {signed(claims(nbf=int(time.time()) + 600))}",
    "no sub": f"Bearer {signed(without('sub'))}",
    "a null sub": f"Bearer {unsigned({'alg': 'HS256'}, claims(sub=None), SIGNATURE)}",
    "sub no uuid": f"Bearer {signed(claims(sub='somebody'))}",
    "sub half a uuid": f"Bearer {signed(claims(sub=str(USER)[:-1]))}",
    "sub with U+0000": f"Bearer {signed(claims(sub=str(USER) + chr(0)))}",
    "sub in braces": f"Bearer {signed(claims(sub=f'{{{USER}}}'))}",
    "sub a URN": f"Bearer {signed(claims(sub=USER.urn))}",
    "scope a list": f"Bearer {signed(claims(scope=['audit']))}",
    "scope a number": f"Bearer {signed(claims(scope=1))}",
    "a null scope": f"Bearer {signed(claims(scope=None))}",
    "a list of claims": f"Bearer {unsigned({'alg': 'HS256'}, [], SIGNATURE)}",
    "a deep header": f"Bearer {part(b'[' * 4000)}.{BODY}.{SIGNATURE}",
    "a critical extension": f"Bearer {signed(claims(), SECRET, 'HS256', crit=['b64'], b64=False)}",
    "a very long token": f"Bearer {signed(claims(more='x' * MAX_TOKEN))}",
    "U+0000": "Bearer a.b.\0",
    "Latin-1": "Bearer é.é.é",
}


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    return Verifier([Key("HS256", SECRET)])


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_everything_but_a_good_token_is_unauthorized(verifier: Verifier, value: str) -> None:
    for _ in range(2):
        with pytest.raises(Problem) as caught:
            verifier.user(value.encode("latin-1"))
        assert caught.value.slug == "unauthorized"
        assert caught.value.headers["www-authenticate"].startswith("Bearer")


SENDABLE = {
    name: value for name, value in REFUSED.items() if "\0" not in value and value.isascii() and value == value.strip()
}


@pytest.mark.parametrize("value", SENDABLE.values(), ids=SENDABLE)
def test_so_it_is_over_http(server: Server, value: str) -> None:
    for path in ("/api/v1/tasks", "/api/v1/nowhere"):
        response = httpx.get(server.url + path, headers={"Authorization": value})
        assert response.status_code == 401
        assert response.json()["type"] == "/problems/unauthorized"
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_without_a_token_no_error_is_told(server: Server) -> None:
    """RFC 6750, section 3.1: who sent no token at all gets the bare challenge."""
    assert httpx.get(f"{server.url}/api/v1/tasks").headers["www-authenticate"] == "Bearer"


def test_several_authorization_headers_are_refused(server: Server) -> None:
    for second in (f"Bearer {GOOD}", "Basic eDp5"):
        headers = [("Authorization", f"Bearer {GOOD}"), ("Authorization", second)]
        assert httpx.get(f"{server.url}/api/v1/tasks", headers=headers).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_written_as_one_likes(verifier: Verifier, scheme: str) -> None:
    assert verifier.user(f"{scheme} {GOOD}".encode()).id == USER


def test_a_token_carries_its_scopes(verifier: Verifier) -> None:
    token = signed(claims(scope="audit  analytics other"))

    assert verifier.user(f"Bearer {token}".encode()).scopes >= {"audit", "analytics"}
    assert verifier.user(f"Bearer {GOOD}".encode()).scopes == frozenset()


def test_a_remembered_token_expires_to_the_second(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    expires_at = int(time.time()) + 100
    value = f"Bearer {signed(claims(exp=expires_at))}".encode()
    verifier.user(value)

    monkeypatch.setattr("service.http.auth.time.time", lambda: expires_at - 0.001)
    assert verifier.user(value).id == USER
    monkeypatch.setattr("service.http.auth.time.time", lambda: expires_at + 0.0)
    with pytest.raises(Problem):
        verifier.user(value)


def test_tokens_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.http.auth.CACHE_SIZE", 3)
    verifier = Verifier([Key("HS256", SECRET)])
    for number in range(10):
        verifier.user(f"Bearer {signed(claims(number=number))}".encode())

    assert len(verifier._verified) == 3


# Asymmetric keys.

PRIVATE: dict[str, Any] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
}
ALGORITHMS: dict[str, Any] = {"EdDSA": OKPAlgorithm, "ES256": ECAlgorithm, "RS256": RSAAlgorithm}


def pem(algorithm: str) -> bytes:
    public: bytes = PRIVATE[algorithm].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public


def jwk(algorithm: str, key: Any = None, **more: str) -> dict[str, Any]:
    public = (key or PRIVATE[algorithm]).public_key()
    return {**ALGORITHMS[algorithm].to_jwk(public, as_dict=True), **more}


def key_file(tmp_path: Path, content: bytes | dict[str, Any]) -> Path:
    path = tmp_path / "keys"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def read_public_keys(path: Path) -> list[Key]:
    return public_keys(read_key_file(path))


def bearer(algorithm: str, key: Any = None, content: dict[str, Any] | None = None, **headers: Any) -> bytes:
    return b"Bearer " + signed(content or claims(), key or PRIVATE[algorithm], algorithm, **headers).encode()


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_a_pem_key_accepts_its_own_algorithm_alone(tmp_path: Path, algorithm: str) -> None:
    verifier = Verifier(read_public_keys(key_file(tmp_path, pem(algorithm))))

    assert verifier.user(bearer(algorithm)).id == USER
    for other in set(PRIVATE) - {algorithm}:
        with pytest.raises(Problem):
            verifier.user(bearer(other))


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_the_public_key_is_no_secret_to_sign_with(tmp_path: Path, algorithm: str) -> None:
    """The classic confusion: HS256, with the public key's PEM as its key."""
    verifier = Verifier(read_public_keys(key_file(tmp_path, pem(algorithm))))
    for key in (pem(algorithm), pem(algorithm).strip()):
        content = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims())}"
        forged = f"{content}.{part(hmac.digest(key, content.encode(), 'sha256'))}"
        with pytest.raises(Problem):
            verifier.user(f"Bearer {forged}".encode())
    with pytest.raises(Problem):
        verifier.user(f"Bearer {GOOD}".encode())


def test_of_a_key_set_the_one_that_kid_names_is_tried(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    keys = [jwk("ES256", kid="old"), jwk("ES256", other, kid="new"), jwk("EdDSA", kid="ed"), jwk("RS256", kid="rs")]
    verifier = Verifier(read_public_keys(key_file(tmp_path, {"keys": keys})))

    assert verifier.user(bearer("ES256", kid="old")).id == USER
    assert verifier.user(bearer("ES256", other, kid="new")).id == USER
    assert verifier.user(bearer("EdDSA", kid="ed")).id == USER
    assert verifier.user(bearer("RS256")).id == USER
    assert verifier.user(bearer("ES256", other)).id == USER
    stranger = ec.generate_private_key(ec.SECP256R1())
    for wrong in (bearer("ES256", other, kid="old"), bearer("ES256", stranger), bearer("ES256", other, kid="newer")):
        with pytest.raises(Problem):
            verifier.user(wrong)


def test_a_key_without_an_id_takes_tokens_that_name_one(tmp_path: Path) -> None:
    verifier = Verifier(read_public_keys(key_file(tmp_path, pem("EdDSA"))))

    assert verifier.user(bearer("EdDSA", kid="any")).id == USER


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        b"{}",
        b'{"keys": []}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}',
        b'{"keys": 5}',
        b"{",
        ec.generate_private_key(ec.SECP384R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ],
)
def test_a_file_without_a_usable_key_stops_the_start(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SettingError, match="PALIMPSEST_AUTH_PUBLIC_KEY"):
        read_public_keys(key_file(tmp_path, content))


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ({"aud": "palimpsest", "iss": "https://issuer.example"}, True),
        ({"aud": ["other", "palimpsest"], "iss": "https://issuer.example"}, True),
        ({"aud": "other", "iss": "https://issuer.example"}, False),
        ({"aud": "palimpsest", "iss": "https://elsewhere.example"}, False),
        ({"aud": "palimpsest"}, False),
        ({"iss": "https://issuer.example"}, False),
        ({"aud": {}, "iss": []}, False),
    ],
)
def test_audience_and_issuer_must_match_where_they_are_set(given: dict[str, Any], accepted: bool) -> None:
    verifier = Verifier([Key("HS256", SECRET)], "palimpsest", "https://issuer.example")
    value = f"Bearer {signed_by_hand(given)}".encode()
    if accepted:
        assert verifier.user(value).id == USER
    else:
        with pytest.raises(Problem):
            verifier.user(value)


def signed_by_hand(given: dict[str, Any]) -> str:
    """A token that PyJWT would refuse to make."""
    content = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims(**given))}"
    return f"{content}.{part(hmac.digest(SECRET.encode(), content.encode(), 'sha256'))}"


def test_where_they_are_not_set_they_are_ignored(verifier: Verifier) -> None:
    assert verifier.user(f"Bearer {signed(claims(aud='other', iss='x'))}".encode()).id == USER


def test_a_service_with_public_keys_takes_their_tokens_and_mints_none(
    tmp_path: Path, start_server: Callable[..., Server]
) -> None:
    keys = key_file(tmp_path, {"keys": [jwk("EdDSA", kid="a"), jwk("ES256", kid="b")]})
    server = start_server(
        PALIMPSEST_AUTH_PUBLIC_KEY=str(keys),
        PALIMPSEST_AUTH_AUDIENCE="palimpsest",
        PALIMPSEST_AUTH_ISSUER="https://issuer.example",
    )
    good = claims(aud="palimpsest", iss="https://issuer.example")

    def status(authorization: bytes) -> int:
        response = httpx.post(f"{server.url}/api/v1/tasks/drafts", headers={b"authorization": authorization})
        if response.status_code == 201:
            assert UUID(response.json()["user_id"]) == USER
        return response.status_code

    assert status(bearer("EdDSA", content=good, kid="a")) == 201
    assert status(bearer("ES256", content=good)) == 201
    assert status(bearer("RS256", content=good)) == 401
    assert status(bearer("EdDSA", content=claims())) == 401
    assert status(f"Bearer {signed(good)}".encode()) == 401

    minted = server.run("token", "--sub", str(USER), check=False)
    assert minted.returncode == 2
    assert minted.stdout == ""


REVOKED_WITHIN = 15.0
"""Seconds after SIGHUP in which docs/operations.md says that a key is out of use, with one process."""


def test_keys_are_rotated_without_a_refused_request(tmp_path: Path, start_server: Callable[..., Server]) -> None:
    """The steps of docs/operations.md, with tokens that the service remembers."""
    old, new = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    of_old, of_new = jwk("EdDSA", old, kid="2025"), jwk("EdDSA", new, kid="2026")
    keys = key_file(tmp_path, {"keys": [of_old]})
    server = start_server(PALIMPSEST_AUTH_PUBLIC_KEY=str(keys))
    old_token, new_token = bearer("EdDSA", old, kid="2025"), bearer("EdDSA", new, kid="2026")
    unknown = bearer("EdDSA", new, kid="2027")

    def status(authorization: bytes) -> int:
        return httpx.get(f"{server.url}/api/v1/tasks", headers={b"authorization": authorization}).status_code

    def hang_up(content: bytes | dict[str, Any]) -> None:
        key_file(tmp_path, content)
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)

    def still(authorization: bytes) -> bool:
        assert status(authorization) == 200
        return True

    assert (status(old_token), status(new_token)) == (200, 401)

    hang_up({"keys": [of_old, of_new]})
    wait_until(lambda: still(old_token) and status(new_token) == 200, "the new key is in use", REVOKED_WITHIN)
    assert status(unknown) == 401

    hang_up(b"{ no keys")
    wait_until(lambda: still(old_token) and "SIGHUP was ignored" in server.log.read_text(), "it is refused")
    for process in server.workers():
        process.kill()
        process.wait(DEADLINE)
    wait_until(server._is_ready, "another process serves, with the keys that were good")
    assert still(old_token)
    assert still(new_token)

    hang_up({"keys": [of_new]})
    # While one process replaces another, both answer.
    wait_until(
        lambda: still(new_token) and {status(old_token) for _ in range(20)} == {401},
        "the old key is out of use",
        REVOKED_WITHIN,
    )


@pytest.mark.parametrize("content", [b"", b"x", b"\n", b"\0" * 64, b"a" * 64, b"\xff" * 40, b"short but mixed\n"])
def test_a_secret_that_can_be_guessed_stops_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)

    with pytest.raises(SettingError, match="secret"):
        verifier_of(Settings(data_dir=tmp_path))


def test_the_line_end_of_an_editor_is_not_part_of_the_secret(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    token = f"Bearer {mint(settings, USER, '', 60)}".encode()
    with (tmp_path / "secret").open("ab") as file:
        file.write(b"\n")

    assert verifier_of(settings).user(token).id == USER
