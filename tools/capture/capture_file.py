"""What a capture is saved as: `req_<i>.npz`, one request, which `dsasim import --from npz` takes (docs/formats.md)."""

from pathlib import Path

import numpy


def save_request(folder, number, selections, prompt_len, scores=None, layers=None, groups=None):
    """`selections`: by step, by layer, the ids of one selection in the order of the indexer; `scores` likewise.

    Selections may be shorter than the longest (a context below the top-k): they are padded with -1. `layers`: which of the
    model's layers they are; `groups`: how many layers use each of them.
    """
    top_k = max(len(ids) for step in selections for ids in step)
    shape = (len(selections), len(selections[0]), top_k)
    ids = numpy.full(shape, -1, numpy.int32)
    values = numpy.zeros(shape, numpy.float16)
    for step, by_layer in enumerate(selections):
        for layer, selection in enumerate(by_layer):
            ids[step, layer, : len(selection)] = selection
            if scores is not None:
                values[step, layer, : len(selection)] = scores[step][layer]
    path = Path(folder) / f"req_{number}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"topk_indices": ids, "prompt_len": prompt_len, "output_len": len(selections)}
    if scores is not None:
        arrays["topk_scores"] = values
    if layers is not None:
        arrays |= {"model_layers": layers, "group_sizes": groups}
    numpy.savez_compressed(path, **arrays)
    return path
