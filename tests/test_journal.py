"""Mistakes are written down beside the database, for the owner's eyes."""

import logging
import stat

from ccr_tui.journal import journal


def test_a_mistake_is_written_for_its_owner_alone(tmp_path):
    with journal(tmp_path / "ccr.db") as path:
        assert not path.exists()
        logging.getLogger("ccr_tui.proxy.exchange").error("a request met a bug of ours")
    assert "a request met a bug of ours" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_after_the_house_has_closed_nothing_more_is_written(tmp_path):
    with journal(tmp_path / "ccr.db") as path:
        pass
    logging.getLogger("elsewhere").error("not ours")
    assert not path.exists()


def test_a_log_that_cannot_be_written_is_not_told_across_the_screen(tmp_path, capfd):
    (tmp_path / "ccr-tui.log").symlink_to("/dev/full")
    with journal(tmp_path / "ccr.db"):
        logging.getLogger("here").warning("the disk is full")
    assert capfd.readouterr() == ("", "")
