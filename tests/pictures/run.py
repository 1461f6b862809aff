"""`dsasim report` in a headless Chromium: pages that open from disk, ask nobody for anything and show the documents' numbers.

    run.py REPOSITORY TOOL SCRATCH

SCRATCH keeps the pages and a screenshot of each picture, light and dark. Exit status 77: no browser is installed.
"""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from browser import Browser, Page, find_browser

COUNTERS = {"accesses": "accesses", "hits": "hits", "misses": "misses", "miss_ratio": "miss ratio", "compulsory_misses": "compulsory misses",
            "evictions": "evictions", "fetched_bytes": "fetched bytes", "missed_pages": "missed pages", "gather_ns": "gather time, ns"}
TRACE = "traces/paper128-req_0.dsat"
EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'><!--"


def exact(value) -> str:
    """As the page writes a number of a document: in full."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{int(value):,}" if value == int(value) else re.sub(r"^\d+", lambda whole: f"{int(whole[0]):,}", repr(value))


class Pages:
    def __init__(self, repository: Path, tool: Path, scratch: Path, browser: Browser):
        self.repository, self.tool, self.scratch, self.browser = repository, tool, scratch, browser

    def run(self, *arguments) -> None:
        done = subprocess.run([self.tool, *map(str, arguments)], cwd=self.repository, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"

    def document(self, name: str, *arguments) -> dict:
        self.run(*arguments, "--json", self.scratch / f"{name}.json")
        return json.loads((self.scratch / f"{name}.json").read_text())

    def write(self, name: str, document: dict) -> Path:
        path = self.scratch / f"{name}.json"
        path.write_text(json.dumps(document))
        return path

    def open(self, name: str, *inputs, width: int = 1200, dark: bool = False, complete: bool = True) -> Page:
        path = self.scratch / f"{name}.html"
        self.run("report", *inputs, "-o", path)
        page = self.browser.open(path, width, dark)
        assert page.requests() == [], page.requests()
        assert page.complaints() == [], page.complaints()
        failed = page.value("[...document.querySelectorAll('.failed')].map((one) => one.textContent)")
        assert not complete or failed == [], failed
        return page

    def path(self, name: str) -> Path:
        return self.scratch / f"{name}.json"


def ids(page: Page) -> list[str]:
    return page.value("[...document.querySelectorAll('section.picture')].map((one) => one.id)")


def choose(page: Page, picture: str, key: str, value) -> None:
    field = "checked" if isinstance(value, bool) else "value"
    page.value(f"""(() => {{ const input = document.querySelector('#{picture} [data-key={key}]');
        input.{field} = {json.dumps(value)}; input.dispatchEvent(new Event("change")); }})()""")
    assert page.complaints() == [], page.complaints()


def saved(page: Page, picture: str, button: str) -> str:
    """What a button would write to a file."""
    return page.value(f"""(() => {{ const old = URL.createObjectURL; let text;
        URL.createObjectURL = (blob) => {{ text = blob.text(); return old(blob); }};
        HTMLAnchorElement.prototype.click = () => undefined;
        [...document.querySelectorAll('#{picture} button')].find((one) => one.textContent.includes({json.dumps(button)})).click();
        URL.createObjectURL = old; return text; }})()""")


def table(page: Page, picture: str) -> list[list[str]]:
    page.value(f"document.querySelector('#{picture} details').open = true; new Promise((done) => setTimeout(done, 50))")
    return page.value(f"[...document.querySelectorAll('#{picture} tr')].map((row) => [...row.children].map((cell) => cell.textContent))")


def ticks(page: Page, picture: str) -> list[str]:
    return page.value(f"[...document.querySelectorAll('#{picture} .tick text')].map((one) => one.textContent)")


def sweep_pointer(page: Page, picture: str, count: int = 25, height: float = 0.6):
    """What the picture says as the pointer goes from left to right."""
    box = page.box(f"#{picture} svg")
    for i in range(count):
        page.move(box["x"] + box["width"] * (0.06 + 0.9 * i / count), box["y"] + box["height"] * height)
        if tip := page.tip(f"#{picture}"):
            yield tip


def keys(page: Page, picture: str, *names: str) -> dict[str, str]:
    """What the picture says after these keys, from the beginning."""
    page.value(f"document.querySelector('#{picture} svg').focus()")
    for name in ("Escape", *names):
        page.key(name)
    return page.tip(f"#{picture}")


def all_documents(pages: Pages) -> None:
    """A page with a document of each schema: every number under the pointer, in tables and in files is the document's."""
    first = pages.document("first", "replay", TRACE, "--policy", "hisparse", "--entry-bytes", 656, "--per-step", pages.scratch / "rows.csv")
    second = pages.document("second", "replay", TRACE, "--policy", "lru", "--entry-bytes", 656)
    curve = pages.document("curve", "curve", TRACE)
    pages.document("compare", "compare", TRACE, "--policies", "hisparse,lru,clock")
    analysis = pages.document("analysis", "analyze", TRACE)
    step = pages.document("step", "step", "--model", "deepseek-v3.2", "--gpu", "h200", "--tp", 8, "--batch", 16, "--context", 65536)
    timed = pages.document("timed", "replay", TRACE, "--model", "deepseek-v3.2", "--gpu", "h200", "--tp", 8)
    allocation = pages.document("allocation", "allocate", TRACE, "--budget", "2x")
    pages.document("study", "study", TRACE, "--model", "deepseek-v3.2", "--gpu", "h200", "--parts", 2)
    plan = {"schema": "dsasim-plan/1", "rows": [
        {"slots": slots, "batch": batch, "max_batch": 20, "miss_ratio": 0.25, "link_bytes_per_step": 2**60 + 1, "exposed_ns": 7,
         "tpot_ns": 20_000_001 + batch, "tokens_per_s": 400.125 * batch} for slots in (None, 4096, 8192) for batch in (8, 16)]}
    pages.write("plan", plan)
    real = [pages.document(f"plan{batch}", "plan", TRACE, "--model", "glm-5.1", "--gpu", "h200", "--tp", 8, "--context", 8192, "--extrapolate", "scale",
                           "--batch", batch) for batch in (4, 8)]
    names = ("first", "second", "curve", "compare", "analysis", "step", "timed", "allocation", "study", "plan")
    inputs = [*map(pages.path, names), "--per-step", pages.scratch / "rows.csv"]
    page = pages.open("all", *inputs)
    assert ids(page) == ["documents", "misses-by-capacity", "misses-by-step", "misses-over-time", "side-by-side", "layers", "step-parts",
                         "layer-parts", "plan-tpot", "plan-throughput", "study", "allocation", "metrics-by-layer",
                         *(f"metric-{name}" for name in analysis["metrics"])], ids(page)

    by_layer = {exact(row["layer"]): row for report in (first,) for row in report["layers"]}
    page.click("#layers [data-series='lru']")
    page.click("#layers [data-series^='deepseek']")
    pressed = "[...document.querySelectorAll('#layers [data-series]')].map((one) => one.getAttribute('aria-pressed'))"
    assert page.value(pressed) == ["true", "false", "false"], page.value(pressed)
    seen = []
    for tip in sweep_pointer(page, "layers", 40):
        seen.append(int(tip["layer"]))
        for key, label in COUNTERS.items():
            assert tip[label] == exact(by_layer[tip["layer"]][key]), (tip, key)
    assert seen == sorted(seen) and set(map(exact, seen)) == set(by_layer), seen
    assert ticks(page, "layers")[:16] == list(by_layer), ticks(page, "layers")
    page.click("#layers [data-series='lru']")
    rows = list(csv.DictReader(io.StringIO(saved(page, "layers", "CSV"))))
    wanted = [row for report in (first, second, timed) for row in report["layers"]]
    assert [(int(row["misses"]), float(row["miss_ratio"])) for row in rows] == [(row["misses"], row["miss_ratio"]) for row in wanted]
    cells = table(page, "layers")
    assert [row[cells[0].index("fetched_bytes")] for row in cells[1:]] == [exact(row["fetched_bytes"]) for row in wanted]

    points = {exact(point["capacity_entries"]): point for point in curve["points"]}
    tips = [tip for tip in sweep_pointer(page, "misses-by-capacity") if "layer" not in tip]
    linear = ticks(page, "misses-by-capacity")
    assert "0.6" in linear and "0.05" not in linear, linear
    choose(page, "misses-by-capacity", "logY", True)
    assert "0.05" in ticks(page, "misses-by-capacity"), ticks(page, "misses-by-capacity")
    choose(page, "misses-by-capacity", "layers", True)
    choose(page, "misses-by-capacity", "logX", False)
    assert any(tip["capacity, entries"] in points and tip["misses"] == exact(points[tip["capacity, entries"]]["misses"]) and
               tip["miss ratio"] == exact(points[tip["capacity, entries"]]["miss_ratio"]) for tip in tips), tips
    everything = list(csv.DictReader(io.StringIO(saved(page, "misses-by-capacity", "CSV"))))
    assert [int(row["misses"]) for row in everything if row["layer"] == "all"][:len(points)] == [point["misses"] for point in curve["points"]]
    labels = page.value("[...document.querySelectorAll('#misses-by-capacity .halo')].map((one) => one.textContent)")
    assert {"top-k 128", "last-level cache of h200", "set-aside of h200"} <= set(labels), labels

    per_step = list(csv.DictReader((pages.scratch / "rows.csv").open()))
    wanted = {(row["layer"], row["step"]): row for row in per_step}
    for tip in sweep_pointer(page, "misses-by-step"):
        row = wanted[tip["layer"], tip["step"]]
        assert all(tip[label] == exact(int(row[key])) for key, label in COUNTERS.items() if key in row), (tip, row)
    assert keys(page, "misses-by-step", "End", "ArrowDown")["misses"] == exact(int(wanted["1", "199"]["misses"]))
    for kind in ("miss_ratio", "gather_ns"):
        choose(page, "misses-by-step", "kind", kind)
    assert keys(page, "misses-by-step", "ArrowRight", "ArrowRight")["step"] == "1"
    assert keys(page, "misses-by-step") == {}

    assert keys(page, "side-by-side", "Home")["misses"] == exact(first["totals"]["misses"])
    assert keys(page, "step-parts", "Home")["ns"] == exact(step["parts"]["projections"])
    assert keys(page, "step-parts", "Home", "ArrowDown")["of all steps, ns"] == exact(timed["step_time"]["parts"]["projections_ns"])
    mean_ns = sum(float(row[2]) for row in csv.reader(io.StringIO(saved(page, "step-parts", "CSV"))) if row[0] not in ("of", "batch 16 context 65536"))
    assert abs(mean_ns - timed["step_time"]["tpot_ns"]["mean"]) < 1e-3, mean_ns
    choose(page, "step-parts", "share", True)
    tip = keys(page, "plan-tpot", "Home", "End")
    assert tip["slots"] == "all" and tip["tpot_ns"] == "20,000,009" and tip["link_bytes_per_step"] == exact(2**60 + 1), tip
    assert keys(page, "plan-throughput", "Home", "ArrowUp", "ArrowDown")["tokens_per_s"] == "6,402"
    assert keys(page, "allocation", "Home")["misses"] == exact(allocation["layers"][0]["uniform"]["misses"])
    metric = analysis["metrics"]["persistence"]
    tip = keys(page, "metric-persistence", "Home", "ArrowRight")
    assert (tip["from"], tip["samples"]) == (exact(metric["histogram"]["edges"][1]), exact(metric["histogram"]["counts"][1])), tip
    assert repr(metric["mean"]) in page.value("document.querySelector('#metric-persistence p').textContent")
    choose(page, "metrics-by-layer", "name", "working_set")
    assert keys(page, "metrics-by-layer", "End")["mean"] == exact(analysis["layers"][15]["metrics"]["working_set"]["mean"])

    for picture in ids(page)[1:]:
        assert list(sweep_pointer(page, picture, 5)), f"{picture}: nothing under the pointer"
        shapes = ElementTree.fromstring(saved(page, picture, "SVG"))
        text = ElementTree.tostring(shapes, encoding="unicode")
        assert "var(" not in text and "class=" not in text and text.count("<") > 20, picture
        page.screenshot(pages.scratch / f"light-{picture}.png", f"#{picture}")
    looks(pages, page, inputs)

    page = pages.open("plans", pages.path("plan4"), pages.path("plan8"))
    names = page.value("[...document.querySelectorAll('#plan-tpot [data-series]')].map((one) => one.dataset.series)")
    assert names == ["batch 4", "batch 8"], names
    assert keys(page, "plan-tpot", "Home")["tpot_ns"] == exact(real[0]["rows"][0]["tpot_ns"])
    assert keys(page, "plan-throughput", "Home", "End")["slots"] == "all"
    page.screenshot(pages.scratch / "light-plans.png", "#plan-tpot")


