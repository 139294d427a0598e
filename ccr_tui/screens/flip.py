"""The other mode, by one key, from the next request on.

Owns what must be there for Router mode, and where the change is made. Must never touch a request under way: each has
read the configuration that it began with. The one surprise: where a flag or a variable sets the mode, the file can't
change it, so the change is made in memory and says that it ends with the program.
"""

from __future__ import annotations

from typing import Any

from textual.app import App

from ccr_tui import editing
from ccr_tui.config import Config
from ccr_tui.errors import ConfigError
from ccr_tui.records import Mode
from ccr_tui.screens.house import House


async def flip(app: App[Any], house: House, demo: bool) -> None:
    """Normal to router, or back; a sentence says what came of it."""
    config = house.engine.config
    wanted: Mode = "normal" if config.mode == "router" else "router"
    if wanted == "router" and (missing := lacking(config)):
        app.notify(missing, title="Router mode is not possible yet", severity="warning", timeout=10, markup=False)
        return
    origin = config.origins.get("mode", "")
    if not demo and origin in ("", "config.toml"):
        try:
            await house.edit(editing.mode(wanted))  # the app says what has changed
        except ConfigError as error:
            app.notify(f"The mode stays {config.mode}: {error}", severity="error", timeout=12, markup=False)
        return
    house.hold(mode=wanted)
    why = "the demo saves nothing" if demo else f"{origin} wins over config.toml"
    kept = f"until ccr-tui ends{'' if origin == 'here' else f': {why}'}"
    app.notify(f"{SAYS[wanted]}, {kept}.", title=f"{wanted.capitalize()} mode", timeout=6, markup=False)


SAYS = {
    "normal": "The default agent answers from the next request on",
    "router": "The router is asked who works from the next request on",
}


def lacking(config: Config) -> str:
    """What Router mode needs and has not; empty if it has all."""
    missing = [agent for agent in ("router", "tool") if not config.agents.get(agent)]
    if not missing:
        return ""
    what = {"router": "a router agent (a small model that chooses)", "tool": "a tool agent (it speaks with the client)"}
    them = "it" if len(missing) == 1 else "them"
    return f"It needs {' and '.join(what[agent] for agent in missing)}. Choose {them} under Models, key 4."
