// The keyboard, everywhere: j and k move between rows, Enter opens, g q goes to what waits, ? shows the keys.
// An element with data-key is done by its key; keys typed into a field are the field's.
"use strict";

const typing = (element) => element.matches?.("textarea, input:not([type=radio]):not([type=checkbox]), select");
let going = false;

const rows = () => [...document.querySelectorAll("[data-row]")];

const move = (by) => {
  const all = rows();
  const at = all.indexOf(document.activeElement);
  all[Math.max(0, Math.min(all.length - 1, at + by))]?.focus();
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const field = typing(event.target);
  if (field && event.key === "Escape") { event.target.blur(); return; }
  if (field || event.defaultPrevented) return;
  if (going) {
    going = false;
    document.querySelector(`[data-go="${CSS.escape(event.key)}"]`)?.click();
    return;
  }
  if (event.key === "g") { going = true; return; }
  if (event.key === "j" || event.key === "k") { move(event.key === "j" ? 1 : -1); event.preventDefault(); return; }
  if (event.key === "?") { document.getElementById("keys")?.showModal(); return; }
  if (event.key === "Enter" && event.target.matches("a, button, summary")) return;
  const wanted = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (wanted) { event.preventDefault(); wanted.click(); wanted.focus(); }
});

// The row that was focused keeps the focus when the queues are shown anew.
document.addEventListener("htmx:before:swap", () => { window.pcscRow = document.activeElement?.getAttribute?.("href"); });
document.addEventListener("htmx:after:swap", () => {
  rows().find((row) => row.getAttribute("href") === window.pcscRow)?.focus();
});
