// The page: a picture of each kind that its documents have. A new kind is a function in pictures/ that returns pictures
// (figure.js), none if no document has what it shows, and a line here.
const pictures = [
  missesByCapacity,
  missesByStep,
  missesOverTime,
  reportsSideBySide,
  countersByLayer,
  countersByRequest,
  stepParts,
  layerParts,
  planTimes,
  planThroughput,
  studyPoints,
  allocation,
  metricsByLayer,
  metricHistograms,
];

function followTheme() {
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const set = (dark) => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.textContent = dark ? "Light" : "Dark";
  };
  set(system.matches);
  system.addEventListener("change", () => set(system.matches));
  button.addEventListener("click", () => set(document.documentElement.dataset.theme === "light"));
}

// A document that lacks a field costs its picture, not the page.
function attempt(main, name, work) {
  try {
    return work();
  } catch (error) {
    add(main, "p", { className: "picture failed" }, `${name}: a document has not what this picture needs (${error.message}).`);
    return [];
  }
}

function buildPage() {
  add(document.head, "style", {}, heatStyle());
  followTheme();
  const main = document.getElementById("main");
  const contents = document.getElementById("contents");
  const page = JSON.parse(document.getElementById("data").textContent);
  page.documents.forEach((one) => { one.document = unpack(one.document); });
  page.documents = shortNames(page.documents);
  document.getElementById("version").textContent = page.tool.version;
  document.title = `dsasim report: ${page.documents.map((one) => one.name).filter((name, i, all) => all.indexOf(name) === i).join(", ")}`;
  attempt(main, "Documents", () => addOverview(main, page));
  for (const make of pictures) {
    for (const picture of attempt(main, make.name, () => make(page))) {
      attempt(main, picture.title, () => addFigure(main, picture));
      add(contents, "a", { href: `#${picture.id}` }, picture.title);
    }
  }
}

buildPage();
