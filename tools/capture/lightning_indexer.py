"""A lightning indexer for any Llama- or Qwen-type model: training on the frozen model, and decoding with it.

The score of token s for query t is sum_j w_j(t) ReLU(q_j(t) . k(s)) (DeepSeek-V3.2; N. Levy, arXiv 2603.13430, retrofits it to
Llama). It is trained to the mean over heads of the frozen model's own attention, by KL divergence, layer by layer.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AttentionInterface


class LightningIndexer(nn.Module):
    def __init__(self, hidden_size, heads, dim):
        super().__init__()
        self.heads, self.dim = heads, dim
        self.query = nn.Linear(hidden_size, heads * dim, bias=False)
        self.key = nn.Linear(hidden_size, dim, bias=False)
        self.weight = nn.Linear(hidden_size, heads, bias=False)

    def queries(self, hidden, rope):
        q = self.query(hidden).unflatten(-1, (self.heads, self.dim))
        return rotate(q, rope), self.weight(hidden) * self.heads**-0.5

    def keys(self, hidden, rope):
        return rotate(self.key(hidden).unsqueeze(2), rope).squeeze(2)

    def scores(self, queries, weights, keys):
        """[batch, queries, heads, dim], [batch, queries, heads], [batch, tokens, dim] -> [batch, queries, tokens]"""
        products = F.relu(torch.einsum("bqhd,bkd->bqhk", queries, keys)) * self.dim**-0.5
        return torch.einsum("bqhk,bqh->bqk", products, weights)


def rotate(x, rope):
    """Rotary embedding in halves, by the first `dim` angles of the model's own."""
    half = x.shape[-1] // 2
    if half > rope[0].shape[-1] // 2:
        raise ValueError(f"an indexer of {x.shape[-1]} dimensions needs as many angles; the model's rotary embedding has "
                         f"{rope[0].shape[-1]}")
    cos, sin = (angle[..., :half].unsqueeze(2).to(x.dtype) for angle in rope)
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def grouped(by_head, by_group):
    """[batch, heads, n, a] times [batch, groups, a, b], of which each serves as many heads: [batch, heads, n, b]."""
    batch, heads, n, _ = by_head.shape
    product = torch.matmul(by_head.reshape(batch, by_group.shape[1], -1, by_head.shape[-1]), by_group)
    return product.view(batch, heads, n, -1)


@dataclass
class Decoded:
    """One request: ids and scores by step, arrays [layers, selected], by falling score; means over steps and layers.

    `oracle` are the tokens with the most attention, as many as were selected, at the same steps; `tokens` are those decoded, and
    `loss` is theirs, in nats a token.
    """

    selections: list
    scores: list
    oracle: list
    mass: float
    oracle_mass: float
    loss: float
    tokens: list


