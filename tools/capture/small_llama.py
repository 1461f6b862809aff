"""A small Llama trained on bytes, for machines without downloaded weights: real text, real attention, a toy in size."""

from pathlib import Path

import torch
import transformers


def read_bytes(paths, suffixes, most_bytes):
    """The text of all files below `paths` with these suffixes, in the order of their names, as one tensor of bytes."""
    parts, total = [], 0
    for path in sorted(file for folder in paths for file in Path(folder).rglob("*") if file.suffix in suffixes):
        if not path.is_file() or path.is_symlink():
            continue
        parts.append(path.read_bytes() + b"\n\0")
        total += len(parts[-1])
        if total >= most_bytes:
            break
    if total == 0:
        raise ValueError(f"no file with {', '.join(suffixes)} below {', '.join(map(str, paths))}")
    return torch.frombuffer(bytearray(b"".join(parts)[:most_bytes]), dtype=torch.uint8)


def small_llama(layers=8, hidden=512, context=8192):
    config = transformers.LlamaConfig(
        vocab_size=256, hidden_size=hidden, intermediate_size=hidden * 8 // 3 // 64 * 64, num_hidden_layers=layers,
        num_attention_heads=hidden // 64, num_key_value_heads=2, max_position_embeddings=context, rope_theta=100_000.0,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=None, pad_token_id=None)
    torch.manual_seed(1)
    return transformers.LlamaForCausalLM(config)


def windows(text, tokens, batch, count, seed, device):
    """`count` batches of windows of the text at random places."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        starts = torch.randint(0, len(text) - tokens, (batch,), generator=generator)
        yield torch.stack([text[start : start + tokens] for start in starts.tolist()]).long().to(device)


def train(model, batches, steps, learning_rate=1e-3):
    """Yields the loss, in nats a byte, after each batch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.05)
    for tokens in batches:
        with torch.autocast(tokens.device.type, torch.bfloat16):
            loss = model(tokens, labels=tokens).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        yield loss.item()
