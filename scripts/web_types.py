"""Writes web/src/wire.ts: the types of requests and answers, from the API's own description.

Run it after a change of src/gypsum/service/api/models.py; tests/service/test_page.py compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gypsum.service.api import create_app
from gypsum.service.settings import ServiceSettings

TARGET = Path(__file__).resolve().parent.parent / "web" / "src" / "wire.ts"

_HEADER = """/**
 * What goes over the wire. Written by scripts/web_types.py from the API's description;
 * changes belong there.
 */
"""

#: Of FastAPI's own making, which the page never sees.
_UNUSED = ("HTTPValidationError", "ValidationError")

_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean",
          "null": "null"}  # fmt: skip

_JSON = "null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue }"


def described() -> dict[str, Any]:
    """The API in OpenAPI's words. No database is asked for that."""
    return create_app(ServiceSettings(database_url="postgresql://nowhere/none")).openapi()


def written(document: dict[str, Any]) -> str:
    """The module's text."""
    schemas = document["components"]["schemas"]
    shapes = (_interface(n, s) for n, s in sorted(schemas.items()) if n not in _UNUSED)
    return _HEADER + "".join(f"\n{shape}\n" for shape in shapes)


def _interface(name: str, schema: dict[str, Any]) -> str:
    if name == "JsonValue":
        return f"export type {name} = {_JSON};"
    if schema.get("type") != "object":
        return f"export type {name} = {_type(schema)};"
    required = schema.get("required", ())
    lines = [_comment(schema, "")] if schema.get("description") else []
    lines.append(f"export interface {name} {{")
    for field, value in schema.get("properties", {}).items():
        if value.get("description"):
            lines.append(_comment(value, "  "))
        lines.append(f"  {field}{'' if field in required else '?'}: {_type(value)};")
    return "\n".join([*lines, "}"])


def _comment(schema: dict[str, Any], indent: str) -> str:
    return f"{indent}/** {' '.join(schema['description'].split())} */"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(part) for part in schema["anyOf"]))
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return " | ".join(f'"{value}"' for value in schema["enum"])
    match schema.get("type"):
        case "array":
            inner = _type(schema.get("items", {}))
            return f"({inner})[]" if " | " in inner else f"{inner}[]"
        case "object":
            more = schema.get("additionalProperties")
            return f"Record<string, {_type(more) if isinstance(more, dict) else 'unknown'}>"
        case str(plain):
            return _PLAIN[plain]
        case _:
            return "unknown"


if __name__ == "__main__":
    TARGET.write_text(written(described()))
