// Charts as SVG. Each takes a specification and a width, draws, and returns its marks: places that have values. Pointer
// and keys choose among marks in the same way in every chart (figure.js).
//
//   mark: {x, y, rect: [left, top, right, bottom] or none, series, order, head, values: () => [[label, value], ...]}

const colourCount = 12;
const colour = (i) => `var(--s${i % colourCount})`;
const dash = (i) => ["none", "7 3", "2 3"][Math.floor(i / colourCount) % 3];

function scaleOf(axis, values, range) {
  const usable = axis.log ? values.filter((value) => value > 0) : values;
  let [low, high] = d3.extent(usable);
  if (low === undefined) [low, high] = axis.log ? [1, 10] : [0, 1];
  if (axis.log) {
    if (low === high) [low, high] = [low / 2, high * 2];
    return d3.scale.log().domain([low, high]).range(range);
  }
  if (axis.zero !== false) [low, high] = [Math.min(0, low), Math.max(0, high)];
  if (low === high) high = low + 1;
  return d3.scale.linear().domain([low, high]).nice().range(range);
}

function ticksOf(axis, scale, count) {
  if (!axis.log) return scale.ticks(count);
  const [low, high] = scale.domain();
  const decades = Math.log10(high / low);
  const digits = decades < 1.5 ? [1, 2, 3, 5, 7] : decades * 3 < 1.6 * count ? [1, 2, 5] : [1];
  const every = Math.ceil(decades / 12);
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += every) {
    for (const digit of digits) found.push(digit * 10 ** power);
  }
  const inside = found.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  return inside.length > 1 ? inside : d3.scale.linear().domain([low, high]).ticks(4);
}

// Axes with their grid around a plot of this size. Returns nothing: the scales say all.
function drawAxes(plot, size, x, y, below = 38) {
  const axis = (scale, orient, of, ticks, length) => d3.svg.axis().scale(scale).orient(orient).tickValues(ticks)
    .tickFormat(of.text || ((value) => brief(value, of.kind))).innerTickSize(-length).outerTickSize(0).tickPadding(6);
  plot.append("g").attr("class", "axis").attr("transform", `translate(0,${size.height})`)
    .call(axis(x.scale, "bottom", x, x.ticks, size.height));
  plot.append("g").attr("class", "axis").call(axis(y.scale, "left", y, y.ticks, size.width));
  plot.append("text").attr("class", "quiet").attr("x", size.width / 2).attr("y", size.height + below)
    .attr("text-anchor", "middle").text(x.label);
  plot.append("text").attr("class", "quiet").attr("x", -size.left + 2).attr("y", -10).text(y.label);
}

// Names of categories, a word a line.
function breakLines(texts, words) {
  texts.each(function (i) {
    const text = d3.select(this).text("");
    words[i].forEach((word, line) => text.append("tspan").attr("x", 0).attr("dy", line === 0 ? ".71em" : "1.15em").text(word));
  });
}

// Names of series; a click or a key shows and hides one. Returns the height.
function drawLegend(svg, series, width, view) {
  const named = series.filter((one) => !one.faint);
  if (named.length < 2) return 0;
  let [x, y] = [0, 0];
  const legend = svg.append("g").attr("class", "legend").attr("transform", "translate(4,14)");
  for (const one of named) {
    const text = one.name.length > 70 ? `${one.name.slice(0, 69)}…` : one.name;
    const length = 30 + 6.7 * text.length;
    if (x > 0 && x + length > width - 8) [x, y] = [0, y + 20];
    const off = view.hidden.has(one.name);
    const toggle = () => {
      d3.event.preventDefault();
      view.toggle(one.name);
    };
    const entry = legend.append("g").attr("class", off ? "entry off" : "entry").attr("transform", `translate(${x},${y})`)
      .attr("role", "button").attr("tabindex", 0).attr("aria-pressed", !off).attr("data-series", one.name)
      .on("click", toggle)
      .on("keydown", () => { if (d3.event.key === "Enter" || d3.event.key === " ") toggle(); });
    entry.append("rect").attr("y", -10).attr("width", length - 6).attr("height", 16).attr("fill", "transparent");
    if (one.block) {
      entry.append("rect").attr("y", -8).attr("width", 16).attr("height", 10).attr("rx", 2).style("fill", colour(one.index))
        .style("opacity", one.index >= colourCount ? 0.55 : 1);
    } else if (one.dotsOnly) {
      entry.append("circle").attr("cx", 9).attr("cy", -3).attr("r", 5).style("fill", colour(one.index));
    } else {
      entry.append("line").attr("x2", 16).attr("y1", -3).attr("y2", -3).attr("class", "line")
        .style("stroke", colour(one.index)).style("stroke-dasharray", dash(one.index));
    }
    entry.append("text").attr("x", 21).attr("y", 1).text(text);
    entry.append("title").text(one.name);
    x += length + 8;
  }
  return y + 30;
}

