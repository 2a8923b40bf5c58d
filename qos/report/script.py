"""The page's own script: draws the figures that lie in the page, in the reader's light or dark."""

from __future__ import annotations

from typing import Final

SCRIPT: Final = """
(() => {
  "use strict";
  const root = document.documentElement;
  const swaps = Object.entries(JSON.parse(document.getElementById("dark-colours").textContent));
  const charts = [...document.querySelectorAll(".chart")];
  const system = matchMedia("(prefers-color-scheme: dark)");
  const print = matchMedia("print");
  const touch = matchMedia("(pointer: coarse)");
  const config = { displayModeBar: false, responsive: true, showTips: false };

  const wantsDark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  const isDark = () => !print.matches && wantsDark();

  function figureOf(chart, dark) {
    let text = document.getElementById(chart.id + "-figure").textContent;
    if (dark) for (const [light, other] of swaps) text = text.replaceAll(light, other);
    const figure = JSON.parse(text);
    const narrow = figure.layout.meta && figure.layout.meta.narrow;
    if (narrow && chart.clientWidth < 600) Object.assign(figure.data[0], narrow);
    if (touch.matches) figure.layout.dragmode = false;  // a finger on a chart scrolls the page
    return figure;
  }

  async function draw() {
    const dark = isDark();
    for (const chart of charts) {
      const figure = figureOf(chart, dark);
      await Plotly.react(chart, figure.data, figure.layout, config);
    }
    root.dataset.drawn = dark ? "dark" : "light";
  }

  function fit() {
    for (const chart of charts) Plotly.Plots.resize(chart);
  }

  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    draw();
  });
  system.addEventListener("change", draw);
  print.addEventListener("change", () => { draw().then(fit); });
  draw();
})();
"""
