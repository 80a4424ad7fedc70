"""``python -m unreset.cli``: the command line."""

import sys

from unreset.cli import main

if __name__ == "__main__":
    sys.exit(main())
