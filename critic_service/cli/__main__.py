"""Run the command line with `python -m critic_service.cli`."""

from critic_service.cli import main

main()
