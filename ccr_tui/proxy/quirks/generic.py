"""Anybody who says OpenAI-compatible and of whom nothing more is known: the least that all of them take."""

from ccr_tui.proxy.quirks import Facts

HOSTS: tuple[str, ...] = ()
MODELS: tuple[str, ...] = ()
FACTS = Facts(family="generic", tool_choice_named="object")
