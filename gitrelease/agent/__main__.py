"""`python -m gitrelease.agent DIR [--foreground]` runs the agent of a production checkout."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from gitrelease.agent.agent import Agent
from gitrelease.agent.background import LogFormat, log
from gitrelease.core.errors import ReleaseError, of_host
from gitrelease.edges import heap
from gitrelease.edges.backends import forget_marks
from gitrelease.edges.environment import forget_local_variables
from gitrelease.edges.home import AGENT_MARK
from gitrelease.world import open_world


def main() -> int:
    """Run the agent for the checkout that the command line names."""
    forget_local_variables()
    os.environ.pop(AGENT_MARK, None)  # it stays in what the kernel shows of this process
    forget_marks()
    heap.share_one()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormat("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        return Agent(open_world(Path(sys.argv[1])), foreground="--foreground" in sys.argv[2:]).run()
    except ReleaseError as error:
        log.error("%s. %s", error.message, error.hint)
        return int(error.code)
    except OSError as error:
        known = of_host(error, sys.argv[1])
        if known is None:
            raise
        log.error("%s. %s", known.message, known.hint)
        return int(known.code)


if __name__ == "__main__":
    sys.exit(main())
