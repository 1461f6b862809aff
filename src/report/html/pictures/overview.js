// What the page is made of: no chart, but the first thing to read.

function addOverview(parent, page) {
  const section = add(parent, "section", { className: "picture", id: "documents" });
  add(section, "h2", {}, "Documents");
  const rows = page.documents.map(({ name, document }) => {
    const { config = {}, trace, totals = document } = document;
    const given = ["policy", "scope", "capacity", "budget", "model", "gpu", "tp", "batch", "context", "kv_dtype", "memory"]
      .filter((key) => config[key] !== null && config[key] !== undefined && typeof config[key] !== "object");
    const shape = trace ? `${exact(trace.requests)} requests, ${exact(trace.layers)} layers, ${exact(trace.steps)} steps, top-k ${exact(trace.top_k)}` : "";
    return [name, document.schema.replace("dsasim-", ""), given.map((key) => `${key} ${config[key]}`).join(", "), shape,
            totals.accesses, totals.misses, totals.miss_ratio, document.step_time ? document.step_time.tpot_ns.mean : document.tpot_ns];
  });
  const columns = ["document", "schema", "what", "trace", "accesses", "misses", "miss ratio", "tpot_ns (mean)"];
  const used = columns.map((_, i) => i).filter((i) => i < 3 || rows.some((row) => row[i] !== undefined && row[i] !== ""));
  fillTable(section, { columns: used.map((i) => columns[i]), rows: rows.map((row) => used.map((i) => row[i])) });
  section.querySelector(".sheet").classList.add("whole");
  const details = add(section, "details");
  add(details, "summary", {}, "Configurations in full");
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("pre")) return;
    for (const { path, document } of page.documents) {
      add(details, "p", { className: "note" }, path);
      add(details, "pre", {}, JSON.stringify({ schema: document.schema, tool: document.tool, trace: document.trace, config: document.config }, null, 2));
    }
  });
}
