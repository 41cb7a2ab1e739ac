"""`python -m gitrelease.agent DIR [--foreground]` runs the agent of a production checkout."""

import sys

from gitrelease.agent.agent import main

if __name__ == "__main__":
    sys.exit(main())
