"""What systemd makes of a unit, read in two ways: by its own reader, and by the rules of its manual."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_UNIFIED = Path("/sys/fs/cgroup/cgroup.controllers")  # a host with cgroups of the second version only
_NEEDS_UNIFIED = 256  # the first systemd that runs on no other host
_NOBODY = 65534  # a user's manager is none of root's on a host that systemd did not start


def analyser() -> str | None:
    """Return where systemd-analyze is; see .ci/run for how it comes here."""
    return shutil.which("systemd-analyze")


def reader() -> str | None:
    """Return where systemd itself is, if it can run here; it lies in no user's PATH."""
    program = shutil.which("systemd", path="/lib/systemd:/usr/lib/systemd")
    return program if program is not None and (_UNIFIED.exists() or _version(program) < _NEEDS_UNIFIED) else None


def _version(program: str) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.split()[1])


def arguments(unit: str) -> list[str]:
    """Return the words of ExecStart as systemd.service(5) has them: quotes, escapes, specifiers, variables."""
    line = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).removeprefix("ExecStart=")
    words = [_unquoted(word) for word in re.findall(r'"(?:\\.|[^"\\])*"|\S+', line)]
    return [re.sub(r"([%$])(.?)", _literal, word) for word in words]


def _literal(found: re.Match[str]) -> str:
    """Return what a doubled sign stands for; a single one would be a specifier, or a variable."""
    assert found[1] == found[2], found[0]
    return found[1]


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith('"') else word


def understood(unit: str, name: str) -> str:
    """Return what systemd itself says that it read of a unit; it starts nothing for that."""
    with tempfile.TemporaryDirectory(prefix="units-") as folder:  # where others may look
        Path(folder).chmod(0o755)
        (Path(folder) / name).write_text(unit)
        (Path(folder) / name).chmod(0o644)
        return _understood(Path(folder), name)


def _understood(folder: Path, name: str) -> str:
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    program = reader()
    assert program is not None
    root = os.getuid() == 0
    if root:
        os.chown(runtime, _NOBODY, _NOBODY)
    ran = subprocess.run(
        [program, "--user", "--test", f"--unit={name}"],
        env={"SYSTEMD_UNIT_PATH": f"{folder}:", "XDG_RUNTIME_DIR": str(runtime), "HOME": "/", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=30,
        **({"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if root else {}),
    )
    found = re.search(rf"-> Unit {re.escape(name)}:\n(.*?)(?=-> Unit |\Z)", ran.stdout, re.DOTALL)
    assert found is not None, ran.stdout[-2000:] + ran.stderr
    return found[1]
