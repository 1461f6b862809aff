"""Runs the command line tool, which the package brings along: commands have one set of options, checks and messages."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
from typing import Any, Iterable

from ._traces import ConfigError, Error

_TOOL = pathlib.Path(__file__).with_name("bin") / "dsasim"
_USER_ERROR = 2


def main() -> None:
    """The command `dsasim` of the installed package."""
    os.execv(_TOOL, [str(_TOOL), *sys.argv[1:]])


def arguments(options: dict[str, Any]) -> list[str]:
    """Options of the command line: new_token="pinned" is --new-token pinned, True a flag, a list the option repeated.

    None and False leave an option out.
    """
    words: list[str] = []
    for name, value in options.items():
        option = "--" + name.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            words.append(option)
            continue
        for item in value if isinstance(value, (list, tuple)) else [value]:
            words += [option, _text(item)]
    return words


def _text(value: Any) -> str:
    """A path or a trace by its path, everything else as it prints: numbers of NumPy too."""
    return os.fspath(value) if hasattr(value, "__fspath__") else str(value)


def paths(inputs: Any) -> list[str]:
    """One path or trace, or several, as arguments. A path that looks like an option stays a path."""
    many = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    words = [_text(path) for path in many]
    return [f"./{word}" if word.startswith("-") else word for word in words]


def run(command: str, words: Iterable[str], accept: Iterable[int] = (0,)) -> tuple[int, str]:
    """Runs one command; its exit status and what it printed. Raises ConfigError for wrong input, Error otherwise.

    Ctrl-C ends the command, which removes unfinished outputs, and raises KeyboardInterrupt.
    """
    with subprocess.Popen([_TOOL, command, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            out, complaints = process.communicate()
        except BaseException:
            process.send_signal(signal.SIGINT)
            raise
    if process.returncode in accept:
        return process.returncode, out
    lines = [line.removeprefix("dsasim: ") for line in complaints.splitlines()]
    message = _with_names(lines[-1]) if lines else f"dsasim {command} ended with status {process.returncode}"
    raise (ConfigError if process.returncode == _USER_ERROR else Error)(message)


def _with_names(message: str) -> str:
    """Options as keywords: --new-token is `new_token`."""
    message = message.replace(" (--help lists the options)", "")
    return re.sub(r"(?<![\w-])--([a-z][a-z-]*)", lambda found: f"`{found[1].replace('-', '_')}`", message)


def document(command: str, words: Iterable[str], accept: Iterable[int] = (0,)) -> dict[str, Any]:
    """What the command writes with --json."""
    with tempfile.TemporaryDirectory(prefix="dsasim-") as folder:
        file = pathlib.Path(folder) / "result.json"
        run(command, [*words, "--json", str(file)], accept)
        return json.loads(file.read_text(encoding="utf-8"))
