// The documents of the page, and what pictures ask of them.

// Lists of like objects come as columns and rows: src/report/html_report.cpp.
function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value.$columns) && Array.isArray(value.$rows)) {
    return value.$rows.map((row) => Object.fromEntries(value.$columns.map((name, i) => [name, unpack(row[i])])));
  }
  for (const key of Object.keys(value)) value[key] = unpack(value[key]);
  return value;
}

// Of paths, the names of their files, where these tell them apart.
function shortNames(documents) {
  const base = ({ name }) => name.slice(name.lastIndexOf("/") + 1);
  const paths = groupBy(documents, base).filter(([, group]) => new Set(group.map((one) => one.name)).size === 1).map(([name]) => name);
  return documents.map((one) => ({ ...one, path: one.name, name: paths.includes(base(one)) ? base(one) : one.name }));
}

function ofSchema(page, ...names) {
  return page.documents.filter((one) => names.some((name) => one.document.schema === `dsasim-${name}/1`));
}

// An analysis, or the two of a comparison.
function analysesOf(page) {
  const found = ofSchema(page, "analysis").map((one) => ({ name: one.name, document: one.document }));
  for (const one of ofSchema(page, "analysis-comparison")) {
    one.document.analyses.forEach((document, i) => found.push({ name: `${one.name}, ${i ? "second" : "first"}`, document }));
  }
  return found;
}

// What is replayed and how, as short as tells documents apart: what they share is left out, unless nothing is left.
function withLabels(documents) {
  const parts = documents.map(({ name, document: { config = {} } }) =>
    [name, config.model, config.policy, config.scope, config.capacity || config.budget,
     config.batch && `batch ${config.batch}`, config.context && `context ${config.context}`, config.tp && `tp ${config.tp}`]);
  const differs = parts.length ? parts[0].map((_, i) => new Set(parts.map((row) => row[i])).size > 1) : [];
  if (differs.length && !differs.slice(1).some(Boolean)) differs[0] = true;
  // The name of a file says nothing that policy and capacity do not say, unless they are equal.
  const rest = parts.map((row) => row.filter((_, i) => i > 0 && differs[i]).join(" "));
  if (new Set(rest).size === rest.length && rest.every(Boolean)) differs[0] = false;
  return documents.map((one, i) => ({ ...one, label: parts[i].filter((part, j) => differs[j] && part).join(" ") || one.name }));
}

// Rows by a key, in the order in which the keys come.
function groupBy(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const name = key(row);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  return [...groups];
}

const counters = [
  ["misses", "misses", "count"], ["miss_ratio", "miss ratio", "ratio"], ["compulsory_misses", "compulsory misses", "count"],
  ["capacity_misses", "capacity misses", "count"], ["evictions", "evictions", "count"], ["accesses", "accesses", "count"],
  ["hits", "hits", "count"], ["fetched_bytes", "fetched bytes", "bytes"], ["missed_pages", "missed pages", "count"],
  ["gather_ns", "gather time", "ns"],
];
