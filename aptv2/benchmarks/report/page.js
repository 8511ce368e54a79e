"use strict";

// Sorting: a click orders the rows by the column, largest first; what is missing stays last.
for (const button of document.querySelectorAll("button.sort")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const table = head.closest("table");
    const column = [...head.parentNode.children].indexOf(head);
    const names = column === 0;
    const first = names ? "ascending" : "descending";
    const second = names ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? second : first;
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const key = (row) => {
      const cell = row.children[column];
      const text = cell.dataset.sort ?? cell.textContent;
      const value = text === "" ? NaN : Number(text);
      return Number.isNaN(value) ? (text === "" || text === "–" ? null : text) : value;
    };
    const sign = order === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [key(row), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const numbers = typeof a === "number" && typeof b === "number";
      return sign * (numbers ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
    });
    body.append(...rows.map(([, row]) => row));
  });
}

// Details on hover, touch and focus. Text only: nothing from a file becomes part of the page.
const tip = document.getElementById("tip");
const hide = () => { tip.hidden = true; };
const show = (target, x, y) => {
  tip.textContent = target.dataset.tip;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, x + 12), innerWidth - width - 8);
  const top = y + 16 + height > innerHeight - 8 ? y - height - 12 : y + 16;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, top)}px`;
};
const tipped = (event) => event.target.closest?.("[data-tip]");
document.addEventListener("pointermove", (event) => {
  const target = tipped(event);
  if (target) show(target, event.clientX, event.clientY);
  else if (!tipped({ target: document.activeElement ?? document.body })) hide();
});
const showFocused = () => {
  const target = document.activeElement;
  if (!target?.matches("[data-tip]:focus-visible")) return hide();
  const box = target.getBoundingClientRect();
  show(target, box.left, box.bottom);
};
document.addEventListener("focusin", showFocused);
document.addEventListener("focusout", hide);
// What gets the focus is scrolled to, and keeps its details then.
document.addEventListener("scroll", showFocused, { capture: true, passive: true });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

// A table or chart is one stop of the Tab key; the arrow keys go on from there.
for (const walk of document.querySelectorAll("[data-walk]")) {
  const first = walk.querySelector("[data-tip]");
  if (first) first.tabIndex = 0;
  walk.addEventListener("keydown", (event) => {
    const here = tipped(event);
    if (!here || !event.key.startsWith("Arrow")) return;
    const next = here.matches("td") ? beside(here, event.key) : along(walk, here, event.key);
    if (!next) return;
    event.preventDefault();
    here.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}
function along(walk, here, key) {
  const all = [...walk.querySelectorAll("[data-tip]")];
  return all[all.indexOf(here) + (key === "ArrowRight" || key === "ArrowDown" ? 1 : -1)];
}
function beside(here, key) {
  const column = [...here.parentNode.children].indexOf(here);
  const step = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
  let row = here.parentNode;
  let place = column;
  do {
    if (key === "ArrowLeft" || key === "ArrowRight") place += step;
    else row = row && (step > 0 ? row.nextElementSibling : row.previousElementSibling);
  } while (row?.children[place] && !row.children[place].dataset.tip);
  return row?.children[place];
}

// The gallery.
for (const button of document.querySelectorAll("button.play")) {
  button.addEventListener("click", () => {
    const all = button.classList.contains("all");
    const start = button.getAttribute("aria-pressed") !== "true";
    for (const part of button.closest(all ? "section" : "figure").querySelectorAll("video")) {
      if (start) part.play().catch(() => {});
      else part.pause();
    }
    for (const one of all ? button.closest("section").querySelectorAll("button.play") : [button]) {
      one.setAttribute("aria-pressed", String(start));
      one.textContent = (start ? "Pause" : "Play") + (one.classList.contains("all") ? " all" : "");
    }
  });
}
