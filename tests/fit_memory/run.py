"""tools/fit-memory finds the parameters that made a synthetic measurement, and says so of what it cannot use.

    run.py REPOSITORY TOOL
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

TRUE = {"start_ns": 1500.0, "index_ns": 150.0, "hbm_ns": 600.0}


def run(command, status=0):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == status, (command, done.stdout, done.stderr)
    return done


def synthetic(tool: Path, memory: str, folder: Path) -> Path:
    """What the model with these parameters predicts, as if it had been measured."""
    shapes = [(row_bytes, rows, hot) for row_bytes in (128, 1152, 4096) for rows in (64, 2048, 16384)
              for hot in (0.0, 0.5, 1.0)]
    lines = [f"{b},{n},{hot}" for b, n, hot in shapes] + [f"0,{n},0" for _, n, _ in shapes]
    (folder / "shapes.csv").write_text("row_bytes,rows,hot_fraction\n" + "\n".join(lines) + "\n")
    out = run([tool, "gather", "--memory", memory, "--csv", folder / "shapes.csv"]).stdout
    predicted = [row["predicted_us"] for row in csv.DictReader(out.splitlines())]
    with open(folder / "measured.csv", "w", encoding="utf-8") as file:
        file.write("row_bytes,rows,hot_fraction,us_total,us_index_only\n")
        for (b, n, hot), total, index in zip(shapes, predicted, predicted[len(shapes):]):
            file.write(f"{b},{n},{hot},{total},{index}\n")
    return folder / "measured.csv"


def main(repository: Path, tool: Path) -> int:
    fit = [sys.executable, repository / "tools/fit-memory", "--dsasim", tool, "--start",
           repository / "configs/memory/h200.json"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        memory = "h200," + ",".join(f"{key}={value}" for key, value in TRUE.items())
        measured = synthetic(tool, memory, folder)
        command = fit + [measured, "--fit", ",".join(TRUE), "--steps", 100, "--no-leave-one-out", "-o",
                         folder / "fitted.json"]
        first = run(command).stdout
        fitted = json.loads((folder / "fitted.json").read_text())
        for key, value in TRUE.items():
            assert abs(fitted[key] / value - 1) < 0.02, (key, value, fitted[key])
        assert run(command).stdout == first, "two runs differ"
        again = run([tool, "gather", "--memory", folder / "fitted.json", "--rows", 2048, "--row-bytes", 1152])
        assert "the whole launch" in again.stdout

        wrong = run(fit + [measured, "--set", "speed=1"], status=1)
        assert "has no key speed; known: model" in wrong.stderr, wrong.stderr
        wrong = run(fit + [measured, "--fit", "model"], status=1)
        assert "has no number model" in wrong.stderr, wrong.stderr
        (folder / "empty.csv").write_text("row_bytes,rows,hot_fraction,us_total,us_index_only\n")
        assert "no rows" in run(fit + [folder / "empty.csv"], status=1).stderr
    return 0


if __name__ == "__main__":
    sys.exit(main(*(Path(argument).resolve() for argument in sys.argv[1:3])))
