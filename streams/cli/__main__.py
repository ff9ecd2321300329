"""`python -m streams.cli` is `sealframe`."""

from streams.cli.main import run

run()