function plotArea(svg, width, height, left, top, bottom = 48) {
  const right = 18;
  svg.attr("viewBox", `0 0 ${width} ${height}`).attr("width", width).attr("height", height);
  return { plot: svg.append("g").attr("transform", `translate(${left},${top})`), left,
           size: { width: width - left - right, height: height - top - bottom, left }, top };
}

const leftOf = (texts) => 22 + 6.6 * d3.max(texts.concat(""), (text) => text.length);

// {x, y: {label, kind, log, zero, text}, series: [{name, points: [{x, y, values}], step, fill, dots, faint}],
//  rules: [{x, label}], categories: names of x = 0, 1, ...}
function drawLines(svg, spec, width, view) {
  const series = spec.series.map((one, index) => ({ ...one, index }));
  const top = drawLegend(svg, series, width, view) + 26;
  const shown = series.filter((one) => !view.hidden.has(one.name));
  const usable = (point) => point.x !== null && point.y !== null && !(spec.x.log && point.x <= 0) && !(spec.y.log && point.y <= 0);
  const drawn = shown.map((one) => ({ ...one, points: one.points.filter(usable) }));
  const all = drawn.flatMap((one) => one.points);
  const rules = (spec.rules || []).filter((rule) => !spec.x.log || rule.x > 0);
  const height = 430;
  const yRange = [height - top - 48, 0];
  const y = { ...spec.y, scale: scaleOf(spec.y, all.map((point) => point.y), yRange) };
  y.ticks = ticksOf(y, y.scale, 6);
  const { plot, size, left } = plotArea(svg, width, height, leftOf(y.ticks.map((tick) => brief(tick, y.kind))), top);
  const x = { ...spec.x };
  if (spec.categories) {
    x.scale = d3.scale.linear().domain([-0.3, spec.categories.length - 0.7]).range([0, size.width]);
    x.ticks = d3.range(spec.categories.length);
    x.text = (i) => spec.categories[i];
  } else {
    x.scale = scaleOf(x, all.map((point) => point.x).concat(rules.map((rule) => rule.x)), [0, size.width]);
    x.ticks = ticksOf(x, x.scale, Math.max(3, Math.floor(size.width / 90)));
  }
  drawAxes(plot, size, x, y);
  rules.forEach((rule) => plot.append("line").attr("class", "rule").attr("x1", x.scale(rule.x)).attr("x2", x.scale(rule.x)).attr("y2", size.height));
  const marks = [];
  for (const one of drawn) {
    const points = thinned(one.points.map((point) => ({ ...point, px: hundredth(x.scale(point.x)), py: hundredth(y.scale(point.y)) })));
    const path = d3.svg.line().x((point) => point.px).y((point) => point.py).interpolate(one.step ? "step-after" : "linear");
    if (one.fill) {
      plot.append("path").attr("class", "area").style("fill", colour(one.index))
        .attr("d", d3.svg.area().x((p) => p.px).y1((p) => p.py).y0(size.height).interpolate("step-after")(points));
    }
    if (!one.dotsOnly) {
      plot.append("path").attr("class", one.faint ? "line faint" : "line").attr("d", path(points))
        .style("stroke", one.faint ? null : colour(one.index)).style("stroke-dasharray", one.faint ? null : dash(one.index));
    }
    if (one.dots || one.dotsOnly) {
      plot.selectAll(null).data(points).enter().append("circle").attr("r", one.dotsOnly ? 5 : 3)
        .attr("cx", (point) => point.px).attr("cy", (point) => point.py).style("fill", colour(one.index));
    }
    points.forEach((point, order) => {
      if (point.values) {
        marks.push({ x: point.px + left, y: point.py + top, series: one.index, order, head: one.name, values: point.values });
      }
    });
  }
  rules.forEach((rule, i) => {
    const [at, end] = [x.scale(rule.x), x.scale(rule.x) > size.width - 150];
    plot.append("text").attr("class", "quiet halo").attr("x", at + (end ? -5 : 5)).attr("y", 12 + 15 * (i % 6))
      .attr("text-anchor", end ? "end" : "start").text(rule.label);
  });
  const isZero = (point) => point.values && (point.x === 0 || point.y === 0) && !usable(point);
  const zeros = d3.sum(shown, (one) => one.points.filter(isZero).length);
  return { marks, top, bottom: top + size.height,
           notes: zeros ? [`Points at 0 have no place on a logarithmic axis: ${exact(zeros)} are left out. The table has them.`] : [] };
}

const hundredth = (value) => Math.round(value * 100) / 100;

// Points that would fall within half a pixel of the one before, in both directions, are not drawn.
function thinned(points) {
  const kept = [];
  points.forEach((point, i) => {
    const last = kept[kept.length - 1];
    if (!last || i === points.length - 1 || Math.abs(point.px - last.px) >= 0.5 || Math.abs(point.py - last.py) >= 0.5) kept.push(point);
  });
  return kept;
}

