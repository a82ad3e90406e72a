"""``python -m gypsum`` is the command line."""

from gypsum.cli import main

if __name__ == "__main__":
    main()
