"""The schemas of tools and of answers, as providers take them.

Owns what is left out of a schema. Must never change what it asks for otherwise, nor its order. The two surprises: a
schema's properties may be called like its keywords ("format", "pattern"), so cleaning one has to know where it stands;
and one pattern that a provider can't read makes it refuse every request, whichever tool is wanted. OpenAI and DeepSeek
compile patterns as Python does ("Invalid schema for function 'Artifact': ... is not a 'regex'", claude-code #92964),
llama.cpp makes a grammar of them ("Pattern must start with '^' and end with '$'", its #26930), without most escapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ccr_tui.records import Json
from ccr_tui.wire import dumps

_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_SCHEMAS = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
                      "allOf", "anyOf", "oneOf", "prefixItems", "unevaluatedProperties"})  # fmt: skip
_READABLE = re.compile(r"\^(?:\[\^?[^\\\[\]^]+\]|[^\\\[\]^$(]|\((?!\?))*\$")
"""A pattern for the whole of a text, of letters, classes, groups and counts, and nothing else."""


def parameters(schema: Json, drop: frozenset[str]) -> Json:
    """The schema as a function's parameters: an object with properties, without what the family refuses."""
    clean = _clean(schema, drop) if drop or b'"pattern' in dumps(schema) else schema
    if "type" not in clean and "$ref" not in clean:
        clean = {"type": "object", **clean}
    elif isinstance(clean.get("type"), list) and "object" in clean["type"]:  # a call's arguments are never null
        clean = {**clean, "type": "object"}
    if clean.get("type") == "object" and "properties" not in clean:
        clean = {**clean, "properties": {}}
    return clean


def is_strict(schema: Json) -> bool:
    """Whether OpenAI's strict mode takes it: an object, and every object closed with all its properties required."""
    return isinstance(schema, dict) and schema.get("type") == "object" and _closed(schema)


def _closed(schema: Json) -> bool:
    if isinstance(schema, list):
        return all(map(_closed, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        required = schema.get("required")
        names = set(properties) if isinstance(properties, dict) else set()
        if schema.get("additionalProperties") is not False or not isinstance(required, list):
            return False
        if names != {name for name in required if isinstance(name, str)}:
            return False
    return all(_closed(value) for key, value in schema.items() if key not in ("enum", "const", "default", "examples"))


def _clean(schema: Json, drop: frozenset[str]) -> Json:
    if isinstance(schema, list):
        return [_clean(item, drop) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _cleaned(key, value, drop)
        for key, value in schema.items()
        if key not in drop and (key != "pattern" or is_readable(value))
    }


def _cleaned(key: str, value: Json, drop: frozenset[str]) -> Json:
    if key == "patternProperties" and isinstance(value, Mapping):
        value = {name: item for name, item in value.items() if _compiles(name)}
    if key in _MAPS and isinstance(value, Mapping):
        return {name: _clean(item, drop) for name, item in value.items()}
    return _clean(value, drop) if key in _SCHEMAS else value


def is_readable(pattern: Json) -> bool:
    """Whether every provider can read it. The client checks what it is given itself."""
    return isinstance(pattern, str) and _READABLE.fullmatch(pattern) is not None and _compiles(pattern)


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True