class Retrofit(nn.Module):
    """Indexers for all layers of a model, which stays as it is.

    `mode` says what a forward pass does beside: "off", "train" (keeps the loss of each layer in `losses`), "select" (attention
    sees the selected tokens alone; needs one query; `selected` keeps what each layer selected and what an oracle would have).
    """

    def __init__(self, model, heads, dim):
        super().__init__()
        self.model, self.mode = [model], "off"  # in a list: no submodule
        self.learned = None  # the queries of a window that training looks at, ascending
        layers = model.model.layers
        self.indexers = nn.ModuleList(LightningIndexer(model.config.hidden_size, heads, dim) for _ in layers)
        for number, layer in enumerate(layers):
            layer.self_attn.register_forward_pre_hook(self._before(number), with_kwargs=True)
        AttentionInterface.register("retrofit", self._attention)
        model.set_attn_implementation("retrofit")
        self.reset()

    def reset(self):
        self.keys = [None] * len(self.indexers)
        self.scored = [None] * len(self.indexers)
        self.losses, self.selected = [], []

    def _before(self, number):
        def score(_, args, kwargs):
            if self.mode == "off":
                return
            hidden = kwargs.get("hidden_states", args[0] if args else None)
            rope = kwargs["position_embeddings"]
            hidden = hidden.detach().float()
            indexer = self.indexers[number]
            asked = self.learned if self.mode == "train" else slice(None)
            queries, weights = indexer.queries(hidden[:, asked], [angle[:, asked] for angle in rope])
            keys = indexer.keys(hidden, rope)
            if self.mode == "select":
                past = self.keys[number]
                keys = keys if past is None else torch.cat((past, keys), dim=1)
                self.keys[number] = keys
                queries, weights = queries[:, -1:], weights[:, -1:]
            self.scored[number] = indexer.scores(queries, weights, keys)

        return score

    def _attention(self, module, query, key, value, attention_mask, scaling=None, dropout=0.0, **kwargs):
        """Grouped-query attention; only while training are probabilities needed."""
        number = module.layer_idx
        for name in ("sliding_window", "softcap", "s_aux"):  # as transformers passes them
            if kwargs.get(name) is not None:
                raise ValueError(f"layer {number} has {name}; an indexer can be added to plain full attention alone")
        scaling = scaling if scaling is not None else query.shape[-1] ** -0.5
        one_query = query.shape[2] == 1
        if self.mode == "train":
            self._learn(number, grouped(query[:, :, self.learned], key.transpose(2, 3)).float() * scaling)
        if self.mode != "select" or not one_query:
            out = F.scaled_dot_product_attention(query, key, value, is_causal=not one_query, scale=scaling,
                                                 enable_gqa=query.shape[1] > key.shape[1])
            return out.transpose(1, 2).contiguous(), None
        logits = grouped(query, key.transpose(2, 3)).float() * scaling
        probabilities = self._select(number, logits, logits.softmax(-1))
        out = grouped(probabilities.to(value.dtype), value)
        return out.transpose(1, 2).contiguous(), None

    def _learn(self, number, logits):
        """The loss of one layer from the logits of the learned queries."""
        scores = self.scored[number]
        future = torch.arange(scores.shape[-1], device=scores.device) > self.learned[:, None]
        with torch.no_grad():
            target = logits.masked_fill(future, float("-inf")).softmax(-1).mean(1)
        log_predicted = scores.masked_fill(future, float("-inf")).log_softmax(-1)
        log_target = target.clamp_min(1e-20).log()
        self.losses.append((target * (log_target - log_predicted).masked_fill(future, 0)).sum(-1).mean())

    def _select(self, number, logits, probabilities):
        scores = self.scored[number][:, 0]
        target = probabilities.mean(1)[:, 0]
        longest = min(self.longest, scores.shape[-1])
        top, best = scores.topk(longest), target.topk(longest)
        kept = torch.arange(longest, device=scores.device) < self.top_k[:, None]
        mass, oracle_mass = ((values * kept).sum(-1) for values in (target.gather(-1, top.indices), best.values))
        self.selected.append((top.indices.int(), top.values, mass, best.indices.int(), oracle_mass))
        keep = torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, top.indices, kept)
        return logits.masked_fill(~keep[:, None, None, :], float("-inf")).softmax(-1)

    def train_on(self, batches, queries=None, learning_rate=1e-3):
        """`batches`: token ids [batch, tokens]. Of each window, `queries` at random are learned, or all: memory grows with
        queries x tokens. Yields the mean loss of the layers after each."""
        generator = torch.Generator().manual_seed(6)
        optimizer = torch.optim.AdamW(self.indexers.parameters(), lr=learning_rate, weight_decay=0)
        model = self.model[0]
        self.mode = "train"
        for tokens in batches:
            self.reset()
            chosen = torch.randperm(tokens.shape[1], generator=generator)[:queries]
            self.learned = chosen.sort().values.to(tokens.device)
            with torch.autocast(tokens.device.type, torch.bfloat16, enabled=False):
                model.model(tokens, use_cache=False)
            loss = torch.stack(self.losses).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()
        self.mode = "off"

    @torch.no_grad()
    def decode(self, prompts, texts, ways):
        """Decodes as many tokens as `texts` [requests, tokens] have after `prompts` [requests, tokens], in each of `ways`: pairs
        of a top-k and a temperature. Without a temperature (None) the texts are fed as they stand, else what the model samples
        under its own selections. All of it goes through the model together: a step is bound by its launches, not by its rows.
        Returns for each way a list with a Decoded for each request."""
        model = self.model[0]
        self.reset()
        rows = [(top_k, temperature) for top_k, temperature in ways for _ in prompts]
        prompts, texts = prompts.repeat(len(ways), 1), texts.repeat(len(ways), 1)
        top_k = [top_k for top_k, _ in rows]
        self.mode, self.longest, self.top_k = "select", max(top_k), torch.tensor(top_k, device=prompts.device)
        sampled = torch.tensor([[temperature is not None] for _, temperature in rows], device=prompts.device)
        temperatures = torch.tensor([[temperature or 1.0] for _, temperature in rows], device=prompts.device)
        generator = torch.Generator(prompts.device).manual_seed(7)
        cache = model.model(prompts, use_cache=True).past_key_values
        steps, losses, fed = [], [], [texts[:, :1]]
        for step in range(texts.shape[1]):
            self.selected = []
            out = model.model(fed[-1], past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            steps.append([torch.stack(part).cpu() for part in zip(*self.selected)])
            if step + 1 < texts.shape[1]:
                logits = model.lm_head(out.last_hidden_state[:, -1]).float()
                drawn = torch.multinomial((logits / temperatures).softmax(-1), 1, generator=generator)
                fed.append(torch.where(sampled, drawn, texts[:, step + 1 : step + 2]))
                losses.append(F.cross_entropy(logits, fed[-1][:, 0], reduction="none"))
        self.mode = "off"
        fed, losses = torch.cat(fed, dim=1).tolist(), torch.stack(losses).mean(0).tolist()
        decoded = [self._of_row(row, steps, k, losses[row], fed[row]) for row, k in enumerate(top_k)]
        requests = len(rows) // len(ways)
        return [decoded[first : first + requests] for first in range(0, len(rows), requests)]

    @staticmethod
    def _of_row(row, steps, top_k, loss, tokens):
        """From what each step left of all rows: [layers, rows, longest top-k] and [layers, rows]."""
        ids, scores, mass, oracle, oracle_mass = ([part[:, row] for part in parts] for parts in zip(*steps))
        selections, scores, oracle = ([step[:, :top_k].numpy() for step in part] for part in (ids, scores, oracle))
        return Decoded(selections, scores, oracle, torch.stack(mass).mean().item(), torch.stack(oracle_mass).mean().item(), loss,
                       tokens)

    @torch.no_grad()
    def dense_loss(self, prompts, texts):
        """What `loss` of each request would be with the model's own attention."""
        model = self.model[0]
        self.mode = "off"
        losses = []
        for prompt, text in zip(prompts, texts):
            hidden = model.model(torch.cat((prompt, text))[None], use_cache=False).last_hidden_state[0, len(prompt) : -1]
            losses.append(F.cross_entropy(model.lm_head(hidden).float(), text[1:]).item())
        return losses
