"""Everything that is registered is listed, with its sentence and its source, and the messages about unknown names know it.

    listings.py REPOSITORY TOOL [SHADOW]

What is registered is read where it is registered: headers, tables in src/, files in configs/. No list of names is kept
here, so something that is added by the book passes. SHADOW has headers of more policies (tests/add_policy/).
"""

import json
import re
import subprocess
import sys
from pathlib import Path

TEXT = r'"((?:[^"\\]|\\.)*)"'


class Tool:
    def __init__(self, repository: Path, tool: Path, shadow: Path | None = None):
        self.repository, self.tool = repository, tool
        self.trees = [repository] if shadow is None else [repository, shadow]

    def run(self, arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.tool, *arguments.split()], cwd=self.repository, capture_output=True, text=True, check=False)

    def listed(self, command: str) -> dict[str, str]:
        """By name, in the order of the list: an entry, all its lines in one. An entry's first line is not indented."""
        done = self.run(command)
        assert done.returncode == 0, done.stderr
        entries = re.split(r"^(?=\S)", done.stdout, flags=re.MULTILINE)[1:]
        found = {entry.split()[0].rstrip(":"): " ".join(entry.split()) for entry in entries}
        assert len(found) == len(entries), f"{command}: a name is listed twice"
        return found

    def source(self, path: Path) -> str:
        """A source file, its adjacent string literals joined."""
        return re.sub(r'(?<!\\)"\s+"', "", path.read_text())

    def config(self, path: Path) -> dict:
        return json.loads("".join(line for line in path.read_text().splitlines(True) if not line.lstrip().startswith("//")))

    def configs(self, folder: str) -> dict[str, dict]:
        return {path.stem: self.config(path) for path in sorted((self.repository / "configs" / folder).glob("*.json"))}

    def are_listed(self, command: str, registered: dict[str, list[str]]) -> list[str]:
        """The listing has these names and no others, each with its texts. Returns the names in the order of the list."""
        listed = self.listed(command)
        assert sorted(listed) == sorted(registered), f"{command}: lists {list(listed)}, registered: {sorted(registered)}"
        for name, texts in registered.items():
            for text in texts:
                assert text and " ".join(text.split()) in listed[name], f"{command}: {name} lacks {text!r}: {listed[name]}"
        return list(listed)

    def are_known(self, arguments: str, names: list[str]) -> None:
        """The message about an unknown name has all that are known, in the order of the list."""
        done = self.run(arguments)
        assert done.returncode == 2 and ", ".join(names) in done.stderr, f"{arguments}: expected {names}: {done.stderr}"


TRACE = "traces/paper128-req_0.dsat"


def policies(tool: Tool) -> None:
    registered = {}
    for path in (path for tree in tool.trees for path in (tree / "include/dsasim/cache/policy").glob("*.hpp")):
        text = tool.source(path)
        texts = [re.search(rf" {member} =\s*{TEXT}", text)[1] for member in ("name", "sentence", "source")]
        texts += [f"{key}={accepted} [{default}]: {description}" for key, default, accepted, description in
                  re.findall(r"PolicyParameter\{" + r",\s+".join([TEXT] * 4), text)]
        registered[texts[0]] = texts
    names = tool.are_listed("policies", registered)
    tool.are_known(f"replay {TRACE} --policy none", names)


def memories(tool: Tool) -> None:
    table = re.findall(rf'\.name = {TEXT},\s+\.sentence = {TEXT},\s+\.source = {TEXT}', tool.source(tool.repository / "src/memory/models.cpp"))
    registered = {name: [sentence, source] for name, sentence, source in table}
    registered |= {name: [config["model"], config["description"]] for name, config in tool.configs("memory").items()}
    names = tool.are_listed("memories", registered)
    tool.are_known(f"replay {TRACE} --memory none", names)


