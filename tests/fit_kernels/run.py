"""tools/fit-kernels finds the costs that made a synthetic measurement, leaves the others alone, and says what it cannot use.

    run.py REPOSITORY TOOL
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

COSTS = {"start_ns": 3000.0, "wave_k_input_ns": 700.0, "weight_mb_ns": 250.0}


def run(command, status=0):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == status, (command, done.stdout, done.stderr)
    return done


def synthetic(tool: Path, kernels: Path, folder: Path) -> Path:
    """What these costs predict, as if it had been measured; one row is nonsense, as one of a table may be."""
    shapes = [(m, n, k) for m in (1, 16, 64, 256) for n in (128, 2048, 16384) for k in (256, 2048, 8192)]
    path = folder / "shapes.csv"
    path.write_text("gemm_dtype,m,n,k\n" + "".join(f"bfloat16,{m},{n},{k}\n" for m, n, k in shapes))
    out = run([tool, "kernels", "--gpu", "h200", "--kernels", kernels, "--kind", "gemm", "--csv", path]).stdout
    rows = list(csv.DictReader(out.splitlines()))
    rows[5]["predicted_us"] = str(5 * float(rows[5]["predicted_us"]))
    measured = folder / "measured.csv"
    measured.write_text("# a comment\ngpu,gemm_dtype,m,n,k,us\n" + "".join(
        f"mine,bfloat16,{row['m']},{row['n']},{row['k']},{row['predicted_us']}\n" for row in rows))
    with open(measured, "a", encoding="utf-8") as file:
        file.write("other,bfloat16,1,128,128,99\n")
    return measured


def main(repository: Path, tool: Path) -> int:
    fit = [sys.executable, repository / "tools/fit-kernels", "--dsasim", tool, "--kind", "gemm", "--gpu", "h200"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kernels = folder / "true.json"
        kernels.write_text(json.dumps({"source": "x", "classes": {
            "gemm_bf16": {"source": "x", **COSTS}, "small": {"source": "x", "start_ns": 7}}}))
        measured = synthetic(tool, kernels, folder)
        start = folder / "start.json"
        start.write_text(json.dumps({"source": "x", "classes": {"small": {"source": "x", "start_ns": 7}}}))
        command = fit + [measured, "--where", "gpu=mine", "--start", start, "--source", "a test", "--leave-out", "m",
                         "-o", folder / "fitted.json"]
        first = run(command).stdout
        fitted = json.loads((folder / "fitted.json").read_text())["classes"]
        for key, value in COSTS.items():
            assert abs(fitted["gemm_bf16"][key] / value - 1) < 0.01, (key, value, fitted)
        assert fitted["gemm_bf16"]["source"] == "a test"
        assert 0.7 < fitted["gemm_bf16"]["errors"]["worst"] < 0.9, fitted  # the nonsense, which is 5 times as long
        assert fitted["small"] == {"source": "x", "start_ns": 7}
        assert "without m 16" in first and "without m 1:" not in first, first
        assert run(command).stdout == first, "two runs differ"
        errors = run(fit + [measured, "--where", "gpu=mine", "--start", kernels, "--fit", "none"]).stdout
        assert "36 rows, mean 2.2%, worst 80.0%" in errors, errors

        for options, message in (
                ([measured, "--where", "cpu=mine"], "--where: expected COLUMN=VALUE"),
                ([measured, "--where", "gpu=none"], "no rows where gpu=none"),
                ([measured, "--column", "ms"], "expected a number of microseconds in column ms, found None"),
                ([measured, "-o", folder / "x.json"], "--source: expected who measured what"),
                ([measured, "--start", folder / "none.json"], "--start: "),
                ([folder / "none.csv"], "none.csv: "),
                ([measured, "--kind", "topk"], "expected a column \"batch\"")):
            wrong = run(fit + options, status=1)
            assert message in wrong.stderr and "Traceback" not in wrong.stderr, (message, wrong.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
