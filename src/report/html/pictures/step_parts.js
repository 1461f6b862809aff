// The time of a decode step by part: predictions of dsasim step, and the mean step of reports that have times.

function stacked(id, title, text, rows) {
  return {
    id, title, text, table: { columns: ["of", "part", "ns"], rows: rows.flatMap((row) => row.parts.map((part) => [row.name, part.name, part.ns])) },
    controls: [{ key: "share", label: "as shares", flag: true }], start: { share: false },
    draw: (svg, width, view) => drawStacks(svg, {
      x: { label: view.share ? "share of the time" : "time", kind: view.share ? "number" : "ns" },
      rows: rows.map((row) => {
        const sum = d3.sum(row.parts, (part) => (view.hidden.has(part.name) ? 0 : numberOf(part.ns)));
        return { name: row.name, parts: row.parts.map((part) => ({ name: part.name, x: numberOf(part.ns) / (view.share ? sum || 1 : 1),
          values: () => [["of", row.name], [part.from ? "mean, ns" : "ns", part.ns], ...(part.from || []), ["share of what is shown", numberOf(part.ns) / (sum || 1)]] })) };
      }) }, width, view),
  };
}

const partRow = (name, parts) => ({ name, parts: Object.entries(parts).map(([part, ns]) => ({ name: part.replace(/_ns$/, "").replace(/_/g, " "), ns })) });

function stepParts(page) {
  const rows = withLabels([...ofSchema(page, "step"), ...ofSchema(page, "report").filter((one) => one.document.step_time)]).map(({ label, document }) => {
    if (!document.step_time) return partRow(label, document.parts);
    const { config: { steps, warmup_steps: warmup }, step_time: { parts } } = document;
    const count = steps[1] - steps[0] - warmup;
    // A step is the sum of all parts but gather_ns, which lies within attention or the stall (docs/report.md).
    const row = partRow(label, Object.fromEntries(Object.entries(parts).filter(([name]) => name !== "gather_ns")));
    row.parts.forEach((part) => {
      part.from = [["of all steps, ns", part.ns], ["steps", count]];
      part.ns = numberOf(part.ns) / count;
    });
    return row;
  });
  return rows.length ? [stacked("step-parts", "Time of a token by part", "One decode step. Of a report, the mean of its steps.", rows)] : [];
}

function layerParts(page) {
  const rows = withLabels(ofSchema(page, "step")).flatMap(({ label, document }, _, all) => document.layer_types.map((type) =>
    partRow(`${all.length > 1 ? `${label}: ` : ""}${type.layers} × ${type.index} index, ${type.ffn}`, type.parts)));
  return rows.length ? [stacked("layer-parts", "Time of one layer by part", "Of each type of layer, one. How many there are stands before it.", rows)] : [];
}