def looks(pages: Pages, page: Page, inputs: list) -> None:
    """Themes, print, and a narrow window."""
    back = "getComputedStyle(document.body).backgroundColor"
    assert page.value(back) == "rgb(255, 255, 255)"
    page.click("#theme")
    assert page.value(back) != "rgb(255, 255, 255)"
    page.send("Emulation.setEmulatedMedia", media="print")
    assert page.value(back) == "rgb(255, 255, 255)"
    assert page.value("getComputedStyle(document.querySelector('.tools')).display") == "none"
    dark = pages.open("all", *inputs, width=800, dark=True)
    assert dark.value(back) != "rgb(255, 255, 255)"
    assert dark.value("document.documentElement.scrollWidth") <= 800
    for picture in ids(dark):
        dark.screenshot(pages.scratch / f"dark-{picture}.png", f"#{picture}")


def of_a_trace(pages: Pages) -> None:
    """Of a trace, the page has what replay, curve and analyze say of it."""
    page = pages.open("trace", "traces/paper128.dsat", "--policy", "clock", "--capacity", "1.5x", "--entry-bytes", 656)
    wanted = pages.document("wanted", "replay", "traces/paper128.dsat", "--policy", "clock", "--capacity", "1.5x", "--entry-bytes", 656)
    assert {"misses-by-capacity", "misses-by-step", "layers", "requests", "metric-working_set"} <= set(ids(page)), ids(page)
    assert table(page, "documents")[1][-2:] == [exact(wanted["totals"]["misses"]), exact(wanted["totals"]["miss_ratio"])]
    assert keys(page, "requests", "End")["misses"] == exact(wanted["requests"][-1]["misses"])
    sums = csv.DictReader(io.StringIO(saved(page, "misses-over-time", "CSV")))
    assert sum(int(row["misses"]) for row in sums) == wanted["totals"]["misses"]


