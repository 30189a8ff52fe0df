// Sorts a table by the column whose heading is clicked; without this script the table is read as it is.
document.querySelectorAll(".with-script").forEach((note) => { note.hidden = false; });
for (const table of document.querySelectorAll("table.sorts")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    if (head.dataset.sort === undefined) return;
    const sort = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const rows = [...body.rows].sort((a, b) =>
        head.dataset.sort === "number"
          ? value(a) - value(b)
          : value(a).localeCompare(value(b), undefined, { numeric: true }));
      body.append(...(down ? rows.reverse() : rows));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
    };
    head.classList.add("sortable");
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
    });
  });
}
// The large curves: one line a run (or J and F of a single run), the frame under the pointer named and shown.
const source = document.getElementById("curves");
if (source) {
  const data = JSON.parse(source.textContent);
  const viewer = document.querySelector(".viewer");
  const [choices, chart, at, shown] = ["choices", "chart", "at", "shown"].map((name) => viewer.querySelector("." + name));
  const colours = ["--region", "--boundary", "--good", "--warn", "--bad", "--ink", "--quiet"].map((name) => `var(${name})`);
  const one = data.runs.length === 1 && data.measures.includes("J") && data.measures.includes("F");
  const select = (label, names) => {
    const box = document.createElement("select");
    box.setAttribute("aria-label", label);
    box.append(...names.map((name, index) => new Option(name, index)));
    choices.append(box);
    return box;
  };
  const sequences = select("Sequence", data.sequences.map((each) => each.name));
  const rows = select("Object", []);
  const measures = one ? null : select("Measure", data.measures);
  const keys = document.createElement("span");
  keys.className = "keys";
  choices.append(keys);
  let index = 0;
  const sequence = () => data.sequences[+sequences.value];
  const lines = () => {
    const row = sequence().rows[+rows.value];
    if (one) return ["J", "F"].map((name) => ({ name, values: row.runs[0][name] ?? [] }));
    const measure = data.measures[+measures.value];
    return data.runs.map((name, run) => ({ name, values: row.runs[run]?.[measure] ?? [] }));
  };
  const across = (frame) => { const last = sequence().frames.length - 1; return last ? frame / last : 0.5; };
  const path = (values) => {
    let text = "", pen = false;
    values.forEach((value, frame) => {
      if (value === null) { pen = false; return; }
      text += `${pen ? "L" : "M"}${(1000 * across(frame)).toFixed(1)} ${(1000 * (1 - value)).toFixed(1)}`;
      if (!pen && (values[frame + 1] ?? null) === null) text += "h0";
      pen = true;
    });
    return text;
  };
  const show = () => {
    const { frames, pictures } = sequence();
    index = Math.max(0, Math.min(index, frames.length - 1));
    const x = 1000 * across(index);
    const parts = lines();
    chart.querySelector(".now").setAttribute("d", `M${x} 0V1000`);
    chart.querySelectorAll(".point").forEach((point, number) => {
      const value = parts[number].values[index] ?? null;
      point.setAttribute("d", value === null ? "" : `M${x} ${1000 * (1 - value)}h0`);
    });
    const told = parts.map(({ name, values }) => `${name} ${(values[index] ?? null) === null ? "–" : values[index].toFixed(3)}`);
    const known = Object.keys(pictures).map(Number);
    const near = known.reduce((best, each) => Math.abs(each - index) < Math.abs(best - index) ? each : best, known[0]);
    const other = known.length && near !== index ? ` (shown: ${frames[near]})` : "";
    at.textContent = `Frame ${frames[index]}: ${told.join(", ")}${other}`;
    shown.replaceChildren(...(pictures[near] ?? []).map((address, number) => {
      const holder = document.createElement("span"), picture = new Image();
      picture.src = address;
      picture.alt = `Frame ${frames[near]}: ${data.captions[number]}`;
      holder.append(data.captions[number], picture);
      return holder;
    }));
  };
  const draw = () => {
    const parts = lines();
    const marks = [[1, "1"], [0.5, "0.5"], [0, "0"]].map(([value, text]) =>
      `<span class="mark" style="top:calc(.75rem + (100% - 1.5rem) * ${1 - value})">${text}</span>`).join("");
    chart.innerHTML = `${marks}<svg viewBox="0 0 1000 1000" preserveAspectRatio="none">`
      + [0, 500, 1000].map((y) => `<path d="M0 ${y}H1000" stroke="var(--line)"/>`).join("")
      + parts.map(({ values }, number) => `<path class="line" stroke="${colours[number % colours.length]}" d="${path(values)}"/>`).join("")
      + '<path class="now" d=""/>'
      + parts.map((_, number) => `<path class="point" stroke="${colours[number % colours.length]}" d=""/>`).join("") + "</svg>";
    keys.replaceChildren(...parts.map(({ name }, number) => {
      const key = document.createElement("span"), line = document.createElement("i");
      line.style.background = colours[number % colours.length];
      key.append(line, name);
      return key;
    }));
    show();
  };
  const fill = () => {
    rows.replaceChildren(...sequence().rows.map((row, number) => new Option(row.name, number)));
    rows.hidden = sequence().rows.length < 2;
    draw();
  };
  const point = (event) => {
    const box = chart.querySelector("svg").getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    index = Math.round(share * (sequence().frames.length - 1));
    show();
  };
  sequences.addEventListener("change", fill);
  rows.addEventListener("change", draw);
  measures?.addEventListener("change", draw);
  chart.addEventListener("pointermove", point);
  chart.addEventListener("pointerdown", point);
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    index += step;
    show();
  });
  document.querySelectorAll("[data-object]").forEach((button) => button.addEventListener("click", () => {
    const [name, row] = JSON.parse(button.dataset.object);
    sequences.value = data.sequences.findIndex((each) => each.name === name);
    fill();
    rows.value = Math.max(0, sequence().rows.findIndex((each) => each.name === row));
    draw();
    viewer.scrollIntoView({ block: "start" });
  }));
  fill();
}
