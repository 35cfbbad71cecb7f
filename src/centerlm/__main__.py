"""`python -m centerlm`: the command line."""

from centerlm.cli import main

main()