def of_many_rows(pages: Pages) -> None:
    """20 MB of rows become few columns, the page says so, and their sums are the report's."""
    report = json.loads(pages.path("first").read_text())
    header = (pages.scratch / "rows.csv").read_text().splitlines()[0]
    layers, steps, row = 16, 30_000, (512, 500, 12, 1, 11, 7872, 9, 1800)
    cells = ",".join(map(str, row))
    with (pages.scratch / "many.csv").open("w") as out:
        out.write(header + "\n")
        for step in range(steps):
            out.write("".join(f"{step},{layer},0,{cells}\n" for layer in range(layers)))
    assert (pages.scratch / "many.csv").stat().st_size > 18e6
    for name, value in zip(header.split(",")[3:], row):
        report["totals"][name] = value * layers * steps
    page = pages.open("many", pages.write("many", report), "--per-step", pages.scratch / "many.csv")
    (pages.scratch / "many.csv").unlink()
    assert (pages.scratch / "many.html").stat().st_size < 2e6
    assert "480,000 rows" in page.value("document.querySelector('#misses-by-step p').textContent")
    assert "adds up 64 steps" in page.value("document.querySelector('#misses-by-step p').textContent")
    tip = keys(page, "misses-by-step", "Home")
    assert (tip["steps"], tip["misses"]) == ("0 to 63", exact(64 * 12)), tip
    assert keys(page, "misses-by-step", "End")["misses"] == exact((steps % 64) * 12)
    cells = list(csv.DictReader(io.StringIO(saved(page, "misses-by-step", "CSV"))))
    assert [(row["first_step"], row["steps"]) for row in (cells[0], cells[1], cells[-1])] == [("0", "64"), ("64", "64"), ("29952", "48")]
    assert sum(int(row["misses"]) for row in cells) == report["totals"]["misses"]
    page.screenshot(pages.scratch / "light-many-rows.png", "#misses-by-step")


