#!/usr/bin/env python3
"""Adds a lightning indexer to a Llama- or Qwen-type model, trains it on the frozen model, decodes with its selections, and logs
them: the method of arXiv 2603.13430 as a command.

    python3 tools/capture/capture_retrofit.py --model PATH --text DIR --top-k 128 256 --steps 512 -o captures/
    python3 tools/capture/capture_retrofit.py --model DIR --gguf FILE.gguf --text DIR --sample 0.8 -o captures/
    python3 tools/capture/capture_retrofit.py --small --text /usr/share/doc --top-k 256 --steps 512 -o captures/
    dsasim import --from npz captures/k256/req_*.npz -o capture.dsat

--small first trains a small Llama on the bytes of the text: for machines without downloaded weights. Prompts and the tokens that are
decoded come from --prompt-text, else from the last tenth of the text, which is held out. They are fed as they stand; with --sample, the
model also decodes what it samples itself. Requests of top-k K go to OUTPUT/kK/ and OUTPUT/kK-sampled/, with --oracle also to
OUTPUT/kK-oracle/. Prints one JSON object a line: progress, and for each request the attention mass that the selections captured beside
that of an oracle with the same top-k, and the loss of the text that was fed (nats a token) beside the model's own, or what was sampled.
"""

import argparse
import json
import time
from pathlib import Path

import torch
import transformers

import small_llama
from capture_file import save_request
from lightning_indexer import Retrofit


def report(**fields):
    print(json.dumps(fields), flush=True)


def follow(losses, what, every):
    """Runs a training and reports every so many batches."""
    started, recent = time.time(), []
    for number, loss in enumerate(losses, 1):
        recent.append(loss)
        if number % every == 0:
            report(training=what, batches=number, loss=round(sum(recent) / len(recent), 4),
                   seconds=round(time.time() - started, 1))
            recent = []


def load(arguments, device):
    """A model, and two functions: from bytes to token ids and back."""
    if arguments.small:
        model = small_llama.small_llama(arguments.layers, context=arguments.prompt + arguments.steps + 1).to(device)
        batches = small_llama.windows(training_text(arguments), arguments.window, 32, arguments.small_batches, 3, device)
        follow(small_llama.train(model, batches, arguments.small_batches), "model", 100)
        return model, lambda text: text.long(), lambda ids: bytes(ids).decode("utf-8", "replace")
    quantised = {"gguf_file": arguments.gguf} if arguments.gguf else {}  # transformers needs the package gguf for it
    model = transformers.AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.bfloat16, **quantised).to(device)
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model, **quantised)

    def encode(text):  # in parts, so that the tokenizer uses all cores
        parts = [part.numpy().tobytes().decode("utf-8", "replace") for part in text.split(100_000)]
        return torch.cat([torch.tensor(ids) for ids in tokenizer(parts).input_ids])

    return model, encode, tokenizer.decode


def read(arguments, folders):
    return small_llama.read_bytes(folders, arguments.suffix, arguments.text_bytes)


