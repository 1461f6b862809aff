"""Logs what the indexers of a Hugging Face model select while it decodes.

For models whose layers have a `self_attn.indexer` that returns positions [batch, queries, top-k] (`deepseek_v32`,
`glm_moe_dsa` in transformers 5). Layers that share another's selection have no indexer and are not logged: they are the
group of the layer before them.
"""

import torch
from torch.overrides import TorchFunctionMode


class _TopkScores(TorchFunctionMode):
    """Keeps the values of the last topk() called under it: the indexer returns indices alone."""

    values = None

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function is torch.Tensor.topk or function is torch.topk:
            self.values = result.values
        return result


class IndexerLog:
    """`with IndexerLog(model) as log:` then generate; log.selections[request] is by step, by owning layer."""

    def __init__(self, model, with_scores=False):
        layers = model.model.layers
        self.owners = [i for i, layer in enumerate(layers) if getattr(layer.self_attn, "indexer", None) is not None]
        if not self.owners:
            raise ValueError(f"no layer of {type(model).__name__} has a self_attn.indexer")
        self.indexers = [layers[i].self_attn.indexer for i in self.owners]
        self.with_scores = with_scores
        self.selections = []
        self.scores = []
        self._forwards = []

    def group_sizes(self, hidden_layers):
        """How many layers use the selection of each owner, itself included."""
        ends = [*self.owners[1:], hidden_layers]
        return [end - owner for owner, end in zip(self.owners, ends)]

    def __enter__(self):
        for place, indexer in enumerate(self.indexers):
            self._forwards.append(indexer.forward)
            indexer.forward = self._wrap(indexer.forward, place)
        return self

    def __exit__(self, *error):
        for indexer, forward in zip(self.indexers, self._forwards):
            indexer.forward = forward
        self._forwards.clear()

    def _wrap(self, forward, place):
        def logged(*args, **kwargs):
            with _TopkScores() as seen:
                indices = forward(*args, **kwargs)
            self._take(place, indices, seen.values)
            return indices

        return logged

    def _take(self, place, indices, values):
        batch, queries, _ = indices.shape
        if queries != 1:  # the prompt: selections of a decode come one query at a time
            return
        while len(self.selections) < batch:
            self.selections.append([])
            self.scores.append([])
        for request in range(batch):
            finite = torch.isfinite(values[request, 0]) if values is not None else slice(None)
            if place == 0:
                self.selections[request].append([])
                self.scores[request].append([])
            self.selections[request][-1].append(indices[request, 0][finite].tolist())
            if self.with_scores:
                self.scores[request][-1].append(values[request, 0][finite].tolist())
