"""Runs the tool as ``python -m sfc_cli``, which is also what torchrun needs."""

from sfc_cli.main import main

if __name__ == "__main__":
    main()
