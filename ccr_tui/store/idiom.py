"""What most records have in common, so that it need not be stored with each: zlib's dictionaries.

Owns `WORDS` and `STREAM`, and what packs and unpacks with them. Must never change a byte of either: what was packed
with them can be read with nothing else (a test knows their checksums; a better dictionary would stand beside these,
told apart by the checksum that RFC 1950 puts into the head of what was packed with it). The one surprise: a packer that
has the words in it is copied for each use, which takes a third of the time in which zlib packs a record alone (12 us,
not 33), and the result is a fifth to a half as long.
"""

from __future__ import annotations

import zlib
from typing import Any

from ccr_tui.slim import dataclass

SHORT = 4096
"""Bytes that a window of 2 to the 12th holds."""
STREAM = (
    b'data: {"id":"chatcmpl-","object":"chat.completion.chunk","created":17,"model":"","system_fingerprint":null,'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"","tool_calls":[{"index":0'
    b',"id":"call_","type":"function","function":{"name":"","arguments":""}}]},"logprobs":null,"finish_reason":'
    b'"tool_calls"}],"usage":{"prompt_tokens":,"completion_tokens":,"total_tokens":,"prompt_tokens_details":'
    b'{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}\n\n'
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_","type":"message","role":"assistant",'
    b'"model":"claude-","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,'
    b'"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text",'
    b'"text":""}}\n\nevent: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"'
    b'"}}\n\ndata: {"id":"chatcmpl-","object":"chat.completion.chunk","created":17,"model":"","choices":[{"index":0,'
    b'"delta":{},"finish_reason":"stop"}]}\n\ndata: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}'
    b"]}\n\ndata: [DONE]\n\n"
)
"""What providers' streams say, in both protocols."""
WORDS = (
    b'{"name":"","description":"","input_schema":{"type":"object","properties":{"path":{"type":"string","description":'
    b'"The "}},"required":["path"],"additionalProperties":false}}{"type":"function","function":{"name":"",'
    b'"description":"","parameters":{"type":"object","properties":{"'
    b'{"model":"","messages":null,"tools":null,"max_tokens":32000,"stream":true,"stream_options":{"include_usage":true}}'
    b'{"model":"claude-","max_tokens":32000,"stream":true,"system":null,"tools":null,"messages":null,"thinking":{"type":'
    b'"adaptive"},"metadata":{"user_id":"'
    b'{"role":"user","content":[{"type":"text","text":"{"role":"user","content":[{"type":"tool_result","tool_use_id":'
    b'"toolu_","content":"{"role":"tool","tool_call_id":"call_","content":"{"role":"assistant","content":[{"type":'
    b'"thinking","thinking":"","signature":"ccr-tui.v1"},{"type":"text","text":""},{"type":"tool_use","id":"toolu_",'
    b'"name":"","input":{"file_path":"/home/'
    b'{"id":"msg_","type":"message","role":null,"model":"claude-","content":null,"stop_reason":"end_turn",'
    b'"stop_sequence":null,"usage":{"input_tokens":1000,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,'
    b'"output_tokens":10}}'
    b'{"uid":"","origin":"live","kind":"main","session":null,"project":null,"agent_id":null,"asked_model":"claude-",'
    b'"streamed":true,"headers":{"user-agent":"claude-cli/2.1. (external, cli)","accept-encoding":"gzip, deflate, br, '
    b'zstd","anthropic-version":"2023-06-01","anthropic-beta":"claude-code-20250219,interleaved-thinking-2025-05-14,'
    b'context-management-2025-06-27","x-app":"cli","x-stainless-retry-count":"0","x-stainless-timeout":"600",'
    b'"x-stainless-lang":"js","x-stainless-package-version":"0.","x-claude-code-session-id":"","content-type":'
    b'"application/json","content-length":""},"decision":{"mode":"normal","agent":"default","model":"","rule":"default"'
    b',"reason":"No other rule took the request, so the default agent answers.","fallbacks":[],"considered":[["pinned",'
    b'"no x-ccr-model header"],["explicit","\'claude-\' is not a name of ours"],["tagged","no <CCR-SUBAGENT-MODEL> tag"'
    b'],["ruled","no [[rules]] are set"],["custom","no routing.custom is set"],["long_context","no long_context agent '
    b'is set"],["web_search","no web_search tool"],["image","no picture in the newest turn"],["background","no '
    b'haiku-class model asked for, and main is no side task"],["think","no thinking asked for"],["continued","the mode '
    b'is normal"],["router","the mode is normal"],["unrouted","the mode is normal"],["default","No other rule took the '
    b'request, so the default agent answers."]]},"attempts":[{"n":1,"purpose":"answer","provider":"","model":"",'
    b'"started_at":1,"ttft_ms":,"duration_ms":,"status":200,"stop_reason":"end_turn","usage":{"input":,"output":,'
    b'"cache_read":0,"cache_write":0,"reasoning":0,"basis":"reported","cache_write_1h":0},"price":{"input":00000000,'
    b'"output":00000000,"cache_read":00000000,"cache_write":null,"since":"2026-","source":"ccr-tui table 2026-11-22",'
    b'"basis":"list","cache_write_1h":null},"price":null,"cost":null,"cost_basis":"unknown","failure":null,"notes":[],'
    b'"answered_by":"","connect_ms":,"estimate":,"family":"generic","request_id":""}],"timeline":{"types":['
    b'"message_start","content_block_start","content_block_delta","content_block_stop","message_delta","message_stop"],'
    b'"ms":[11,0,0,0,0,0],"type":[0,1,2,2,2,2,2,3,1,2,2,2,3,4,5],"index":[null,0,0,0,0,0,1,1,1,1,1,null,null],"size":['
    b'0,0,10,0,0,0]},"outcome":"ok","status":200,"failure":null,"estimate":,"started_at":1,"ttft_ms":,"duration_ms":,'
    b'"spans":[["parse",0,0],["route",0,0],["translate",0,1],["connect",0,1],["wait",1,2],["stream",2,3]],'
    b'"replay_of":null,"run":null,"app_version":"0.1.0"}'
)
"""What records, requests and replies say; the likeliest last, where a short window reaches it longest."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """One that is known, with what packs by it."""

    words: bytes
    head: bytes
    """How everything that was packed with it begins."""
    packer: Any

    @classmethod
    def of(cls, words: bytes) -> Dictionary:
        """The packer's window is as small as what it is for."""
        packer = zlib.compressobj(3, zlib.DEFLATED, -12, 5, zlib.Z_DEFAULT_STRATEGY, words)
        return cls(words, b"x\xbb" + zlib.adler32(words).to_bytes(4, "big"), packer)

    def packed(self, data: bytes) -> bytes:
        """In zlib's format. For what is at most `SHORT`."""
        packer = self.packer.copy()
        return b"".join((self.head, packer.compress(data), packer.flush(), zlib.adler32(data).to_bytes(4, "big")))


RECORDS, STREAMS = Dictionary.of(WORDS), Dictionary.of(STREAM)
BY_HEAD = {each.head: each for each in (RECORDS, STREAMS)}


def unpacked(data: bytes) -> bytes:
    """What was packed with one of them, or with none. Raises zlib.error."""
    known = BY_HEAD.get(data[:6])
    if known is None:
        return zlib.decompress(data)
    unpacker = zlib.decompressobj(zdict=known.words)
    plain = unpacker.decompress(data)
    if not unpacker.eof:
        raise zlib.error("incomplete or truncated stream")
    return plain
