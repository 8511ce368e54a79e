"""`python -m aptv2`."""

from aptv2.cli.main import app

app(prog_name="aptv2")
