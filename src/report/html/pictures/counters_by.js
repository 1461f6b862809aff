// Counters of reports: by layer, by request, and in all, reports side by side.

function countersBy(page, list, word, id, title) {
  const reports = withLabels(ofSchema(page, "report")).filter((one) => one.document[list].length > 1);
  if (reports.length === 0) return [];
  const names = [...new Set(reports.flatMap((one) => one.document[list].map((row) => row[word])))].sort((a, b) => a - b);
  const measures = counters.filter(([key]) => reports.some((one) => one.document[list].some((row) => numberOf(row[key]) !== null)));
  const rowOf = reports.map((one) => new Map(one.document[list].map((row) => [row[word], row])));
  const table = { columns: ["report", word, ...measures.map(([key]) => key)], rows: reports.flatMap(({ label, document }) =>
    document[list].map((row) => [label, row[word], ...measures.map(([key]) => row[key])])) };
  return [{
    id, title, table, text: reports.length > 1 ? "Reports side by side." : "",
    controls: [{ key: "kind", label: "show", choices: measures.map(([key, text]) => [key, text]) }, { key: "logY", label: "log", flag: true },
               { key: "order", label: "largest first", flag: true }],
    start: { kind: "miss_ratio", logY: false, order: false },
    draw: (svg, width, view) => {
      const [key, text, kind] = measures.find(([one]) => one === view.kind);
      const first = (name) => numberOf((rowOf[0].get(name) || {})[key]) || 0;
      const order = view.order ? [...names].sort((a, b) => first(b) - first(a)) : names;
      return drawColumns(svg, {
        x: { label: word }, y: { label: text, kind, log: view.logY }, categories: order,
        series: reports.map(({ label }, i) => ({ name: label, bars: order.map((name) => {
          const row = rowOf[i].get(name);
          return row ? { y: numberOf(row[key]), values: () => [[word, name], ...measures.map(([one, name_, unit]) => [withUnit(name_, unit), row[one]])] } : null;
        }) })) }, width, view);
    },
  }];
}

const countersByLayer = (page) => countersBy(page, "layers", "layer", "layers", "By layer");
const countersByRequest = (page) => countersBy(page, "requests", "request", "requests", "By request");

function reportsSideBySide(page) {
  const reports = withLabels(ofSchema(page, "report"));
  if (reports.length < 2) return [];
  const rows = [...counters, ["tpot_ns", "mean TPOT", "ns"]].map(([key, text, kind]) => ({ key, text, kind, values: reports.map(({ document }) =>
    (key === "tpot_ns" ? document.step_time && document.step_time.tpot_ns.mean : document.totals[key])) }))
    .filter((row) => row.values.some((value) => numberOf(value) !== null));
  const ratio = (row, i) => (numberOf(row.values[0]) && numberOf(row.values[i]) !== null ? numberOf(row.values[i]) / numberOf(row.values[0]) : null);
  const drawn = rows.filter((row) => ratio(row, 0) !== null);
  const table = { columns: ["total", ...reports.map((one) => one.label), ...reports.slice(1).map((one) => `${one.label} / first`)],
                  rows: rows.map((row) => [row.text, ...row.values, ...row.values.slice(1).map((_, i) => ratio(row, i + 1))]) };
  return [{
    id: "side-by-side", title: "Reports side by side", table, text: `Totals, divided by those of the first report (${reports[0].label}). The values and the table have the totals themselves.`,
    controls: [{ key: "logY", label: "log", flag: true }], start: { logY: false },
    draw: (svg, width, view) => drawColumns(svg, {
      x: { label: "total" }, y: { label: "ratio to the first report", kind: "number", log: view.logY }, categories: drawn.map((row) => row.text),
      series: reports.map(({ label }, i) => ({ name: label, bars: drawn.map((row) => ({ y: ratio(row, i),
        values: () => [[withUnit(row.text, row.kind), row.values[i]], ["of the first", row.values[0]], ["ratio", ratio(row, i)]] })) })) }, width, view),
  }];
}
