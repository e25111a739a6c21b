"use strict";
// Draws the figures and wires the choices to them. A choice named after a field of the rows picks rows by it; one named
// after an axis sets the scale of it. Each change draws the figure anew from its specification and what is chosen.
(() => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  // Colours are variables of the style sheet, so that a change of theme or to paper needs no drawing.
  const text = { labelColor: "var(--soft)", titleColor: "var(--ink)" };
  const axis = { ...text, gridColor: "var(--line)", domainColor: "var(--soft)", tickColor: "var(--soft)" };
  const sizes = { labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal" };
  const config = {
    aria: false, // the element around it says in words what is drawn, and the tables have every number
    background: "transparent",
    font: "system-ui, 'DejaVu Sans', sans-serif",
    view: { stroke: null },
    axis: { ...axis, ...sizes, labelOverlap: "greedy", tickCount: 6 },
    text: { fontSize: 12 },
  };

  // Its interpreter needs no code made from strings, which the page does not allow.
  const options = {
    mode: "vega-lite", renderer: "svg", ast: true, actions: false, config, defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
  };

  // What is chosen in a form: {field: Set of values}.
  const chosen = (form) => {
    const values = {};
    for (const input of form.elements) {
      if (!input.name) continue;
      values[input.name] ??= new Set();
      if (input.checked) values[input.name].add(input.value);
    }
    return values;
  };

  const only = (set) => [...(set ?? [])][0];

  // The specification as it is to be drawn.
  const variant = (spec, values) => {
    const made = structuredClone(spec);
    const { scales, units } = made.usermeta;
    const fields = Object.keys(values).filter((name) => !(name in scales));
    const isPicked = (row) => fields.every((field) => !(field in row) || values[field].has(row[field]));
    for (const [name, rows] of Object.entries(made.datasets)) {
      made.datasets[name] = rows.filter(isPicked);
    }
    made.layer = made.layer.filter((layer) => made.datasets[(layer.data ?? made.data).name].length);
    for (const [name, choices] of Object.entries(scales)) {
      const channels = made.layer.map((layer) => layer.encoding[name]).filter((channel) => channel?.scale);
      const type = only(values[name]) ?? "log";
      const hasOwnTicks = channels.some((channel) => channel.axis?.values);
      for (const channel of channels) {
        channel.scale = choices[type].scale;
        if (!hasOwnTicks) channel.axis = { ...channel.axis, ...choices[type].axis };
        if (name === "y" && units) channel.axis = { ...channel.axis, ...units[only(values.unit)] };
      }
    }
    return made;
  };

  const wire = (figure) => {
    const spec = specs[figure.dataset.figure];
    const form = figure.querySelector("form");
    const plot = figure.querySelector(".plot");
    const count = figure.querySelector(".count");
    let last = Promise.resolve();
    let view = null;

    const draw = async () => {
      const made = variant(spec, chosen(form));
      const shown = made.datasets[spec.usermeta.points].length;
      view?.finalize();
      view = null;
      plot.replaceChildren();
      count.textContent = shown ? `${shown} ${shown === 1 ? "point" : "points"} shown` : "Nothing is chosen, so nothing is shown.";
      if (shown) {
        const drawing = plot.appendChild(document.createElement("div"));
        drawing.setAttribute("aria-hidden", "true");
        view = await vegaEmbed(drawing, made, options);
      }
      plot.dataset.drawn = Number(plot.dataset.drawn ?? 0) + 1;
    };
    const failed = (error) => {
      count.textContent = "The figure could not be drawn; its numbers stand below.";
      console.error(error);
    };
    const redraw = () => { last = last.then(draw).catch(failed); };
    form.hidden = false;
    form.addEventListener("change", redraw);
    form.addEventListener("submit", (event) => event.preventDefault());
    redraw();
  };

  document.querySelectorAll("figure[data-figure]").forEach(wire);

  const theme = document.querySelector("form.theme");
  theme.hidden = false;
  theme.addEventListener("change", (event) => {
    const root = document.documentElement;
    if (event.target.value === "auto") delete root.dataset.theme;
    else root.dataset.theme = event.target.value;
  });

  // Paper shows every table: what was closed is closed again afterwards.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
})();
