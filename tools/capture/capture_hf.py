#!/usr/bin/env python3
"""Captures the selections of a Hugging Face model with indexers while it decodes.

    python3 tools/capture/capture_hf.py --model PATH --prompts prompts.txt --steps 256 -o captures/
    python3 tools/capture/capture_hf.py --random deepseek_v32 --steps 16 -o captures/      # shapes alone: random weights
    dsasim import --from npz captures/req_*.npz -o capture.dsat

One prompt a line. Decoding is greedy. Needs torch and transformers 5 with `deepseek_v32` or `glm_moe_dsa`.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers

from capture_file import save_request
from indexer_log import IndexerLog

SMALL = dict(
    vocab_size=512, hidden_size=128, intermediate_size=256, moe_intermediate_size=64, num_hidden_layers=6,
    num_attention_heads=4, num_key_value_heads=4, n_shared_experts=1, n_routed_experts=4, num_experts_per_tok=2, n_group=1,
    topk_group=1, kv_lora_rank=64, q_lora_rank=64, qk_rope_head_dim=16, v_head_dim=32, qk_nope_head_dim=32,
    max_position_embeddings=4096, index_topk=32, index_head_dim=32, index_n_heads=4, first_k_dense_replace=1,
    pad_token_id=0, bos_token_id=None, eos_token_id=None,
)


def random_model(model_type):
    """A small model with random weights; of glm_moe_dsa, two of three layers share an index."""
    options = dict(SMALL)
    if model_type == "glm_moe_dsa":
        options["indexer_types"] = ["full", "shared", "shared"] * (SMALL["num_hidden_layers"] // 3)
    config = transformers.AutoConfig.for_model(model_type, **options)
    torch.manual_seed(1)
    return transformers.AutoModelForCausalLM.from_config(config)


def prompts_of(arguments, model):
    if arguments.random:
        generator = torch.Generator().manual_seed(2)
        return [torch.randint(1, SMALL["vocab_size"], (1, length), generator=generator) for length in (100, 20)]
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
    lines = Path(arguments.prompts).read_text(encoding="utf-8").splitlines()
    return [tokenizer(line, return_tensors="pt").input_ids for line in lines if line.strip()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", help="name or folder of a model, as transformers takes it")
    source.add_argument("--random", choices=("deepseek_v32", "glm_moe_dsa"), help="a small model with random weights")
    parser.add_argument("--prompts", help="a file of prompts, one a line (with --model)")
    parser.add_argument("--steps", type=int, default=256, help="tokens to decode [256]")
    parser.add_argument("--scores", action="store_true", help="save scores too")
    parser.add_argument("-o", "--output", required=True, help="folder for req_<i>.npz")
    arguments = parser.parse_args()
    if arguments.model and not arguments.prompts:
        parser.error("--model needs --prompts")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = random_model(arguments.random) if arguments.random else transformers.AutoModelForCausalLM.from_pretrained(
        arguments.model, torch_dtype="auto")
    model = model.to(device).eval()
    for number, prompt in enumerate(prompts_of(arguments, model)):
        with IndexerLog(model, arguments.scores) as log, torch.no_grad():
            # The last of N new tokens is not decoded from: N + 1 give N selections.
            model.generate(prompt.to(device), max_new_tokens=arguments.steps + 1, do_sample=False)
        groups = log.group_sizes(len(model.model.layers))
        path = save_request(arguments.output, number, log.selections[0], prompt.shape[1],
                            log.scores[0] if arguments.scores else None, log.owners, groups)
        print(json.dumps({"file": str(path), "prompt_len": prompt.shape[1], "steps": len(log.selections[0]),
                          "layers": log.owners, "groups": groups}))


if __name__ == "__main__":
    main()
