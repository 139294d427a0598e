"""Usage, cost and errors of upstreams, in the shapes that providers really send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import json_values

from ccr_tui.errors import ProxyError
from ccr_tui.proxy import openai
from ccr_tui.proxy.complaints import redact
from ccr_tui.records import Usage

USAGES: dict[str, tuple[Any, Usage | None]] = {
    "OpenAI": (
        {
            "prompt_tokens": 1000,
            "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 900, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 20},
        },
        Usage(100, 50, 900, 0, 20),
    ),
    "DeepSeek": (
        {"prompt_tokens": 10, "completion_tokens": 2, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 2},
        Usage(2, 2, 8),
    ),
    "OpenRouter": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 50},
            "cost": 0.5,
        },
        Usage(10, 5, 40, 50),
    ),
    "Moonshot": ({"prompt_tokens": 10, "completion_tokens": 1, "cached_tokens": 4}, Usage(6, 1, 4)),
    "xAI counts reasoning apart": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 35,
            "completion_tokens_details": {"reasoning_tokens": 20},
        },
        Usage(10, 25, 0, 0, 20),
    ),
    "strings": (
        {"prompt_tokens": "10", "completion_tokens": "2.0", "prompt_tokens_details": {"cached_tokens": "3"}},
        Usage(7, 2, 3),
    ),
    "Claude behind LiteLLM: all in prompt_tokens": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "cache_read_input_tokens": 80,
            "cache_creation_input_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 80},
        },
        Usage(10, 5, 80, 10),
    ),
    "Claude behind one-api: none of it in prompt_tokens": (
        {"prompt_tokens": 7, "completion_tokens": 5, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 10},
        Usage(7, 5, 80, 10),
    ),
    "Anthropic's own names": (
        {"input_tokens": 100, "output_tokens": 5, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 0},
        Usage(100, 5, 80),
    ),
    "more cached than sent": ({"prompt_tokens": 5, "prompt_cache_hit_tokens": 9}, Usage(0, 0, 5)),
    "nulls": ({"prompt_tokens": 5, "completion_tokens": None, "prompt_tokens_details": None}, Usage(5)),
    "negative": ({"prompt_tokens": -5, "completion_tokens": 3}, Usage(0, 3)),
    "empty": ({}, None),
    "null": (None, None),
    "words": ({"prompt_tokens": "many"}, None),
    "not finite": ({"prompt_tokens": float("inf"), "completion_tokens": float("nan")}, None),
    "a list": ([1], None),
}


@pytest.mark.parametrize(("usage", "expected"), USAGES.values(), ids=USAGES)
def test_usage_is_read_from_every_provider(usage: Any, expected: Usage | None) -> None:
    assert openai.usage_of({"choices": [], "usage": usage}) == expected


@pytest.mark.parametrize(
    "chunk",
    [{"x_groq": {"usage": {"prompt_tokens": 3}}}, {"choices": [{"usage": {"prompt_tokens": 3}}]}],
    ids=["Groq", "in the choice"],
)
def test_usage_is_found_where_providers_put_it(chunk: Any) -> None:
    assert openai.usage_of(chunk) == Usage(3)


@given(st.dictionaries(st.sampled_from(["usage", "choices", "x_groq"]), json_values) | json_values)
def test_usage_of_anything_is_usage_or_nothing(chunk: Any) -> None:
    usage = openai.usage_of(chunk)
    assert usage is None or min(usage.input, usage.output, usage.cache_read, usage.cache_write) >= 0


COSTS: dict[str, tuple[Any, int | None]] = {
    "OpenRouter": ({"cost": 0.00014}, 140_000),
    "text": ({"cost": "0.5"}, 500_000_000),
    "free": ({"cost": 0}, 0),
    "own key": (
        {"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}},
        210_000_000,
    ),
    "billed once": ({"cost": 0.2, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.2}}, 200_000_000),
    "ticks": ({"cost_in_usd_ticks": 37_756_000}, 3_775_600),
    "exponent": ({"cost": 1e-9}, 1),
    "null": ({"cost": None}, None),
    "none": ({}, None),
    "negative": ({"cost": -1}, None),
    "no number": ({"cost": "free"}, None),
    "not finite": ({"cost": float("nan")}, None),
    "true": ({"cost": True}, None),
}


@pytest.mark.parametrize(("usage", "nanos"), COSTS.values(), ids=COSTS)
def test_a_reported_cost_is_exact(usage: Any, nanos: int | None) -> None:
    assert openai.reported_cost(usage) == nanos


SENT = {"model": "m-1", "max_tokens": 32000}


def refused(status: int, body: Any, headers: dict[str, str] | None = None, **more: Any) -> ProxyError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return openai.error_of(status, headers or {}, raw, "acme", SENT, **more)


def openai_error(message: str, type: str | None = None, code: Any = None) -> Any:
    return {"error": {"message": message, "type": type, "code": code, "param": None}}


BOTH = "input length and `max_tokens` exceed context limit: {} + {} > {}"

OVERFLOWS: dict[str, tuple[int, Any, str]] = {
    "OpenAI, messages": (
        400,
        openai_error(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. "
            "Please reduce the length of the messages.",
            "invalid_request_error",
            "context_length_exceeded",
        ),
        "prompt is too long: 9001 tokens > 8192 maximum (" + BOTH.format(9001, 32000, 8192),
    ),
    "DeepSeek, both": (
        400,
        openai_error(
            "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens (62000 in the "
            "messages, 8000 in the completion). Please reduce the length of the messages or completion."
        ),
        BOTH.format(62000, 8000, 65536),
    ),
    "vLLM, both": (
        400,
        {
            "object": "error",
            "message": "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context "
            "length is 40960 tokens and your request has 15000 input tokens (32000 > 40960 - 15000).",
            "type": "BadRequestError",
            "code": 400,
        },
        BOTH.format(15000, 32000, 40960),
    ),
    "vLLM 0.11": (
        400,
        openai_error(
            "This model's maximum context length is 4096 tokens. However, you requested 300 output tokens and your "
            "prompt contains at least 3900 input tokens, for a total of at least 4200 tokens."
        ),
        BOTH.format(3900, 300, 4096),
    ),
    "vLLM, prompt": (
        400,
        openai_error("The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
        "prompt is too long: 5000 tokens > 4096 maximum",
    ),
    "llama.cpp": (
        400,
        {
            "error": {
                "code": 400,
                "message": "request (6021 tokens) exceeds the available context size (4096 tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 6021,
                "n_ctx": 4096,
            }
        },
        "prompt is too long: 6021 tokens > 4096 maximum",
    ),
    "OpenRouter": (
        400,
        openai_error(
            "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens "
            "(100000 of text input, 8000 of tool input, 32000 in the output). Please reduce the length.",
            code=400,
        ),
        BOTH.format(108000, 32000, 131072),
    ),
    "Gemini": (
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "The input token count (1200000) exceeds the maximum number of tokens "
                    "allowed (1048576).",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
        "prompt is too long: 1200000 tokens > 1048576 maximum",
    ),
    "xAI": (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
        },
        "prompt is too long: 140000 tokens > 131072 maximum",
    ),
    "Moonshot": (
        400,
        openai_error("Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)"),
        BOTH.format(108000, 32000, 131072),
    ),
    "Mistral": (
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model "
            "with 32768 maximum context length",
            "type": "invalid_request_error",
            "code": "3051",
        },
        "prompt is too long: 40000 tokens > 32768 maximum",
    ),
    "Qwen": (
        400,
        openai_error("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]"),
        "prompt is too long: 150000 tokens > 129024 maximum",
    ),
    "SiliconFlow": (
        400,
        {
            "code": 20015,
            "message": "length of prompt_tokens (50000) must be less than max_seq_len (32768).",
            "data": None,
        },
        "prompt is too long: 50000 tokens > 32768 maximum",
    ),
    "behind OpenRouter": (
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": json.dumps(openai_error("Input is too long for requested model.", "x")),
                    "provider_name": "x",
                },
            }
        },
        "prompt is too long: 200001 tokens > 200000 maximum",
    ),
    "vLLM of late": (
        400,
        openai_error(
            "You passed 100001 input tokens and requested 32000 output tokens. However, the model's context length is "
            "only 131072 tokens, resulting in a maximum input length of 99072 tokens. Please reduce the length of the "
            "input prompt. (parameter=input_tokens, value=100001)"
        ),
        "input length and `max_tokens` exceed context limit: 100001 + 32000 > 131072",
    ),
    "vLLM, which counts no further": (
        400,
        openai_error(
            "You passed 99073 input tokens and requested 32000 output tokens. However, the model's context length is "
            "only 131072 tokens, resulting in a maximum input length of 99072 tokens."
        ),
        "prompt is too long: 150000 tokens > 131072 maximum",
    ),
    "vLLM, more output than window": (
        400,
        openai_error("max_tokens=140000 cannot be greater than max_model_len=max_total_tokens=131072."),
        "prompt is too long: 150000 tokens > 131072 maximum",
    ),
    "vLLM between": (
        400,
        openai_error(
            "This model's maximum context length is 131072 tokens. However, your request has 140000 input tokens. "
            "Please reduce the length of the input messages."
        ),
        "prompt is too long: 140000 tokens > 131072 maximum",
    ),
    "Moonshot of old": (
        400,
        openai_error("Invalid request: total message token length exceed model limit"),
        "prompt is too long: 200001 tokens > 200000 maximum",
    ),
    "in a success (MiniMax)": (
        200,
        {"base_resp": {"status_code": 2013, "status_msg": "invalid params, context window exceeds limit (2013)"}},
        "prompt is too long: 200001 tokens > 200000 maximum",
    ),
    "in a success, no code": (
        200,
        openai_error("This model's maximum context length is 131072 tokens. Please reduce the length.", None),
        "prompt is too long: 150000 tokens > 131072 maximum",
    ),
    "OpenAI, no numbers": (
        400,
        openai_error("Your input exceeds the context window of this model.", code="context_length_exceeded"),
        "prompt is too long: 200001 tokens > 200000 maximum",
    ),
}


@pytest.mark.parametrize(("status", "body", "sentence"), OVERFLOWS.values(), ids=OVERFLOWS)
def test_a_context_overflow_is_said_as_claude_code_reads_it(status: int, body: Any, sentence: str) -> None:
    error = refused(status, body, estimate=150_000, window=200_000)
    assert error.message.startswith(sentence)
    assert (error.status, error.type) == (400, "invalid_request_error")


def test_an_overflow_without_any_number_is_still_one() -> None:
    error = openai.error_of(400, {}, b'{"error":"context_length_exceeded"}', "acme")
    assert error.message.startswith("prompt is too long")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "Request too large for model on tokens per minute (TPM): Limit 6000, Requested 9000"),
        (
            413,
            "Request too large on tokens per minute (TPM): Limit 6000, please reduce the length of the messages",
        ),
        (400, "Unknown parameter: 'context_management'."),
        (400, "messages: at least one message is required"),
        (400, "Unsupported parameter: 'max_tokens' is not supported with this model."),
        (400, "max_tokens must be at least 16"),
    ],
)
def test_another_refusal_is_no_overflow(status: int, message: str) -> None:
    error = refused(status, openai_error(message))
    assert "too long" not in error.message
    assert error.status == status


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas you gave 32000.",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 16384]",
        "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 16384]",
        "`max_tokens` must be less than or equal to `16384`, the maximum value for `max_tokens` is less than it",
        "Invalid 'max_tokens': integer above maximum value. Expected a value <= 16384, but got 32000 instead.",
        "The parameter `max_tokens` specified in the request are not valid: integer above maximum value, expected a "
        "value <= 16384, but got 32000 instead.",
        "too many tokens: max tokens must be less than or equal to 16384, the maximum output - received 32000.",
        "The maximum tokens you requested exceeds the model limit of 16384. Try again with a lower value.",
        "max_tokens 参数非法：限制数值范围[1,16384]",
        "body.max_tokens: Input should be less than or equal to 16384",
    ],
    ids=[
        "OpenAI",
        "DeepSeek",
        "Qwen",
        "Groq",
        "OpenAI's ranges",
        "Volcengine",
        "Cohere",
        "Bedrock",
        "Zhipu",
        "pydantic",
    ],
)
def test_an_output_limit_is_said_as_claude_code_reads_it(message: str) -> None:
    error = refused(400, openai_error(message))
    assert error.message.startswith("max_tokens: 32000 > 16384, which is the maximum allowed number of output tokens")
    assert error.should_retry is None


REFUSALS: dict[str, tuple[int, Any, tuple[int, str, bool | None], str]] = {
    "wrong key": (
        401,
        openai_error("Incorrect API key provided: sk-proj-abcdefgh"),
        (401, "authentication_error", False),
        "providers.acme.api_key",
    ),
    "not allowed": (403, openai_error("Not in your country"), (403, "permission_error", False), "Not in your country"),
    "no balance": (402, openai_error("Insufficient Balance"), (402, "billing_error", False), "top it up"),
    "quota": (
        429,
        openai_error("You exceeded your current quota", "insufficient_quota"),
        (429, "rate_limit_error", False),
        "no credit",
    ),
    "rate limit": (429, openai_error("Slow down"), (429, "rate_limit_error", None), "Slow down"),
    "unknown model": (
        404,
        openai_error("The model `m-1` does not exist"),
        (404, "not_found_error", False),
        "id of the model 'm-1'",
    ),
    "unknown model, 400": (
        400,
        openai_error("Model Not Exist"),
        (400, "invalid_request_error", False),
        "Model Not Exist",
    ),
    "unknown path": (404, b"404 page not found", (404, "not_found_error", False), "base_url"),
    "overloaded": (503, openai_error("Loading model"), (503, "overloaded_error", None), "Loading model"),
    "internal": (500, b"", (500, "api_error", None), "acme answered 500: nothing more"),
    "bad gateway": (
        502,
        b"<html><head><title>502 Bad Gateway</title></head><body>x",
        (502, "api_error", None),
        "a page of HTML (502 Bad Gateway)",
    ),
    "no content": (204, b"", (502, "api_error", None), "acme answered 204"),
    "markup": (500, b"<p>Out &amp; about</p>", (500, "api_error", None), "a page of HTML (Out & about)"),
    "redirect": (301, b"", (502, "api_error", False), "base_url"),
    "no images": (
        500,
        openai_error("image input is not supported - hint: provide the mmproj"),
        (500, "api_error", False),
        "takes no images",
    ),
    "FastAPI": (
        422,
        {"detail": [{"loc": ["body", "tools"], "msg": "field required"}]},
        (422, "invalid_request_error", False),
        "body.tools: field required",
    ),
    "DashScope": (
        400,
        {"code": "InvalidParameter", "message": "bad thing", "request_id": "1"},
        (400, "invalid_request_error", False),
        "bad thing",
    ),
    "a string": (500, {"error": "boom"}, (500, "api_error", None), "boom"),
    "a traceback": (
        500,
        b'Traceback (most recent call last):\n  File "/srv/a.py", line 1\nValueError: boom',
        (500, "api_error", None),
        "answered 500: ValueError: boom",
    ),
    "Anthropic's own": (
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        (529, "overloaded_error", None),
        "Overloaded",
    ),
    "in a success": (
        200,
        openai_error("Rate limited", "rate_limit_error"),
        (429, "rate_limit_error", None),
        "Rate limited",
    ),
    "in a success, by code": (200, openai_error("Too busy", None, 503), (503, "overloaded_error", None), "Too busy"),
    "in a success, MiniMax": (
        200,
        {"base_resp": {"status_code": 1004, "status_msg": "login fail"}},
        (401, "authentication_error", False),
        "login fail",
    ),
    "a template (llama.cpp)": (
        500,
        {"error": {"code": 500, "message": "After the optional system message, conversation roles must alternate"}},
        (500, "api_error", False),
        "quirks.alternate = true",
    ),
    "moderated (OpenRouter)": (
        403,
        {"error": {"code": 403, "message": "Input was flagged", "metadata": {"reasons": ["x"]}}},
        (400, "invalid_request_error", False),
        "its own moderation decides that",
    ),
}


@pytest.mark.parametrize(("status", "body", "told", "says"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_keeps_its_status_and_says_why(
    status: int, body: Any, told: tuple[int, str, bool | None], says: str
) -> None:
    error = refused(status, body)
    assert says in error.message
    assert (error.status, error.type, error.should_retry) == told


XAI = "Content violates usage guidelines. Team: t, API key ID: i, Model: grok-4.7, Failed check: SAFETY_CHECK_TYPE_BIO"
AZURE = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
MODERATED: dict[str, tuple[int, Any]] = {
    "xAI (inspect_ai #2267)": (403, {"code": "The caller does not have permission to do it", "error": XAI}),
    "DeepSeek (OpenBiliClaw #199)": (400, openai_error("Content Exists Risk")),
    "DashScope": (
        400,
        openai_error("Input text data may contain inappropriate content.", code="data_inspection_failed"),
    ),
    "DashScope, within": (400, openai_error("<400> InternalError.Algo.DataInspectionFailed: Output data")),
    "Azure": (400, {"error": {"code": "content_filter", "message": AZURE, "status": 400, "type": None}}),
    "LiteLLM": (400, openai_error("litellm.ContentPolicyViolationError: AzureException", "content_policy_violation")),
    "Volcengine": (
        400,
        openai_error("The request failed because of sensitive content", code="SensitiveContentDetected"),
    ),
    "MiniMax": (200, {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}),
    "Moonshot": (400, openai_error("The request was rejected because it was considered high risk", "content_filter")),
    "Zhipu": (400, {"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}}),
}


@pytest.mark.parametrize(("status", "body"), MODERATED.values(), ids=MODERATED)
def test_what_a_moderation_refuses_is_no_failed_login_and_may_be_asked_elsewhere(status: int, body: Any) -> None:
    error = refused(status, body)
    assert "its own moderation decides that" in error.message
    assert (error.status, error.type, error.should_retry) == (400, "invalid_request_error", False)
    assert error.elsewhere


def test_what_an_anthropic_upstream_says_is_not_touched() -> None:
    text = "messages.1.output_config: Extra inputs are not permitted"
    error = refused(400, {"type": "error", "error": {"type": "invalid_request_error", "message": text}})
    assert (error.message, error.should_retry) == (text, None)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "7"}, b"", "7"),
        ({"retry-after-ms": "1500"}, b"", "2"),
        ({}, json.dumps([{"error": {"code": 429, "details": [{"retryDelay": "16.4s"}]}}]).encode(), "17"),
        ({}, b"", None),
    ],
    ids=["header", "milliseconds", "Gemini", "none"],
)
def test_retry_after_is_passed_on(headers: dict[str, str], body: bytes, seconds: str | None) -> None:
    assert openai.error_of(429, headers, body, "acme").retry_after == seconds


@pytest.mark.parametrize(("header", "again"), [("true", True), ("false", False)])
def test_the_upstreams_own_word_on_retrying_counts(header: str, again: bool) -> None:
    assert refused(500, b"", {"X-Should-Retry": header}).should_retry is again


SECRETS = [
    "sk-proj-AbC123_def-456",
    "sk-or-v1-0123456789abcdef",
    "gsk_abcdefghijkl",
    "AIzaSyA1234567890abc",
    "Bearer abc.def.ghi-123",
    "https://user:secret@example.com/v1",
    "https://example.com/v1?key=abcdef&x=1",
    "sk-ab***********wxyz",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_credential_is_passed_on(secret: str) -> None:
    shown = redact(f"it said {secret} to me")
    assert "***" in shown
    assert not any(
        part in shown for part in ("AbC123", "0123456789", "abcdefgh", "SyA123", "abc.def", "secret", "wxyz")
    )


def test_a_named_secret_is_cut_out() -> None:
    error = refused(401, openai_error("bad key plainpassword"), secrets=("plainpassword",))
    assert "plainpassword" not in error.message and "plainpassword" not in str(error)


@given(
    st.sampled_from([200, 301, 400, 401, 404, 413, 422, 429, 500, 529, 600, 999]), st.binary(max_size=40) | json_values
)
def test_any_body_makes_one_sentence(status: int, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = openai.error_of(status, {}, raw, "acme", SENT)
    assert error.message and len(error.message) < 1500 and "\n" not in error.message
    assert 400 <= error.status < 600


@given(
    st.dictionaries(
        st.sampled_from(["error", "message", "type", "code", "detail", "base_resp", "metadata"]), json_values
    )
)
def test_any_error_object_makes_one_sentence(body: Any) -> None:
    assert openai.error_of(400, {}, json.dumps({"error": body}).encode(), "acme").message
    assert openai.error_of(200, {}, json.dumps(body).encode(), "acme").message


@pytest.mark.parametrize("value", [None, [], 1, {}, {"choices": None}, {"choices": []}])
def test_what_is_no_completion_comes_back_alone(value: Any) -> None:
    assert openai.as_chunks(value) == [value]
