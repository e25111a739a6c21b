"use strict";
// Figures answer to the pointer and the arrow keys, series can be hidden, the theme can be chosen.
(() => {
  const TOGETHER = 7; // units of the drawing: values so near to each other are told together
  const tip = document.querySelector(".tip");

  let marked = null; // the ring about the value that is told

  const hideTip = () => { tip.classList.remove("shown"); marked = null; };

  const placeTip = () => {
    if (!marked) return;
    tip.style.left = "0"; // its width must not depend on where it was
    const at = marked.getBoundingClientRect();
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    const below = at.bottom + 8 + tip.offsetHeight <= innerHeight;
    tip.style.left = `${Math.max(8, Math.min(at.left, room))}px`;
    tip.style.top = `${below ? at.bottom + 8 : Math.max(8, at.top - 8 - tip.offsetHeight)}px`;
  };

  const wire = (figure) => {
    const points = [...figure.querySelectorAll("tbody tr")].map((row) => {
      const heads = row.closest("table").tHead.rows[0].cells;
      const facts = [...row.cells].map((cell, i) => [heads[i].textContent, cell.textContent]);
      return { x: +row.dataset.x, y: +row.dataset.y, tags: row.dataset, facts };
    });
    const plot = figure.querySelector(".plot");
    const svg = plot.querySelector("svg");
    const form = figure.querySelector("form");
    const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    ring.setAttribute("class", "ring");
    ring.setAttribute("r", "8");
    svg.append(ring);
    let current = -1;

    const isOff = (tags) =>
      form !== null && [...form.elements].some((input) => input.name && !input.checked && tags[input.name] === input.value);

    const hide = () => { current = -1; ring.classList.remove("shown"); if (marked === ring) hideTip(); };

    const show = (index) => {
      current = index;
      const point = points[index];
      ring.setAttribute("cx", point.x);
      ring.setAttribute("cy", point.y);
      ring.classList.add("shown");
      const list = document.createElement("dl");
      const near = (other) => !isOff(other.tags) && Math.hypot(other.x - point.x, other.y - point.y) < TOGETHER;
      for (const { facts } of [point, ...points.filter((other) => other !== point && near(other)).slice(0, 2)]) {
        for (const [name, told] of facts) {
          list.appendChild(document.createElement("dt")).textContent = name;
          list.appendChild(document.createElement("dd")).textContent = told;
        }
      }
      tip.replaceChildren(list);
      tip.classList.add("shown");
      marked = ring;
      placeTip();
    };

    const nearest = (event) => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale;
      const y = (event.clientY - box.top) * scale;
      let found = -1;
      let least = Infinity; // wherever the pointer is, the nearest value answers
      points.forEach((point, i) => {
        const distance = Math.hypot(point.x - x, point.y - y);
        if (distance < least && !isOff(point.tags)) [found, least] = [i, distance];
      });
      return found;
    };

    const point = (event) => {
      const found = nearest(event);
      if (found < 0) hide();
      else if (found !== current) show(found);
    };
    plot.addEventListener("pointermove", point);
    plot.addEventListener("pointerdown", point);
    // A finger leaves as soon as it is lifted: what a tap showed stays until another.
    plot.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") hide(); });
    document.addEventListener("pointerdown", (event) => { if (!plot.contains(event.target)) hide(); });
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      const shown = points.map((_, i) => i).filter((i) => !isOff(points[i].tags));
      const place = shown.indexOf(current);
      const last = shown.length - 1;
      const step = {
        ArrowRight: place + 1, ArrowDown: place + 1, ArrowLeft: place < 0 ? last : place - 1,
        ArrowUp: place < 0 ? last : place - 1, Home: 0, End: last,
      }[event.key];
      if (event.key === "Escape") hide();
      if (step === undefined || last < 0) return;
      event.preventDefault();
      show(shown[Math.max(0, Math.min(step, last))]);
      ring.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    figure.querySelector(".how").hidden = false;
    if (form === null) return;
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    const choose = () => {
      hide();
      svg.querySelectorAll(".series").forEach((series) => series.classList.toggle("off", isOff(series.dataset)));
    };
    form.addEventListener("change", choose);
    choose(); // a browser may remember what was chosen
  };

  document.querySelectorAll("figure").forEach(wire);
  addEventListener("scroll", placeTip, { passive: true, capture: true }); // of figures too

  // What is too wide for the window says that it scrolls.
  const tellWide = () => document.querySelectorAll(".scroll, .plot").forEach((box) => {
    box.classList.toggle("wide", box.scrollWidth > box.clientWidth);
  });
  addEventListener("resize", tellWide);
  document.querySelectorAll("details").forEach((details) => details.addEventListener("toggle", tellWide));
  tellWide();

  const theme = document.querySelector("form.theme");
  theme.hidden = false;
  theme.addEventListener("change", (event) => {
    if (event.target.value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = event.target.value;
  });

  // Paper shows every table: what was closed is closed again afterwards.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
})();
