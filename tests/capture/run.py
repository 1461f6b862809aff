"""The capture programs, as far as Python's standard library takes them: capture_server.py against a server that answers as
SGLang and vLLM do, and all files compile.

    run.py ROOT SCRATCH DSASIM
"""

import base64
import http.server
import json
import pathlib
import struct
import subprocess
import sys
import threading

ROOT, SCRATCH = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
CAPTURE = ROOT / "tools/capture"
LAYERS, TOP_K, PROMPT = 3, 4, 6


def rows_of(new_tokens):
    """Row i belongs to the query at position i: the newest positions, layer by layer shifted."""
    rows = []
    for row in range(PROMPT + new_tokens - 1):
        for layer in range(LAYERS):
            ids = [(row - layer - i) if row - layer - i >= 0 else -1 for i in range(TOP_K)]
            rows.extend(ids)
    return struct.pack(f"<{len(rows)}i", *rows)


class Server(http.server.BaseHTTPRequestHandler):
    logs = True  # whether it was started to return selections

    def log_message(self, *_):
        pass

    def answer(self, body, status=200):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/get_server_info":
            self.answer({"enable_return_indexer_topk": self.logs, "tp_size": 2})
        elif self.path == "/v1/models":
            self.answer({"data": [{"id": "model"}]})
        else:
            self.answer({"error": "no such page"}, 404)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/generate":
            new_tokens = asked["sampling_params"]["max_new_tokens"]
            assert asked["return_indexer_topk"] is True
            meta = {"prompt_tokens": PROMPT, "completion_tokens": new_tokens, "indexer_topk_num_layers": LAYERS,
                    "indexer_topk": base64.b64encode(rows_of(new_tokens)).decode()}
            self.answer({"text": "", "meta_info": meta})
        else:
            assert self.path == "/v1/completions" and asked["model"] == "model"
            new_tokens = asked["max_tokens"]
            shape = f"{{'descr': '<i4', 'fortran_order': False, 'shape': ({PROMPT + new_tokens - 1}, {LAYERS}, {TOP_K}), }}"
            header = shape.ljust(117) + "\n"
            npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + rows_of(new_tokens)
            choice = {"index": 0, "text": ""}
            if self.logs:
                choice["indexer_topk"] = base64.b64encode(npy).decode()
            self.answer({"choices": [choice], "usage": {"prompt_tokens": PROMPT, "completion_tokens": new_tokens}})


def capture(stack, url, folder, status=0):
    done = subprocess.run([sys.executable, CAPTURE / "capture_server.py", "--stack", stack, "--url", url, "--prompts",
                           SCRATCH / "prompts.txt", "--steps", "5", "-o", folder], capture_output=True, text=True)
    assert done.returncode == status, f"{stack}: exit {done.returncode}: {done.stdout}{done.stderr}"
    return done


def replay_of(dsasim, stack, folder):
    trace = folder / "capture.dsat"
    responses = sorted(map(str, folder.glob("response_*.json")))
    subprocess.run([dsasim, "import", "--from", stack, *responses, "-o", trace], check=True, capture_output=True)
    report = subprocess.run([dsasim, "replay", trace, "--json", "-"], check=True, capture_output=True, text=True)
    return json.loads(report.stdout)["trace"]


def main():
    dsasim = sys.argv[3]
    for file in sorted(CAPTURE.glob("*.py")):
        compile(file.read_text(encoding="utf-8"), str(file), "exec")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    (SCRATCH / "prompts.txt").write_text("one\n\ntwo\n")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"

    done = capture("sglang", url, SCRATCH / "sglang")
    assert "tensor parallelism of 2" in done.stderr and "--ids auto" in done.stderr
    capture("vllm", url + "/", SCRATCH / "vllm")
    for stack in ("sglang", "vllm"):
        trace = replay_of(dsasim, stack, SCRATCH / stack)
        # 6 new tokens give 5 decode rows; contexts of 7 and more.
        expected = {"requests": 2, "layers": LAYERS, "steps": 5, "top_k": TOP_K, "accesses": 2 * 5 * LAYERS * TOP_K}
        assert {key: trace[key] for key in expected} == expected, f"{stack}: {trace}"

    Server.logs = False
    assert "--enable-return-indexer-topk" in capture("sglang", url, SCRATCH / "refused", 2).stderr
    assert "has no indexer_topk" in capture("vllm", url, SCRATCH / "refused", 2).stderr
    assert "capture_server.py: http://127.0.0.1:9" in capture("vllm", "http://127.0.0.1:9", SCRATCH / "refused", 2).stderr
    print("capture: passed")


if __name__ == "__main__":
    main()
