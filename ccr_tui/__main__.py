"""`python -m ccr_tui` is `ccr-tui`."""

from ccr_tui.cli import main

if __name__ == "__main__":
    main()
