/* Progress ticks, kept in this browser only; keyboard access to boxes that scroll; names for the menu's unnamed arrows. */
(function () {
  "use strict";
  const KEY = "few-steps-few-bits:read";
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href);
  const page = (address) => new URL(address, location.href).pathname.replace(root.pathname, "");

  function load() {
    try { return new Set(JSON.parse(localStorage.getItem(KEY) || "[]")); } catch { return new Set(); }
  }
  function store(read) {
    try { localStorage.setItem(KEY, JSON.stringify([...read])); } catch { /* storage is off: the tick lasts until the page closes */ }
  }
  function tick(read) {
    document.querySelectorAll(".bd-links a.reference.internal").forEach((link) => {
      link.classList.toggle("wb-ticked", read.has(page(link.getAttribute("href"))));
    });
  }
  function addTick() {
    const read = load(), header = document.querySelector(".wb-header"), here = page(location.pathname);
    tick(read);
    if (!header) { return; }
    const label = document.createElement("label"), box = document.createElement("input");
    label.className = "wb-done";
    box.type = "checkbox";
    box.checked = read.has(here);
    box.addEventListener("change", () => {
      if (box.checked) { read.add(here); } else { read.delete(here); }
      store(read);
      tick(read);
    });
    label.append(box, "I have read this chapter");
    header.append(label);
  }
  const BOXES = ".wb-scroll, .bd-content pre, .bd-content div.math, .bd-content .amsmath, mjx-container, .bd-content .cell_output, .wb-figure, .wb-player, .pst-scrollable-table-container";
  function reachable() {
    document.querySelectorAll(BOXES).forEach((box) => {
      const scrolls = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
      if (scrolls && !box.hasAttribute("tabindex")) { box.tabIndex = 0; box.dataset.wbScroll = "yes"; }
      if (!scrolls && box.dataset.wbScroll) { box.removeAttribute("tabindex"); delete box.dataset.wbScroll; }
    });
  }
  function nameArrows() {
    document.querySelectorAll(".bd-links details > summary").forEach((arrow) => {
      const link = arrow.closest("li").querySelector("a");
      arrow.setAttribute("aria-label", "Pages of " + link.textContent.trim());
    });
  }
  function start() {
    nameArrows();
    addTick();
    reachable();
    addEventListener("load", () => setTimeout(reachable, 500));
    addEventListener("resize", reachable);
  }
  if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", start); } else { start(); }
})();
