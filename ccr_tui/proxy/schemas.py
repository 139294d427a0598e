"""The schemas of tools and of answers, as providers take them.

Owns what is left out of a schema, and the forms that some want. Must never change what it asks for otherwise, nor its
order. The two surprises: a
schema's properties may be called like its keywords ("format", "pattern"), so cleaning one has to know where it stands;
and one pattern that a provider can't read makes it refuse every request, whichever tool is wanted. OpenAI and DeepSeek
compile patterns as Python does ("Invalid schema for function 'Artifact': ... is not a 'regex'", claude-code #92964),
llama.cpp makes a grammar of them ("Pattern must start with '^' and end with '$'", its #26930), without most escapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ccr_tui.proxy.quirks import Facts
from ccr_tui.records import Json
from ccr_tui.wire import dumps

_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_SCHEMAS = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
                      "allOf", "anyOf", "oneOf", "prefixItems", "unevaluatedProperties"})  # fmt: skip
_VALUES = frozenset({"const", "default"})
"""Keywords that may be null; Claude Code sends `required: null` (claude-code #49637)."""
_CHOICES = ("anyOf", "oneOf", "allOf")
_KEPT = frozenset({"$ref", "$defs", "definitions"})
_READABLE = re.compile(r"\^(?:\[\^?[^\\\[\]^]+\]|[^\\\[\]^$(]|\((?!\?))*\$")
"""A pattern for the whole of a text, of letters, classes, groups and counts, and nothing else."""


def parameters(schema: Json, facts: Facts) -> Json:
    """The schema as a function's parameters: an object with properties, without what the family refuses."""
    made = form(_without_choices(_pointed(schema)), facts.schema_drop)
    if made.get("type") != "object" or not isinstance(made.get("properties"), dict):
        made = {**made, "type": "object", "properties": _dict(made.get("properties"))}
    if facts.list_items is not None and b'"array"' in dumps(made):
        made = _listed(made, facts.list_items)
    if facts.string_enums:
        made = _worded(made)
    return _plain(made) if facts.plain_schemas else made


def form(schema: Json, drop: frozenset[str]) -> Json:
    """The schema of an object, without what the family refuses."""
    clean = _clean(schema, drop) if drop else readable(schema)
    if "type" not in clean and "$ref" not in clean:
        clean = {"type": "object", **clean}
    elif isinstance(clean.get("type"), list) and "object" in clean["type"]:  # a call's arguments are never null
        clean = {**clean, "type": "object"}
    if clean.get("type") == "object" and "properties" not in clean:
        clean = {**clean, "properties": {}}
    return clean


def readable(schema: Json) -> Json:
    """Without patterns that not everybody can read, and null where no value may stand; itself if it has neither."""
    text = dumps(schema)
    return _clean(schema, frozenset()) if b'"pattern' in text or b":null" in text else schema


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
        if key not in drop and (key != "pattern" or is_readable(value)) and (value is not None or key in _VALUES)
    }


def _cleaned(key: str, value: Json, drop: frozenset[str]) -> Json:
    if key == "patternProperties" and isinstance(value, Mapping):
        value = {name: item for name, item in value.items() if _compiles(name)}
    if key in _MAPS and isinstance(value, Mapping):
        return {name: _clean(item, drop) for name, item in value.items()}
    return _clean(value, drop) if key in _SCHEMAS else value


def _pointed(schema: Json) -> Json:
    """What a reference at the root stands for: OpenAI wants a type there."""
    found = schema
    for _ in range(8):
        if not isinstance(found.get("$ref"), str):
            break
        found = _found(schema, found)
    if found is schema and "$ref" not in schema:
        return schema
    kept = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    return kept | {key: value for key, value in found.items() if key != "$ref"}


