"""The command line's last word: errors with what they name, whatever it looks like."""

from __future__ import annotations

import pytest

from schemas.errors import ConfigError, UsageError
from streams.cli import main


@pytest.mark.parametrize(("error", "code"), [(ConfigError("line [/x] and [red] of a log"), 1), (UsageError("[/y]"), 2)])
def test_error_that_looks_like_markup_is_printed_as_it_is(monkeypatch, capfd, error, code) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr(main, "_mount", fails)
    with pytest.raises(SystemExit) as ended:
        main.run()
    printed = capfd.readouterr()
    assert ended.value.code == code
    assert str(error) in printed.out + printed.err
