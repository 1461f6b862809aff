"""tools/fit-preset finds a number again that a trace was drawn with.

    fit_preset.py REPOSITORY TOOL
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SHAPE = "--layers 2 --top-k 128 --steps 150 --context 4000".split()
WANTED = 0.6  # of leave, which is 0.9 in the preset


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    repository, tool = Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        trace = f"{folder}/t.dsat"
        run(tool, "generate", "--preset", "glm-5.1", "--leave", str(WANTED), *SHAPE, "-o", trace)
        totals = json.loads(run(tool, "replay", trace, "--policy", "hisparse", "--capacity", "1x", "--json", "-"))["totals"]
    misses = 100 * totals["misses"] / totals["accesses"]
    fit = [str(repository / "tools/fit-preset"), "glm-5.1", "--binary", tool, "--fit", "leave"]
    printed = run(*fit, "--target", f"hisparse:1x:={misses}", "--predict", "belady:2x:=0", "--", *SHAPE)
    words = printed.split()
    found = float(words[words.index("--leave") + 1])
    assert abs(found - WANTED) < 0.03, printed
    assert "predicted belady 2x" in printed, printed
    assert run(*fit, "--target", f"hisparse:1x:={misses}", "--predict", "belady:2x:=0", "--", *SHAPE) == printed

    for arguments, message in (
        (["uniform"], "no targets of its own"),
        (["glm-5.1", "--fit", "leaf"], 'found "leaf"'),
        (["glm-5.1", "--target", "lru:2x=30"], "expected POLICY:CAPACITY:WARM=PERCENT"),
    ):
        wrong = subprocess.run([fit[0], *arguments, "--binary", tool], capture_output=True, text=True)
        assert wrong.returncode != 0 and message in wrong.stderr, wrong


main()
