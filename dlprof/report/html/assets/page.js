// Sorting and searching of tables marked data-sortable. Without JavaScript the tables stand as they are.
"use strict";
const SEARCHED = 8; // rows from which on a search field is worth its place
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const value = (row, at) => {
    const cell = row.cells[at];
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
  };
  const compare = (x, y) => typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "descending" ||
        (!head.hasAttribute("aria-sort") && !head.classList.contains("n"));
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "ascending" : "descending");
      const at = head.cellIndex;
      const rows = [...body.rows].sort((x, y) => compare(value(x, at), value(y, at)) * (falling ? 1 : -1));
      body.append(...rows);
    });
  }
  if (body.rows.length < SEARCHED) continue;
  const label = document.createElement("label");
  label.className = "find";
  label.append("Search: ");
  const input = document.createElement("input");
  input.type = "search";
  const told = document.createElement("span");
  told.className = "note";
  told.setAttribute("role", "status");
  label.append(input);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    told.textContent = words.length ? ` ${shown} of ${body.rows.length} rows` : "";
  });
  const place = table.closest(".wide") ?? table;
  place.before(label, told);
}
// Paper has no triangle to press: what is folded is printed unfolded, and folded again as it was.
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not([open])")];
  for (const one of unfolded) one.open = true;
});
addEventListener("afterprint", () => {
  for (const one of unfolded) one.open = false;
  unfolded = [];
});
