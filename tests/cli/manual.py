"""Man pages and completions say what is declared: every command and option; shells and roff take them.

    manual.py TOOL

groff, zsh and fish are asked if they are there.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def run(*command: str | Path, text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    assert not done.stderr, f"{command}: {done.stderr}"
    return done.stdout


def declared(tool: Path) -> dict[str, list[str]]:
    """By command: its options."""
    commands = re.findall(r"^  ([a-z]+) ", run(tool, "--help").partition("Subcommands:")[2], re.MULTILINE)
    return {command: re.findall(r"^  (?:-\w,)?(--[a-z0-9-]+)", run(tool, command, "--help"), re.MULTILINE) for command in commands}


def man_pages(tool: Path, commands: dict[str, list[str]], folder: Path) -> None:
    run(tool, "man", "--all", folder)
    assert {path.name for path in folder.iterdir()} == {"dsasim.1"} | {f"dsasim-{command}.1" for command in commands}
    for name, options in {"": list(commands), **commands}.items():
        page = run(tool, "man", *name.split())
        assert (folder / (f"dsasim-{name}.1" if name else "dsasim.1")).read_text() == page
        for option in options:
            assert f"{option}\\fR".replace("-", "\\-") in page, f"man {name}: lacks {option}"
        assert ".SH NAME\n" in page and "EXIT STATUS" in page
        if shutil.which("groff"):
            shown = run("groff", "-man", "-Tutf8", "-ww", text=page)
            assert name in shown


def bash_offers(script: Path, words: list[str]) -> list[str]:
    """What is offered for the last word."""
    ask = f'source {script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dsasim; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return run("bash", "-c", ask, "bash", *words).split()


def completions(tool: Path, commands: dict[str, list[str]], folder: Path) -> None:
    script = folder / "dsasim.bash"
    script.write_text(run(tool, "completion", "bash"))
    assert sorted(bash_offers(script, ["dsasim", ""])) == sorted([*commands, "help"])
    for command, options in commands.items():
        assert sorted(bash_offers(script, ["dsasim", command, "--"])) == sorted(options)
    assert bash_offers(script, ["dsasim", "help", "repl"]) == ["replay"]
    assert bash_offers(script, ["dsasim", "replay", "--sc"]) == ["--scope"]
    assert bash_offers(script, ["dsasim", "replay", "--scope", ""]) == ["shared", "layer", "request", "stream"]
    assert "hisparse" in bash_offers(script, ["dsasim", "replay", "t.dsat", "--policy", "h"])
    assert "h200" in bash_offers(script, ["dsasim", "step", "--gpu", "h"])
    assert bash_offers(script, ["dsasim", "replay", f"{folder}/dsasim.b"]) == [str(script)]
    assert bash_offers(script, ["dsasim", "replay", "--json", f"{folder}/dsasim.b"]) == [str(script)]
    for shell in ("zsh", "fish"):
        text = run(tool, "completion", shell)
        for command, options in commands.items():
            assert command in text
            assert all(option.removeprefix("--") in text for option in options), f"completion {shell}: {command}"
        if shutil.which(shell):
            (folder / shell).write_text(text)
            run(shell, "-n", folder / shell)


def help_of_a_terminal(tool: Path) -> None:
    """`help COMMAND` is `COMMAND --help`; elsewhere than on a terminal, a description is one line."""
    assert run(tool, "help", "replay") == run(tool, "replay", "--help")
    assert run(tool, "help") == run(tool, "--help")
    narrow = run("script", "-qec", f"stty cols 80; COLUMNS= {tool} replay --help", "/dev/null").replace("\r", "")
    lines = [line for line in narrow.splitlines() if not line.startswith("Usage")]
    assert max(len(line) for line in lines if line.startswith(" " * 28)) <= 80
    assert "".join(narrow.split()) == "".join(run(tool, "replay", "--help").split())


def main() -> None:
    tool = Path(sys.argv[1])
    commands = declared(tool)
    assert len(commands) > 20, commands
    with tempfile.TemporaryDirectory() as folder:
        man_pages(tool, commands, Path(folder) / "man1")
        completions(tool, commands, Path(folder))
    help_of_a_terminal(tool)


main()
