// What each layer, or stream, gets of a budget under the three splits.

function allocation(page) {
  return withLabels(ofSchema(page, "allocation")).map(({ label, document }, i, all) => {
    const list = document.streams || document.layers;
    const names = list.map((row) => (row.request === undefined ? row.layer : `${row.request}/${row.layer}`));
    const splits = Object.keys(document.splits);
    const cost = document.config.minimise;
    const table = { columns: [document.streams ? "request/layer" : "layer", "split", "capacity_entries", cost, "accesses"],
      rows: list.flatMap((row, place) => splits.map((split) => [names[place], split, row[split].capacity_entries, row[split][cost], row.accesses])) };
    return {
      id: `allocation${i || ""}`, title: all.length > 1 ? `Allocation: ${label}` : "Allocation over layers", table,
      text: `${document.budget.bytes ? `${exact(document.budget.bytes)} bytes` : `${exact(document.budget.entries)} entries`} over ${exact(document.budget.caches)} caches. ${splits.map((split) => `${split}: ${cost} ${exact(document.splits[split][cost])}`).join(", ")}.`,
      controls: [{ key: "kind", label: "show", choices: [["capacity_entries", "capacity, entries"], [cost, cost]] }, { key: "logY", label: "log", flag: true }],
      start: { kind: "capacity_entries", logY: false },
      draw: (svg, width, view) => drawColumns(svg, {
        x: { label: table.columns[0] }, y: { label: view.kind === cost ? cost : "entries of a cache", kind: cost === "gather_ns" && view.kind === cost ? "ns" : "count", log: view.logY }, categories: names,
        series: splits.map((split) => ({ name: split, bars: list.map((row, place) => ({ y: numberOf(row[split][view.kind]), values: () => [[table.columns[0], names[place]],
          ["capacity, entries", row[split].capacity_entries], [cost, row[split][cost]], ["accesses", row.accesses]] })) })) }, width, view),
    };
  });
}
