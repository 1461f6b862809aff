// Rows of --per-step as a heat map over layers and steps, and added up over layers. dsasim has put steps into columns.

function gridText({ steps_per_column: width, rows }) {
  const sum = `${exact(rows)} rows of --per-step, added up over requests`;
  return width === 1 ? `${sum}.` : `${sum}. Each column adds up ${exact(width)} steps: there are too many to draw each.`;
}

function stepRange(grid, column) {
  const first = grid.first_step + column * grid.steps_per_column;
  const last = Math.min(first + grid.steps_per_column - 1, grid.last_step);
  return first === last ? exact(first) : `${exact(first)} to ${exact(last)}`;
}

function ratioOf(grid, layer, column) {
  const accesses = grid.cells.accesses[layer][column];
  return accesses ? grid.cells.misses[layer][column] / accesses : null;
}

function missesByStep(page) {
  return withLabels(page.documents.filter((one) => one.steps)).map(({ label, name, steps: grid }, i, all) => {
    const measures = counters.filter(([key]) => grid.cells[key]);
    const columns = grid.cells.misses[0].map((_, column) => column);
    const table = { columns: ["layer", "first_step", "steps", ...measures.map(([key]) => key)], rows: [] };
    grid.layers.forEach((layer, l) => columns.forEach((column) => table.rows.push([layer,
      grid.first_step + column * grid.steps_per_column, Math.min(grid.steps_per_column, grid.last_step + 1 - grid.first_step - column * grid.steps_per_column),
      ...measures.map(([key]) => grid.cells[key][l][column])])));
    const kinds = [["miss_ratio", "miss ratio", "ratio"], ...measures];
    return {
      id: `misses-by-step${i || ""}`, title: all.length > 1 ? `Misses over layers and steps: ${label}` : "Misses over layers and steps", table,
      text: `${name}: ${gridText(grid)} The darkest colour begins at the 99th percentile of the cells.`,
      controls: [{ key: "kind", label: "show", choices: kinds.map(([key, text]) => [key, text]) }], start: { kind: "misses" },
      draw: (svg, width, view) => {
        const [key, text, kind] = kinds.find(([one]) => one === view.kind);
        return drawHeat(svg, {
          x: { label: "step" }, y: { label: "layer" }, rows: grid.layers, columns: columns.map((column) => grid.first_step + column * grid.steps_per_column),
          cell: (l, column) => (key === "miss_ratio" ? ratioOf(grid, l, column) : numberOf(grid.cells[key][l][column])),
          kind, label: text,
          values: (l, column) => [["layer", grid.layers[l]], [grid.steps_per_column > 1 ? "steps" : "step", stepRange(grid, column)],
            ...measures.map(([one, name_, unit]) => [withUnit(name_, unit), grid.cells[one][l][column]]), ["misses / accesses", ratioOf(grid, l, column)]] }, width);
      },
    };
  });
}

function missesOverTime(page) {
  const all = withLabels(page.documents.filter((one) => one.steps));
  if (all.length === 0) return [];
  const measures = counters.filter(([key]) => all.some((one) => one.steps.cells[key]));
  const table = { columns: ["document", "first_step", ...measures.map(([key]) => key)], rows: [] };
  const series = all.map(({ label, steps: grid }) => ({
    name: label, step: true,
    columns: grid.cells.misses[0].map((_, column) => {
      const sums = measures.map(([key]) => (grid.cells[key] ? d3.sum(grid.cells[key], (row) => numberOf(row[column])) : null));
      table.rows.push([label, grid.first_step + column * grid.steps_per_column, ...sums]);
      return { x: grid.first_step + column * grid.steps_per_column, sums, steps: stepRange(grid, column) };
    }),
  }));
  return [{
    id: "misses-over-time", title: "Misses by step", table, text: `Over all layers and requests. ${gridText(all[0].steps)}`,
    controls: [{ key: "kind", label: "show", choices: measures.map(([key, text]) => [key, text]) }, { key: "logY", label: "log", flag: true }],
    start: { kind: "misses", logY: false },
    draw: (svg, width, view) => {
      const place = measures.findIndex(([key]) => key === view.kind);
      return drawLines(svg, {
        x: { label: "step", kind: "count", zero: false }, y: { label: measures[place][1], kind: measures[place][2], log: view.logY },
        series: series.map((one) => ({ ...one, points: one.columns.map((column) => ({ x: column.x, y: column.sums[place],
          values: () => [["steps", column.steps], ...measures.map(([, text, unit], i) => [withUnit(text, unit), column.sums[i]])] })) })) }, width, view);
    },
  }];
}