def training_text(arguments):
    """All of the text where prompts have folders of their own, else all but the last tenth."""
    text = read(arguments, arguments.text)
    return text if arguments.prompt_text else text[: len(text) * 9 // 10]


def prompt_texts(arguments):
    """The texts that prompts come from."""
    if arguments.prompt_text:
        return [read(arguments, [folder]) for folder in arguments.prompt_text]
    text = read(arguments, arguments.text)
    return [text[len(text) * 9 // 10 :]]


def train_indexers(arguments, retrofit, encode, device):
    """Trains them, or takes them from --indexers if that file is there."""
    kept = arguments.indexers and Path(arguments.indexers)
    if kept and kept.exists():
        retrofit.indexers.load_state_dict(torch.load(kept, map_location=device, weights_only=True))
        return
    text = encode(training_text(arguments))
    report(training_tokens=len(text))
    batches = small_llama.windows(text, arguments.window, arguments.batch, arguments.batches, 4, device)
    follow(retrofit.train_on(batches, arguments.train_queries), "indexer", 50)
    if kept:
        torch.save(retrofit.indexers.state_dict(), kept)


def decode_all(arguments, retrofit, texts, decode, device):
    """Every top-k over the same prompts, all of them together, fed and sampled."""
    needed = arguments.prompt + arguments.steps
    windows = torch.cat([window for text in texts
                         for window in small_llama.windows(text, needed, 1, arguments.requests, 5, device)])
    prompts, fed = windows[:, : arguments.prompt], windows[:, arguments.prompt :]
    dense = retrofit.dense_loss(prompts, fed)
    ways_to_feed = [None] if arguments.sample is None else [None, arguments.sample]
    ways = [(top_k, temperature) for top_k in arguments.top_k for temperature in ways_to_feed]
    for (top_k, temperature), requests in zip(ways, retrofit.decode(prompts, fed, ways)):
        folder = f"{arguments.output}/k{top_k}{'' if temperature is None else '-sampled'}"
        for number, request in enumerate(requests):
            path = save_request(folder, number, request.selections, arguments.prompt,
                                request.scores if arguments.scores else None)
            if arguments.oracle:
                save_request(f"{folder}-oracle", number, request.oracle, arguments.prompt)
            text = {"dense_loss": round(dense[number], 4)} if temperature is None else {"text": decode(request.tokens)}
            report(file=str(path), prompt_len=arguments.prompt, steps=len(request.selections),
                   layers=len(request.selections[0]), top_k=top_k, mass=round(request.mass, 4),
                   oracle_mass=round(request.oracle_mass, 4), loss=round(request.loss, 4), **text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", help="name or folder of a model, as transformers takes it")
    source.add_argument("--small", action="store_true", help="train a small Llama on the text first")
    parser.add_argument("--text", nargs="+", required=True, help="folders of text")
    parser.add_argument("--suffix", nargs="+", default=[".txt", ".md", ".rst", ".py", ".c", ".h", ".cpp", ".hpp"])
    parser.add_argument("--text-bytes", type=int, default=200_000_000, help="read so much of it [200 MB]")
    parser.add_argument("--layers", type=int, default=8, help="of the small Llama [8]")
    parser.add_argument("--small-batches", type=int, default=3000, help="to train the small Llama for [3000]")
    parser.add_argument("--window", type=int, default=2048, help="tokens of a window in training [2048]")
    parser.add_argument("--heads", type=int, default=4, help="of the indexer [4]")
    parser.add_argument("--dim", type=int, default=64, help="of the indexer's keys [64]")
    parser.add_argument("--batches", type=int, default=600, help="to train the indexer for [600]")
    parser.add_argument("--batch", type=int, default=2, help="windows in one of them [2]")
    parser.add_argument("--train-queries", type=int, help="learn so many of a window's queries, at random [all]")
    parser.add_argument("--top-k", type=int, nargs="+", default=[256])
    parser.add_argument("--prompt", type=int, default=4096, help="tokens of a prompt [4096]")
    parser.add_argument("--steps", type=int, default=512, help="tokens to decode [512]")
    parser.add_argument("--prompt-text", nargs="+", metavar="DIR", help="folders of text for prompts, --requests of each; training "
                        "then sees all of --text [the last tenth of --text]")
    parser.add_argument("--requests", type=int, default=1)
    parser.add_argument("--sample", type=float, metavar="TEMPERATURE", help="decode sampled tokens as well")
    parser.add_argument("--scores", action="store_true", help="save scores too")
    parser.add_argument("--oracle", action="store_true", help="save what an oracle selects at the same steps too")
    parser.add_argument("--indexers", metavar="FILE", help="trained indexers: read if it is there, else trained and written")
    parser.add_argument("--gguf", metavar="FILE", help="quantised weights in the folder --model, read by transformers")
    parser.add_argument("-o", "--output", required=True, help="folder for k<top-k>/req_<i>.npz")
    arguments = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, encode, decode = load(arguments, device)
    model = model.eval().requires_grad_(False)
    torch.manual_seed(2)
    retrofit = Retrofit(model, arguments.heads, arguments.dim).to(device)
    train_indexers(arguments, retrofit, encode, device)
    decode_all(arguments, retrofit, [encode(text) for text in prompt_texts(arguments)], decode, device)


if __name__ == "__main__":
    main()
