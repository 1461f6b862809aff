#!/usr/bin/env python3
"""Measures parts of a decode step of DeepSeek-V3.2 on an NVIDIA GPU, one layer at a time, as `--tp 8` divides it.

    python3 tools/measure/step_parts.py > step_parts.csv

Needs torch with Triton, and 8-bit floats in matrix products (compute capability 8.9 or more). The kernels are no serving
stack's: the indexer's scan is one fused kernel (below), the rest is what PyTorch calls. Everything runs in CUDA graphs, over
so many copies of keys and weights that L2 holds none of them when their turn comes. A time is that of a layer, in
microseconds: the median over graphs. Columns `bytes` and `flops` are what the model of docs/step-time.md counts.
"""

import statistics
import sys

import torch
import triton
import triton.language as tl

HIDDEN, INDEX_HEADS, INDEX_DIM, TOP_K, TENSOR_PARALLEL = 7168, 64, 128, 2048, 8
HEADS, LATENT, VALUE = 128 // TENSOR_PARALLEL, 576, 512
COLD_BYTES = 400_000_000  # of all copies: many times an L2
FP8 = torch.float8_e4m3fn

# Of a layer, every matrix divided evenly: an expert, and the projections of attention, indexer and router.
EXPERT = [(HIDDEN, 2048 // TENSOR_PARALLEL), (HIDDEN, 2048 // TENSOR_PARALLEL), (2048 // TENSOR_PARALLEL, HIDDEN)]
PROJECTIONS = [(HIDDEN, (1536 + 576 + 256 + 128 + 64) // TENSOR_PARALLEL), (1536, (24576 + 8192) // TENSOR_PARALLEL),
               (512, 32768 // TENSOR_PARALLEL), (16384 // TENSOR_PARALLEL, HIDDEN)]


@triton.jit
def score_keys(queries, weights, keys, scales, scores, tokens, HEADS: tl.constexpr, DIM: tl.constexpr, BLOCK: tl.constexpr):
    """score(s) = scale(s) x sum over heads of w ReLU(q . k(s)), for a block of one request's keys."""
    request = tl.program_id(1)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    heads, dims = tl.arange(0, HEADS), tl.arange(0, DIM)
    inside = place < tokens
    at = request.to(tl.int64) * tokens + place
    key = tl.load(keys + at[:, None] * DIM + dims[None, :], mask=inside[:, None], other=0.0)
    query = tl.load(queries + (request * HEADS + heads[None, :]) * DIM + dims[:, None])
    products = tl.maximum(tl.dot(key, query), 0.0) * tl.load(weights + request * HEADS + heads)[None, :]
    tl.store(scores + at, tl.sum(products, axis=1) * tl.load(scales + at, mask=inside, other=0.0), mask=inside)


def random_fp8(*shape):
    return torch.randn(shape, device="cuda", dtype=torch.bfloat16).to(FP8)


def time_us(work, repeats, graphs=9):
    """`work()` does something `repeats` times over: the median time of one."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        work()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    times = []
    for _ in range(graphs + 1):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) * 1000 / repeats)
    return statistics.median(times[1:])


def copies_of(size):
    return max(8, -(-COLD_BYTES // size))


def indexer(requests, context):
    copies = copies_of(requests * context * (INDEX_DIM + 4))
    keys = [random_fp8(requests, context, INDEX_DIM) for _ in range(copies)]
    scales = [torch.rand(requests, context, device="cuda") for _ in range(copies)]
    queries, weights = random_fp8(requests, INDEX_HEADS, INDEX_DIM), torch.rand(requests, INDEX_HEADS, device="cuda")
    scores = torch.empty(requests, context, device="cuda")

    def work():
        for key, scale in zip(keys, scales):
            score_keys[(triton.cdiv(context, 128), requests)](queries, weights, key, scale, scores, context, INDEX_HEADS,
                                                              INDEX_DIM, 128, num_warps=4)

    work()
    last = keys[-1].float()
    products = torch.einsum("bhd,bkd->bhk", queries.float(), last).relu() * weights[:, :, None]
    expected = products.sum(1) * scales[-1]
    worst = ((scores - expected).abs().max() / expected.abs().max()).item()
    if worst > 1e-2:
        sys.exit(f"the kernel's scores are off by {worst:.1e} of the largest")
    return time_us(work, copies), requests * context * (INDEX_DIM + 4), 2 * INDEX_HEADS * INDEX_DIM * requests * context


def topk(requests, context):
    scores = torch.rand(requests, context, device="cuda")

    def work():
        for _ in range(16):
            torch.topk(scores, TOP_K, dim=1, sorted=False)

    return time_us(work, 16), 12 * requests * context, 0


def attention(requests, context):
    """To gathered rows, which are on the chip: one latent row serves all heads."""
    rows = torch.randn(requests, TOP_K, LATENT, device="cuda", dtype=torch.bfloat16)
    queries = torch.randn(requests, HEADS, LATENT, device="cuda", dtype=torch.bfloat16)

    def work():
        for _ in range(16):
            probabilities = torch.softmax(torch.bmm(queries, rows.transpose(1, 2)).float(), dim=-1).to(torch.bfloat16)
            torch.bmm(probabilities, rows[:, :, :VALUE])

    return time_us(work, 16), 0, requests * HEADS * 2 * (LATENT + VALUE) * TOP_K


def rest(requests, context):
    """Each weight that the batch is expected to name is read once, in as few products as there are inner dimensions: no
    grouping of tokens by expert, no launch for each matrix. What a serving stack takes is more."""
    experts = round(256 * (1 - (1 - 8 / 256) ** requests))
    outer = {}
    for inner, columns in PROJECTIONS + EXPERT * (1 + experts):
        outer[inner] = outer.get(inner, 0) + columns
    size = sum(inner * columns for inner, columns in outer.items())
    copies = copies_of(size)
    weights = [[random_fp8(columns, inner) for inner, columns in outer.items()] for _ in range(copies)]
    inputs = [random_fp8(requests, inner) for inner in outer]
    one = torch.ones((), device="cuda")

    def work():
        for copy in weights:
            for weight, tokens in zip(copy, inputs):
                torch._scaled_mm(tokens, weight.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)

    return time_us(work, copies), size, 2 * size * requests


def main():
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, triton {triton.__version__}", file=sys.stderr)
    print("part,requests,context,us,bytes,flops")
    for measure in (indexer, topk, attention, rest):
        for requests in (1, 8, 32):
            for context in (16384, 65536, 131072):
                if measure in (attention, rest) and context != 16384:
                    continue  # they do not depend on it
                us, size, flops = measure(requests, context)
                print(f"{measure.__name__},{requests},{context},{us:.3f},{size},{flops}", flush=True)
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
