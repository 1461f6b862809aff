// Analyses: the histogram of each metric, and its mean by layer.

const metricTitles = { working_set: "Working set", persistence: "Persistence: lengths of runs", lookback: "Lookback",
  lookback_step_mean: "Lookback, mean of a step", new_lookups: "New lookups", inter_layer_overlap: "Overlap with the layer before",
  page_utilisation: "Page utilisation" };

function metricNames(analyses) {
  return [...new Set(analyses.flatMap((one) => Object.keys(one.document.metrics)))]
    .filter((name) => analyses.some((one) => one.document.metrics[name] && one.document.metrics[name].samples > 0));
}

function histogramBins(metric) {
  if (!metric || !metric.histogram) return [];
  const { edges, counts } = metric.histogram;
  const all = numberOf(metric.samples);
  let sum = 0;
  return counts.map((count, i) => {
    sum += numberOf(count);
    const share = numberOf(count) / all;
    return { low: edges[i], high: edges[i + 1], count, share, density: share / (edges[i + 1] - edges[i]), upTo: sum / all };
  });
}

// Of a long tail little is seen on linear axes.
function startAxes(metric) {
  const edges = metric.histogram ? metric.histogram.edges : [];
  const long = metric.p95 - edges[0] < (edges[edges.length - 1] - edges[0]) / 10;
  return { logX: long && edges[0] > 0, logY: long };
}

function metricHistograms(page) {
  const kinds = { density: "share per unit", share: "share of samples", upTo: "share up to here", count: "samples" };
  const analyses = withLabels(analysesOf(page));
  return metricNames(analyses).map((name) => {
    const layers = [...new Set(analyses.flatMap((one) => one.document.layers.map((row) => row.layer)))];
    const metricOf = (one, layer) => (layer === "all" ? one.document : one.document.layers.find((row) => String(row.layer) === layer) || { metrics: {} }).metrics[name];
    const unit = (analyses.map((one) => metricOf(one, "all")).find(Boolean) || {}).unit;
    const table = { columns: ["analysis", "layer", "low", "high", "samples"], rows: analyses.flatMap((one) => ["all", ...layers.map(String)].flatMap((layer) =>
      histogramBins(metricOf(one, layer)).map((bin) => [one.label, layer, bin.low, bin.high, bin.count]))) };
    const means = analyses.map((one) => [one, metricOf(one, "all")]).filter(([, metric]) => metric)
      .map(([one, metric]) => `${analyses.length > 1 ? `${one.label}: ` : ""}Mean ${metric.mean}, P95 ${metric.p95}, ${exact(metric.samples)} samples`);
    return {
      id: `metric-${name.replace(/[^\w-]/g, "_")}`, title: metricTitles[name] || name.replace(/_/g, " "), table, text: `In ${unit === "k" ? "k, the longest selection" : unit}. ${means.join(". ")}.`,
      notes: ["Bins grow wider with the values. “Share per unit” divides by the width, so that areas are shares."],
      controls: [{ key: "kind", label: "show", choices: Object.entries(kinds) },
                 ...(layers.length > 1 ? [{ key: "layer", label: "layer", choices: [["all", "all"], ...layers.map((layer) => [String(layer), String(layer)])] }] : []),
                 { key: "logX", label: "log x", flag: true }, { key: "logY", label: "log y", flag: true }],
      start: { kind: "density", layer: "all", ...startAxes(metricOf(analyses.find((one) => metricOf(one, "all")), "all")) },
      draw: (svg, width, view) => drawLines(svg, {
        x: { label: unit, kind: "number", log: view.logX }, y: { label: kinds[view.kind], kind: "count", log: view.logY },
        series: analyses.map((one) => {
          const bins = histogramBins(metricOf(one, view.layer));
          const points = bins.map((bin) => ({ x: numberOf(bin.low), y: numberOf(bin[view.kind]),
            values: () => [["from", bin.low], ["up to, without", bin.high], ["samples", bin.count], ["share", bin.share], ["share up to here", bin.upTo]] }));
          const last = bins[bins.length - 1];
          return { name: one.label, step: true, fill: true, points: last ? [...points, { x: numberOf(last.high), y: numberOf(last[view.kind]) }] : [] };
        }) }, width, view),
    };
  });
}

function metricsByLayer(page) {
  const analyses = withLabels(analysesOf(page)).filter((one) => one.document.layers.length > 1);
  const names = metricNames(analyses);
  if (names.length === 0) return [];
  const layers = [...new Set(analyses.flatMap((one) => one.document.layers.map((row) => row.layer)))].sort((a, b) => a - b);
  const of = (one, layer, name) => ((one.document.layers.find((row) => row.layer === layer) || { metrics: {} }).metrics[name]) || {};
  const table = { columns: ["analysis", "layer", "metric", "unit", "samples", "mean", "p95", "stddev"], rows: analyses.flatMap((one) => layers.flatMap((layer) =>
    names.map((name) => [name, of(one, layer, name)]).map(([name, metric]) => [one.label, layer, name, metric.unit, metric.samples, metric.mean, metric.p95, metric.stddev]))) };
  return [{
    id: "metrics-by-layer", title: "Metrics by layer", table, text: "Over all requests.",
    controls: [{ key: "name", label: "metric", choices: names.map((name) => [name, name]) }, { key: "field", label: "show", choices: [["mean", "mean"], ["p95", "P95"], ["stddev", "standard deviation"]] },
               { key: "logY", label: "log", flag: true }],
    start: { name: names[0], field: "mean", logY: false },
    draw: (svg, width, view) => drawColumns(svg, {
      x: { label: "layer" }, y: { label: `${view.name}, ${of(analyses[0], layers[0], view.name).unit || ""}`, kind: "number", log: view.logY }, categories: layers,
      series: analyses.map((one) => ({ name: one.label, bars: layers.map((layer) => {
        const metric = of(one, layer, view.name);
        return { y: numberOf(metric[view.field]), values: () => [["layer", layer], ["mean", metric.mean], ["P95", metric.p95], ["standard deviation", metric.stddev], ["samples", metric.samples]] };
      }) })) }, width, view),
  }];
}
