// A plan: times and throughput against slots. Where a document has several batches of a buffer, each batch is a line;
// otherwise the document is one, of the batch that each row names.

function planPicture(page, id, title, start) {
  const documents = withLabels(ofSchema(page, "plan"));
  const rows = documents.flatMap(({ label, document }) => document.rows.map((row) => ({ label, row })));
  if (rows.length === 0) return [];
  const fields = [...new Set(rows.flatMap(({ row }) => Object.keys(row)))];
  const numbers = fields.filter((key) => !["slots", "batch"].includes(key) && rows.some(({ row }) => numberOf(row[key]) !== null));
  const severalBatches = documents.some(({ document }) => groupBy(document.rows, (row) => row.slots).some(([, group]) => new Set(group.map((row) => row.batch)).size > 1));
  const seriesOf = ({ label, row }) => [(documents.length > 1 || !severalBatches) && label, severalBatches && `batch ${exact(row.batch)}`].filter(Boolean).join(", ");
  const slots = [...new Set(rows.map(({ row }) => row.slots))].sort((a, b) => (a === null) - (b === null) || numberOf(a) - numberOf(b));
  const table = { columns: ["document", ...fields], rows: rows.map(({ label, row }) => [label, ...fields.map((key) => row[key])]) };
  const kindOf = (key) => (key.endsWith("_ns") ? "ns" : key.includes("bytes") ? "bytes" : "count");
  return [{
    id, title, table, text: "A slot holds one entry of one layer of one request in GPU memory; the rest is in host memory. A row has the batch that its values name. “all” is everything in GPU memory.",
    controls: [{ key: "kind", label: "show", choices: numbers.map((key) => [key, key]) }, { key: "logY", label: "log", flag: true }],
    start: { kind: numbers.includes(start) ? start : numbers[0], logY: false },
    draw: (svg, width, view) => drawLines(svg, {
      x: { label: "slots" }, y: { label: view.kind, kind: kindOf(view.kind), log: view.logY }, categories: slots.map((one) => (one === null ? "all" : exact(one))),
      series: groupBy(rows, seriesOf).map(([name, group]) => ({ name, dots: true, points: group.map(({ row }) => ({ x: slots.indexOf(row.slots), y: numberOf(row[view.kind]),
        values: () => fields.map((key) => [key, key === "slots" && row.slots === null ? "all" : row[key]]) })).sort((a, b) => a.x - b.x) })) }, width, view),
  }];
}

const planTimes = (page) => planPicture(page, "plan-tpot", "Time of a token against slots", "tpot_ns");
const planThroughput = (page) => planPicture(page, "plan-throughput", "Throughput against slots", "tokens_per_s");