// Columns side by side: {x: {label}, y, categories, series: [{name, bars: [{y, values}]}]}, a bar for each category.
function drawColumns(svg, spec, width, view) {
  const series = spec.series.map((one, index) => ({ ...one, index, block: true }));
  const top = drawLegend(svg, series, width, view) + 26;
  const shown = series.filter((one) => !view.hidden.has(one.name));
  const words = spec.categories.map((name) => String(name).split(" "));
  const lines = d3.max(words, (list) => list.length) || 1;
  const height = 360 + 14 * (lines - 1);
  const bottom = 48 + 14 * (lines - 1);
  const heights = shown.flatMap((one) => one.bars).map((bar) => bar && bar.y).filter((value) => value !== null && value !== undefined);
  const y = { ...spec.y, scale: scaleOf(spec.y, heights, [height - top - bottom, 0]) };
  y.ticks = ticksOf(y, y.scale, 6);
  const { plot, size, left } = plotArea(svg, width, height, leftOf(y.ticks.map((tick) => brief(tick, y.kind))), top, bottom);
  const count = spec.categories.length;
  const band = d3.scale.ordinal().domain(d3.range(count)).rangeBands([0, size.width], 0.2);
  const every = Math.max(1, Math.ceil((count * 6.6 * (d3.max(words, (list) => d3.max(list, (word) => word.length)) + 2)) / size.width));
  const x = { ...spec.x, scale: band, ticks: d3.range(0, count, every), text: (i) => spec.categories[i] };
  drawAxes(plot, size, x, y, bottom - 10);
  if (lines > 1) breakLines(plot.select(".axis").selectAll(".tick text"), words);
  const marks = [];
  const thickness = band.rangeBand() / Math.max(1, shown.length);
  shown.forEach((one, place) => {
    let path = "";
    one.bars.forEach((bar, i) => {
      if (!bar || bar.y === null || bar.y === undefined || (y.log && bar.y <= 0)) return;
      const from = band(i) + place * thickness;
      const at = y.scale(bar.y);
      path += `M${from.toFixed(2)},${size.height}V${at.toFixed(2)}h${(thickness * 0.94).toFixed(2)}V${size.height}Z`;
      marks.push({ x: from + thickness / 2 + left, y: at + top, series: one.index, order: i, values: bar.values,
                   head: shown.length > 1 || series.length > 1 ? one.name : "",
                   rect: [from + left, at + top, from + thickness + left, size.height + top] });
    });
    plot.append("path").style("fill", colour(one.index)).attr("d", path || "M0,0");
  });
  return { marks, top, bottom: top + size.height, notes: [] };
}

// Parts one after the other: {x, rows: [{name, parts: [{name, x, values}]}]}; every row may lack parts.
function drawStacks(svg, spec, width, view) {
  const names = [...new Set(spec.rows.flatMap((row) => row.parts.map((part) => part.name)))];
  const series = names.map((name, index) => ({ name, index, block: true }));
  const top = drawLegend(svg, series, width, view) + 12;
  const rowHeight = Math.max(16, Math.min(46, 900 / spec.rows.length));
  const height = top + rowHeight * spec.rows.length + 48;
  const cut = (name) => (name.length > 34 ? `${name.slice(0, 33)}…` : name);
  const { plot, size, left } = plotArea(svg, width, height, leftOf(spec.rows.map((row) => cut(row.name))), top);
  const visible = spec.rows.map((row) => row.parts.filter((part) => !view.hidden.has(part.name) && part.x > 0));
  const x = { ...spec.x, scale: scaleOf({}, visible.map((parts) => d3.sum(parts, (part) => part.x)), [0, size.width]) };
  x.ticks = x.scale.ticks(Math.max(3, Math.floor(size.width / 90)));
  const band = d3.scale.ordinal().domain(d3.range(spec.rows.length)).rangeBands([0, size.height], 0.18);
  drawAxes(plot, size, x, { scale: band, ticks: d3.range(spec.rows.length), text: (i) => cut(spec.rows[i].name), label: "" });
  const marks = [];
  visible.forEach((parts, i) => {
    let sum = 0;
    parts.forEach((part, order) => {
      const [from, to] = [x.scale(sum), x.scale(sum + part.x)];
      sum += part.x;
      const index = names.indexOf(part.name);
      plot.append("rect").attr("x", from).attr("y", band(i)).attr("width", Math.max(0.5, to - from - 0.6)).attr("height", band.rangeBand())
        .style("fill", colour(index)).style("opacity", index >= colourCount ? 0.55 : 1);
      marks.push({ x: (from + to) / 2 + left, y: band(i) + band.rangeBand() / 2 + top, series: i, order, head: part.name, values: part.values,
                   rect: [from + left, band(i) + top, to + left, band(i) + band.rangeBand() + top] });
    });
  });
  return { marks, top, bottom: top + size.height, notes: [] };
}

