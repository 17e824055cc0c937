// One step of each side on a common time axis, on a canvas. Data: the element #timeline-data (report/html/step_timeline.py).
// Without JavaScript, and in print, the picture beside it stands. Names come from others: they are set as text, never as HTML.
(() => {
  const source = document.getElementById("timeline-data");
  if (!source) return;
  const { sides, texts, families, works, lines } = JSON.parse(source.textContent);
  const box = document.querySelector(".timeline");
  const [live, tools, canvas, tip, told] = [".live", ".tools", "canvas", ".tip", ".told"].map((s) => box.querySelector(s));
  const pen = canvas.getContext("2d");
  const AXIS = 22, HEAD = 22, LANE = 24, LABEL = 13, GAP = 10, LEAST = 50, FONT = "12px system-ui, 'DejaVu Sans', sans-serif";

  const bars = []; // of both sides, in order of lane and start
  sides.forEach((side, at) => side.start.forEach((start, i) => bars.push({
    side: at, i, start, end: start + side.length[i], lane: side.lane[i], depth: side.depth[i], work: side.work[i],
    family: families[side.family[i]], op: texts[side.op[i]],
  })));
  bars.sort((x, y) => x.side - y.side || x.lane - y.lane || x.start - y.start || y.end - x.end);
  const last = Math.max(...sides.map((side) => side.wall), ...bars.map((bar) => bar.end));
  const ALL = [-0.01 * last, 1.02 * last];
  let [from, to] = ALL;
  let width = 0, gutter = 0, rows = [], pointer = null;
  let over = null, chosen = null, line = null; // the bar under the pointer, the bar chosen, the ledger's line chosen

  // ---- words

  const plain = (value, digits) => String(Number(value.toPrecision(digits)));
  const unit = (ns) => ns >= 1e9 ? [1e9, "s"] : ns >= 1e6 ? [1e6, "ms"] : ns >= 1e3 ? [1e3, "µs"] : [1, "ns"];
  const time = (ns) => { const [scale, name] = unit(Math.abs(ns)); return `${plain(ns / scale, 4)} ${name}`.replace("-", "−"); };
  const text = (bar, column) => { const at = sides[bar.side][column][bar.i]; return at === null ? null : texts[at]; };
  const named = (bar) => [bar.op, text(bar, "phase"), text(bar, "layer")].filter(Boolean).join(" ");
  const facts = (bar) => {
    const side = sides[bar.side], launched = side.launched[bar.i], by = text(bar, "by");
    return [
      [side.title, side.lanes[bar.lane]],
      ["recorded as", text(bar, "name") === bar.op ? null : text(bar, "name")],
      ["kernel", text(bar, "kernel") === text(bar, "name") ? null : text(bar, "kernel")],
      ["time", `${time(bar.end - bar.start)}, from ${time(bar.start)} to ${time(bar.end)}`],
      ["launch", launched === null ? null : `by ${by} at ${time(launched)}, ${time(bar.start - launched)} before it ran`],
    ].filter(([, value]) => value !== null);
  };
  const sum = (list) => sides.map((side, at) => {
    const mine = list.filter((bar) => bar.side === at);
    return `${side.title}: ${mine.length ? `${mine.length} event${mine.length > 1 ? "s" : ""}, ${time(mine.reduce((ns, bar) => ns + bar.end - bar.start, 0))}` : "none"}`;
  }).join("; ");

  // ---- what is highlighted

  const when = () => line === null || over ? null : lines[line].when ?? null;
  const lit = () => {
    if (over) return new Set([over.work]);
    if (line !== null) return new Set(lines[line].works);
    return chosen ? new Set([chosen.work]) : null;
  };
  const lineOf = (work) => lines.findIndex((one) => one.works.includes(work) && !one.when);

  function tell() {
    told.replaceChildren();
    const add = (value, bold) => {
      const part = document.createElement(bold ? "strong" : "span");
      part.textContent = value;
      told.append(part, " ");
    };
    if (line !== null) {
      const one = lines[line], list = bars.filter((bar) => one.works.includes(bar.work));
      add(one.name, true);
      if (one.works.length) add(`In the steps drawn: ${sum(list)}.`);
      if (one.when === "idle") add(`Shaded: when no work ran (${spans("idle")}); the line is what the host was doing in a part of it.`);
      if (one.when === "together") add(`Shaded: when work of several lanes ran at once (${spans("together")}).`);
      add("The ledger has the average of all traced steps.");
      link(line);
    } else if (chosen) {
      add(named(chosen), true);
      add(facts(chosen).map(([key, value]) => `${key}: ${value}`).join("; ") + ".");
      add(`Matched as ${works[chosen.work]}: ${sum(bars.filter((bar) => bar.work === chosen.work))}.`);
      if (lineOf(chosen.work) >= 0) link(lineOf(chosen.work));
    }
  }
  const spans = (kind) => sides.map((side) => `${side.title}: ${time(side[kind].reduce((ns, [, length]) => ns + length, 0))}`).join("; ");
  function link(at) {
    const cell = document.querySelector(`td[data-line="${at}"]`);
    if (!cell) return;
    cell.id = `ledger-line-${at}`;
    const back = document.createElement("a");
    back.href = `#${cell.id}`;
    back.textContent = "Its line in the ledger";
    back.addEventListener("click", (event) => {
      event.preventDefault(); // following the address would take the focus away again
      cell.scrollIntoView({ block: "center" });
      cell.querySelector("button").focus({ preventScroll: true });
    });
    told.append(back);
  }
  function choose(bar) {
    [chosen, line] = [bar, null];
    if (bar && (bar.end < from || bar.start > to)) show(bar.start - (to - from) / 2, bar.start + (to - from) / 2);
    tell();
    draw();
  }
  function follow(at) {
    [chosen, over, line] = [null, null, at];
    const list = bars.filter((bar) => lines[at].works.includes(bar.work));
    if (list.length) around(list); else show(...ALL);
    tell();
    draw();
    box.scrollIntoView({ block: "nearest" });
    canvas.focus({ preventScroll: true });
  }

  // ---- what is in view

  function show(low, high) {
    const span = Math.min(Math.max(high - low, LEAST), ALL[1] - ALL[0]);
    const middle = (low + high) / 2;
    from = Math.min(Math.max(middle - span / 2, ALL[0]), ALL[1] - span);
    to = from + span;
    draw();
  }
  const zoom = (factor, at = (from + to) / 2) => show(at - (at - from) * factor, at + (to - at) * factor);
  const move = (part) => show(from + part * (to - from), to + part * (to - from));
  function around(list) {
    const low = Math.min(...list.map((bar) => bar.start)), high = Math.max(...list.map((bar) => bar.end));
    show(low - 0.15 * (high - low), high + 0.15 * (high - low));
  }

  // ---- drawing

  const x = (ns) => gutter + (ns - from) / (to - from) * (width - gutter);
  const at = (px) => from + (px - gutter) / (width - gutter) * (to - from);

  function layout() {
    width = canvas.parentElement.clientWidth;
    gutter = width < 560 ? 0 : Math.min(200, width * 0.22);
    rows = [];
    let top = AXIS;
    sides.forEach((side, number) => {
      rows.push({ side: number, lane: null, top, height: HEAD });
      top += HEAD;
      side.lanes.forEach((_, lane) => {
        const height = LANE + (gutter ? 0 : LABEL);
        rows.push({ side: number, lane, top, height, bar: top + (gutter ? 2 : LABEL + 1) });
        top += height;
      });
      top += GAP;
    });
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(top * ratio);
    canvas.style.height = `${top}px`;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw();
  }
  function shorten(value, room) {
    if (pen.measureText(value).width <= room) return value;
    let keep = Math.floor(value.length * room / pen.measureText(value).width);
    while (keep > 1 && pen.measureText(`${value.slice(0, keep)}…`).width > room) keep -= 1;
    return keep > 1 ? `${value.slice(0, keep)}…` : "";
  }
  function draw() {
    const style = getComputedStyle(document.documentElement);
    const [ink, paper, soft, edge, quiet] = ["--ink", "--paper", "--soft", "--line", "--quiet"].map((name) => style.getPropertyValue(name).trim());
    const bottom = rows.length ? rows[rows.length - 1].top + rows[rows.length - 1].height : 0;
    pen.font = FONT;
    pen.textBaseline = "middle";
    pen.globalAlpha = 1;
    pen.fillStyle = paper;
    pen.fillRect(0, 0, width, bottom + GAP);
    axis(bottom, edge, quiet);
    const wanted = lit(), shading = when();
    for (const row of rows) {
      const side = sides[row.side];
      pen.fillStyle = ink;
      if (row.lane === null) {
        pen.fillStyle = paper;
        pen.fillRect(0, row.top, width, HEAD);
        pen.fillStyle = ink;
        const more = side.left_out ? `; ${side.left_out} shorter events not drawn` : "";
        pen.font = `600 ${FONT}`;
        pen.fillText(shorten(`${side.title} · step ${side.step}, ${time(side.wall)}${more}`, width - 4), 2, row.top + HEAD / 2);
        pen.font = FONT;
        continue;
      }
      pen.fillStyle = soft;
      pen.fillRect(gutter, row.bar, width - gutter, LANE - 4);
      pen.fillStyle = quiet;
      if (gutter) pen.fillText(shorten(side.lanes[row.lane], gutter - 10), 2, row.bar + LANE / 2 - 2);
      else pen.fillText(shorten(side.lanes[row.lane], width - 4), 2, row.top + LABEL / 2);
      if (shading) shade(row, side[shading], ink);
    }
    pen.save();
    pen.beginPath();
    pen.rect(gutter, 0, width - gutter, bottom + GAP);
    pen.clip();
    for (const bar of bars) if (bar.end >= from && bar.start <= to) drawBar(bar, wanted, shading, ink);
    sides.forEach((side, number) => {
      const mine = rows.filter((row) => row.side === number && row.lane !== null);
      if (!mine.length) return;
      pen.strokeStyle = quiet;
      pen.setLineDash([2, 3]);
      pen.beginPath();
      pen.moveTo(x(side.wall), mine[0].top);
      pen.lineTo(x(side.wall), mine[mine.length - 1].top + LANE);
      pen.stroke();
      pen.setLineDash([]);
    });
    pen.restore();
    Object.assign(canvas.dataset, { from, to, lit: wanted ? [...wanted].map((work) => works[work]).join("|") : "" });
  }
  function axis(bottom, edge, quiet) {
    const [scale, name] = unit((to - from) / 2), about = (to - from) / scale / Math.max(2, (width - gutter) / 90);
    const power = 10 ** Math.floor(Math.log10(about)), step = [1, 2, 5, 10].find((n) => n * power >= about) * power;
    pen.fillStyle = quiet;
    pen.strokeStyle = edge;
    pen.lineWidth = 1;
    let free = gutter;
    for (let n = Math.ceil(Math.max(from, 0) / scale / step); n * step * scale <= to; n += 1) {
      const px = x(n * step * scale), label = `${plain(n * step, 10)} ${name}`;
      pen.beginPath();
      pen.moveTo(px, AXIS - 4);
      pen.lineTo(px, bottom);
      pen.stroke();
      const half = pen.measureText(label).width / 2, left = Math.min(Math.max(px - half, gutter), width - 2 * half - 1);
      if (px < gutter - 1 || left < free) continue;
      pen.fillText(label, left, AXIS / 2 - 2);
      free = left + 2 * half + 8;
    }
  }
  function shade(row, list, ink) {
    pen.save();
    pen.beginPath();
    for (const [start, length] of list) pen.rect(Math.max(x(start), gutter), row.bar, Math.max(x(start + length) - Math.max(x(start), gutter), 0), LANE - 4);
    pen.fillStyle = ink;
    pen.globalAlpha = 0.14;
    pen.fill();
    pen.clip();
    pen.strokeStyle = ink;
    pen.globalAlpha = 0.5;
    pen.beginPath();
    for (let px = gutter - LANE; px < width; px += 6) { pen.moveTo(px, row.bar + LANE); pen.lineTo(px + LANE, row.bar); }
    pen.stroke();
    pen.restore();
  }
  const place = (bar) => {
    const row = rows.find((one) => one.side === bar.side && one.lane === bar.lane), inset = 3 * Math.min(bar.depth, 3);
    return [x(bar.start), row.bar + inset, Math.max(x(bar.end) - x(bar.start), 1), LANE - 4 - inset];
  };
  function drawBar(bar, wanted, shading, ink) {
    const [left, top, wide, high] = place(bar), bright = wanted?.has(bar.work);
    pen.globalAlpha = (wanted && !bright) || (shading === "idle" && !bright) ? 0.22 : 1;
    pen.fillStyle = bar.family[1];
    pen.fillRect(left, top, wide, high);
    if (wide > 3 || bar === chosen) {
      pen.strokeStyle = ink;
      pen.lineWidth = bar === chosen ? 3 : bright ? 1.5 : 0.4;
      pen.strokeRect(left, top, wide, high);
    }
    const low = Math.max(left, gutter), room = Math.min(left + wide, width) - low - 6;
    if (room < 14) return;
    const label = [named(bar), bar.op].find((one) => pen.measureText(one).width <= room);
    pen.fillStyle = bar.family[2];
    if (pen.globalAlpha < 1) [pen.fillStyle, pen.globalAlpha] = [ink, 0.55];
    if (label) pen.fillText(label, low + 3, top + high / 2 + 1);
  }

  // ---- mouse, touch and keys

  const near = 3;
  function hit(px, py) {
    const row = rows.find((one) => one.lane !== null && py >= one.top && py < one.top + one.height);
    if (!row || px < gutter) return null;
    const ns = at(px), slack = near * (to - from) / (width - gutter);
    const mine = bars.filter((bar) => bar.side === row.side && bar.lane === row.lane && bar.start <= ns + slack && bar.end >= ns - slack);
    const inside = mine.filter((bar) => bar.start <= ns && bar.end >= ns);
    return inside.length ? inside.reduce((x, y) => y.depth >= x.depth ? y : x) : mine[0] ?? null;
  }
  function hover(bar, px, py) {
    if (bar !== over) { over = bar; draw(); }
    tip.hidden = !bar;
    canvas.classList.toggle("over", Boolean(bar));
    if (!bar) return;
    const list = document.createElement("dl"), head = document.createElement("strong");
    head.textContent = named(bar);
    for (const [key, value] of facts(bar)) {
      const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
      [dt.textContent, dd.textContent] = [key, value];
      list.append(dt, dd);
    }
    tip.replaceChildren(head, list);
    tip.style.left = `${Math.max(0, Math.min(px + 12, width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${py + 16}px`;
  }
  const spot = (event) => { const area = canvas.getBoundingClientRect(); return [event.clientX - area.left, event.clientY - area.top]; };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const [px, py] = spot(event);
    pointer = { px, py, from, to, moved: false };
    if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [px, py] = spot(event);
    if (!pointer) { hover(hit(px, py), px, py); return; }
    pointer.moved ||= Math.abs(px - pointer.px) > near;
    if (!pointer.moved) return;
    hover(null);
    const by = (pointer.px - px) / (width - gutter) * (pointer.to - pointer.from);
    show(pointer.from + by, pointer.to + by);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (pointer && !pointer.moved) choose(hit(...spot(event)));
    pointer = null;
  });
  canvas.addEventListener("pointercancel", () => { pointer = null; });
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("dblclick", (event) => { const bar = hit(...spot(event)); if (bar) around([bar]); });
  canvas.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!sideways && !event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
    event.preventDefault();
    if (sideways) move((event.deltaX || event.deltaY) / (width - gutter));
    else zoom(Math.exp(Math.max(-200, Math.min(200, event.deltaY)) * 0.002), at(Math.max(spot(event)[0], gutter)));
  }, { passive: false });

  function beside(step) {
    const visible = bars.filter((bar) => bar.end >= from && bar.start <= to);
    if (!chosen) return choose((step > 0 ? visible[0] : visible[visible.length - 1]) ?? bars[0] ?? null);
    const mine = bars.filter((bar) => bar.side === chosen.side && bar.lane === chosen.lane);
    return choose(mine[mine.indexOf(chosen) + step] ?? chosen);
  }
  function otherLane(step) {
    if (!chosen) return beside(step);
    const filled = rows.filter((row) => row.lane !== null && bars.some((bar) => bar.side === row.side && bar.lane === row.lane));
    const row = filled[filled.findIndex((one) => one.side === chosen.side && one.lane === chosen.lane) + step];
    if (!row) return undefined;
    const far = (bar) => Math.max(bar.start - chosen.end, chosen.start - bar.end, 0) + Math.abs(bar.start - chosen.start) * 1e-6;
    return choose(bars.filter((bar) => bar.side === row.side && bar.lane === row.lane).reduce((x, y) => far(y) < far(x) ? y : x));
  }
  function counterpart() {
    const found = chosen && bars.find((bar) => bar.side !== chosen.side && bar.work === chosen.work);
    if (found) choose(found);
  }
  function focused() {
    const wanted = lit();
    const list = wanted ? bars.filter((bar) => wanted.has(bar.work)) : [];
    if (list.length) around(list);
  }
  function letGo() { [over, chosen, line] = [null, null, null]; hover(null); tell(); draw(); }
  const KEYS = {
    w: () => zoom(0.7), "+": () => zoom(0.7), "=": () => zoom(0.7), s: () => zoom(1 / 0.7), "-": () => zoom(1 / 0.7),
    a: () => move(-0.15), ArrowLeft: () => move(-0.15), d: () => move(0.15), ArrowRight: () => move(0.15),
    0: () => show(...ALL), Home: () => show(...ALL), ".": () => beside(1), ",": () => beside(-1),
    ArrowDown: () => otherLane(1), ArrowUp: () => otherLane(-1), m: counterpart, f: focused, Escape: letGo,
  };
  canvas.addEventListener("keydown", (event) => {
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  // ---- the page around it

  for (const [name, label, act] of [
    ["+", "Zoom in", () => zoom(0.7)], ["−", "Zoom out", () => zoom(1 / 0.7)], ["←", "Earlier", () => move(-0.3)],
    ["→", "Later", () => move(0.3)], ["Whole step", "", () => show(...ALL)], ["Let go", "Highlight nothing", letGo],
  ]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    if (label) button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    tools.append(button);
  }
  for (const cell of document.querySelectorAll("td[data-line]")) {
    const number = Number(cell.dataset.line), one = lines[number];
    if (!one || !(one.works.length || one.when)) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "lead";
    button.title = "Show it on the timeline";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => follow(number));
    for (const part of document.querySelectorAll(`#waterfall-line-${number}, #waterfall-name-${number}`)) {
      part.classList.add("lead");
      part.addEventListener("click", () => follow(number));
    }
  }
  box.classList.add("lively");
  live.hidden = false;
  new ResizeObserver(() => { if (canvas.parentElement.clientWidth !== width) layout(); }).observe(canvas.parentElement);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  layout();
})();
