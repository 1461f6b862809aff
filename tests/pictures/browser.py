"""A headless Chromium, driven over its debugging pipe by the standard library alone.

    with Browser(executable, folder) as browser:
        page = browser.open(Path("report.html"))
        page.value("document.title")
"""

import base64
import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    def __init__(self, executable: str, folder: Path):
        ours_read, theirs_write = os.pipe()
        theirs_read, ours_write = os.pipe()

        def connect() -> None:  # Chromium reads commands from 3 and writes answers to 4
            copies = [os.dup(theirs_read), os.dup(theirs_write)]  # whatever 3 and 4 are now
            while min(copies) <= 4:
                copies = [os.dup(copy) for copy in copies]
            for copy, place in zip(copies, (3, 4)):
                os.dup2(copy, place)

        self.process = subprocess.Popen(
            [executable, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update",
             f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=connect)
        os.close(theirs_read)
        os.close(theirs_write)
        self.commands, self.answers = os.fdopen(ours_write, "wb", 0), os.fdopen(ours_read, "rb", 0)
        self.messages: queue.Queue = queue.Queue()
        self.number, self.events = 0, []
        threading.Thread(target=self._receive, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.commands.close()

    def _receive(self) -> None:
        rest = b""
        while piece := self.answers.read(1 << 20):
            *whole, rest = (rest + piece).split(b"\0")
            for text in whole:
                self.messages.put(json.loads(text))
        self.messages.put(None)

    def _next(self, seconds: float) -> dict:
        message = self.messages.get(timeout=seconds)
        assert message is not None, f"the browser ended with status {self.process.wait()}"
        if "method" in message:
            self.events.append(message)
        return message

    def send(self, method: str, session: str | None = None, **parameters) -> dict:
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        self.commands.write(json.dumps(command).encode() + b"\0")
        while (message := self._next(120)).get("id") != self.number:
            pass
        assert "error" not in message, f"{method}: {message['error']}"
        return message["result"]

    def wait(self, method: str) -> dict:
        """The first event of this name, already here or to come."""
        while not (found := [event for event in self.events if event["method"] == method]):
            self._next(120)
        return found[0]["params"]

    def open(self, path: Path, width: int = 1200, dark: bool = False) -> "Page":
        return Page(self, path, width, dark)


class Page:
    """A file that was opened, and everything that happened since: `requests` and `complaints`."""

    def __init__(self, browser: Browser, path: Path, width: int, dark: bool):
        self.browser, self.path = browser, path
        browser.events.clear()
        target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.send("Page.navigate", url=path.resolve().as_uri())
        browser.wait("Page.loadEventFired")

    def send(self, method: str, **parameters) -> dict:
        return self.browser.send(method, self.session, **parameters)

    def value(self, expression: str):
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, f"{expression}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def requests(self) -> list[str]:
        self.value("0")  # what happened before is known now
        sent = [e["params"]["request"]["url"] for e in self.browser.events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if url != self.path.resolve().as_uri() and not url.startswith(("data:", "blob:"))]

    def complaints(self) -> list[str]:
        self.value("0")
        return [str(e["params"]) for e in self.browser.events if
                e["method"] in ("Runtime.exceptionThrown", "Log.entryAdded") or
                (e["method"] == "Runtime.consoleAPICalled" and e["params"]["type"] in ("error", "warning", "assert"))]

    def box(self, selector: str) -> dict:
        """Of an element, after scrolling it into view, in the window's pixels."""
        return self.value(f"""(() => {{ const one = document.querySelector({json.dumps(selector)});
            one.scrollIntoView({{block: "center"}}); const {{x, y, width, height}} = one.getBoundingClientRect();
            return {{x, y, width, height}}; }})()""")

    def move(self, x: float, y: float) -> None:
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        box = self.box(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=box["x"] + box["width"] / 2, y=box["y"] + box["height"] / 2, button="left", clickCount=1)

    def key(self, name: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    def tip(self, selector: str) -> dict[str, str]:
        """The values that a picture shows now, by label; empty if it shows none."""
        return self.value(f"""(() => {{ const tip = document.querySelector({json.dumps(selector + " .tip")});
            return tip.hidden ? {{}} : Object.fromEntries([...tip.querySelectorAll("dt")].map((dt) => [dt.textContent, dt.nextSibling.textContent])); }})()""")

    def screenshot(self, path: Path, selector: str | None = None) -> None:
        clip = {}
        if selector:
            box = self.value(f"""(() => {{ const {{x, y, width, height}} = document.querySelector({json.dumps(selector)}).getBoundingClientRect();
                return {{x: x + scrollX, y: y + scrollY, width, height, scale: 1}}; }})()""")
            clip = {"clip": box}
        image = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, **clip)["data"]
        path.write_bytes(base64.b64decode(image))
