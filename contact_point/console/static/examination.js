// The examiner's view of one or two prints: they zoom, move and turn together; layers come and go; marks are placed in the probe.
// When the prints are gone, every window that shows them forgets them.
"use strict";

const prints = [...document.querySelectorAll("[data-print]")];
const box = document.querySelector(".prints");
const view = { zoom: 1, x: 0, y: 0, turn: 0 };

const show = () => {
  for (const print of prints) {
    const { width, height } = print.viewBox.baseVal;
    const [cx, cy] = [width / 2, height / 2];
    print.querySelector(".moved").setAttribute(
      "transform",
      `translate(${cx + view.x} ${cy + view.y}) scale(${view.zoom}) rotate(${view.turn}) translate(${-cx} ${-cy})`,
    );
  }
};

const acts = {
  zoom_in: () => { view.zoom = Math.min(8, view.zoom * 1.25); },
  zoom_out: () => { view.zoom = Math.max(1, view.zoom / 1.25); if (view.zoom === 1) { view.x = view.y = 0; } },
  turn: () => { view.turn = (view.turn + 15) % 360; },
  invert: () => box.classList.toggle("inverted"),
  contrast: () => box.classList.toggle("contrast"),
  blink: () => { box.classList.remove("overlaid"); box.classList.toggle("blinking"); },
  overlay: () => { box.classList.remove("blinking"); box.classList.toggle("overlaid"); },
};
const keys = { "+": "zoom_in", "-": "zoom_out", r: "turn", i: "invert" };
const steps = { ArrowLeft: [30, 0], ArrowRight: [-30, 0], ArrowUp: [0, 30], ArrowDown: [0, -30] };

const act = (name) => { acts[name](); show(); };

for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => act(button.dataset.do));
for (const switched of document.querySelectorAll("[data-show]")) {
  const layer = () => box.classList.toggle(`hide-${switched.dataset.show}`, !switched.checked);
  switched.addEventListener("change", layer);
  layer();
}

document.addEventListener("keydown", (event) => {
  if (event.target.matches("textarea") || event.ctrlKey || event.altKey || event.metaKey) return;
  if (steps[event.key] && !event.target.matches("input")) {
    view.x += steps[event.key][0];
    view.y += steps[event.key][1];
    show();
    event.preventDefault();
  } else if (keys[event.key] && !document.querySelector(`[data-key="${event.key}"]`)) {
    act(keys[event.key]);
  }
});

let dragged = null;
for (const print of prints) {
  print.addEventListener("wheel", (event) => { event.preventDefault(); act(event.deltaY < 0 ? "zoom_in" : "zoom_out"); }, { passive: false });
  print.addEventListener("pointerdown", (event) => { dragged = { x: event.clientX, y: event.clientY, moved: false }; });
  print.addEventListener("pointermove", (event) => {
    if (!dragged || !event.buttons) return;
    const scale = print.viewBox.baseVal.width / print.getBoundingClientRect().width;
    const [dx, dy] = [event.clientX - dragged.x, event.clientY - dragged.y];
    if (!dragged.moved && Math.hypot(dx, dy) < 4) return;
    view.x += dx * scale;
    view.y += dy * scale;
    dragged = { x: event.clientX, y: event.clientY, moved: true };
    show();
  });
}

// Marks

const layer = document.querySelector("[data-marking]");
const placed = [];

const tell = () => {
  document.getElementById("marks").value = JSON.stringify(placed);
  const count = document.getElementById("count");
  count.textContent = count.dataset.words.replace("#", placed.length);
  layer.replaceChildren(...placed.map(([x, y]) => {
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    mark.setAttribute("cx", x);
    mark.setAttribute("cy", y);
    mark.setAttribute("r", 6);
    return mark;
  }));
};

if (layer) {
  const print = layer.closest("svg");
  print.addEventListener("click", (event) => {
    if (dragged?.moved) { dragged = null; return; }
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(layer.getScreenCTM().inverse());
    const [x, y] = [Math.round(at.x), Math.round(at.y)];
    const near = placed.findIndex(([px, py]) => Math.hypot(px - x, py - y) < 8);
    if (near >= 0) placed.splice(near, 1);
    else if (x >= 0 && y >= 0) placed.push([x, y]);
    tell();
  });
}

// Gone with the determination: Article 8(2)

const held = document.querySelector("[data-there]");
const forget = () => {
  for (const image of document.querySelectorAll("image")) image.remove();
  held.replaceChildren(Object.assign(document.createElement("p"), { textContent: held.dataset.gone }));
};
if (held) {
  const asked = setInterval(async () => {
    try {
      const answer = await fetch(held.dataset.there, { redirect: "manual" });
      if (answer.status === 204) return;
      clearInterval(asked);
      forget();
    } catch {
      // Not reached: it is asked again.
    }
  }, 3000);
}
// A page that is left keeps no picture: the way back asks for it again, and is told whether it is still there.
window.addEventListener("pagehide", () => { for (const image of document.querySelectorAll("image")) image.remove(); });
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
show();
