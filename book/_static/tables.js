/* Long tables: a box that filters their rows, headings that sort them.  Without this script a table is complete and in order. */
(function () {
  "use strict";
  const body = (table) => table.tBodies[0];
  const number = (text) => { const found = text.replace(/,/g, "").match(/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?/i); return found ? Number(found[0]) : NaN; };
  function compare(column) {
    return (a, b) => {
      const [x, y] = [a, b].map((row) => row.cells[column].textContent.trim());
      const [p, q] = [number(x), number(y)];
      if (Number.isNaN(p) !== Number.isNaN(q)) { return Number.isNaN(p) ? 1 : -1; }
      return Number.isNaN(p) ? x.localeCompare(y) : p - q;
    };
  }
  function addSort(table) {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...(cell.querySelector("p") || cell).childNodes);
      cell.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body(table).rows].sort(compare(column));
        body(table).append(...(down ? rows.reverse() : rows));
      });
    });
  }
  function addFilter(table) {
    const box = document.createElement("div"), label = document.createElement("label"), input = document.createElement("input"), count = document.createElement("output");
    const rows = [...body(table).rows], words = rows.map((row) => row.textContent.toLowerCase());
    box.className = "wb-filter-box";
    input.type = "search";
    count.setAttribute("role", "status");
    const show = () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row, k) => { row.hidden = !wanted.every((word) => words[k].includes(word)); });
      count.textContent = rows.filter((row) => !row.hidden).length + " of " + rows.length + " rows";
    };
    input.addEventListener("input", show);
    label.append("Show rows with ", input);
    box.append(label, count);
    (table.closest(".wb-scroll") || table).before(box);
    show();
    if (location.hash && rows.some((row) => "#" + row.id === location.hash)) { document.getElementById(location.hash.slice(1)).scrollIntoView(); }
  }
  function start() {
    document.querySelectorAll("table.wb-sort").forEach(addSort);
    document.querySelectorAll("table.wb-filter").forEach(addFilter);
  }
  if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", start); } else { start(); }
})();
