#!/usr/bin/env python3
"""What the capture programs do inside models, on small ones with random weights. Run by hand: needs torch and transformers 5.

    python3 tests/capture/with_torch.py

Prints a line for each check and exits with 1 if one fails. On a GPU if there is one.
"""

import pathlib
import sys
import tempfile

import numpy
import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/capture"))

from capture_file import save_request
from capture_hf import random_model
from indexer_log import IndexerLog
from lightning_indexer import Retrofit

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PROMPT, STEPS, VOCABULARY = 40, 12, 256
SMALL = dict(vocab_size=VOCABULARY, hidden_size=128, intermediate_size=256, num_hidden_layers=3, num_attention_heads=8,
             num_key_value_heads=2, max_position_embeddings=512)
EXPERTS = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=64, decoder_sparse_step=1)
failures = []


def check(name, holds, detail=""):
    print(f"{'ok   ' if holds else 'FAILS'} {name} {detail}", flush=True)
    if not holds:
        failures.append(name)


def build(model_type, **more):
    torch.manual_seed(3)
    config = transformers.AutoConfig.for_model(model_type, **(SMALL | more))
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    return model.float().to(DEVICE).eval().requires_grad_(False)


def tokens():
    generator = torch.Generator().manual_seed(4)
    ids = torch.randint(0, VOCABULARY, (1, PROMPT + STEPS), generator=generator).to(DEVICE)
    return ids[:, :PROMPT], ids[:, PROMPT:]


@torch.no_grad()
def dense_hidden(model):
    """Of each decoded token, by the model's own attention."""
    prompt, decoded = tokens()
    return model.model(torch.cat((prompt, decoded), dim=1)).last_hidden_state[0, PROMPT:]


def decoded_hidden(model, retrofit):
    """The same while `retrofit` decodes, and what decode() returns."""
    seen = []
    hook = model.model.norm.register_forward_hook(lambda _, __, out: seen.append(out[0, -1]))
    returned = retrofit.decode(*tokens(), [(PROMPT + STEPS, None)])[0][0]
    hook.remove()
    return torch.stack(seen[1:]), returned


def check_retrofit(name, model):
    expected = dense_hidden(model)
    everything = Retrofit(model, heads=2, dim=16).to(DEVICE)
    hidden, decoded = decoded_hidden(model, everything)
    selections = decoded.selections
    error = (hidden - expected).abs().max().item()
    check(f"{name}: with all tokens selected it is the model's own attention", error < 1e-4, f"(off by {error:.1e})")
    check(f"{name}: everything is captured then", abs(decoded.mass - 1) < 1e-5 and abs(decoded.oracle_mass - 1) < 1e-5)
    dense = everything.dense_loss(*tokens())[0]
    check(f"{name}: the loss is the model's own then", abs(decoded.loss - dense) < 1e-4, f"({decoded.loss:.4f})")
    check(f"{name}: a selection for each step and layer",
          len(selections) == STEPS and all(len(step) == SMALL["num_hidden_layers"] for step in selections))
    check(f"{name}: selections are positions of the context",
          all(sorted(layer) == list(range(PROMPT + step + 1)) for step, layers in enumerate(selections) for layer in layers))


@torch.no_grad()
def check_sampling(model):
    """With everything selected and next to no temperature, what is sampled is what the model finds likeliest."""
    prompt, decoded = tokens()
    expected = torch.cat((prompt, decoded[:, :1]), dim=1)
    for _ in range(STEPS - 1):
        expected = torch.cat((expected, model(expected).logits[:, -1:].argmax(-1)), dim=1)
    sampled = Retrofit(model, heads=2, dim=16).to(DEVICE).decode(prompt, decoded, [(PROMPT + STEPS, 1e-5)])[0][0].tokens
    check("sampled tokens are the model's", sampled == expected[0, PROMPT:].tolist())


