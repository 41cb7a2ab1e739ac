"""Prints which Streamlit options count for an app, and where each was set, as Streamlit itself resolves them.

Usage: python streamlit_config.py SCRIPT, from the working directory that the app gets.

Prints one JSON line: {"version", "module", "options": {name: [value, where]}, "problems": [[where, option, why]]}.
Only options that somebody set are listed; `where` is a file or "environment variable NAME". Of an option that is
secret, the value is replaced by true. `problems` is what Streamlit cannot read. {"unknown": why} and exit code 1 when
Streamlit's own rules could not be asked.

Files, their order and their reading are Streamlit's (`streamlit.config`). What `streamlit run` does in its command
line before that, the environment variables, is done here as click does it there: importing Streamlit's command line
takes half a second. Standard library and Streamlit only, Python 3.8 and later.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

SECTIONS = ("global", "logger", "client", "runner", "server", "browser")
UNSET = "<default>"

Config = Any  # the module streamlit.config
Option = Any  # its class ConfigOption


class Heard(logging.Handler):
    """Keeps what Streamlit logs of a file that it cannot parse: 1.52 and newer go on without the file."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.file = ""
        self.problems: list[tuple[str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        why = f"{type(error).__name__}: {error}" if error is not None else record.getMessage()
        self.problems.append((self.file, "", why))


def import_config() -> tuple[str, Config]:
    """Return Streamlit's version and its module `config`, without running Streamlit's own start-up."""
    spec = importlib.util.find_spec("streamlit")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"Streamlit is not installed for {sys.executable}")
    package = ModuleType("streamlit")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["streamlit"] = package
    try:
        config = importlib.import_module("streamlit.config")
    except (ImportError, AttributeError):  # a version whose config needs the package itself
        for name in [name for name in sys.modules if name.partition(".")[0] == "streamlit"]:
            del sys.modules[name]
        config = importlib.import_module("streamlit.config")
    return version_beside(Path(spec.submodule_search_locations[0])), config


def version_beside(package: Path) -> str:
    """Return the version that the installer wrote beside the package; empty where none is written."""
    found = sorted(package.parent.glob("streamlit-*.dist-info"))
    return found[0].name[len("streamlit-") : -len(".dist-info")] if found else ""


def of_environment(config: Config, environment: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the options that variables set, by name, and the variable of each.

    An option whose variable has a value that click refuses comes with the refusal, a `click.UsageError`, as its value.
    """
    import click

    values: dict[str, Any] = {}
    names: dict[str, str] = {}
    for key, option in config._config_options_template.items():
        if getattr(option, "sensitive", False) or getattr(option, "multiple", False):
            continue  # the first are read by `streamlit.config` itself, of the others none concerns us
        # The second one is what click makes of the name of the command and of the option.
        for name in (option.env_var, f"STREAMLIT_RUN_{key.replace('.', '_').upper()}"):
            if environment.get(name):
                names[key] = name
                try:
                    values[key] = click.types.convert_type(option.type)(environment[name])
                except click.UsageError as error:
                    values[key] = error
                break
    return values, names


def resolve(script: str) -> dict[str, Any]:
    """Return the options that count for `script` when it is run from the working directory."""
    import click

    version, config = import_config()
    # In 1.52 and newer the folder of the script counts as well; 1.40 and older do not look at it.
    config._main_script_path = os.path.abspath(script)  # noqa: PTH100  # as Streamlit: links are kept
    heard = Heard()
    logging.getLogger("streamlit.config").addHandler(heard)
    read = config._update_config_with_toml

    def reading(text: str, where: str) -> None:
        heard.file = where
        read(text, where)

    config._update_config_with_toml = reading
    flags, names = of_environment(config, os.environ)
    for key in [key for key in flags if isinstance(flags[key], click.UsageError)]:
        heard.problems.append((f"environment variable {names.pop(key)}", key, flags.pop(key).format_message()))
    try:
        options = config.get_config_options(force_reparse=True, options_from_flags=flags)
    except Exception as error:  # noqa: BLE001 - it would end the app's start just so
        heard.problems.append((heard.file, "", f"{type(error).__name__}: {error}"))
        options = {}
    told = {key: told_of(option, names.get(key)) for key, option in options.items() if is_told(key, option)}
    return {"version": version, "module": config.__file__, "options": told, "problems": heard.problems}


def is_told(key: str, option: Option) -> bool:
    return key.partition(".")[0] in SECTIONS and option.where_defined != UNSET


def told_of(option: Option, variable: str | None) -> tuple[Any, str]:
    """Return the value of an option, true for a secret, and where it was set."""
    secret = getattr(option, "sensitive", False) or "secret" in option.key.lower()
    if variable is None and option.where_defined == "environment variable":
        variable = option.env_var
    where = option.where_defined if variable is None else f"environment variable {variable}"
    value = option.value
    return (True if secret else value if isinstance(value, (bool, int, float, str)) else repr(value)), where


def main(arguments: list[str]) -> int:
    """Print what counts for the script that is named."""
    try:
        (script,) = arguments
        told = resolve(script)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in here says nothing about the app
        told = {"unknown": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if "unknown" in told else 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # taking the modules apart again takes time, and a release waits for the answer
