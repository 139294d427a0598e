"""`python -m ccr_tui` and `ccr-tui`: the status line and `env` at once, everything else through the command line.

Owns nothing but that choice. Must never import anything before it is made. The one surprise: the status line runs
several times a minute and `env` in every new shell, and loading the command line would be most of their time. Where
anything is wrong with the configuration, `env` too goes the long way, which says what it is. No garbage is looked for
before a command runs, for there is none: modules stay.
"""

import gc
import os
import sys


def main() -> None:
    """Run the program and end it with its exit code."""
    gc.disable()
    if sys.argv[1:2] == ["statusline"] and not {"--help", "-h"} & set(sys.argv):
        from ccr_tui import statusline

        sys.exit(statusline.main(sys.argv[2:]))
    try:
        os.getcwd()  # noqa: PTH109 - nothing else is loaded yet
    except FileNotFoundError:
        sys.exit("ccr-tui: the directory in which you are was removed; change into another one")
    if sys.argv[1:] == ["env"]:
        from ccr_tui import environment

        if environment.printed():
            return
    from ccr_tui import cli

    cli.main()


if __name__ == "__main__":
    main()
