// A picture on the page: title, controls, chart, values under the pointer and by keys, its table, and both as files.
//
//   picture: {id, title, text, notes: [...], table: {columns: [...], rows: [[...]]},
//             controls: [{key, label, choices: [[value, text], ...]} or {key, label, flag: true}], start: {key: value},
//             draw: (svg, width, view) => what the functions of chart.js return}
//   view: the values of the controls, `hidden` series and `toggle(name)`

function add(parent, tag, properties = {}, text = null) {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  if (text !== null) element.textContent = text;
  parent.append(element);
  return element;
}

function fillTable(parent, table, from = 0, more = 1000) {
  const sheet = from === 0 ? add(parent, "div", { className: "sheet", tabIndex: 0 }) : parent;
  let body = sheet.querySelector("tbody");
  if (from === 0) {
    const element = add(sheet, "table");
    const head = add(add(element, "thead"), "tr");
    table.columns.forEach((name) => add(head, "th", { scope: "col" }, name));
    body = add(element, "tbody");
  }
  for (const row of table.rows.slice(from, from + more)) {
    const line = add(body, "tr");
    row.forEach((cell) => add(line, "td", numberOf(cell) === null ? {} : { className: "number" }, exact(cell)));
  }
  const left = table.rows.length - from - more;
  if (left > 0) {
    const button = add(sheet, "button", { type: "button" }, `Show ${exact(Math.min(left, more))} more of ${exact(left)} rows`);
    button.addEventListener("click", () => {
      button.remove();
      fillTable(sheet, table, from + more, more);
    });
  }
}

function csvOf(table) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return [table.columns, ...table.rows].map((row) => row.map(cell).join(",") + "\n").join("");
}

// Shapes with their looks written into them: a file of its own has no style sheet.
function svgText(svg, title) {
  const copy = svg.cloneNode(true);
  const [from, to] = [svg.querySelectorAll("*"), copy.querySelectorAll("*")];
  const inherited = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "paint-order", "font-size", "text-anchor"];
  from.forEach((element, i) => {
    const [style, above] = [getComputedStyle(element), getComputedStyle(element.parentNode)];
    const own = inherited.filter((name) => style.getPropertyValue(name) !== above.getPropertyValue(name));
    const looks = style.opacity === "1" ? own : [...own, "opacity"];
    to[i].removeAttribute("style");
    if (looks.length) to[i].setAttribute("style", looks.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
    for (const name of ["class", "role", "tabindex", "aria-pressed"]) to[i].removeAttribute(name);
  });
  copy.querySelectorAll("[data-cursor]").forEach((element) => element.remove());
  for (const name of ["tabindex", "aria-label", "role", "class"]) copy.removeAttribute(name);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("font-family", "system-ui, sans-serif");
  copy.setAttribute("font-size", "12");
  const back = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  back.setAttribute("width", "100%");
  back.setAttribute("height", "100%");
  back.setAttribute("fill", getComputedStyle(document.body).backgroundColor);
  const name = document.createElementNS("http://www.w3.org/2000/svg", "title");
  name.textContent = title;
  copy.prepend(name, back);
  return new XMLSerializer().serializeToString(copy);
}

function save(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function addControls(tools, picture, view, redraw) {
  for (const control of picture.controls || []) {
    const label = add(tools, "label", {}, control.flag ? null : control.label);
    const input = control.flag ? add(label, "input", { type: "checkbox", checked: Boolean(view[control.key]) }) : add(label, "select");
    input.dataset.key = control.key;
    if (control.flag) label.append(control.label);
    for (const [value, text] of control.choices || []) add(input, "option", { value, selected: value === view[control.key] }, text);
    input.addEventListener("change", () => {
      view[control.key] = control.flag ? input.checked : input.value;
      redraw();
    });
  }
}

// The mark at a place, or nearest to it.
function nearest(marks, x, y) {
  let [best, least] = [null, Infinity];
  for (const mark of marks) {
    const [left, top, right, bottom] = mark.rect || [mark.x, mark.y, mark.x, mark.y];
    const [dx, dy] = [Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom)];
    // Along x first: bars and points of a curve are told apart by it.
    const far = dx * dx + dy * dy * (mark.rect ? 0.1 : 1);
    if (far < least) [best, least] = [mark, far];
  }
  return best;
}

function nextMark(marks, mark, key) {
  if (!mark) return key === "End" ? nextMark(marks, marks[0], key) : marks[0];
  const along = marks.filter((one) => one.series === mark.series);
  const place = along.indexOf(mark);
  const ends = { ArrowRight: along[place + 1], ArrowLeft: along[place - 1], Home: along[0], End: along[along.length - 1] };
  if (key in ends) return ends[key] || mark;
  const all = [...new Set(marks.map((one) => one.series))];
  const other = all[all.indexOf(mark.series) + (key === "ArrowDown" ? 1 : -1)];
  const there = marks.filter((one) => one.series === other);
  return there.length ? nearest(there.map((one) => ({ ...one, rect: null, y: 0, of: one })), mark.x, 0).of : mark;
}

