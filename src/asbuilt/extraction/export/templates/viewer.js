"use strict";
// A value and its boxes have the same data-value; choosing one chooses all, and shows the other side.
const all = (key) => document.querySelectorAll(`[data-value="${key}"]`);
let chosen = "";
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
function choose(key, from, behavior = still ? "auto" : "smooth") {
  for (const each of chosen ? all(chosen) : []) {
    each.classList.remove("chosen");
    if (each.classList.contains("value")) each.setAttribute("aria-pressed", "false");
  }
  chosen = key;
  let shown = false;
  for (const each of all(key)) {
    const inList = each.classList.contains("value");
    if (inList) each.setAttribute("aria-pressed", "true"); else each.classList.add("chosen");
    if (each !== from && !shown && inList === from.classList.contains("box")) {
      each.scrollIntoView({block: "center", behavior});
      shown = true;
    }
  }
  history.replaceState(null, "", "#" + key);
}
addEventListener("click", (event) => {
  const target = event.target.closest("[data-value]");
  if (target) choose(target.dataset.value, target);
});
addEventListener("keydown", (event) => {
  const step = {ArrowDown: 1, j: 1, ArrowUp: -1, k: -1}[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  const values = [...document.querySelectorAll(".value")];
  const at = values.findIndex((each) => each.dataset.value === chosen);
  const next = values[at < 0 ? 0 : at + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({block: "nearest"});
  choose(next.dataset.value, next);
});
const start = document.querySelector(`.value[data-value="${CSS.escape(location.hash.slice(1))}"]`);
if (start) choose(start.dataset.value, start, "auto");
