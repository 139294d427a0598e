"""Patterns in schemas: those that every provider can read stay, others would make it refuse every request."""

from __future__ import annotations

from typing import Any

import pytest
from asking import ALL, asked, chat_faults, facts, tool
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.proxy.request import translate
from ccr_tui.proxy.schemas import is_readable

ARTIFACT = r'^(?!__.*__$)[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}"\\./[\]]{1,200}$'
"""Claude Code 2.1.265 to 2.1.267 sent it with every request."""
PATTERNS: list[tuple[str, Any, bool]] = [
    ("Claude Code's own", ARTIFACT, False),
    ("a property of characters", r"^\p{L}+$", False),
    ("a look ahead", "^(?!x)[a-z]+$", False),
    ("a part of the text", "[a-z]", False),
    ("a class by its letter", r"^\d{4}$", False),
    ("an escape", r"^a\.b$", False),
    ("two of them", "^a$|^b$", False),
    ("no pattern at all", "^a{2,1}$", False),
    ("too many", "^a{99999999999}$", False),
    ("no text", 5, False),
    ("an open group", "^(a$", False),
    ("a class", "^[a-z0-9_-]{1,64}$", True),
    ("all but some", "^[^/ ]+$", True),
    ("alternatives", "^(low|high)$", True),
    ("anything", "^.*$", True),
]


@pytest.mark.parametrize(("pattern", "stays"), [p[1:] for p in PATTERNS], ids=[p[0] for p in PATTERNS])
def test_a_pattern_stays_where_everybody_can_read_it(pattern: Any, stays: bool) -> None:
    assert is_readable(pattern) is stays


@given(st.text("^$[](){}\\?*+|a.-,1", max_size=12))
def test_any_text_is_a_pattern_or_none(pattern: str) -> None:
    assert is_readable(pattern) in (True, False)


def text_of(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern, "minLength": 1}


BARE = {"type": "string", "minLength": 1}
PLACES: list[tuple[str, Any, Any]] = [
    ("a property", {"properties": {"a": text_of(ARTIFACT)}}, {"properties": {"a": BARE}}),
    ("items", {"properties": {"a": {"items": text_of("x")}}}, {"properties": {"a": {"items": BARE}}}),
    ("a choice", {"properties": {"a": {"anyOf": [text_of("x"), BARE]}}}, {"properties": {"a": {"anyOf": [BARE] * 2}}}),
    ("a definition", {"$defs": {"d": text_of("x")}, "properties": {}}, {"$defs": {"d": BARE}, "properties": {}}),
    ("the names of properties", {"properties": {}, "propertyNames": text_of(r"\w")},
     {"properties": {}, "propertyNames": BARE}),
    ("properties by pattern", {"properties": {}, "patternProperties": {r"\p{L}": BARE, "^x-": BARE}},
     {"properties": {}, "patternProperties": {"^x-": BARE}}),
    ("a property of that name", {"properties": {"pattern": text_of("^a$")}},
     {"properties": {"pattern": text_of("^a$")}}),
    ("a value of that name", {"properties": {"a": {"const": {"pattern": "x"}}}},
     {"properties": {"a": {"const": {"pattern": "x"}}}}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "sent"), [p[1:] for p in PLACES], ids=[p[0] for p in PLACES])
def test_it_is_left_out_wherever_it_stands(schema: Any, sent: Any) -> None:
    made = translate(asked(tools=[{"name": "T", "input_schema": {"type": "object", **schema}}]), "m", facts("openai"))
    assert made.body["tools"][0]["function"]["parameters"] == {"type": "object", **sent}
    assert list(made.body["tools"][0]["function"]["parameters"]) == ["type", *sent]


@pytest.mark.parametrize("family", ALL)
def test_no_family_is_sent_what_only_some_can_read(family: str) -> None:
    form = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"a": text_of(ARTIFACT)}}}}
    made = translate(asked(tools=[tool(properties={"a": text_of(ARTIFACT)})]), "m", facts(family))
    assert "pattern" not in str(made.body)
    assert chat_faults(made.body) == []
    answer = translate(asked(output_config=form), "m", facts(family)).body.get("response_format", {})
    assert "pattern" not in str(answer)