def check_together(model):
    """What is decoded together is what is decoded alone: two requests, two sizes, fed and sampled."""
    retrofit = Retrofit(model, heads=16, dim=16).to(DEVICE)  # with few heads many scores are 0, and equal ones come in any order
    prompt, decoded = tokens()
    prompts, texts = torch.cat((prompt, prompt.flip(1))), torch.cat((decoded, decoded.flip(1)))
    ways = [(8, None), (12, None), (12, 1e-5)]
    together = retrofit.decode(prompts, texts, ways)
    same = True
    for way, requests in zip(ways, together):
        for number, request in enumerate(requests):
            alone = retrofit.decode(prompts[number : number + 1], texts[number : number + 1], [way])[0][0]
            same = same and request.tokens == alone.tokens and abs(request.mass - alone.mass) < 1e-5 and all(
                (a == b).all() for a, b in zip(request.selections, alone.selections)) and all(
                (a == b).all() for a, b in zip(request.oracle, alone.oracle))
    check("requests decoded together are as decoded alone", same)
    check("each way has its top-k", [step.shape[1] for way in together for step in way[1].selections[:1]] == [8, 12, 12])


def check_training(model, queries):
    """A few batches on one text lower the loss, and raise the mass that 8 of 40 tokens capture."""
    retrofit = Retrofit(model, heads=2, dim=16).to(DEVICE)
    before = retrofit.decode(*tokens(), [(8, None)])[0][0].mass
    losses = list(retrofit.train_on([tokens()[0]] * 60, queries, learning_rate=3e-3))
    after = retrofit.decode(*tokens(), [(8, None)])[0][0]
    mass, oracle = after.mass, after.oracle_mass
    check("training lowers the loss", losses[-1] < 0.7 * losses[0], f"({losses[0]:.4f} to {losses[-1]:.4f})")
    check("no selection captures more than the oracle's", before <= oracle + 1e-6 and mass <= oracle + 1e-6,
          f"({before:.3f} untrained, {mass:.3f} trained, {oracle:.3f} oracle)")


def check_refused(name, model):
    retrofit = Retrofit(model, heads=2, dim=16).to(DEVICE)
    try:
        retrofit.decode(*tokens(), [(8, None)])
    except ValueError as error:
        check(f"{name}: is refused", True, f"({error})")
    else:
        check(f"{name}: is refused", False)


def check_hook(model_type):
    """The hook logs what the attention of the model is given, and nothing else about the model changes."""
    model = random_model(model_type).to(DEVICE).eval()
    prompt = torch.arange(1, 61, device=DEVICE).view(1, -1)
    with torch.no_grad():
        plain = model.generate(prompt, max_new_tokens=9, do_sample=False)
        with IndexerLog(model, with_scores=True) as log:
            logged = model.generate(prompt, max_new_tokens=9, do_sample=False)
    check(f"{model_type}: the hook changes nothing", torch.equal(plain, logged))
    steps = log.selections[0]
    top_k = model.config.index_topk
    check(f"{model_type}: a selection for each step and owning layer",
          len(steps) == 8 and all(len(layers) == len(log.owners) for layers in steps))
    check(f"{model_type}: distinct positions of the context, {top_k} of them, by falling score",
          all(len(set(ids)) == top_k and max(ids) < 61 + step and scores == sorted(scores, reverse=True)
              for step, (layers, values) in enumerate(zip(steps, log.scores[0])) for ids, scores in zip(layers, values)))
    check(f"{model_type}: groups cover the layers", sum(log.group_sizes(len(model.model.layers))) == len(model.model.layers))


def check_file():
    """Short selections are padded, and every array is what docs/formats.md says."""
    with tempfile.TemporaryDirectory() as folder:
        path = save_request(folder, 0, [[[4, 2], [0]], [[5, 1], [3, 6]]], 6, [[[2, 1], [1]], [[9, 8], [7, 6]]], [0, 3], [3, 2])
        found = {name: array.tolist() for name, array in numpy.load(path).items()}
    check("a capture's file", found == {
        "topk_indices": [[[4, 2], [0, -1]], [[5, 1], [3, 6]]], "topk_scores": [[[2, 1], [1, 0]], [[9, 8], [7, 6]]],
        "prompt_len": 6, "output_len": 2, "model_layers": [0, 3], "group_sizes": [3, 2]})


def main():
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {DEVICE}")
    check_file()
    for name, more in (("llama", {}), ("qwen2", {}), ("qwen3", {"head_dim": 32}), ("qwen3_moe", EXPERTS | {"head_dim": 32})):
        check_retrofit(name, build(name, **more))
    check_training(build("llama"), queries=None)
    check_training(build("llama"), queries=16)
    check_sampling(build("llama"))
    check_together(build("llama"))
    check_refused("a model with sliding windows", build("mistral", sliding_window=16))
    for model_type in ("deepseek_v32", "glm_moe_dsa"):
        check_hook(model_type)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
