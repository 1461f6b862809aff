"""Adds a policy, LIFO, to a shadow of the tree, as the table in CONTRIBUTING.md says: its files, and no others.

    shadow.py REPOSITORY SHADOW

SHADOW gets the files that are new or changed. Exit status 1: the table names others.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
# Of each file, the places after which lines are added, and the lines; no place: the file is new.
CHANGES = {
    "include/dsasim/cache/policy/lifo.hpp": [("", (HERE / "lifo.hpp").read_text())],
    "include/dsasim/cache/all_policies.hpp": [
        ('#include "dsasim/cache/policy/lru.hpp"\n', '#include "dsasim/cache/policy/lifo.hpp"\n'),
        ("using AllPolicies = std::tuple<", "Lifo, ")],
    "tests/cache/worked_examples_test.cpp": [("}  // namespace\n", (HERE / "worked_example.inl").read_text())],
    "tests/cache/reference_cache.hpp": [("return least([&name](const Entry& entry) {\n", '''\
      if (name == "lifo") {
        return std::pair(never - entry.inserted, never - entry.inserted);
      }
''')],
}


def named_by_the_table(repository: Path) -> set[str]:
    row = next(line for line in (repository / "CONTRIBUTING.md").read_text().splitlines() if line.startswith("| a policy |"))
    paths = re.findall(r"`([\w/]+/NAME\.\w+|(?:include|src|tests|tools|docs)/[\w/]+\.\w+)`(?! is the manual)", row)
    return {path.replace("NAME", "lifo") for path in paths}


def main(repository: Path, shadow: Path) -> int:
    if (named := named_by_the_table(repository)) != set(CHANGES):
        print(f"CONTRIBUTING.md: a policy takes {sorted(named)}; added in {sorted(CHANGES)}")
        return 1
    for path in shadow.rglob("*.*"):
        if str(path.relative_to(shadow)) not in CHANGES:
            path.unlink()  # of an earlier policy
    for name, additions in CHANGES.items():
        text = "" if additions[0][0] == "" else (repository / name).read_text()
        for place, lines in additions:
            if text.count(place) != 1 and place:
                print(f"{name}: a policy is added after {place!r}; expected it once, found it {text.count(place)} times")
                return 1
            text = text.replace(place, place + lines) if place else lines
        path = shadow / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(*(Path(argument).resolve() for argument in sys.argv[1:3])))
