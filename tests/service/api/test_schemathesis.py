"""Requests that schemathesis makes up from the description: none may break the service."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.service.conftest import OCTETS, Client, RunningService

from gypsum.service.api import create_app
from gypsum.service.settings import service_settings

#: Requests for each route; by hand many more: GYPSUM_EXAMPLES=500.
EXAMPLES = int(os.environ.get("GYPSUM_EXAMPLES", "5"))

#: What ends the session or the account that the others need, and streams that do not end.
_LEFT_OUT = ("/api/v1/session", "/api/v1/scans/{scan_id}/events")


@pytest.fixture(scope="module")
def person(service: RunningService) -> Client:
    return service.person()


def operations() -> dict[str, Any]:
    """All that is described, by name."""
    app = create_app(service_settings({"database_url": "postgresql://nowhere/none"}, {}))
    schema = schemathesis.openapi.from_dict(app.openapi())
    found = [result.ok() for result in schema.exclude(path=list(_LEFT_OUT)).get_all_operations()]
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


schemathesis.serializer.alias(OCTETS, "application/octet-stream")
OPERATIONS = operations()
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("generation", list(GenerationMode))
def test_nothing_made_up_breaks_the_service(
    name: str, generation: GenerationMode, service: RunningService, person: Client
) -> None:
    cookies = {c.name: c.value or "" for c in person.cookies.jar}
    headers = {"Sec-Fetch-Site": "same-origin"}

    @given(case=OPERATIONS[name].as_strategy(generation_mode=generation))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def check(case: schemathesis.Case) -> None:
        response = case.call(base_url=service.url, headers=headers, cookies=cookies, timeout=20)
        case.validate_response(response, checks=CHECKS)
        # Attempts are not what is tested here.
        service.execute("delete from rate_limits")

    try:
        check()
    except Unsatisfiable:
        pytest.skip("nothing can be made up for it")


def test_the_description_is_complete(service: RunningService) -> None:
    described = service.client().get("/api/v1/openapi.json").json()
    names = []
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            names.append(operation["operationId"])
            assert operation["description"], f"{method} {path}"
            assert operation["tags"]
            # KIRI Engine's calls have errors of their own.
            if path.startswith("/api/v1") and operation["tags"] != ["kiri"]:
                assert "422" in operation["responses"]
                assert "application/problem+json" in operation["responses"]["422"]["content"]
    assert len(set(names)) == len(names)
    schemas = described["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    text = str(described)
    for name in {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in schemas