A, B = ({"type": "object", "properties": {name: BARE}, "required": [name]} for name in "ab")
ROOTS: list[tuple[str, Any, Any]] = [
    ("one of several", {"anyOf": [A, B]}, {"type": "object", "properties": {"a": BARE, "b": BARE}}),
    ("exactly one", {"type": "object", "oneOf": [A, B], "properties": {"c": BARE}, "required": ["c"]},
     {"type": "object", "properties": {"a": BARE, "b": BARE, "c": BARE}, "required": ["c"]}),
    ("all of them", {"allOf": [A, B]},
     {"type": "object", "properties": {"a": BARE, "b": BARE}, "required": ["a", "b"]}),
    ("by name", {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/Gone"}], "$defs": {"A": A}},
     {"type": "object", "$defs": {"A": A}, "properties": {"a": BARE}}),
    ("what is needed alone", {"type": "object", "properties": {"a": BARE}, "anyOf": [{"required": ["a"]}, True]},
     {"type": "object", "properties": {"a": BARE}}),
    ("null for a list", {"type": "object", "properties": {"a": {"type": "string", "enum": None, "default": None}},
                         "required": None},
     {"type": "object", "properties": {"a": {"type": "string", "default": None}}}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "sent"), [r[1:] for r in ROOTS], ids=[r[0] for r in ROOTS])
def test_arguments_are_one_object_without_a_choice(schema: Any, sent: Any) -> None:
    made = translate(asked(tools=[{"name": "T", "input_schema": schema}]), "m", facts("openai"))
    assert made.body["tools"][0]["function"]["parameters"] == sent


REF = {"$ref": "#/$defs/A", "$defs": {"A": A}}
REFERRING: list[tuple[str, Any]] = [
    ("a reference", REF),
    ("a reference to another", {"$ref": "#/$defs/B", "$defs": {"A": A, "B": {"$ref": "#/$defs/A"}}}),
    ("a reference to nothing", {"$ref": "#/$defs/Gone"}),
    ("a reference to itself", {"$ref": "#"}),
    ("several types", {"type": ["object", "null"]}),
    ("types without an object", {"type": ["string"]}),
    ("no type that there is", {"type": False, "properties": 5}),
]


@pytest.mark.parametrize("family", ALL)
@pytest.mark.parametrize("schema", [r[1] for r in REFERRING], ids=[r[0] for r in REFERRING])
def test_arguments_are_an_object_whatever_the_root_says(schema: Any, family: str) -> None:
    """OpenAI: "schema must be a JSON Schema of 'type: "object"', got 'type: "None"'." """
    sent = translate(asked(tools=[{"name": "T", "input_schema": schema}]), "m", facts(family)).body
    parameters = sent["tools"][0]["function"]["parameters"]
    assert (parameters["type"], type(parameters["properties"]), "$ref" in parameters) == ("object", dict, False)
    assert chat_faults(sent) == []


def test_a_reference_at_the_root_is_what_it_refers_to() -> None:
    sent = translate(asked(tools=[{"name": "T", "input_schema": REF}]), "m", facts("generic")).body
    assert sent["tools"][0]["function"]["parameters"] == {"$defs": {"A": A}, **A}


S, NULL = {"type": "string"}, {"type": "null"}
PLAIN: list[tuple[str, Any, Any]] = [
    ("a type beside typed branches", {"type": "string", "anyOf": [S, NULL]}, {"anyOf": [S, NULL]}),
    ("a type that a branch lacks", {"type": "string", "anyOf": [{"enum": ["a"]}, S], "description": "d"},
     {"anyOf": [{"type": "string", "enum": ["a"]}, S], "description": "d"}),
    ("branches that only narrow", {"type": "object", "properties": {"a": S}, "oneOf": [{"required": ["a"]}]},
     {"type": "object", "properties": {"a": S}}),
    ("several types", {"type": ["string", "null"], "anyOf": [{"minLength": 1}]}, {"type": ["string", "null"]}),
    ("a list of items", {"type": "array", "items": [S, NULL], "minItems": 2},
     {"type": "array", "prefixItems": [S, NULL], "minItems": 2}),
    ("something beside a reference", {"$ref": "#/$defs/a", "description": "d"}, {"$ref": "#/$defs/a"}),
    ("anything", True, {}),
    ("deeper", {"type": "array", "items": {"type": "string", "anyOf": [S]}},
     {"type": "array", "items": {"anyOf": [S]}}),
    ("nothing to do", {"anyOf": [S, NULL], "description": "d"}, {"anyOf": [S, NULL], "description": "d"}),
    ("no more of them", {"type": "object", "properties": {}, "additionalProperties": False},
     {"type": "object", "properties": {}, "additionalProperties": False}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "sent"), [p[1:] for p in PLAIN], ids=[p[0] for p in PLAIN])
def test_moonshot_gets_the_forms_that_it_takes(schema: Any, sent: Any) -> None:
    def properties(family: str, **of: Any) -> Any:
        body = asked(tools=[tool(properties={"p": schema}, **{"$defs": {"a": S}})])
        made = translate(body, "m", facts(family, **of)).body["tools"][0]["function"]["parameters"]
        assert made["$defs"] == {"a": S}
        return made["properties"]["p"]

    assert properties("moonshot") == sent
    assert properties("generic") == schema


LISTS: list[tuple[str, Any, Any]] = [
    ("one", {"type": "array"}, {"type": "array", "items": {}}),
    ("or null", {"type": ["array", "null"]}, {"type": ["array", "null"], "items": {}}),
    ("in a list", {"type": "array", "items": {"type": "array"}},
     {"type": "array", "items": {"type": "array", "items": {}}}),
    ("in a choice", {"anyOf": [S, {"type": "array"}]}, {"anyOf": [S, {"type": "array", "items": {}}]}),
    ("of known items", {"type": "array", "items": S}, {"type": "array", "items": S}),
    ("of known places", {"type": "array", "prefixItems": [S]}, {"type": "array", "prefixItems": [S]}),
    ("by name alone", {"const": {"type": "array"}}, {"const": {"type": "array"}}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "sent"), [each[1:] for each in LISTS], ids=[each[0] for each in LISTS])
def test_a_list_says_something_of_its_items_where_it_must(schema: Any, sent: Any) -> None:
    def properties(family: str) -> Any:
        made = translate(asked(tools=[tool(properties={"p": schema})]), "m", facts(family)).body["tools"][0]
        return made["function"]["parameters"]["properties"]["p"]

    assert properties("openai") == properties("openrouter") == sent
    assert properties("generic") == properties("llama_cpp") == schema


WORDS: list[tuple[str, Any, Any]] = [
    ("numbers", {"type": "integer", "enum": [0, 1, 2]}, {"type": "integer"}),
    ("texts", {"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
    ("an empty text among them", {"type": "string", "enum": ["a", ""]}, {"type": "string", "enum": ["a"]}),
    ("nothing but an empty text", {"type": "string", "enum": [""]}, {"type": "string"}),
    ("numbers and texts", {"enum": ["a", 1]}, {}),
    ("one text", {"const": "a"}, {"enum": ["a"]}),
    ("one number", {"type": "integer", "const": 1}, {"type": "integer"}),
    ("deeper", {"anyOf": [{"const": "a"}, {"items": {"enum": [1]}, "type": "array"}]},
     {"anyOf": [{"enum": ["a"]}, {"items": {}, "type": "array"}]}),
    ("a property of that name", {"type": "object", "properties": {"enum": {"enum": [1], "type": "integer"}}},
     {"type": "object", "properties": {"enum": {"type": "integer"}}}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "sent"), [w[1:] for w in WORDS], ids=[w[0] for w in WORDS])
def test_gemini_takes_texts_alone_in_an_enumeration(schema: Any, sent: Any) -> None:
    """ "Invalid value at '... enum[0]' (TYPE_STRING), 0" (azure-devops-mcp #139; Reasonix #9005)."""

    def of(family: str) -> Any:
        made = translate(asked(tools=[tool(properties={"p": schema})]), "m", facts(family)).body["tools"][0]
        return made["function"]["parameters"]["properties"]["p"]

    assert of("gemini") == sent
    assert of("generic") == schema


def test_gemini_wants_a_type_of_items() -> None:
    made = translate(asked(tools=[tool(properties={"p": {"type": "array"}})]), "m", facts("gemini")).body["tools"][0]
    assert made["function"]["parameters"]["properties"]["p"]["items"] == {"type": "string"}
