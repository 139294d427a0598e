"""Content blocks as text and pictures.

Owns how each kind of block reads to a model that takes only text, pictures and perhaps files. Must never lose a text:
what chat completions have no form for is written out, and what can't be (a picture for a model without eyes) is
replaced by a sentence that says so. The one surprise: `cache_control` marks wander from block to block between turns,
so nothing that is written here may depend on them, or on whether content came as a string or a list of one text.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

from ccr_tui import wire
from ccr_tui.proxy.directives import is_change, told
from ccr_tui.proxy.notes import Notes, named
from ccr_tui.proxy.quirks import Facts
from ccr_tui.records import Json
from ccr_tui.slim import dataclass

Part = dict[str, Any]
"""A chat content part that is not text: image_url or file."""
Piece = str | Part


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads blocks for one model."""

    facts: Facts
    notes: Notes

    def pieces(self, content: Json) -> list[Piece]:
        """What the content says, in order; empty texts say nothing."""
        if content is None or content == "":
            return []
        if isinstance(content, str):
            return [self.sound(content)]
        if not isinstance(content, list):
            return [compact(content)]
        return [piece for block in content for piece in self.block(block) if piece != ""]

    def block(self, block: Json) -> Iterator[Piece]:
        """What one block says; texts among it are sound."""
        for piece in self._raw(block):
            yield self.sound(piece) if isinstance(piece, str) else piece

    def sound(self, text: str) -> str:
        """Without halves of characters: no server reads them, and Anthropic's own refuses them too."""
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            self.notes.add("half a character (a lone surrogate) was replaced")
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text

    def _raw(self, block: Json) -> Iterator[Piece]:
        if not isinstance(block, dict):
            yield compact(block)
            return
        kind = block.get("type")
        read = _READERS.get(kind) if isinstance(kind, str) else None
        yield from self._unknown(block) if read is None else read(self, block)

    def _unknown(self, block: Json) -> Iterator[Piece]:
        kind = block.get("type")
        self.notes.add(f"a block of type {named(kind)} was sent as text")
        yield f"[{kind}] {compact(_bare(block))}"

    def _text(self, block: Json) -> Iterator[Piece]:
        if block.get("citations"):
            self.notes.add("citations of an earlier answer were left out: chat completions have none")
        yield str(block.get("text") or "")

    def _image(self, block: Json) -> Iterator[Piece]:
        source = _dict(block.get("source"))
        kind = source.get("media_type") or source.get("type") or "unknown kind"
        if not self.facts.images:
            self.notes.add("a picture was left out: this model takes no pictures")
            where = f" at {source['url']}" if isinstance(source.get("url"), str) else ""
            yield f"[A picture ({kind}){where} was here. This model can't see pictures.]"
        elif source.get("type") == "base64" and source.get("data"):
            yield _picture(f"data:{source.get('media_type') or 'image/png'};base64,{source.get('data')}")
        elif source.get("type") == "url":
            yield _picture(str(source.get("url")))
        else:
            why = "it is empty" if source.get("type") == "base64" else f"its source is {named(source.get('type'))}"
            self.notes.add(f"a picture was left out: {why}")
            yield f"[A picture was here that could not be passed on: {compact(source)}]"

    def _document(self, block: Json) -> Iterator[Piece]:
        self._note_citations(block)
        source = _dict(block.get("source"))
        title = block.get("title")
        label = f" {title!r}" if isinstance(title, str) and title else ""
        told = str(block.get("context") or "")
        match source.get("type"):
            case "text":
                yield _document(title, told, str(source.get("data") or ""))
            case "content":
                inner = self.pieces(source.get("content"))
                yield _document(title, told, "\n\n".join(piece for piece in inner if isinstance(piece, str)))
                yield from (piece for piece in inner if not isinstance(piece, str))
            case "base64":
                yield from self._file(source, title, told, label)
            case "url":
                self.notes.add("a document behind an address was not fetched")
                yield from (told, f"[The document{label} at {source.get('url')} was not fetched.]")
            case _:
                self.notes.add(f"a document was left out: its source is {named(source.get('type'))}")
                yield from (told, f"[The document{label} could not be passed on: {compact(source)}]")

    def _file(self, source: Json, title: Json, told: str, label: str) -> Iterator[Piece]:
        media = str(source.get("media_type") or "application/pdf")
        data = str(source.get("data") or "")
        if media.startswith("text/") and (text := _decoded(data)) is not None:
            yield _document(title, told, text)
        elif self.facts.documents == "file":
            name = title if isinstance(title, str) and title else "document.pdf"
            yield told
            yield {"type": "file", "file": {"filename": name, "file_data": f"data:{media};base64,{data}"}}
        else:
            self.notes.add("a document was left out: this model takes no files")
            size = f"{len(data) * 3 // 4:,} bytes"
            yield from (told, f"[A document{label} ({media}, {size}) was here. This model can't read such files.]")

    def _note_citations(self, block: Json) -> None:
        if _dict(block.get("citations")).get("enabled") is True:
            self.notes.add("citations were asked for; chat completions have none, so the answer will not cite")

    def _search_result(self, block: Json) -> Iterator[Piece]:
        self._note_citations(block)
        inner = self.pieces(block.get("content"))
        text = "\n\n".join(piece for piece in inner if isinstance(piece, str))
        yield f"[Search result: {block.get('title') or ''} ({block.get('source') or ''})]\n{text}"

    def _tool_reference(self, block: Json) -> Iterator[Piece]:
        yield f"[The tool {block.get('tool_name') or ''} is loaded and can be called now.]"

    def _tool_change(self, block: Json) -> Iterator[Piece]:
        if is_change(block):
            yield told(block)
        else:
            yield from self._unknown(block)

    def _compaction(self, block: Json) -> Iterator[Piece]:
        if isinstance(block.get("content"), str):
            yield f"[Summary of the conversation before]\n{block['content']}"

    def _boundary(self, block: Json) -> Iterator[Piece]:
        """Where another model took over: documented as not shown to the model."""
        yield from ()

    def _listing(self, block: Json) -> Iterator[Piece]:
        self.notes.add("the list of an MCP server's tools was left out: only Anthropic's servers connect to it")
        yield from ()

    def _upload(self, block: Json) -> Iterator[Piece]:
        self.notes.add("a file for code execution was left out: only Anthropic's servers have it")
        yield f"[The file {block.get('file_id') or ''} was uploaded for code execution, which is not available here.]"

    def _server_call(self, block: Json) -> Iterator[Piece]:
        yield f"[Called the server's tool {block.get('name') or ''}: {compact(block.get('input'))}]"

    def _server_result(self, block: Json) -> Iterator[Piece]:
        kind = str(block.get("type")).replace("_", " ")
        content = block.get("content")
        yield f"[{kind}]"
        if isinstance(content, list) and all(_readable(item) for item in content):
            yield from self.pieces(content)
        elif isinstance(content, dict) and content.get("type") == "advisor_result":
            yield str(content.get("text") or "")
        elif isinstance(content, dict) and content.get("type") == "web_fetch_result":
            yield str(content.get("url") or "")
            yield from self._raw(content.get("content"))
        else:
            yield compact(_bare(content))

    def _web_result(self, block: Json) -> Iterator[Piece]:
        age = f", {block['page_age']}" if block.get("page_age") else ""
        yield f"- {block.get('title') or ''} ({block.get('url') or ''}{age})"


