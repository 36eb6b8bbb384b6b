// The readout: a bin's values, as the table of its plot has them. A line marks the same time on all plots.
"use strict";
const { lasts, bin } = document.body.dataset;
const plots = [...document.querySelectorAll(".plot")].map((plot) => ({
  area: plot.querySelector(".area"),
  cursor: plot.querySelector(".cursor"),
  readout: plot.querySelector(".readout"),
  labels: [...plot.querySelectorAll("thead th")].map((cell) => cell.textContent),
  rows: [...plot.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent)),
}));
let at = 0;

function hide() {
  for (const { cursor, readout } of plots) {
    cursor.classList.remove("on");
    readout.textContent = "";
  }
}

function show(plot, wanted) {
  hide();
  at = Math.max(0, Math.min(wanted, plot.rows.length - 1));
  const row = plot.rows[at];
  if (!row) return;
  const middle = (at * bin + Math.min((at + 1) * bin, lasts)) / 2 / lasts * 100 + "%";
  for (const { cursor } of plots) {
    cursor.setAttribute("x1", middle);
    cursor.setAttribute("x2", middle);
    cursor.classList.add("on");
  }
  // Beside the line, not over it.
  plot.readout.classList.toggle("left", at * 2 > plot.rows.length);
  for (const [place, text] of row.entries()) {
    const line = document.createElement("span");
    for (const part of [plot.labels[place], text]) line.appendChild(document.createElement("span")).textContent = part;
    plot.readout.append(line);
  }
}

for (const plot of plots) {
  const { area } = plot;
  area.setAttribute("tabindex", "0");
  const under = (event) => {
    const { left, width } = area.getBoundingClientRect();
    return Math.floor((event.clientX - left) / width * lasts / bin);
  };
  area.addEventListener("pointermove", (event) => show(plot, under(event)));
  area.addEventListener("pointerdown", (event) => show(plot, under(event)));
  area.addEventListener("pointerleave", hide);
  area.addEventListener("focus", () => { if (area.matches(":focus-visible")) show(plot, at); });
  area.addEventListener("blur", hide);
  area.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: plot.rows.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      show(plot, to);
    } else if (event.key === "Escape") {
      hide();
    }
  });
}
