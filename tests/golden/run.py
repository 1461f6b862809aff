"""Runs the commands of transcripts and compares what they print with what the transcripts say.

    run.py REPOSITORY TOOL TRANSCRIPT...
    run.py REPOSITORY TOOL              looks for files beside the transcripts that none of them names

A transcript shows what a terminal shows, in the repository's root:

    # A comment stands directly above its command.
    $ dsasim diff first.json second.json
    Equal: dsasim-report/1, 4 numbers.

    $ dsasim replay none.dsat
    ! dsasim: none.dsat: cannot be opened: No such file or directory
    [2]

Lines after `! ` are stderr, `[N]` is an exit status other than 0, all others are stdout. With `>FILE` at the end of the
command, stdout is this file, byte for byte. `[..]` stands for any text within a line, and a line `...` for any number of
lines: what depends on what is registered, and that alone.

With UPDATE_GOLDENS=1 in the environment, transcripts and files get what the commands print. A case whose wildcards do not
match loses them: put them back by hand.
"""

import difflib
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Case:
    line: int  # of the command, from 1
    comment: list[str]
    command: str
    printed: list[str]  # as the transcript shows it

    def text(self) -> str:
        return "\n".join([*self.comment, f"$ {self.command}", *self.printed]) + "\n"


def parse(text: str) -> list[Case]:
    cases: list[Case] = []
    lines = lines_of(text.encode())
    commands = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    starts = []  # of a case: its comment, or its command
    for number in commands:
        start = number
        while start > 0 and lines[start - 1].startswith("#"):
            start -= 1
        starts.append(start)
    for number, start, end in zip(commands, starts, starts[1:] + [len(lines)]):
        printed = lines[number + 1 : end]
        if printed and not printed[-1]:
            printed.pop()  # the empty line between two cases
        cases.append(Case(number + 1, lines[start:number], lines[number][2:], printed))
    return cases


def matches(expected: list[str], found: list[str]) -> bool:
    """Whether the lines are those expected, wildcards filled in."""
    def same(wanted: list[str], at: int) -> bool:
        return at >= 0 and len(found) - at >= len(wanted) and all(
            re.fullmatch(re.escape(line).replace(re.escape("[..]"), ".*"), found[at + i])
            for i, line in enumerate(wanted))

    groups: list[list[str]] = [[]]
    for line in expected:
        if line == "...":
            groups.append([])
        else:
            groups[-1].append(line)
    first, *between = groups
    if not between:
        return len(found) == len(first) and same(first, 0)
    *between, last = between
    at = len(first)
    for group in between:
        while at < len(found) and not same(group, at):
            at += 1
        at += len(group)
    return same(first, 0) and at <= len(found) - len(last) and same(last, len(found) - len(last))


def lines_of(stream: bytes) -> list[str]:
    *lines, rest = stream.decode().split("\n")
    assert rest == "", f"expected a newline at the end, found {rest!r}"
    return lines


def run(command: str, repository: Path, tool: Path) -> tuple[list[str], bytes, str | None]:
    """What a transcript shows; stdout; and the file that it is."""
    program, *arguments = shlex.split(command)
    assert program == "dsasim", f"expected `dsasim ...`, found {command!r}"
    file = arguments.pop()[1:] if arguments and arguments[-1].startswith(">") else None
    done = subprocess.run([tool, *arguments], cwd=repository, env={**os.environ, "DSASIM_PROGRESS": "off"},
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    out = [] if file is not None else lines_of(done.stdout)
    shown = [f"! {line}" for line in lines_of(done.stderr)] + out
    assert not any(line.startswith("$ ") or line in ("...", f"[{done.returncode}]") for line in out), "stdout has marks"
    return shown + ([f"[{done.returncode}]"] if done.returncode else []), done.stdout, file


def difference(expected: str, found: str, name: str) -> str:
    return "".join(difflib.unified_diff(expected.splitlines(True), found.splitlines(True), name, "printed"))


def check(transcript: Path, repository: Path, tool: Path, update: bool) -> list[str]:
    """What is wrong, of each command that is; with `update`, mends it instead."""
    old = transcript.read_text()
    cases = parse(old)
    wrong = []
    for case in cases:
        place = f"{transcript.relative_to(repository)}:{case.line}: dsasim {case.command.removeprefix('dsasim ')}\n"
        shown, stdout, file = run(case.command, repository, tool)
        if not matches(case.printed, shown):
            if not update:
                wrong.append(place + difference("\n".join(case.printed) + "\n", "\n".join(shown) + "\n", "expected"))
            case.printed = shown
        if file and (expected := (repository / file).read_bytes() if (repository / file).exists() else b"") != stdout:
            if update:
                (repository / file).write_bytes(stdout)
            else:
                wrong.append(place + difference(expected.decode(), stdout.decode(), file))
    new = "\n".join(case.text() for case in cases)
    if update and new != old:
        transcript.write_text(new)
    elif new != old and not wrong:
        wrong.append(f"{transcript}: UPDATE_GOLDENS=1 would write it otherwise: one empty line between cases, none elsewhere")
    return wrong if cases else [f"{transcript}: has no command"]


def files_without_use(repository: Path) -> list[str]:
    here = Path(__file__).parent
    named = "".join(path.read_text() for path in here.glob("*.txt"))
    files = [path for path in here.rglob("*") if path.is_file() and path.suffix not in (".txt", ".py", ".pyc")]
    return [f"{path.relative_to(repository)}: no transcript names it" for path in files
            if str(path.relative_to(repository)) not in named] + [
                f"{path}: expected beside run.py" for path in here.glob("*/**/*.txt")]


def main(repository: Path, tool: Path, transcripts: list[Path]) -> int:
    wrong = [] if transcripts else files_without_use(repository)
    wrong += [found for transcript in transcripts
             for found in check(transcript, repository, tool, "UPDATE_GOLDENS" in os.environ)]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    paths = [Path(argument).resolve() for argument in sys.argv[1:]]
    sys.exit(main(paths[0], paths[1], paths[2:]))
