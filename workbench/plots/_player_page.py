"""The few lines of CSS and JavaScript inside each player."""

STYLE = (
    "<style>"
    ".wb-player .wb-controls{display:flex;flex-wrap:wrap;gap:.4em 1.4em;align-items:center;margin:.4em 0}"
    ".wb-player .wb-controls[hidden]{display:none}"
    ".wb-player .wb-axis{display:flex;flex-wrap:wrap;gap:.4em;align-items:center}"
    ".wb-player "
    "button{min-width:2em;min-height:2em;"
    "padding:0 .5em;border:1px solid currentColor;border-radius:4px;background:none;color:inherit;"
    "font:inherit;cursor:pointer}"
    ".wb-player button:disabled{opacity:.4;cursor:default}"
    ".wb-player input[type=range]{width:11em;max-width:60vw}"
    ".wb-player .wb-value{font-variant-numeric:tabular-nums;min-width:3em}"
    ".wb-player "
    ".wb-status{position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}"
    ".wb-player .wb-readings{max-width:44em;margin:.5em auto;font-variant-numeric:tabular-nums}"
    ".wb-player .wb-reading{display:grid;grid-template-columns:5em minmax(4em,1fr);gap:.1em .8em;align-items:center;margin:.3em 0}"
    ".wb-player .wb-reading-name{font-weight:600}"
    ".wb-player .wb-bar{height:.8em;border:1px solid currentColor;border-radius:4px;overflow:hidden}"
    ".wb-player .wb-bar>span{display:block;height:100%;background:currentColor;opacity:.55}"
    ".wb-player .wb-reading-words{grid-column:2}"
    "</style>"
)

SCRIPT = """
(function () {
  var root = document.getElementById(PLAYER_ID);
  if (!root || root.dataset.ready) { return; }
  root.dataset.ready = "yes";
  var data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
  var image = root.querySelector("img"), status = root.querySelector(".wb-status");
  var play = root.querySelector(".wb-play");
  var sliders = Array.from(root.querySelectorAll("input[type=range]")), values = root.querySelectorAll(".wb-value");
  var steps = Array.from(root.querySelectorAll("button[data-axis]")), timer = null, saying = null;
  var bars = root.querySelectorAll(".wb-bar>span"), words = root.querySelectorAll(".wb-reading-words");
  data.frames[0] = image.getAttribute("src");
  function show(speak) {
    var frame = 0;
    sliders.forEach(function (slider, k) {
      var at = Number(slider.value), labels = data.labels[k];
      frame = frame * labels.length + at;
      values[k].textContent = labels[at];
      slider.setAttribute("aria-valuetext", labels[at]);
    });
    steps.forEach(function (button) {
      var slider = sliders[Number(button.dataset.axis)];
      button.disabled = button.dataset.step === "1" ? slider.value === slider.max : slider.value === slider.min;
    });
    image.src = data.frames[frame];
    image.alt = data.alts[frame];
    (data.readings || []).forEach(function (rows, k) {
      bars[k].style.width = 100 * rows[frame][0] + "%";
      words[k].textContent = rows[frame][1];
    });
    clearTimeout(saying);
    if (speak) { saying = setTimeout(function () { status.textContent = data.alts[frame]; }, 700); }
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    if (play) { play.textContent = "Play"; play.setAttribute("aria-pressed", "false"); }
  }
  sliders.forEach(function (slider) {
    slider.value = 0;
    slider.addEventListener("input", function () { stop(); show(true); });
  });
  steps.forEach(function (button) {
    button.addEventListener("click", function () {
      var slider = sliders[Number(button.dataset.axis)];
      stop();
      slider.value = Number(slider.value) + Number(button.dataset.step);
      show(true);
    });
  });
  var still = window.matchMedia && window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (play && still) { play.hidden = true; }
  if (play) {
    play.addEventListener("click", function () {
      if (timer) { stop(); return; }
      var slider = sliders[sliders.length - 1];
      play.textContent = "Pause";
      play.setAttribute("aria-pressed", "true");
      timer = setInterval(function () {
        if (!document.contains(root)) { stop(); return; }
        slider.value = slider.value === slider.max ? slider.min : Number(slider.value) + 1;
        show(false);
      }, 700);
    });
  }
  root.querySelector(".wb-controls").hidden = false;
  show(false);
})();
"""
