/* The converter on the notation page: the formulas of workbench/conventions.py, without a kernel.
   tests/book/test_converter.py compares every cell of it with the package. */
(function () {
  "use strict";
  const log1pexp = (x) => (x > 40 ? x : Math.log1p(Math.exp(x)));

  const VP = {
    logAlpha: (t) => -t * (0.25 * 19.9 * t + 0.05),
    inverse: (lam) => { const q = 2 * 19.9 * log1pexp(-2 * lam); return q / ((Math.sqrt(0.01 + q) + 0.1) * 19.9); },
  };
  const CUMULATIVE = (function () {
    const nodes = [0];
    for (let n = 0; n < 1000; n++) { nodes.push(nodes[n] + 0.5 * Math.log1p(-(1e-4 + (0.02 - 1e-4) * n / 999))); }
    return nodes;
  })();
  const DISCRETE = {
    logAlpha: (t) => { const k = Math.min(Math.floor(t * 1000), 999); return CUMULATIVE[k] + (CUMULATIVE[k + 1] - CUMULATIVE[k]) * (t * 1000 - k); },
    inverse: (lam) => {
      const fall = 0.5 * log1pexp(-2 * lam);
      let k = 0;
      while (k < 999 && -CUMULATIVE[k + 1] <= fall) { k++; }
      return (k + (fall + CUMULATIVE[k]) / (CUMULATIVE[k] - CUMULATIVE[k + 1])) / 1000;
    },
  };
  for (const s of [VP, DISCRETE]) {
    s.levels = (t) => [Math.exp(s.logAlpha(t)), Math.sqrt(-Math.expm1(2 * s.logAlpha(t)))];
  }
  const RATE = 0.5 * Math.PI / 1.008, B = RATE * 0.008;
  const COSINE = {
    levels: (t) => [Math.sin(RATE * (1 - t)) / Math.cos(B), Math.sqrt(Math.sin(RATE * t) * Math.sin(RATE * t + 2 * B)) / Math.cos(B)],
    inverse: (lam) => {
      const root = Math.exp(-Math.max(lam, -300)) / Math.cos(B), total = Math.hypot(root, Math.tan(B));
      return Math.atan(root / (total + Math.tan(B)) * (root / (1 + total * Math.tan(B)))) / RATE;
    },
  };
  const VE = { levels: (t) => [1, t], inverse: (lam) => Math.exp(-lam) };
  const RECTIFIED = { levels: (t) => [1 - t, t], inverse: (lam) => 1 / (1 + Math.exp(lam)) };
  const vpLambda = (t) => Math.log(VP.levels(t)[0] / VP.levels(t)[1]);

  const same = (u) => u, reversed = (u) => 1 - u;
  const row = (name, symbol, schedule, first, last, time = same, clock = same) => ({ name, symbol, schedule, first, last, time, clock });
  const PAPERS = [
    row("DDPM", "n of 1000", DISCRETE, 1000, 1, (u) => u / 1000, (t) => 1000 * t),
    row("Improved DDPM", "t/T", COSINE, 1, 0),
    row("Score SDE (VP)", "t", VP, 1, 1e-5),
    row("DPM-Solver", "λ", VP, vpLambda(1), vpLambda(1e-5), VP.inverse, vpLambda),
    row("EDM", "σ", VE, 80, 0.002),
    row("Flow matching", "t", RECTIFIED, 0, 1, reversed, reversed),
    row("Rectified flow", "t", RECTIFIED, 0, 1, reversed, reversed),
    row("Stable Diffusion 3", "t", RECTIFIED, 1, 0),
  ];
  const OURS = [
    row("VP()", "t", VP, 1, 0),
    row("Cosine()", "t", COSINE, 1, 0),
    row("VE()", "t", VE, Infinity, 0),
    row("Rectified()", "t", RECTIFIED, 1, 0),
    row("DiscreteVP.linear()", "t", DISCRETE, 1, 0),
  ];

  const within = (c, u) => u >= Math.min(c.first, c.last) && u <= Math.max(c.first, c.last);
  const show = (x) => (Number.isFinite(x) ? String(Number(x.toPrecision(6))).replace("-", "−") : x > 0 ? "∞" : "−∞");
  const raw = (x) => (Number.isFinite(x) ? x.toPrecision(12) : String(x));

  function lambdaOf(c, u) {
    const [alpha, sigma] = c.schedule.levels(c.time(u));
    return alpha <= 0 ? -Infinity : sigma <= 0 ? Infinity : Math.log(alpha / sigma);
  }
  function cell(line, value) {
    const td = line.insertCell();
    td.textContent = value === null ? "—" : show(value);
    if (value !== null) { td.dataset.value = raw(value); }
  }
  function fill(body, rows, lam) {
    body.replaceChildren();
    for (const c of rows) {
      const line = body.insertRow(), head = document.createElement("th");
      head.scope = "row";
      head.textContent = c.name + ", " + c.symbol;
      line.dataset.row = c.name;
      line.append(head);
      let u = c.clock(c.schedule.inverse(lam));
      const near = [c.first, c.last].find((end) => Number.isFinite(end) && Math.abs(u - end) <= 1e-9 * Math.max(1, Math.abs(end)));
      if (near !== undefined) { u = near; }
      if (!within(c, u)) { [0, 1, 2].forEach(() => cell(line, null)); continue; }
      const [alpha, sigma] = c.schedule.levels(c.time(u));
      [u, alpha, sigma].forEach((value) => cell(line, value));
    }
  }

  function start(root) {
    const choice = root.querySelector("select"), input = root.querySelector("input"), error = root.querySelector(".wb-error");
    PAPERS.forEach((c, i) => choice.add(new Option(c.name + " (" + c.symbol + ")", String(i))));
    function update() {
      const c = PAPERS[Number(choice.value)], u = Number(input.value);
      if (input.value.trim() === "" || !Number.isFinite(u) || !within(c, u)) {
        error.textContent = c.name + " counts from " + show(c.first) + " (noise) to " + show(c.last) + " (data).";
        input.setAttribute("aria-invalid", "true");
        return;
      }
      error.textContent = "";
      input.removeAttribute("aria-invalid");
      const lam = lambdaOf(c, u), out = root.querySelector("output");
      out.textContent = "λ = " + show(lam) + ", log-SNR = 2λ = " + show(2 * lam);
      out.dataset.value = raw(lam);
      fill(root.querySelector("tbody.wb-papers"), PAPERS, lam);
      fill(root.querySelector("tbody.wb-ours"), OURS, lam);
    }
    choice.addEventListener("change", () => {
      const c = PAPERS[Number(choice.value)], lam = Number(root.querySelector("output").dataset.value || 0);
      const u = c.clock(c.schedule.inverse(lam));
      input.value = String(Number((within(c, u) ? u : (c.first + c.last) / 2).toPrecision(6)));
      update();
    });
    input.addEventListener("input", update);
    root.hidden = false;
    choice.value = "0";
    input.value = "300";
    update();
  }
  document.querySelectorAll(".wb-converter").forEach(start);
})();
