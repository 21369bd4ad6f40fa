"""``python -m siamaudio`` is the command line."""

from siamaudio.cli import main

main()
