"""Anybody who is OpenAI-compatible and of whom no more is known: what OpenAI documents, and no knob for thinking."""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS: tuple[str, ...] = ()
MODELS: tuple[str, ...] = ()
FACTS = Facts(family="generic", max_stops=4, strict_tools=True)

MEMBERS: Members = ((r"gemma", {"alternate": True}),)  # its templates refuse neighbours of one role (anon-kode #60)
