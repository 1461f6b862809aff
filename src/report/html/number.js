// Numbers of the documents. A whole number above 2^53 comes as its digits in a string, so that it stays exact.

function numberOf(value) {
  if (typeof value === "number") return value;
  return typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : null;
}

// The document's number in full, digits of whole numbers in groups.
function exact(value) {
  if (value === null || value === undefined) return "–";
  const number = /^(-?\d+)(\.\d+)?$/.exec(value);
  return number ? number[1].replace(/\B(?=(\d{3})+$)/g, ",") + (number[2] || "") : String(value);
}

// What stands before a value in full.
const withUnit = (text, kind) => (kind === "ns" ? `${text}, ns` : text);

const unitsOf = {
  count: [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k", 1e3]],
  ns: [[1e9, " s"], [1e6, " ms"], [1e3, " µs"], [0, " ns", 1]],
  bytes: [[1e12, " TB"], [1e9, " GB"], [1e6, " MB"], [1e3, " kB"], [0, " B", 1]],
  number: [],
};

// For axes: short, in the unit that fits.
function brief(value, kind) {
  if (value === 0) return "0";
  const round = (number) => exact(Number(number.toPrecision(4)));
  for (const [from, unit, divisor = from] of unitsOf[kind] || unitsOf.count) {
    if (Math.abs(value) >= from) return round(value / divisor) + unit;
  }
  return round(value);
}
