"""The OpenAPI document says what the service does: the same routes, valid examples, every problem."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from service.api.openapi.document import document
from service.application import HANDLERS, OPERATIONS
from service.http.problems import PROBLEMS
from tests.support.harness import Client

Document = dict[str, Any]

DOCUMENT = document(OPERATIONS)

ROUTED = {
    (str(method), path.replace(":str}", "}"))
    for handler in HANDLERS
    for path in handler.paths
    for method in handler.http_methods
    if method != "HEAD"
}


def bodies() -> list[Any]:
    """Each media type object of the document, with a name that tells where it stands."""
    found = []
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            where = f"{method.upper()} {path}"
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                found.append(pytest.param(content, id=f"{where} takes {media_type}"))
            for status, response in operation["responses"].items():
                for media_type, content in response.get("content", {}).items():
                    found.append(pytest.param(content, id=f"{where} answers {status} {media_type}"))
    return found


def resolved(value: Any) -> Any:
    """The value with its references followed, down to the schemas."""
    while isinstance(value, dict) and "$ref" in value:
        target: Any = DOCUMENT
        for name in value["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        value = target
    return value


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_describes_the_routes_and_nothing_else() -> None:
    assert {(operation.method, operation.path) for operation in OPERATIONS.values()} == ROUTED
    assert len(OPERATIONS) == len(ROUTED)


@pytest.mark.parametrize("content", bodies())
def test_the_examples_fit_their_schemas(content: Document) -> None:
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    for example in content["examples"].values():
        validator.validate(resolved(example)["value"])


def test_every_operation_shows_what_it_takes_and_answers() -> None:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            contents = [*operation.get("requestBody", {}).get("content", {}).values()]
            for status, response in operation["responses"].items():
                if status not in ("204", "304"):
                    contents += response["content"].values()
            assert contents
            assert all(content["examples"] for content in contents), operation["operationId"]


def test_every_problem_has_an_example_and_an_operation_or_all() -> None:
    examples = DOCUMENT["components"]["examples"]
    for slug, kind in PROBLEMS.items():
        assert examples[slug]["value"]["type"] == f"/problems/{slug}"
        assert examples[slug]["value"]["status"] == kind.status
        Draft202012Validator({"$ref": "#/components/schemas/Problem", "components": DOCUMENT["components"]}).validate(
            examples[slug]["value"]
        )


def test_every_response_names_the_request_id_header() -> None:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                assert "X-Request-Id" in response["headers"]


def test_it_is_served(client: Client) -> None:
    response = client.get("/openapi.json")

    assert response.json() == DOCUMENT
    assert response.headers["cache-control"] == "no-cache"
    assert client.get("/openapi.json", headers={"If-None-Match": response.headers["etag"]}).status_code == 304
