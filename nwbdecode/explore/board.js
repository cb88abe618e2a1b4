// Draws the figures of one model; several boards of a page share one copy of plotly.js.

function deferred() {
  let resolve;
  const promise = new Promise((done) => { resolve = done; });
  return { promise, resolve };
}

const library = (globalThis.nwbdecodePlotly ??= deferred());
const config = { displaylogo: false, displayModeBar: "hover", modeBarButtonsToRemove: ["lasso2d", "select2d"] };

function pickedTimes(change) {
  const low = Object.keys(change).find((key) => /^xaxis\d*\.range\[0\]$/.test(key));
  return low ? [change[low], change[low.replace("[0]", "[1]")]] : null;
}

async function render({ model, el }) {
  el.classList.add("nd-board");
  const Plotly = await library.promise;
  const drawn = new Map();
  const sizes = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      // A hidden figure has no width to fit; it is fitted when shown.
      if (contentRect.width > 0 && target.data) Plotly.Plots.resize(target);
    }
  });

  function place(panel) {
    const node = document.createElement("div");
    node.className = `nd-panel nd-${panel.place}`;
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", panel.label);
    el.append(node);
    return { node, figure: null };
  }

  function draw() {
    const panels = model.get("panels");
    const keys = new Set(panels.map((panel) => panel.key));
    for (const [key, { node }] of drawn) {
      if (keys.has(key)) continue;
      sizes.unobserve(node);
      Plotly.purge(node);
      node.remove();
      drawn.delete(key);
    }
    el.classList.toggle("nd-has-side", panels.some((panel) => panel.place === "side"));
    for (const panel of panels) {
      if (!drawn.has(panel.key)) drawn.set(panel.key, place(panel));
      const held = drawn.get(panel.key);
      el.append(held.node);
      if (held.figure === panel.figure) continue;
      const fresh = held.figure === null;
      held.figure = panel.figure;
      const { data, layout } = JSON.parse(panel.figure);
      Plotly.react(held.node, data, { ...layout, autosize: true }, config);
      if (!fresh) continue;
      sizes.observe(held.node);
      if (panel.place !== "main") continue;
      held.node.on("plotly_relayout", (change) => {
        const times = pickedTimes(change);
        if (!times) return;
        model.set("picked", times);
        model.save_changes();
      });
    }
  }

  // A dragged slider changes the model faster than a screen refreshes.
  let waiting = 0;
  const soon = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  };
  model.on("change:panels", soon);
  draw();
  return () => {
    model.off("change:panels", soon);
    cancelAnimationFrame(waiting);
    sizes.disconnect();
    for (const { node } of drawn.values()) Plotly.purge(node);
  };
}

export default { render };
