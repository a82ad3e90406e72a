"""Writes src/gypsum/remote/api.py: the service's calls in Python, from the API's own description.

Run it after a change of the API; tests/service/remote/test_remote.py compares.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from gypsum.service.api import create_app
from gypsum.service.settings import ServiceSettings

TARGET = Path(__file__).resolve().parent.parent / "src" / "gypsum" / "remote" / "api.py"

_HEADER = '''"""The service's calls. Written by scripts/python_client.py from the API's description.

Changes belong there.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from gypsum.remote.connection import Connection

JsonValue = Any
'''

_CLASS = '''

class Api:
    """All calls that take and give JSON; each raises ServiceError where the service refuses."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
'''

_JSON = "application/json"
#: KIRI's calls are for programs that have a client, and these for whoever watches the service.
_LEFT_OUT = ("/api/v1/open/", "/healthz", "/readyz", "/metrics")
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def described() -> dict[str, Any]:
    """The API in OpenAPI's words. No database is asked for that."""
    return create_app(ServiceSettings(database_url="postgresql://nowhere/none")).openapi()


def written(document: dict[str, Any]) -> str:
    """The module's text."""
    methods = [
        _method(path, verb, operation)
        for path, verbs in document["paths"].items()
        if not path.startswith(_LEFT_OUT)
        for verb, operation in verbs.items()
        if _speaks_json(operation)
    ]
    schemas = document["components"]["schemas"]
    text = _HEADER
    for name in _used("".join(methods), schemas):
        text += f"\n\n{_shape(name, schemas[name])}\n"
    return text + _CLASS + "".join(f"\n{method}" for method in methods)


def _speaks_json(operation: dict[str, Any]) -> bool:
    sent = operation.get("requestBody", {}).get("content", {_JSON: {}})
    own = [p for p in operation.get("parameters", ()) if p["in"] == "header"]
    return _JSON in sent and _answer(operation) != "" and not any("us-" in p["name"] for p in own)


def _answer(operation: dict[str, Any]) -> str:
    """The type of a good answer; nothing for what is no JSON."""
    good = next(r for status, r in operation["responses"].items() if status.startswith("2"))
    content = good.get("content")
    if not content:
        return "None"
    return _type(content[_JSON]["schema"]) if _JSON in content else ""


def _method(path: str, verb: str, operation: dict[str, Any]) -> str:
    parameters = operation.get("parameters", ())
    arguments = ["self", *(f"{p['name']}: str" for p in parameters if p["in"] == "path")]
    passed = [f'"{verb.upper()}"', f'f"{path}"' if "{" in path else f'"{path}"']
    if "requestBody" in operation:
        body = operation["requestBody"]["content"][_JSON]["schema"]
        arguments.append(f"body: {_type(body)}")
        passed.append("body=body")
    query = [p for p in parameters if p["in"] == "query"]
    keyed = any(p["name"].lower() == "idempotency-key" for p in parameters)
    if query or keyed:
        arguments.append("*")
    for p in query:
        kind = _type(p["schema"])
        kind = kind if "None" in kind else f"{kind} | None"
        arguments.append(f"{p['name']}: {kind} = None")
    if query:
        passed.append("query={" + ", ".join(f'"{p["name"]}": {p["name"]}' for p in query) + "}")
    if keyed:
        arguments.append("idempotency_key: str | None = None")
        passed.append("key=idempotency_key")
    answer = _answer(operation)
    call = f"self.connection.call({', '.join(passed)})"
    text = operation.get("description", operation["summary"]).split("\n\n")[0]
    doc = " ".join(text.split())
    result = f"answer: {answer} = {call}\n        return answer" if answer != "None" else call
    return (
        f"    def {operation['operationId']}({', '.join(arguments)}) -> {answer}:\n"
        f'        """{doc}"""\n        {result}\n'
    )


def _used(text: str, schemas: dict[str, Any]) -> list[str]:
    """Names of the shapes that a text needs, directly or not."""
    found: set[str] = set()
    waiting = [text]
    while waiting:
        part = waiting.pop()
        for name in schemas:
            if name not in found and name != "JsonValue" and re.search(rf"\b{name}\b", part):
                found.add(name)
                waiting.append(_shape(name, schemas[name]))
    return sorted(found)


def _shape(name: str, schema: dict[str, Any]) -> str:
    if schema.get("type") != "object":
        return f"{name} = {_type(schema)}"
    required = schema.get("required", ())
    doc = " ".join(schema.get("description", name).split("\n\n")[0].split())
    lines = [f"class {name}(TypedDict):", f'    """{doc}"""\n']
    for field, value in schema.get("properties", {}).items():
        kind = _type(value)
        lines.append(f"    {field}: {kind if field in required else f'NotRequired[{kind}]'}")
    return "\n".join(lines)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(part) for part in schema["anyOf"]))
    if "const" in schema:
        return f'Literal["{schema["const"]}"]'
    if "enum" in schema:
        return "Literal[" + ", ".join(f'"{value}"' for value in schema["enum"]) + "]"
    match schema.get("type"):
        case "array":
            return f"list[{_type(schema.get('items', {}))}]"
        case "object":
            more = schema.get("additionalProperties")
            return f"dict[str, {_type(more) if isinstance(more, dict) else 'Any'}]"
        case str(plain):
            return _PLAIN[plain]
        case _:
            return "Any"


def formatted(text: str) -> str:
    """As the house lays code out."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    TARGET.write_text(formatted(written(described())))
