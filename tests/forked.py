"""How are many commands run without starting an interpreter for each? By one that has all of them imported, and forks.

A command is a process of its own as ever, with its own outputs and its own end; only what it would import is there.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import gitrelease

# What is looked at while modules are imported, by Python or by us: with these, a command needs its own interpreter.
_AT_IMPORT = ("PYTHON", "LC_", "LANG", "GITRELEASE_FAULT")


def run(words: Sequence[str], *, cwd: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run `gitrelease` with `words`, in the environment of who asks, with nothing on standard input.

    Raises `TimeoutExpired` when it has not ended after `timeout` seconds; it is killed then.
    """
    pipes = [os.pipe() for _ in range(2)]
    with ThreadPoolExecutor(len(pipes)) as readers, socket.socket(socket.AF_UNIX) as asked:
        outputs = [readers.submit(_all_of, read) for read, _ in pipes]
        try:
            asked.connect(_server())
            request = {"words": list(words), "cwd": str(cwd), "environment": dict(os.environ), "umask": _umask()}
            socket.send_fds(asked, [json.dumps(request).encode() + b"\n"], [written for _, written in pipes])
        finally:
            for _, written in pipes:
                os.close(written)
        with asked.makefile() as answer:
            pid = int(answer.readline())
            ended, _, _ = select.select([asked], [], [], timeout)
            if not ended:
                os.kill(pid, signal.SIGKILL)
            code = int(answer.readline())
        if not ended:
            raise subprocess.TimeoutExpired(list(words), timeout)
        return subprocess.CompletedProcess(list(words), code, *(output.result() for output in outputs))


def can_run() -> bool:
    """Would a command find in this environment what the one that forks has found when it was started?"""
    return _at_import() == _as_started()


def _at_import() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_AT_IMPORT)}


@functools.cache
def _as_started() -> dict[str, str]:
    return _at_import()


@functools.cache
def _server() -> str:
    """Start the process that forks, and return the abstract address it answers on; it ends with this process."""
    _as_started()
    name = f"gitrelease-forks-{os.getpid()}"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forked", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    atexit.register(server.communicate)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return f"\0{name}"


def _all_of(descriptor: int) -> str:
    with open(descriptor) as file:
        return file.read()


def _umask() -> int:
    before = os.umask(0o077)
    os.umask(before)
    return before


# -- in the process that forks ---------------------------------------------------------------------------------


def serve(name: str) -> None:
    """Run what is asked for at the abstract address `name`, each in its process, until standard input ends."""
    _import_all()
    sys.modules["__main__"].__package__ = ""  # by which the command line names itself in its help
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those that attend to a command leave nothing behind
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen(64)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            asked, _ = listener.accept()
            with asked:
                if os.fork() == 0:
                    listener.close()
                    _attend(asked)


def _attend(asked: socket.socket) -> NoReturn:
    """Start the command that is asked for, say which process it is, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    line, (out, err), _, _ = socket.recv_fds(asked, 1 << 16, 2)
    while not line.endswith(b"\n"):
        line += asked.recv(1 << 16)
    child = os.fork()
    if child == 0:
        asked.close()
        _become(json.loads(line), out, err)
    for descriptor in (out, err):
        os.close(descriptor)
    asked.sendall(f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    asked.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(request: dict[str, Any], out: int, err: int) -> NoReturn:
    """Be that command, in a process that was just forked."""
    from gitrelease import cli

    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, its in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(ours, its)
        os.close(ours)
    # Those that were made for other descriptors remember what these could do.
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115  # of this process to its end
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    sys.argv = ["gitrelease", *request["words"]]
    cli.main()
    os._exit(0)


def _import_all() -> None:
    """Import what any command may; not what runs beside it, in a process of its own."""
    apart = ("gitrelease.dashboard", "gitrelease.demo", "gitrelease.front", "gitrelease.inside", "gitrelease.profiles")
    for one in pkgutil.walk_packages(gitrelease.__path__, "gitrelease."):
        if not one.name.startswith(apart) and not one.name.endswith("__main__"):
            importlib.import_module(one.name)


if __name__ == "__main__":
    serve(sys.argv[1])