def models_and_gpus(tool: Tool) -> None:
    others = {"models": "--gpu h200 --model none", "gpus": "--model glm-5.1 --gpu none"}
    for folder, arguments in others.items():
        names = tool.are_listed(folder, {
            name: [config["description"], config["source"], *([f"assumed: {config['assumed']}"] if config.get("assumed") else [])]
            for name, config in tool.configs(folder).items()})
        tool.are_known(f"roofline {arguments} --context 1000 --batch 1 --rate 1", names)
    for name, config in tool.configs("gpus").items():
        figures = [f"{config['memory_bytes'] / 1e9:.0f} GB at {config['memory_gb_s']} GB/s"]
        figures += [f"{kind} {config[f'{kind}_tflop_s']}" for kind in ("bf16", "fp8", "fp4") if f"{kind}_tflop_s" in config]
        assert all(figure in tool.listed("gpus")[name] for figure in figures), (name, figures)


def kernels(tool: Tool) -> None:
    registered = {}
    for name, config in tool.configs("kernels").items():
        registered[name] = [config["source"]]
        for kernel, costs in config["classes"].items():
            errors = costs.get("errors")
            figures = f"{errors['mean']:.1%} {errors['worst']:.1%}" if errors else "- -"
            registered[name].append(f"{kernel} {figures} {costs['source']}")
    names = tool.are_listed("kernels", registered)
    tool.are_known("step --model glm-5.1 --gpu a100 --batch 1 --context 1", names)


def presets(tool: Tool) -> None:
    table = re.findall(rf'\.name = {TEXT},\s+\.sentence = {TEXT},\s+\.fitted = {TEXT},\s+\.predicts =\s+{TEXT}',
                       tool.source(tool.repository / "src/generate/presets.cpp"))
    names = tool.are_listed("generate --list", {
        name: [sentence, f"fitted to: {fitted}", f"predicts: {predicts}", "default: layers "] for name, sentence, fitted, predicts in table})
    tool.are_known("generate --preset none -o /dev/null", names)


def fields_of_reports(tool: Tool) -> None:
    """`diff` knows each field of two documents, sorted."""
    def keys(value) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(keys, value))
        return set(value).union(*map(keys, value.values())) if isinstance(value, dict) else set()

    paths = ["tests/golden/replay_lru.json", "tests/golden/replay_hisparse.json"]
    fields = set().union(*(keys(json.loads((tool.repository / path).read_text())) for path in paths))
    tool.are_known(f"diff {' '.join(paths)} --tolerance none=1%", sorted(fields))


def targets(tool: Tool) -> None:
    """Each target that the message about an unknown one lists is one."""
    known = re.search(r"FIELD one of (.*), found", tool.run(f"knee {TRACE} --target none=1").stderr)[1].split(", ")
    assert set(known) >= {"miss_ratio", "misses", "step_misses", "missed_pages", "gather_ns", "step_gather_ns",
                          "tpot_mean_ns", "tpot_p99_ns"}, known
    ahead = "--prefetch previous,rows=4,into=side"
    needs = {"llc": "--entry-bytes 656 --llc 60MiB", "cache_hits": "--resident-blocks 2", "fetched_bytes": "--entry-bytes 656",
             **dict.fromkeys(("prefetch", "avoided_misses"), ahead), "prefetched_bytes": f"{ahead} --entry-bytes 656",
             **dict.fromkeys(("idle_steps", "retained_hits", "refreshes"), "--retention-steps 2"),
             "known_joules": "--model deepseek-v3.2 --gpu h200 --energy",
             **dict.fromkeys(("tpot", "slowdown", "fetched_bytes_per_s"), "--model deepseek-v3.2 --gpu h200")}
    for target in [*known, "tpot_ns"]:
        begin = max((name for name in needs if target.startswith(name)), key=len, default=None)
        options = "--entry-bytes 656" if target == "fetched_bytes_per_step" else needs.get(begin, "")
        done = tool.run(f"knee {TRACE} --steps 0:2 --capacities 2x --target {target}=1e12 {options}")
        assert done.returncode == 0 and target in done.stdout, (target, done.stderr)


def main(repository: Path, executable: Path, shadow: Path | None = None) -> int:
    tool = Tool(repository, executable, shadow)
    failures = 0
    for check in (policies, memories, models_and_gpus, kernels, presets, fields_of_reports, targets):
        try:
            check(tool)
        except (AssertionError, KeyError, TypeError) as error:
            failures += 1
            print(f"FAILED: {check.__name__}: {type(error).__name__}: {error}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*(Path(argument).resolve() for argument in sys.argv[1:])))
