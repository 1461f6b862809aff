// A study: the mean token against what is reserved of the last-level cache.

function studyPoints(page) {
  return withLabels(ofSchema(page, "study")).map(({ label, document }, i, all) => {
    const rows = document.points;
    const table = { columns: ["policy", "scope", "reserved_bytes", "capacity_entries", "misses", "tpot_ns.mean", "gain.ns", "gain.error_ns", "set_aside_ns"],
      rows: rows.map((row) => [row.policy, row.scope, row.reserved_bytes, row.capacity_entries, row.misses, row.tpot_ns.mean, row.gain && row.gain.ns, row.gain && row.gain.error_ns, row.set_aside_ns]) };
    const y = { tpot: (row) => numberOf(row.tpot_ns.mean), gain: (row) => row.gain && numberOf(row.gain.ns), misses: (row) => numberOf(row.misses) };
    return {
      id: `study${i || ""}`, title: all.length > 1 ? `Reservation: ${label}` : "What a reservation gains", table, text: "The mean token against the bytes that all caches reserve together.",
      controls: [{ key: "kind", label: "show", choices: [["gain", "gain, ns off the mean token"], ["tpot", "mean time of a token"], ["misses", "misses"]] }], start: { kind: "gain" },
      draw: (svg, width, view) => drawLines(svg, {
        x: { label: "reserved bytes", kind: "bytes" }, y: { label: view.kind, kind: view.kind === "misses" ? "count" : "ns", zero: view.kind !== "tpot" },
        series: groupBy(rows, (row) => `${row.policy}, ${row.scope}`).map(([name, group]) => ({ name, dots: true, points: group.map((row) => ({ x: numberOf(row.reserved_bytes), y: y[view.kind](row),
          values: () => table.columns.slice(2).map((column, c) => [column, table.rows[rows.indexOf(row)][c + 2]]) })).sort((a, b) => a.x - b.x) })) }, width, view),
    };
  });
}
