// Miss ratio against capacity: curves, comparisons and reports in one chart.

// Bytes that an entry of a cache costs in all the layers that stand behind it, as a report of the same trace says.
function entryBytes(page, digest) {
  for (const { document: { config, trace } } of ofSchema(page, "report")) {
    if (trace.digest === digest && numberOf(config.reserved_bytes) > 0) {
      return numberOf(config.reserved_bytes) / numberOf(config.reserved_entries);
    }
  }
  return null;
}

// Sizes that somebody who reads a capacity has in mind.
function capacityRules(page, documents) {
  const rules = new Map();
  for (const { document: { config, trace } } of documents.filter((one) => one.document.trace && one.document.config.caches)) {
    const topK = numberOf(trace.top_k);
    rules.set(`top-k ${exact(topK)}`, topK);
    rules.set(`2 × top-k: SGLang's hot buffer ${exact(2 * topK)}`, 2 * topK);
    const bytes = entryBytes(page, trace.digest);
    for (const gpu of bytes === null ? [] : page.gpus) {
      const per = bytes * numberOf(config.caches);
      rules.set(`last-level cache of ${gpu.name}`, numberOf(gpu.llc_bytes) / per);
      if (gpu.set_aside_bytes !== null) rules.set(`set-aside of ${gpu.name}`, numberOf(gpu.set_aside_bytes) / per);
    }
  }
  return [...rules].map(([label, x]) => ({ label, x })).sort((a, b) => a.x - b.x);
}

function missesByCapacity(page) {
  const curves = withLabels(ofSchema(page, "curve"));
  const reports = withLabels(ofSchema(page, "report")).filter(({ document }) => numberOf(document.config.capacity_entries) !== null);
  const compares = ofSchema(page, "compare");
  if (curves.length + compares.length === 0) return [];
  const table = { columns: ["series", "layer", "capacity_entries", "misses", "accesses", "miss_ratio"], rows: [] };
  const point = (series, layer, row, accesses) => {
    table.rows.push([series, layer, row.capacity_entries, row.misses, accesses, row.miss_ratio]);
    return { x: numberOf(row.capacity_entries), y: numberOf(row.miss_ratio), misses: numberOf(row.misses),
             values: () => [["layer", layer], ["capacity, entries", row.capacity_entries], ["misses", row.misses],
                            ["accesses", accesses], ["miss ratio", row.miss_ratio]].filter(([, value]) => value !== "all") };
  };
  const sorted = (points) => points.sort((a, b) => a.x - b.x);
  const series = [];
  const layers = [];
  for (const { label, document } of curves) {
    const every = document.config.capacities === null || document.config.capacities === undefined;
    series.push({ name: curves.length > 1 ? `curve ${label}` : `${document.config.policy} (curve)`, step: every, dots: document.points.length < 40,
                  points: sorted(document.points.map((row) => point(label, "all", row, document.accesses))) });
    for (const layer of document.layers) {
      layers.push({ name: `${label}, layer ${layer.layer}`, faint: true, step: every,
                    points: sorted(layer.points.map((row) => point(label, layer.layer, row, layer.accesses))) });
    }
  }
  for (const { name, document } of compares) {
    const several = new Set(document.rows.map((row) => row.trace)).size > 1;
    for (const [key, rows] of groupBy(document.rows, (row) => JSON.stringify([row.policy, row.trace, row.bound]))) {
      const [policy, trace, bound] = JSON.parse(key);
      const label = [policy + (bound ? " (bound)" : ""), several && trace, compares.length > 1 && name].filter(Boolean).join(", ");
      series.push({ name: label, dots: true, points: sorted(rows.map((row) => point(label, "all", row, row.accesses))) });
    }
  }
  for (const { label, document: { config, totals } } of reports) {
    series.push({ name: `report ${reports.length > 1 ? label : config.policy}`, dotsOnly: true,
                  points: [point(label, "all", { ...totals, capacity_entries: config.capacity_entries }, totals.accesses)] });
  }
  const all = [...curves, ...reports];
  const rules = capacityRules(page, all);
  return [{
    id: "misses-by-capacity", title: "Miss ratio against capacity", table,
    text: "A cache of this many entries misses this share of the accesses. Dashed lines are sizes of buffers and, where a report of the trace says what an entry costs, of the GPU's cache, shared out over all caches. Between points with dots nothing was replayed.",
    notes: page.gpus.length && !rules.some((rule) => rule.label.includes("last-level")) ? ["The GPU's cache is not drawn in: no report among the documents says what an entry costs and how many caches there are (replay --entry-bytes or --model)."] : [],
    controls: [{ key: "y", label: "show", choices: [["y", "miss ratio"], ["misses", "misses"]] }, { key: "logX", label: "log capacity", flag: true },
               { key: "logY", label: "log misses", flag: true }, ...(layers.length ? [{ key: "layers", label: "each layer", flag: true }] : [])],
    start: { y: "y", logX: true, logY: false, layers: false },
    draw: (svg, width, view) => drawLines(svg, {
      x: { label: "capacity of a cache, entries", kind: "count", log: view.logX },
      y: { label: view.y === "y" ? "miss ratio" : "misses", kind: view.y === "y" ? "ratio" : "count", log: view.logY },
      series: [...series, ...(view.layers ? layers : [])].map((one) => ({ ...one, points: one.points.map((p) => ({ ...p, y: p[view.y] })) })),
      rules }, width, view),
  }];
}
