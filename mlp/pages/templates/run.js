// Draws the charts of layers for the epoch that a slider is at. All sliders of a page move together.
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const figures = [...document.querySelectorAll("figure.layers")];
  const top = 12, bottom = 276; // of the plot, as in mlp/pages/layer_charts.py

  const said = (one, v) => v === null ? "no number" : one.log ? (10 ** (v / 100)).toExponential(1) : (v / 1000).toPrecision(3);

  function draw(figure, chart) {
    const one = chart.statistics[figure.querySelector("select").value];
    const row = one.rows[figure.querySelector("input").value];
    const y = v => (bottom - (v - one.low) / (one.high - one.low) * (bottom - top)).toFixed(1);
    const line = numbers => numbers.map((v, i) =>
      v === null ? "" : `${i && numbers[i - 1] !== null ? "L" : "M"}${chart.x[i]},${y(v)}`).join("");
    figure.querySelector(".now").setAttribute("d", line(row));
    figure.querySelector(".first").setAttribute("d", line(one.rows[0]));
    figure.querySelectorAll("circle").forEach((dot, i) => {
      dot.style.display = row[i] === null ? "none" : "";
      dot.setAttribute("cy", row[i] === null ? 0 : y(row[i]));
    });
    figure.querySelectorAll("title").forEach((title, i) => { title.textContent = `${chart.names[i]}: ${said(one, row[i])}`; });
    figure.querySelectorAll("g.axis").forEach((axis, i) => {
      axis.style.display = chart.statistics[i] === one ? "" : "none";
    });
    const epoch = chart.epochs[figure.querySelector("input").value];
    figure.querySelector("output").textContent = epoch;
    const known = row.map((v, i) => [v, i]).filter(([v]) => v !== null).sort((a, b) => a[0] - b[0]);
    const at = ([v, i]) => `${said(one, v)} at ${chart.names[i]}`;
    figure.querySelector(".readout").textContent = known.length
      ? `Epoch ${epoch}, ${one.label}: smallest ${at(known[0])}, largest ${at(known.at(-1))}.` : `Epoch ${epoch}: no numbers.`;
  }

  figures.forEach((figure, number) => {
    const chart = charts[number], slider = figure.querySelector("input");
    figure.querySelector(".controls").hidden = false;
    slider.addEventListener("input", () => figures.forEach((other, k) => {
      const range = other.querySelector("input");
      if (range.max === slider.max) range.value = slider.value;
      draw(other, charts[k]);
    }));
    figure.querySelector("select").addEventListener("change", () => draw(figure, chart));
    figure.querySelectorAll("rect").forEach((column, i) => column.addEventListener("pointerenter", () => {
      figure.querySelector(".readout").textContent = column.querySelector("title").textContent;
      figure.querySelectorAll("circle").forEach((dot, k) => dot.setAttribute("r", i === k ? 5 : 3));
    }));
    draw(figure, chart);
  });
})();
