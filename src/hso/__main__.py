"""``python -m hso`` and ``accelerate launch -m hso``: the command line."""

import sys

from hso.cli import main

if __name__ == "__main__":
    sys.exit(main())