def _without_choices(schema: Json) -> Json:
    """No choice at the root: OpenAI, Moonshot and Anthropic refuse one there. What its branches name may be given."""
    found = [(key, _found(schema, one)) for key in _CHOICES if isinstance(schema.get(key), list) for one in schema[key]]
    if not found:
        return schema
    own = _dict(schema.get("properties"))
    properties = {name: value for _, one in found for name, value in _dict(one.get("properties")).items()} | own
    needed = [schema.get("required"), *(one.get("required") for key, one in found if key == "allOf")]
    required = list(dict.fromkeys(name for names in needed if isinstance(names, list) for name in names))
    rest = {key: value for key, value in schema.items() if key not in (*_CHOICES, "properties", "required")}
    return {**rest, "properties": properties, **({"required": required} if required else {})}


def _found(schema: Json, branch: Json) -> dict[str, Any]:
    """A branch, or the definition in the same schema that it refers to."""
    named = branch.get("$ref") if isinstance(branch, dict) else None
    if not isinstance(named, str) or not named.startswith("#/"):
        return _dict(branch)
    place: Json = schema
    for step in named[2:].split("/"):
        place = _dict(place).get(step)
    return _dict(place)


def _dict(value: Json) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _plain(schema: Json) -> Json:
    """As Moonshot's validator wants it, wherever a schema stands: no type beside a choice, no list of items, nothing
    beside a reference (errors quoted in vercel/ai #18921 and opencode #25011)."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return {} if isinstance(schema, bool) else schema
    if isinstance(schema.get("$ref"), str):
        return {key: value if key == "$ref" else _each(key, value) for key, value in schema.items() if key in _KEPT}
    schema = {key: _each(key, value) for key, value in _typed_once(schema).items()}
    if isinstance(schema.get("items"), list):
        schema = {"prefixItems" if key == "items" else key: value for key, value in schema.items()}
    return schema


def _each(key: str, value: Json) -> Json:
    if key in _MAPS and isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return _plain(value) if key in _SCHEMAS and not isinstance(value, bool) else value


def _typed_once(schema: Json) -> Json:
    """The type in the branches of a choice, or no choice where they only narrow what stands beside them."""
    key = next((key for key in _CHOICES[:2] if isinstance(schema.get(key), list)), None)
    if key is None or "type" not in schema:
        return schema
    branches, kind = schema[key], schema["type"]
    rest = {name: value for name, value in schema.items() if name != "type"}
    if all(isinstance(branch, dict) and "type" in branch for branch in branches):
        return rest
    if isinstance(kind, str) and kind not in ("object", "array"):
        return {**rest, key: [{"type": kind, **branch} if isinstance(branch, dict) else branch for branch in branches]}
    return {name: value for name, value in schema.items() if name != key}


def _worded(schema: Json) -> Json:
    """With texts alone in enumerations; what else stood in one is the type's to say."""
    if isinstance(schema, list):
        return [_worded(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _worded_in(key, value) for key, value in schema.items() if key not in ("enum", "const")}
    words = schema["enum"] if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []
    if words and all(isinstance(word, str) for word in words) and any(words):
        made["enum"] = [word for word in words if word]
    return made


def _worded_in(key: str, value: Json) -> Json:
    if key in _MAPS and isinstance(value, Mapping):
        return {name: _worded(item) for name, item in value.items()}
    return _worded(value) if key in _SCHEMAS else value


def _listed(schema: Json, items: Mapping[str, Any]) -> Json:
    """With something said of the items of each list."""
    if isinstance(schema, list):
        return [_listed(item, items) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _listed_in(key, value, items) for key, value in schema.items()}
    kinds = made.get("type")
    if "array" in (kinds if isinstance(kinds, list) else [kinds]) and not made.keys() & {"items", "prefixItems"}:
        made["items"] = dict(items)
    return made


def _listed_in(key: str, value: Json, items: Mapping[str, Any]) -> Json:
    if key in _MAPS and isinstance(value, Mapping):
        return {name: _listed(item, items) for name, item in value.items()}
    return _listed(value, items) if key in _SCHEMAS else value


def is_readable(pattern: Json) -> bool:
    """Whether every provider can read it. The client checks what it is given itself."""
    return isinstance(pattern, str) and _READABLE.fullmatch(pattern) is not None and _compiles(pattern)


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True