function addCursor(canvas, svg, drawn, title) {
  const tip = canvas.querySelector(".tip");
  let current = null;
  const hide = () => {
    tip.hidden = true;
    svg.selectAll("[data-cursor]").remove();
    current = null;
  };
  const show = (mark) => {
    if (!mark) return hide();
    current = mark;
    svg.selectAll("[data-cursor]").remove();
    const cursor = svg.append("g").attr("data-cursor", "").attr("class", "cursor");
    if (mark.rect) {
      const [left, top, right, bottom] = mark.rect;
      cursor.append("rect").attr("x", left).attr("y", top).attr("width", Math.max(1, right - left)).attr("height", Math.max(1, bottom - top));
    } else {
      cursor.append("line").attr("x1", mark.x).attr("x2", mark.x).attr("y1", drawn.top).attr("y2", drawn.bottom).style("stroke-width", 0.6);
      cursor.append("circle").attr("cx", mark.x).attr("cy", mark.y).attr("r", 5);
    }
    tip.textContent = "";
    if (mark.head) add(tip, "div", { className: "head" }, mark.head);
    const list = add(tip, "dl");
    for (const [label, value] of mark.values()) {
      add(list, "dt", {}, label);
      add(list, "dd", {}, exact(value));
    }
    tip.hidden = false;
    const ratio = canvas.clientWidth / svg.attr("width");
    const [x, y] = [mark.x * ratio, mark.y * ratio];
    tip.style.left = `${x + 14 + tip.offsetWidth > canvas.clientWidth ? Math.max(0, x - 14 - tip.offsetWidth) : x + 14}px`;
    tip.style.top = `${Math.max(0, Math.min(y - tip.offsetHeight / 2, canvas.clientHeight - tip.offsetHeight))}px`;
  };
  svg.attr("tabindex", 0).attr("role", "application").attr("aria-label", `${title}. Arrow keys read values, Escape ends.`);
  svg.on("mousemove", () => {
    const [x, y] = d3.mouse(svg.node());
    show(y > drawn.top - 12 && y < drawn.bottom + 30 ? nearest(drawn.marks, x, y) : null);
  });
  svg.on("mouseleave", hide).on("blur", hide);
  svg.on("keydown", () => {
    if (d3.event.target !== svg.node() || d3.event.ctrlKey || d3.event.altKey || d3.event.metaKey) return;
    if (d3.event.key === "Escape") return hide();
    if (!/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(d3.event.key)) return;
    d3.event.preventDefault();
    show(nextMark(drawn.marks, current, d3.event.key));
  });
}

function addFigure(parent, picture) {
  const section = add(parent, "section", { className: "picture", id: picture.id });
  add(section, "h2", {}, picture.title);
  if (picture.text) add(section, "p", {}, picture.text);
  const view = { ...picture.start, hidden: new Set() };
  const tools = add(section, "div", { className: "tools" });
  const canvas = add(section, "div", { className: "canvas" });
  const notes = add(section, "div");
  let node = null;
  const redraw = () => {
    canvas.textContent = "";
    notes.textContent = "";
    const svg = d3.select(canvas).append("svg");
    node = svg.node();
    const tip = add(canvas, "div", { className: "tip", hidden: true });
    tip.setAttribute("role", "status");
    const drawn = picture.draw(svg, Math.max(480, canvas.clientWidth), view);
    addCursor(canvas, svg, drawn, picture.title);
    for (const note of [...(picture.notes || []), ...drawn.notes]) add(notes, "p", { className: "note" }, note);
  };
  view.toggle = (name) => {
    if (!view.hidden.delete(name)) view.hidden.add(name);
    redraw();
    const entry = [...node.querySelectorAll("[data-series]")].find((one) => one.dataset.series === name);
    if (entry) entry.focus();
  };
  addControls(tools, picture, view, redraw);
  const saves = add(tools, "span", { className: "saves" });
  add(saves, "button", { type: "button" }, "Data (CSV)").addEventListener("click", () => save(`${picture.id}.csv`, csvOf(picture.table), "text/csv"));
  add(saves, "button", { type: "button" }, "Picture (SVG)").addEventListener("click", () => save(`${picture.id}.svg`, svgText(node, picture.title), "image/svg+xml"));
  redraw();
  const details = add(section, "details");
  add(details, "summary", {}, `Table: ${exact(picture.table.rows.length)} rows`);
  details.addEventListener("toggle", () => {
    if (details.open && !details.querySelector("table")) fillTable(details, picture.table);
  });
  let width = canvas.clientWidth;
  new ResizeObserver(() => {
    if (canvas.clientWidth !== width && canvas.clientWidth > 0) {
      width = canvas.clientWidth;
      redraw();
    }
  }).observe(canvas);
}