_READERS: dict[str, Callable[[Reader, Json], Iterator[Piece]]] = {
    "text": Reader._text,
    "image": Reader._image,
    "document": Reader._document,
    "search_result": Reader._search_result,
    "tool_reference": Reader._tool_reference,
    "tool_addition": Reader._tool_change,
    "tool_removal": Reader._tool_change,
    "compaction": Reader._compaction,
    "fallback": Reader._boundary,
    "mcp_tool_listing": Reader._listing,
    "container_upload": Reader._upload,
    "advisor_tool_result": Reader._server_result,
    "server_tool_use": Reader._server_call,
    "mcp_tool_use": Reader._server_call,
    "web_search_tool_result": Reader._server_result,
    "web_fetch_tool_result": Reader._server_result,
    "code_execution_tool_result": Reader._server_result,
    "bash_code_execution_tool_result": Reader._server_result,
    "text_editor_code_execution_tool_result": Reader._server_result,
    "tool_search_tool_result": Reader._server_result,
    "mcp_tool_result": Reader._server_result,
    "web_search_result": Reader._web_result,
}


def as_content(pieces: list[Piece]) -> str | list[Part]:
    """A plain string where all is text (DeepSeek and others refuse lists), else a list of parts."""
    texts = [piece for piece in pieces if isinstance(piece, str)]
    if len(texts) == len(pieces):
        return "\n\n".join(texts)
    return [{"type": "text", "text": piece} if isinstance(piece, str) else piece for piece in pieces]


def reminder(text: str) -> str:
    """What the system says to a model that hears it from nobody but the user."""
    if text.startswith("<system-reminder>") and text.rstrip().endswith("</system-reminder>"):
        return text
    return f"<system-reminder>\n{text}\n</system-reminder>"


def compact(value: Json) -> str:
    """JSON on one line."""
    return wire.dumps(value).decode()


def _picture(url: str) -> Part:
    return {"type": "image_url", "image_url": {"url": url}}


def _document(title: Json, told: str, text: str) -> str:
    head = f"[Document: {title}]" if isinstance(title, str) and title else "[Document]"
    return "\n".join(line for line in (head, told, text, "[End of document]") if line)


def _decoded(data: str) -> str | None:
    try:
        return b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _readable(item: Json) -> bool:
    kind = item.get("type") if isinstance(item, dict) else None
    return isinstance(kind, str) and kind in _READERS


def _bare(value: Json) -> Json:
    """Without cache marks, which wander, and encrypted blobs, which only Anthropic can read."""
    if isinstance(value, dict):
        return {k: _bare(v) for k, v in value.items() if k != "cache_control" and not k.startswith("encrypted_")}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def _dict(value: Json) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
