"""Runs the commands of a document and compares what they print with what it says.

A fenced block marked ```sh tested is run by bash in a copy of the repository in which build/release/dsasim (also in
PATH, as dsasim) is the tool that was built. Blocks run in order and see each other's files. If the next fenced block
is ```text, it must be exactly what the commands wrote to stdout and stderr. UPDATE_GOLDENS=1 writes it there instead.
A block marked ```LANGUAGE file PATH becomes that file.

    run.py REPOSITORY TOOL SCRATCH DOCUMENT
"""

import difflib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

FENCED = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def make_copy(repository: Path, tool: Path, scratch: Path) -> None:
    def left_out(folder: str, names: list[str]) -> list[str]:
        return [n for n in names if n in ("build", ".git") or scratch.is_relative_to(Path(folder) / n)]

    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(repository, scratch, ignore=left_out)
    (scratch / "build/release").mkdir(parents=True)
    (scratch / "build/release/dsasim").symlink_to(tool)


def main(repository: Path, tool: Path, scratch: Path, document: str) -> int:
    path = repository / document
    text = path.read_text(encoding="utf-8")
    blocks = list(FENCED.finditer(text))
    if not any(block["info"] == "sh tested" for block in blocks):
        print(f"{path}: no block is marked ```sh tested")
        return 1

    make_copy(repository, tool, scratch)
    environment = dict(os.environ, PATH=f"{scratch / 'build/release'}:{os.environ['PATH']}",
                       DSASIM_PROGRESS="off")
    failures = 0
    new_text = ""
    copied = 0
    for i, block in enumerate(blocks):
        place = f"{document}:{text.count(chr(10), 0, block.start()) + 1}"
        if written := re.fullmatch(r"\w+ file (\S+)", block["info"]):
            (scratch / written[1]).write_text(block["body"], encoding="utf-8")
        if block["info"] != "sh tested":
            continue
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block["body"]], cwd=scratch, env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(f"{place}: exit status {done.returncode}")
        if done.returncode != 0:
            print(block["body"] + done.stdout)
            failures += 1
            continue
        if i + 1 == len(blocks) or blocks[i + 1]["info"] != "text":
            continue
        expected = blocks[i + 1]
        new_text += text[copied : expected.start("body")] + done.stdout
        copied = expected.end("body")
        if done.stdout != expected["body"] and "UPDATE_GOLDENS" not in os.environ:
            print("".join(difflib.unified_diff(expected["body"].splitlines(True), done.stdout.splitlines(True),
                                               place, "printed")))
            failures += 1
    new_text += text[copied:]

    if "UPDATE_GOLDENS" in os.environ and new_text != text:
        path.write_text(new_text, encoding="utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*(Path(argument).resolve() for argument in sys.argv[1:4]), sys.argv[4]))
