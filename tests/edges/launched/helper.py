"""What both the app and a process that it starts say of themselves."""

import json
import sys
import threading


def common():
    return {
        "argv": sys.argv,
        "path": sys.path,
        "orig_argv": sys.orig_argv[1:],
        "flags": str(sys.flags),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "excepthook": str(sys.excepthook),
        "displayhook": str(sys.displayhook),
        "limit": sys.getrecursionlimit(),
        "threading hook": threading.excepthook.__qualname__,
        "main thread": threading.main_thread().name,
        "dont_write": sys.dont_write_bytecode,
        "encoding": [sys.stdout.encoding, sys.stderr.encoding, sys.getfilesystemencoding()],
        "meta_path": [str(type(one)) + getattr(one, "__name__", "") for one in sys.meta_path],
    }


def report(path):
    main = sys.modules["__main__"]
    told = {
        **common(),
        "main": main.__name__,
        "main file": getattr(main, "__file__", None),
        "mp_main": "__mp_main__" in sys.modules,
    }
    told.pop("orig_argv")
    told["argv"] = told["argv"][:1]
    open(path, "w").write(json.dumps(told))


def fail():
    raise ValueError("on purpose")
