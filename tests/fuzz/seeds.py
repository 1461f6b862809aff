"""Small files to start the fuzzers from: a folder for each.

    seeds.py FOLDER
"""

import base64
import gzip
import io
import json
import itertools
import struct
import sys
import zipfile
import zlib
from pathlib import Path

LAYERS, TOP_K, PROMPT, STEPS = 2, 3, 3, 4


def rows(count: int, base: int = 0) -> list[int]:
    """Each selection is 0, 1, 2 in some order, or the slots that hold them."""
    return [base + (row + i) % TOP_K for row in range(count * LAYERS) for i in range(TOP_K)]


def int32(values: list[int]) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def npy(shape: tuple, values: list[int], descr: str = "<i4") -> bytes:
    letter = {"<i4": "i", "<i8": "q", "<f2": "H"}[descr]
    header = str({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
            + struct.pack(f"<{len(values)}{letter}", *values))


def npz(method: int, **arrays: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in arrays.items():
            archive.writestr(name + ".npy", data)
    return out.getvalue()


def sglang(values: list[int], **more: int) -> dict:
    return {"text": "a \"b\"\u20ac", "output_ids": [1, 2], "meta_info": {
        "id": "7", "indexer_topk": base64.b64encode(int32(values)).decode(), **more}}


def chat(*responses: dict) -> dict:
    return {"object": "chat.completion",
            "choices": [{"index": i, "meta_info": r["meta_info"]} for i, r in enumerate(responses)], "usage": {}}


def vllm(*choices: bytes) -> dict:
    return {"object": "text_completion",
            "choices": [{"index": i, "indexer_topk": base64.b64encode(c).decode(), "token_ids": [5] * (STEPS + 1)}
                        for i, c in enumerate(choices)],
            "usage": {"prompt_tokens": PROMPT, "completion_tokens": len(choices) * (STEPS + 1)}}


def events(*streams: list) -> bytes:
    return "".join("".join(f"data: {json.dumps(d)}\n\n" for d in s) + "data: [DONE]\n\n" for s in streams).encode()


def sgltopk(positions: bool, forwards: list[tuple[int, list[tuple[int, int]]]]) -> bytes:
    """A log: for each forward its number, and the requests in it with the length of each."""
    head = json.dumps({"version": 1, "topk": TOP_K, "num_model_layers": 2 * LAYERS, "layer_ids": [0, 2],
                       "ids_are_token_positions": positions, "model_path": "m", "rank": 0}).encode()
    out = b"SGLTOPK1" + struct.pack("<I", len(head)) + head
    for number, requests in forwards:
        payload = zlib.compress(int32([0, 1, 1] * LAYERS * len(requests)), 1)  # 0, 1, 2 as differences
        out += struct.pack("<QII", number, len(requests), len(payload))
        out += b"".join(struct.pack("<QI", *request) for request in requests) + payload
    return out


def safetensors(metadata: dict, **tensors: tuple[str, tuple, bytes]) -> bytes:
    ends = list(itertools.accumulate(len(data) for _, _, data in tensors.values()))
    head = {name: {"dtype": dtype, "shape": shape, "data_offsets": [end - len(data), end]}
            for (name, (dtype, shape, data)), end in zip(tensors.items(), ends)}
    text = json.dumps({"__metadata__": metadata, **head}).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def lines(documents: list) -> bytes:
    return "\n".join(json.dumps(d) for d in documents).encode()


def seeds() -> dict[str, list[bytes]]:
    whole = PROMPT + STEPS
    tokens = {"prompt_tokens": PROMPT, "completion_tokens": STEPS + 1}
    response = sglang(rows(whole), **tokens, indexer_topk_num_layers=LAYERS)
    slots = sglang(rows(whole, 640), **tokens)
    choice = npy((whole, LAYERS, TOP_K), rows(whole))
    prefix = sglang(rows(whole - 1), **tokens, indexer_topk_num_layers=LAYERS, indexer_topk_start_len=1)
    aborted = {"meta_info": {"finish_reason": {"type": "abort"}, "completion_tokens": 0}}
    late = {**vllm(npy((whole - 1, LAYERS, TOP_K), rows(whole - 1))), "indexer_topk_prompt_start": 1}
    selections = [{"request_id": request, "layer_id": layer, "step_idx": step, "seq_len_current": PROMPT + step + 1,
                   "selected_token_pos": [2, 0, step]}
                  for step in range(STEPS) for layer in range(LAYERS) for request in ("a", 7)]
    csv = b"request,step,layer,id\n" + b"".join(
        f"a,{step},{layer},{i}\n".encode() for step in range(2) for layer in range(LAYERS) for i in range(3))
    queried = [{**s, "step_idx": s["step_idx"] // 2, "query": s["step_idx"] % 2, "accepted": 2} for s in selections]
    queried_csv = b"request,step,query,accepted,layer,id\n" + b"".join(
        f"a,{3 * step},{query},1,{layer},{i}\n".encode()
        for step in range(2) for query in range(2) for layer in range(LAYERS) for i in range(3))
    wire = {"data": base64.b64encode(int32(rows(whole - 1))).decode(), "shape": [whole - 1, LAYERS, TOP_K], "start": 1}
    extended = {"choices": [{"index": 0}], "usage": tokens,
                "sglext": {"indexer_topk": response["meta_info"]["indexer_topk"], "indexer_topk_num_layers": LAYERS}}
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
    blocks = [{"rank": 0, "forward_mode": mode, "cuda_graph": True, "layer_id": layer, "position": PROMPT + 9 + step,
               "compressed_length": (PROMPT + 10 + step) // 4, "block_indices": [0, 2, -1]}
              for step, mode in enumerate(["EXTEND", "DECODE", "DECODE", "DECODE"]) for layer in (3, 7)]
    ids = npy((STEPS, LAYERS, TOP_K), rows(STEPS))
    queries = {"topk_indices": npy((STEPS // 2, 2, LAYERS, TOP_K), rows(STEPS)),
               "accepted": npy((STEPS // 2,), [1, 2], "<i8"), "kv_owners": npy((LAYERS,), [0] * LAYERS, "<i8")}
    number = {name: npy((), [value], "<i8") for name, value in
              {"prompt_len": PROMPT, "output_len": STEPS, "num_layers": LAYERS, "index_topk": TOP_K, **tokens}.items()}
    header = {name: npy((), [value], "<i8") for name, value in {
        "prompt_len": PROMPT, "start_step": 2, "unit_tokens": 1, "page_tokens": 64, "entry_bytes": 656,
        "ids_are_slots": 0}.items()}
    flat = {k: number[k] for k in ("num_layers", "index_topk")}
    mooncake = [{"timestamp": 27 * i, "input_length": 6758 + i, "output_length": 1 + i, "hash_ids": [0, i]} for i in range(8)]
    scrape = b"".join(f'# TYPE vllm:hisparse_{name} counter\nvllm:hisparse_{name}_total{{engine="{engine}"}} {3 + engine}e+02\n'
                      .encode() for name in ("cache_hits", "cache_misses", "host_to_device_bytes") for engine in range(2))
    return {
        "sglang": [lines([response]), lines([response, slots]), json.dumps([slots], indent=1).encode(),
                   gzip.compress(lines([response])), lines([chat(response, slots)]), lines([prefix, aborted, response]),
                   lines([{"meta_info": {"indexer_topk": wire, **tokens}}]), lines([extended]),
                   events([{"meta_info": tokens}, response], [chunk, extended], [aborted])],
        "sgltopk": [sgltopk(True, [(step, [(7, PROMPT + 1 + step), (8, 9 + step)]) for step in range(STEPS)]),
                    sgltopk(False, [(0, [(7, 4)]), (1, [(7, 5), (8, 9)])]),
                    sgltopk(True, [(0, [(7, 4), (8, 4)]), (1, [(8, 5)]), (2, [(7, 5), (8, 6)])])],
        "qsa": [lines(blocks), lines([{**b, "rank": rank} for b in blocks for rank in (0, 1)])],
        "safetensors": [safetensors({"prompt_len": str(PROMPT)},
                                    topk_indices=("I32", (STEPS, LAYERS, TOP_K), int32(rows(STEPS)))),
                        safetensors({}, topk_index=("I32", (whole, LAYERS, TOP_K), int32(rows(whole))),
                                    prompt_tokens=("I64", (), struct.pack("<q", PROMPT)),
                                    completion_tokens=("I64", (1,), struct.pack("<q", STEPS + 1)))],
        "vllm": [lines([vllm(choice)]), json.dumps([vllm(choice, choice)]).encode(), lines([late])],
        "jsonl": [lines(selections), json.dumps(selections[::-1]).encode(),
                  lines([{**s, "scores": [1, 0.5, -3e-2], "rank": 0} for s in selections]),
                  lines(queried),
                  lines([{**s, "step_idx": s["step_idx"] + (5 if s["step_idx"] > 1 else 0)} for s in selections])],
        "csv": [csv, csv.replace(b"\n", b",0.5\n").replace(b"id,0.5", b"id,score"), csv + b"a,2,0,\na,2,1,\n", queried_csv,
                b"\xef\xbb\xbf# by hand\n,step,layer,id,rank,request\n0,7,0,1,0,a\n\n1,8,0,2,0,a\n"],
        "arrivals": [lines(mooncake), b"start_step\n0\n0\n3\n",
                     b"request,start_step,output_length,input_length\na,0,2,9\nb,1,1,9\nc,1,5,7\n"],
        "scrape": [scrape, scrape + b"\0" + scrape, scrape.replace(b'engine="0"} 3', b'engine="0", m="\\"\\\\"} 2') + b"# EOF\n"],
        "npy": [ids, npy((STEPS * LAYERS * TOP_K,), rows(STEPS), "<i8")],
        "npz": [npz(zipfile.ZIP_STORED, topk_indices=ids, prompt_len=number["prompt_len"]),
                npz(zipfile.ZIP_STORED, **queries, prompt_len=number["prompt_len"]),
                npz(zipfile.ZIP_STORED, **queries, queries=npy((STEPS // 2,), [2, 2], "<i8"),
                    kv_unit_tokens=npy((LAYERS,), [1] * LAYERS, "<i8"), prompt_len=number["prompt_len"]),
                npz(zipfile.ZIP_STORED, topk_indices=ids, topk_scores=npy((STEPS, LAYERS, TOP_K), rows(STEPS), "<f2")),
                npz(zipfile.ZIP_DEFLATED, indexer_topk_flat=npy((STEPS * LAYERS * TOP_K,), rows(STEPS)), **flat),
                npz(zipfile.ZIP_STORED, topk_index=choice, prompt_tokens=number["prompt_tokens"],
                    completion_tokens=number["completion_tokens"]),
                npz(zipfile.ZIP_STORED, x=npy((whole - 1, LAYERS, TOP_K), rows(whole - 1)), start=npy((), [1], "<i8"),
                    prompt_len=number["prompt_len"], completion_tokens=number["completion_tokens"]),
                npz(zipfile.ZIP_STORED, topk_indices=ids, model_layers=npy((LAYERS,), [0, 4], "<i8"),
                    group_sizes=npy((LAYERS,), [4, 1], "<i8"), **header)],
    }


def main() -> None:
    folder = Path(sys.argv[1])
    for name, files in seeds().items():
        (folder / f"{name}_fuzz").mkdir(parents=True, exist_ok=True)
        for i, data in enumerate(files):
            for options in (0, 3, 7, 18, 36, 100, 135):  # the first byte: what the user says
                (folder / f"{name}_fuzz" / f"seed-{i}-{options}").write_bytes(bytes([options]) + data)


if __name__ == "__main__":
    main()
