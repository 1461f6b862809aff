#!/usr/bin/env python3
"""SGLang's server with what this project asks of it and a release does not have: a log of the hot buffer's (HiSparse)
misses, call by call, and dummy weights that select.

    HISPARSE_LOG=log/ python3 tools/capture/sglang_server.py --model-path MODEL --enable-hisparse \\
        --disable-decode-cuda-graph --enable-return-indexer-topk ...

Options are those of `python3 -m sglang.launch_server`. Read with SGLang 0.5.17; nothing of it is changed on disk.

HISPARSE_LOG names a folder: hot_buffer-PID.csv has a line for each swap-in, layer and request: how many rows it brought
from the host. It is the number of slots of the buffer that hold another token after the call. CUDA graphs would not
call Python, so decoding must run without them. swap_in_ns is the time between two events around the call, of all its
requests; where the GPU waits for the host, the launch is in it.

With `--load-format dummy` SGLang draws all weights from +-0.001. In fp8 that is 0 or one value, norms shrink what passes
them by a thousand, and the indexer's scores are all equal. Here norms are 1 and the other weights keep the size of what
they are multiplied with, so that selections differ from token to token.
"""

import atexit
import os
import sys
from pathlib import Path

import torch
from sglang.srt.managers import hisparse_coordinator
from sglang.srt.model_loader import loader, weight_utils

FP8_SCALE = 0.01


class HotBufferLog:
    def __init__(self, folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.file = open(Path(folder) / f"hot_buffer-{os.getpid()}.csv", "w", encoding="ascii")
        self.file.write("call,layer,request_slot,seq_len,misses,swap_in_ns\n")
        self.calls = 0
        atexit.register(self.file.close)

    def wrap(self, swap_in):
        def logged(coordinator, req_pool_indices, seq_lens, top_k_result, layer_id):
            buffer = coordinator.device_buffer_size
            requests = req_pool_indices.long()
            tokens = coordinator.req_device_buffer_tokens[layer_id]
            before = tokens[requests, :buffer]
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            located = swap_in(coordinator, req_pool_indices, seq_lens, top_k_result, layer_id)
            end.record()
            misses = (tokens[requests, :buffer] != before).sum(dim=1).tolist()
            swap_in_ns = round(begin.elapsed_time(end) * 1e6)
            for request, length, count in zip(requests.tolist(), seq_lens.tolist(), misses):
                self.file.write(f"{self.calls},{layer_id},{request},{length},{count},{swap_in_ns}\n")
            self.file.flush()
            self.calls += 1
            return located
        return logged


def dummy_weights(model, *_args, **_keywords):
    generator = torch.Generator(device="cuda")
    generator.manual_seed(1234)
    for name, weight in model.state_dict().items():
        if not torch.is_floating_point(weight):
            continue
        if "norm" in name or weight.dim() < 2:
            weight.fill_(0 if "bias" in name else 1)
        elif "scale" in name:
            weight.fill_(FP8_SCALE)
        else:
            deviation = weight.shape[-1] ** -0.5 / (FP8_SCALE if torch.finfo(weight.dtype).bits == 8 else 1)
            for part in weight.view(-1, weight.shape[-1]).split(1 << 14):
                part.copy_(torch.randn(part.shape, generator=generator, device=weight.device) * deviation)


if os.environ.get("HISPARSE_LOG"):  # at the top: the scheduler is a process of its own that imports this file
    _coordinator = hisparse_coordinator.HiSparseCoordinator
    _coordinator.swap_in_selected_pages = HotBufferLog(os.environ["HISPARSE_LOG"]).wrap(_coordinator.swap_in_selected_pages)
loader.initialize_dummy_weights = weight_utils.initialize_dummy_weights = dummy_weights

if __name__ == "__main__":
    from sglang.launch_server import run_server
    from sglang.srt.server_args import prepare_server_args
    from sglang.srt.utils import kill_process_tree

    try:
        run_server(prepare_server_args(sys.argv[1:]))
    finally:
        kill_process_tree(os.getpid(), include_parent=False)
