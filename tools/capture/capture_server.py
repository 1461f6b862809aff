#!/usr/bin/env python3
"""Sends prompts to a running SGLang or vLLM server and saves the responses, with the selections of the indexer, as
`dsasim import` takes them. Needs nothing but Python.

    python3 tools/capture/capture_server.py --stack sglang --url http://localhost:30000 --prompts prompts.txt --steps 256 -o out/
    dsasim import --from sglang out/response_*.json -o capture.dsat

One prompt a line. What the server must be started with, and what is checked, is in tools/capture/README.md.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path


class CaptureError(Exception):
    """One line for a person: what was found, what was expected."""


def call(url, body=None, timeout_s=3600):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise CaptureError(f"{url}: {error.code}: {error.read(300).decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        raise CaptureError(f"{url}: {error}") from error


class Sglang:
    """`POST /generate`; the response carries meta_info.indexer_topk."""

    def __init__(self, url):
        self.url = url

    def check(self):
        """Returns warnings; refuses a server that does not log."""
        info = call(f"{self.url}/get_server_info")
        if not info.get("enable_return_indexer_topk", False):
            raise CaptureError(f"{self.url}: started without --enable-return-indexer-topk")
        warnings = []
        if info.get("tp_size", 1) > 1:
            warnings.append(f"tensor parallelism of {info['tp_size']}: ranks may break ties differently; the log is rank 0's")
        warnings.append("ids are pool slots, not positions, unless the server runs with SGLANG_DSA_FUSE_TOPK=0 or HiSparse: "
                        "import with --ids auto")
        return warnings

    def generate(self, prompt, steps):
        return call(f"{self.url}/generate", {
            "text": prompt, "return_indexer_topk": True,
            "sampling_params": {"max_new_tokens": steps + 1, "temperature": 0, "ignore_eos": True}})

    @staticmethod
    def selections(response):
        return response.get("meta_info", {}).get("indexer_topk")


class Vllm:
    """`POST /v1/completions`; each choice carries indexer_topk."""

    def __init__(self, url):
        self.url = url

    def check(self):
        models = call(f"{self.url}/v1/models").get("data", [])
        if not models:
            raise CaptureError(f"{self.url}/v1/models: serves no model")
        self.model = models[0]["id"]
        return []

    def generate(self, prompt, steps):
        return call(f"{self.url}/v1/completions", {
            "model": self.model, "prompt": prompt, "max_tokens": steps + 1, "temperature": 0, "ignore_eos": True,
            "indexer_topk": True})

    @staticmethod
    def selections(response):
        return all(choice.get("indexer_topk") for choice in response.get("choices") or [{}])


STACKS = {"sglang": Sglang, "vllm": Vllm}


def capture(arguments):
    prompts = [line for line in Path(arguments.prompts).read_text(encoding="utf-8").splitlines() if line.strip()]
    if not prompts:
        raise CaptureError(f"{arguments.prompts}: no prompts, expected one a line")
    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    stack = STACKS[arguments.stack](arguments.url.rstrip("/"))
    for warning in stack.check():
        print(f"warning: {warning}", file=sys.stderr)
    for number, prompt in enumerate(prompts):
        response = stack.generate(prompt, arguments.steps)
        if not stack.selections(response):
            raise CaptureError(f"{arguments.url}: the response to prompt {number} has no indexer_topk: is the model one with "
                               "an indexer, and the server started for it?")
        path = folder / f"response_{number}.json"
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(response), encoding="utf-8")
        partial.rename(path)
        print(path, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", choices=STACKS, required=True)
    parser.add_argument("--url", required=True, help="of the server: http://localhost:30000")
    parser.add_argument("--prompts", required=True, help="a file of prompts, one a line")
    parser.add_argument("--steps", type=int, default=256, help="selections to capture: decode steps [256]")
    parser.add_argument("-o", "--output", required=True, help="folder for response_<i>.json")
    try:
        capture(parser.parse_args())
    except (CaptureError, OSError) as error:
        print(f"capture_server.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
