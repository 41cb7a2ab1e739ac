"""Says all that an app sees of how it was started, in a first run of a real session."""

import inspect
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from pathlib import Path

import helper
import streamlit as st


def documented():
    "Return what inspect finds."
    return 1


if __name__ == "__main__":
    folder = Path(__file__).parent
    main = sys.modules["__main__"]
    here = os.getcwd()
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=helper.report, args=(str(folder / "child.json"),))
    child.start()
    child.join()
    os.chdir("/")
    try:
        helper.fail()
    except ValueError:
        trace = traceback.format_exc()
    after = subprocess.run(
        [sys.executable, "-c", "import sys; print(open(sys.argv[1]).read())", str(Path(__file__).parent / "data.txt")],
        capture_output=True,
        text=True,
    ).stdout
    os.chdir(here)
    mask = os.umask(0)
    os.umask(mask)
    told = {
        **helper.common(),
        "name": __name__,
        "file": __file__,
        "cwd": here,
        "child": json.loads((folder / "child.json").read_text()),
        "main_names": sorted(vars(main)),
        "main_file": main.__file__,
        "source": inspect.getsource(documented),
        "after chdir": after,
        "same file": Path(__file__).samefile(folder / "app.py"),
        "trace": trace,
        "umask": mask,
        "stack": [frame.filename for frame in inspect.stack()],
        "environment": {k: v for k, v in os.environ.items() if k != "_"},
        "handlers": {
            s.name: getattr(signal.getsignal(s), "__qualname__", str(signal.getsignal(s))) for s in signal.Signals
        },
        "logging": [repr(h) for h in logging.getLogger().handlers] + [str(logging.getLogger().level)],
        "filters": [str(f) for f in warnings.filters],
        "threads": sorted(type(t).__name__ for t in threading.enumerate() if not t.name.startswith("gitrelease")),
        "modules": sorted(name for name in sys.modules if not name.startswith("_gitrelease_companion")),
        # Version 1.28 asks by itself whether there is a newer one, in one start of ten: other modules and filters.
        "asked": "requests" in sys.modules and hasattr(st.version, "CHECK_PYPI_PROBABILITY"),
        "ours": sorted(name for name in sys.modules if "gitrelease" in name),
    }
    (folder / "report.json").write_text(json.dumps(told))
    st.write("reported")
