"""Tools that the client runs but whose schema only Anthropic's models know: bash, text editor, memory, computer.

Owns their schemas, as documented (platform.claude.com/docs/en/agents-and-tools/tool-use), so that any model can be
offered them. Must never name a tool that Anthropic's servers run. The one surprise: a version is told by the type's
date, and the text editor's `insert` was renamed on the way: `new_str` until 20250124, `insert_text` since.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ccr_tui.records import Json

_TYPE = re.compile(r"(bash|text_editor|memory|computer)_(\d{8})")
Fields = dict[str, dict[str, Any]]


def clientside(tool: Json) -> Json | None:
    """The tool as an ordinary one, with a description and a schema; None for any other tool."""
    found = _TYPE.fullmatch(str(tool.get("type") or ""))
    if found is None or isinstance(tool.get("input_schema"), dict):
        return None
    name, description, schema = _KNOWN[found[1]](tool, found[2])
    given = tool.get("name")
    more = {key: tool[key] for key in ("input_examples", "allowed_callers") if key in tool}
    return {"name": given if isinstance(given, str) and given else name, "description": description,
            "input_schema": schema, **more}  # fmt: skip


def is_clientside(kind: str) -> bool:
    """Whether tools of this type are the client's to run."""
    return _TYPE.fullmatch(kind) is not None


def _schema(required: Iterable[str], **properties: dict[str, Any]) -> Json:
    return {"type": "object", "properties": properties, "required": [*required]}


def _text(description: str = "") -> dict[str, Any]:
    return {"type": "string", **({"description": description} if description else {})}


def _one_of(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": [*values]}


def _whole(description: str) -> dict[str, Any]:
    return {"type": "integer", "description": description}


def _pair(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "integer"}, "description": description}


def _bash(tool: Json, version: str) -> tuple[str, str, Json]:
    schema = _schema(
        (), command=_text("The command to run. Needed unless the tool is restarted."),
        restart={"type": "boolean", "description": "True restarts the session."},
    )  # fmt: skip
    return "bash", "Runs a command in a bash session that stays open between calls.", schema


_LINES: Fields = {"view_range": _pair("For view: the first and the last line, counted from 1; -1 is the end.")}
_EDITS: Fields = {
    "path": _text("Absolute path of the file or directory."),
    "file_text": _text("For create: the whole text."),
    "old_str": _text("For str_replace: the text to replace; it must stand in the file exactly once."),
    "new_str": _text("For str_replace: what replaces it."),
    "insert_line": _whole("For insert: the line after which the text goes; 0 is the beginning."),
}


def _editor(tool: Json, version: str) -> tuple[str, str, Json]:
    old = version < "20250429"
    commands = ("view", "create", "str_replace", "insert", *(("undo_edit",) if old else ()))
    inserted: Fields = {} if old else {"insert_text": _text("For insert: the text.")}
    schema = _schema(("command", "path"), command=_one_of(*commands), **_EDITS, **inserted, **_LINES)
    said = "Views, creates and edits text files." + (" insert puts new_str in." if old else "")
    return "str_replace_editor" if old else "str_replace_based_edit_tool", said, schema


def _memory(tool: Json, version: str) -> tuple[str, str, Json]:
    commands = _one_of("view", "create", "str_replace", "insert", "delete", "rename")
    moved: Fields = {"insert_text": _text("For insert: the text."), "old_path": _text("For rename: the path now."),
                     "new_path": _text("For rename: the path then.")}  # fmt: skip
    said = "Keeps notes in files below /memories, which outlast the conversation: look there first."
    return "memory", said, _schema(("command",), command=commands, **_EDITS, **moved, **_LINES)


_ACTIONS = ("key", "type", "mouse_move", "left_click", "left_click_drag", "right_click", "middle_click",
            "double_click", "screenshot", "cursor_position")  # fmt: skip
_LATER = ("left_mouse_down", "left_mouse_up", "scroll", "hold_key", "wait", "triple_click")


def _computer(tool: Json, version: str) -> tuple[str, str, Json]:
    later = _LATER if version >= "20250124" else ()
    zoom = ("zoom",) if version >= "20251124" else ()
    fields: Fields = {
        "action": _one_of(*_ACTIONS, *later, *zoom),
        "coordinate": _pair("x and y in pixels from the upper left corner."),
        "text": _text("What to type, or the keys to press, such as ctrl+s."),
    }
    if later:
        fields |= {
            "start_coordinate": _pair("For left_click_drag: where it starts."),
            "scroll_direction": _one_of("up", "down", "left", "right"),
            "scroll_amount": _whole("For scroll: how many clicks of the wheel."),
            "duration": {"type": "number", "description": "For hold_key and wait: seconds."},
        }
    if zoom:
        fields["region"] = _pair("For zoom: x and y of the upper left and of the lower right corner.")
    size = f"{tool.get('display_width_px')} x {tool.get('display_height_px')}"
    return (
        "computer",
        f"Uses the mouse, keyboard and screen of a computer; {size} pixels.",
        _schema(("action",), **fields),
    )


_KNOWN = {"bash": _bash, "text_editor": _editor, "memory": _memory, "computer": _computer}
