#!/usr/bin/env python3
"""The decode step of SGLang on one GPU, with dummy weights: its own CUDA graph, replayed, and the kernels in it.

    python3 tools/measure/sglang_step.py MODEL OUT --batches 1,8,32 --contexts 4096,32768,102400

MODEL is a folder with a config.json, num_hidden_layers lowered to what fits, and a tokenizer. Written for SGLang 0.5.17, whose
internals it uses. data/hardware/README.md says how contexts are filled and what the columns are.
"""

import argparse
import collections
import csv
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "capture"))
import sglang_server  # noqa: F401, E402  dummy weights that select
from sglang.benchmark import one_batch  # noqa: E402
from sglang.srt.layers.moe import initialize_moe_config  # noqa: E402
from sglang.srt.layers.quantization.fp4_utils import initialize_fp4_gemm_config  # noqa: E402
from sglang.srt.layers.quantization.fp8_utils import initialize_fp8_gemm_config  # noqa: E402
from sglang.srt.managers.schedule_batch import ScheduleBatch  # noqa: E402
from sglang.srt.server_args import PortArgs, prepare_server_args  # noqa: E402
from sglang.srt.speculative.spec_info import SpeculativeAlgorithm  # noqa: E402

PROMPT, PAGE, KEY_BYTES = 4096, 64, 128
REPLAYS, PROFILED = 30, 5


def load(model, batches, contexts):
    tokens = max(batches) * (max(contexts) + 4 * PAGE) + 2 * PROMPT
    options = prepare_server_args([
        "--model-path", model, "--load-format", "dummy", "--kv-cache-dtype", "fp8_e4m3", "--grammar-backend", "none",
        "--sampling-backend", "pytorch", "--chunked-prefill-size", str(PROMPT), "--max-total-tokens", str(tokens),
        "--max-running-requests", "64", "--cuda-graph-bs-decode", *map(str, batches), "--mem-fraction-static", "0.9",
        "--disable-prefill-cuda-graph", "--moe-runner-backend", "triton", "--context-length", "131072"])
    for initialize in (initialize_moe_config, initialize_fp8_gemm_config, initialize_fp4_gemm_config):
        initialize(options)
    one_batch._set_envs_and_config(options)
    return one_batch.load_model(options, PortArgs.init_new(options), 0, 0)[0]


def fill(runner):
    """Rows of one prompt over the whole pool; keys of the indexer at random, without NaNs, so that scores do not tie."""
    runner.clear()
    requests = one_batch.prepare_synthetic_inputs_for_latency_test(1, PROMPT)
    runner.extend(requests)
    model = runner.torch_runner
    first = int(model.req_to_token_pool.req_to_token[requests[0].req_pool_idx, 0])
    for rows in model.token_to_kv_pool.kv_buffer:
        source = rows[first:first + PROMPT].clone()
        for start in range(PAGE, rows.shape[0], PROMPT):
            rows[start:start + PROMPT].copy_(source[:min(PROMPT, rows.shape[0] - start)])
    for pages in model.token_to_kv_pool.index_k_with_scale_buffer:
        if pages.numel() == 0:  # a layer that shares an index
            continue
        scales = pages[first // PAGE].clone().view(torch.uint8).view(-1)[PAGE * KEY_BYTES:]
        for part in pages.split(4096):
            flat = part.view(part.shape[0], -1).view(torch.uint8)
            keys = torch.randint(0, 256, (part.shape[0], PAGE * KEY_BYTES), dtype=torch.uint8, device=part.device)
            flat[:, :PAGE * KEY_BYTES] = keys & 0xB7
            flat[:, PAGE * KEY_BYTES:] = scales


@torch.no_grad()
def graph_of(runner, batch_size, context):
    """Decodes until the graph's inputs are those of this batch; returns what replays it."""
    model = runner.torch_runner
    runner.clear()
    requests = one_batch.prepare_synthetic_inputs_for_latency_test(batch_size, context)
    tree = one_batch.TreeCacheNamespace(page_size=model.server_args.page_size, device=model.device,
                                        token_to_kv_pool_allocator=model.token_to_kv_pool_allocator)
    batch = ScheduleBatch.init_new(
        reqs=requests, req_to_token_pool=model.req_to_token_pool, tree_cache=tree, model_config=model.model_config,
        token_to_kv_pool_allocator=model.token_to_kv_pool_allocator, enable_overlap=False,
        spec_algorithm=SpeculativeAlgorithm.NONE)
    batch.prepare_for_extend()
    tokens = torch.randint(3, 100000, (batch_size,), device="cuda")
    for _ in range(3):
        tokens, _ = runner.decode(tokens, batch)
    graphs = model.decode_cuda_graph_runner
    return lambda: graphs.backend.replay(graphs._replay_graph_key, None)


def step_ns(replay):
    for _ in range(5):
        replay()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(REPLAYS + 1)]
    torch.cuda.synchronize()
    events[0].record()
    for event in events[1:]:
        replay()
        event.record()
    torch.cuda.synchronize()
    return sorted(before.elapsed_time(after) * 1e6 for before, after in zip(events, events[1:]))


def kernel_ns(replay):
    activities = [torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(PROFILED):
            replay()
        torch.cuda.synchronize()
    times = collections.Counter()
    for event in profile.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            times[event.name] += event.device_time * 1e3 / PROFILED
    return times


def part_of(kernel):
    if "paged_mqa_logits" in kernel:
        return "scores"
    if "topk_" in kernel and "deepseek_v3_topk" not in kernel:  # the latter chooses experts
        return "topk"
    if "flash_fwd" in kernel or "concat_mla" in kernel:
        return "attention"
    return "experts" if "fused_moe_kernel" in kernel else "other"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("output", help="CSV")
    parser.add_argument("--batches", default="1,8,32")
    parser.add_argument("--contexts", default="4096,32768,102400")
    arguments = parser.parse_args()
    batches, contexts = ([int(number) for number in text.split(",")] for text in (arguments.batches, arguments.contexts))
    runner = load(arguments.model, batches, contexts)
    fill(runner)
    config = runner.torch_runner.model_config
    parts = ("scores", "topk", "attention", "experts", "other")
    with open(arguments.output, "w", encoding="ascii", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["model", "layers", "batch", "context", "step_ns", "step_ns_min", "step_ns_max",
                       *(f"{part}_ns" for part in parts)])
        for batch in batches:
            for context in contexts:
                replay = graph_of(runner, batch, context)
                times = step_ns(replay)
                sums = collections.Counter()
                for kernel, nanoseconds in kernel_ns(replay).items():
                    sums[part_of(kernel)] += nanoseconds
                rows.writerow([Path(arguments.model).name, config.num_hidden_layers, batch, context,
                               *(round(times[i]) for i in (REPLAYS // 2, 0, -1)), *(round(sums[part]) for part in parts)])
                file.flush()


if __name__ == "__main__":
    main()