const heatLevels = 24;

// Colours of the two themes as a style sheet, so that a printed page has the light ones.
function heatStyle() {
  const rules = (colours) => {
    const scale = d3.scale.linear().domain(d3.range(colours.length).map((i) => i / (colours.length - 1))).range(colours).interpolate(d3.interpolateLab);
    return d3.range(heatLevels).map((i) => `--h${i}:${scale(i / (heatLevels - 1))}`).join(";");
  };
  return `:root{${rules(["#eef2f7", "#a9cfe8", "#3f8fc5", "#1d4f91", "#2b1a4a"])}}
    @media screen{:root[data-theme="dark"]{${rules(["#1d2530", "#1d4a7c", "#2f8bc0", "#7fd0c0", "#fdf3b0"])}}}`;
}

// {x, y: {label}, columns, rows: names, cell: (row, column) => number or null, kind, label, values: (row, column) => [...]}
// A path for each colour, not an element for each cell: a hundred thousand cells draw in no time.
function drawHeat(svg, spec, width) {
  const rowHeight = Math.max(3, Math.min(22, 640 / spec.rows.length));
  const top = 56;
  const { plot, size, left } = plotArea(svg, width, top + rowHeight * spec.rows.length + 48, leftOf(spec.rows.map(String)) + 8, top);
  const cells = [];
  for (let row = 0; row < spec.rows.length; ++row) {
    for (let column = 0; column < spec.columns.length; ++column) {
      const value = spec.cell(row, column);
      if (value !== null) cells.push({ row, column, value });
    }
  }
  const sorted = cells.map((cell) => cell.value).sort(d3.ascending);
  const most = sorted[Math.floor(0.99 * (sorted.length - 1))] || d3.max(sorted) || 1;
  const [cellWidth, columnAt] = [size.width / spec.columns.length, (column) => (column * size.width) / spec.columns.length];
  const paths = Array.from({ length: heatLevels }, () => "");
  for (const { row, column, value } of cells) {
    const level = Math.min(heatLevels - 1, Math.floor((value / most) * heatLevels));
    paths[level] += `M${columnAt(column).toFixed(2)},${(row * rowHeight).toFixed(2)}h${(cellWidth + 0.3).toFixed(2)}v${rowHeight.toFixed(2)}h-${(cellWidth + 0.3).toFixed(2)}Z`;
  }
  paths.forEach((path, level) => {
    if (path) plot.append("path").attr("d", path).style("fill", `var(--h${level})`);
  });
  const every = Math.max(1, Math.ceil(12 / rowHeight));
  const band = d3.scale.ordinal().domain(d3.range(spec.rows.length)).rangeBands([0, size.height]);
  const columns = d3.scale.ordinal().domain(d3.range(spec.columns.length)).rangeBands([0, size.width]);
  // At the columns that hold round numbers: columns begin at `columns[i]`.
  const round = d3.scale.linear().domain(d3.extent(spec.columns)).ticks(size.width / 90).filter(Number.isInteger);
  const columnTicks = new Map(round.map((value) => [d3.bisectRight(spec.columns, value) - 1, value]));
  drawAxes(plot, size, { ...spec.x, scale: columns, ticks: [...columnTicks.keys()], text: (i) => exact(columnTicks.get(i)) },
    { ...spec.y, scale: band, ticks: d3.range(0, spec.rows.length, every), text: (i) => spec.rows[i] });
  plot.selectAll(".axis line").remove();
  const key = svg.append("g").attr("transform", `translate(${Math.max(left + 60, width - 18 - 300)},14)`);
  d3.range(heatLevels).forEach((i) => key.append("rect").attr("x", i * 8).attr("y", 4).attr("width", 8.2).attr("height", 10).style("fill", `var(--h${i})`));
  key.append("text").attr("class", "quiet").attr("y", 0).text(spec.label);
  key.append("text").attr("class", "quiet").attr("x", -6).attr("y", 13).attr("text-anchor", "end").text("0");
  key.append("text").attr("class", "quiet").attr("x", heatLevels * 8 + 6).attr("y", 13).text(`${sorted[sorted.length - 1] > most ? "≥ " : ""}${brief(most, spec.kind)}`);
  const marks = cells.map(({ row, column }) => {
    const [x, y] = [columnAt(column) + left, row * rowHeight + top];
    return { x: x + cellWidth / 2, y: y + rowHeight / 2, series: row, order: column, head: "", values: () => spec.values(row, column),
             rect: [x, y, x + cellWidth, y + rowHeight] };
  });
  return { marks, top, bottom: top + size.height, notes: [] };
}