def of_hostile_documents(pages: Pages) -> None:
    """Text stays text, whoever wrote it; and what a document lacks costs one picture, not the page."""
    step = json.loads(pages.path("step").read_text())
    step["parts"] = {EVIL: 5, "__proto__": 7}
    step["config"]["model"] = EVIL
    compare = {"schema": "dsasim-compare/1", "config": {EVIL: EVIL}, "rows": [
        {"trace": EVIL, "policy": EVIL, "capacity": EVIL, "capacity_entries": 4, "accesses": 8, "misses": 2, "miss_ratio": 0.25, "bound": False},
        {"trace": EVIL, "policy": EVIL + "2", "capacity": "1x", "capacity_entries": "x", "accesses": [], "misses": {}, "miss_ratio": EVIL, "bound": 1}]}
    allocation = json.loads(pages.path("allocation").read_text())
    del allocation["splits"]
    inputs = [pages.write("evil <b>&lt;", step), pages.write("evil_compare", compare), pages.write("evil_allocation", allocation),
              pages.write("evil_plan", {"schema": "dsasim-plan/1", "rows": 5})]
    page = pages.open("evil", *inputs, complete=False)
    assert page.value("window.hacked") is None
    assert page.value("document.querySelectorAll('img, b, iframe').length") == 0
    assert page.value("document.scripts.length") == 3
    assert page.value("[...document.querySelectorAll('#misses-by-capacity [data-series]')][0].dataset.series") == EVIL
    assert keys(page, "step-parts", "Home")["ns"] == "5"
    assert EVIL in page.value("document.querySelector('#step-parts .tip').textContent")
    assert EVIL in ElementTree.tostring(ElementTree.fromstring(saved(page, "step-parts", "SVG")), encoding="unicode", method="text")
    assert any(EVIL in cell for row in table(page, "step-parts") for cell in row)
    failed = page.value("[...document.querySelectorAll('.failed')].map((one) => one.textContent.split(':')[0])")
    assert failed == ["planTimes", "planThroughput", "allocation"], failed


def main(repository: Path, tool: Path, scratch: Path) -> int:
    executable = find_browser()
    if executable is None:
        print("No Chromium is installed: the pictures were not looked at. tools/install-packages ci installs it.")
        return 77
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(executable, Path(folder)) as browser:
        pages = Pages(repository, tool, scratch, browser)
        for part in (all_documents, of_a_trace, of_many_rows, of_hostile_documents):
            part(pages)
            print(f"{part.__name__}: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
