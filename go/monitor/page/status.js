"use strict";
// Draws what /status.json says, every two seconds while the page is visible. Text
// from there only ever becomes text nodes.
(() => {
  const SHORTEST = 60, LONGEST = 300; // seconds that the charts show
  const KINDS = 6; // colours for refusals; further codes share one
  const byId = (id) => document.getElementById(id);

  const make = (name, attributes = {}, ...children) => {
    const svg = ["svg", "path", "line", "text", "circle", "rect", "g"].includes(name);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

  // --- numbers as people read them: [value, unit] ---
  const digits = (n) => (n === 0 ? "0" : n < 10 ? n.toFixed(n < 1 ? 2 : 1) : Math.round(n).toLocaleString("en"));
  const scaled = (n, base, units) => {
    let i = 0;
    for (; n >= base && i < units.length - 1; i++) n /= base;
    return [digits(n), units[i]];
  };
  const format = {
    rate: (n) => (n < 10000 ? [digits(n), "/s"] : scaled(n / 1000, 1000, ["k/s", "M/s"])),
    count: (n) => [Math.round(n).toLocaleString("en"), ""],
    bytes: (n) => scaled(n, 1000, ["B", "kB", "MB", "GB", "TB"]),
    byteRate: (n) => scaled(n, 1000, ["B/s", "kB/s", "MB/s", "GB/s"]),
    time: (n) => (n < 1e-3 ? [digits(n * 1e6), "µs"] : n < 1 ? [digits(n * 1e3), "ms"] : [digits(n), "s"]),
    share: (n) => [n > 0.995 && n < 1 ? (n * 100).toFixed(1) : Math.round(n * 100).toString(), "%"],
  };
  const said = (kind, n) => (n == null ? "–" : format[kind](n).join(kind === "share" ? "" : " ").replace(" /s", "/s").trim());
  const duration = (s) => {
    const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    const first = parts.findIndex(([size]) => s >= size);
    if (first < 0) return "0 s";
    const [size, unit] = parts[first];
    const rest = parts[first + 1];
    const more = rest && size > 60 ? Math.floor((s % size) / rest[0]) : 0;
    return `${Math.floor(s / size)} ${unit}${more ? ` ${more} ${rest[1]}` : ""}`;
  };
  const since = (s) => (s < 120 ? `${Math.round(s)} s` : `${Math.round(s / 6) / 10} min`);
  const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");

  // --- tiles ---
  const tile = (id, label, [value, unit], note) =>
    make("div", { class: "tile", id }, make("div", { class: "label" }, label),
      make("div", { class: "value" }, value, make("span", { class: "unit" }, unit)), make("div", { class: "note" }, note));
  const none = ["–", ""];
  const lastOf = (points, pick) => {
    for (let i = points.length - 1; i >= 0 && i > points.length - 8; i--) if (pick(points[i]) != null) return pick(points[i]);
    return null;
  };
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

  const drawTiles = (s) => {
    const p = s.points;
    const now = p[p.length - 1];
    const time = (pick) => { const t = lastOf(p, pick); return t == null ? none : format.time(t); };
    const cache = lastOf(p, (q) => q.cache_hits);
    byId("tiles").replaceChildren(
      tile("tile-requests", "Requests", now ? format.rate(now.requests) : none, `${said("count", s.totals.requests)} in all`),
      tile("tile-p50", "Median", time((q) => q.p50), `${said("time", s.totals.p50)} overall`),
      tile("tile-p99", "99th percentile", time((q) => q.p99), `${said("time", s.totals.p99)} overall`),
      tile("tile-refusals", "Refusals", now ? format.rate(sum(Object.values(now.refusals))) : none, `${said("count", sum(Object.values(s.totals.refusals)))} in all`),
      tile("tile-cache", "Cache hits", cache == null ? none : format.share(cache), "of answers"),
      tile("tile-callbacks", "Callbacks", time((q) => q.callback_p50), `${said("count", s.totals.callbacks)} in all`),
      tile("tile-traffic", "Sent", now ? format.byteRate(now.bytes_out) : none, `${said("bytes", s.totals.bytes_out)} in all`),
      tile("tile-connections", "Connections", format.count(s.connections), `${said("count", s.in_flight)} in use`),
    );
  };

  // --- charts ---
  const colours = new Map(); // of refusal codes; a code keeps its own
  const colourOf = (code) => {
    if (!colours.has(code)) colours.set(code, colours.size < KINDS ? `c${colours.size + 1}` : "c0");
    return colours.get(code);
  };
  const charts = [
    { id: "requests", title: "Requests", kind: "rate", lines: () => [["all", "c1", (p) => p.requests, true], ["server errors", "c2", (p) => p.server_errors]] },
    { id: "latency", title: "Latency", kind: "time", lines: () => [["p50", "c1", (p) => p.p50], ["p99", "c2", (p) => p.p99]] },
    { id: "refused", title: "Refusals by code", kind: "rate", stacked: true, quiet: "nothing was refused", lines: (points) =>
      [...new Set(points.flatMap((p) => Object.keys(p.refusals)))].sort().map((code) => [code, colourOf(code), (p) => p.refusals[code] ?? 0]) },
    { id: "cache", title: "Cache hits", kind: "share", top: 1, lines: () => [["hit rate", "c3", (p) => p.cache_hits, true]] },
    { id: "callbacks", title: "Time in callbacks", kind: "time", quiet: "no callback was called", lines: () => [["p50", "c1", (p) => p.callback_p50], ["p99", "c2", (p) => p.callback_p99]] },
    { id: "traffic", title: "Transfer", kind: "byteRate", lines: (points) => [["out", "c1", (p) => p.bytes_out, true], ["in", "c3", (p) => p.bytes_in],
      ...(points.some((p) => p.bytes_copied) ? [["between stores", "c4", (p) => p.bytes_copied]] : [])] },
  ];
  const hovered = new Map(); // chart -> the time under the pointer

  for (const chart of charts) {
    chart.legend = make("ul", { class: "legend" });
    chart.plot = make("div", { class: "plot" });
    byId("charts").append(make("section", { class: "card chart", id: `chart-${chart.id}` },
      make("div", { class: "head" }, make("h2", {}, chart.title)), chart.legend, chart.plot));
    chart.plot.addEventListener("pointermove", (event) => {
      const box = chart.plot.getBoundingClientRect();
      hovered.set(chart, (event.clientX - box.left) / box.width);
      if (latest) draw(chart, latest);
    });
    chart.plot.addEventListener("pointerleave", () => { hovered.delete(chart); if (latest) draw(chart, latest); });
  }

  // Scales: where a value stands between the first and the last mark.
  const linear = (values, top) => {
    const most = Math.max(0, ...values);
    const step = 10 ** Math.floor(Math.log10(most || 1));
    const end = top ?? [1, 2, 5, 10].find((m) => m * step >= most) * step;
    return { marks: [0, end / 2, end], part: (v) => v / end };
  };
  // Times differ by orders of magnitude, and the shortest matter as well.
  const decades = (values) => {
    const some = values.filter((v) => v > 0);
    const low = Math.floor(Math.log10(Math.min(...some, some.length ? Infinity : 1e-3)));
    const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...some, 1e-6))));
    const marks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
    return { marks, part: (v) => Math.max(0, (Math.log10(Math.max(v, marks[0])) - low) / (high - low)) };
  };

  const draw = (chart, s) => {
    const { points } = s;
    const lines = chart.lines(points);
    const end = points.length ? points[points.length - 1].time : s.now;
    const width = chart.plot.clientWidth || 350, height = 150, left = 52, bottom = 18, top = 8;
    const span = Math.min(LONGEST, Math.max(SHORTEST, points.length ? end - points[0].time : 0));
    const x = (t) => width - ((end - t) / span) * (width - left);
    const values = lines.map(([, , pick]) => points.map(pick));
    if (chart.stacked) for (let i = 1; i < values.length; i++) values[i] = values[i].map((v, j) => v + values[i - 1][j]);
    const scale = (chart.kind === "time" ? decades : linear)(values.flat().filter((v) => v != null), chart.top);
    const y = (v) => height - bottom - scale.part(v) * (height - bottom - top);
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
    for (const mark of scale.marks) {
      svg.append(make("line", { class: mark === scale.marks[0] ? "axis" : "grid", x1: left, x2: width, y1: y(mark), y2: y(mark) }));
      svg.append(make("text", { x: left - 7, y: y(mark) + 4, "text-anchor": "end" }, mark ? said(chart.kind, mark).replace(/\.0+(?=\D)/, "") : "0"));
    }
    for (const [ago, anchor] of [[span, "start"], [span / 2, "middle"], [0, "end"]])
      svg.append(make("text", { x: x(end - ago), y: height - 3, "text-anchor": anchor }, ago ? `−${since(ago)}` : "now"));

    const seen = values.some((v) => v.some((n) => n != null));
    if (!seen) svg.append(make("text", { class: "none", x: (width + left) / 2, y: (height - bottom) / 2 + 6, "text-anchor": "middle" }, chart.quiet ?? "no requests yet"));
    const drawn = lines.map(([, colour, , filled], i) => {
      const group = make("g");
      for (const run of runs(points, values[i])) {
        const path = run.map(([t, v], j) => `${j ? "L" : "M"}${x(t).toFixed(1)} ${y(v).toFixed(1)}`).join("");
        if (chart.stacked) {
          const below = i ? run.map(([t, , k]) => `L${x(t).toFixed(1)} ${y(values[i - 1][k]).toFixed(1)}`).reverse().join("") : `L${x(run[run.length - 1][0])} ${y(0)}L${x(run[0][0])} ${y(0)}`;
          group.append(make("path", { class: `stack ${colour}`, d: `${path}${below}Z` }));
          continue;
        }
        if (filled) group.append(make("path", { class: `area ${colour}`, d: `${path}L${x(run[run.length - 1][0])} ${y(0)}L${x(run[0][0])} ${y(0)}Z` }));
        group.append(run.length > 1 ? make("path", { class: `line ${colour}`, d: path }) : make("circle", { class: `dot ${colour}`, cx: x(run[0][0]), cy: y(run[0][1]), r: 3.5 }));
      }
      return group;
    });
    svg.append(...drawn.reverse()); // the first one on top
    const now = lines.map(([name, colour, pick]) => [name, colour, lastOf(points, pick)]);
    svg.setAttribute("aria-label", `${chart.title}: ${now.map(([name, , v]) => `${name} ${said(chart.kind, v)}`).join(", ") || "nothing"}`);
    chart.legend.replaceChildren(...now.map(([name, colour, v]) => make("li", {}, make("span", { class: `key ${colour}` }), name, make("b", {}, said(chart.kind, v)))));
    chart.plot.replaceChildren(svg);
    if (hovered.has(chart) && points.length) point(chart, lines, points, hovered.get(chart), x, width, height - bottom, svg);
  };

  // runs are the parts of a line without gaps, as [time, value, index].
  const runs = (points, values) => {
    const out = [];
    let run = null;
    values.forEach((v, i) => {
      if (v == null) { run = null; return; }
      if (!run) out.push((run = []));
      run.push([points[i].time, v, i]);
    });
    return out;
  };

  // point shows the values under the pointer.
  const point = (chart, lines, points, at, x, width, height, svg) => {
    const nearest = points.reduce((a, b) => (Math.abs(x(b.time) - at * width) < Math.abs(x(a.time) - at * width) ? b : a));
    const px = x(nearest.time);
    svg.append(make("line", { class: "cross", x1: px, x2: px, y1: 0, y2: height }));
    const tip = make("div", { class: "tip" }, clock(nearest.time),
      ...lines.map(([name, colour, pick]) => make("div", {}, make("span", { class: `key ${colour}` }), name, make("b", {}, said(chart.kind, pick(nearest))))));
    if (px > width / 2) tip.style.right = `${width - px + 10}px`; else tip.style.left = `${px + 10}px`;
    chart.plot.append(tip);
  };

  // --- tables ---
  const row = (...cells) => make("tr", {}, ...cells.map(([content, kind = ""]) => make("td", { class: kind }, content)));
  const empty = (columns, text) => make("tr", {}, make("td", { colspan: columns, class: "soft" }, text));
  const badge = (state, text) => make("span", { class: "badge", "data-state": state }, text);

  const expiry = (s, store) => {
    if (store.certificate_expires == null) return store.tls ? "not known" : "no TLS";
    const left = store.certificate_expires - s.now;
    const day = new Date(store.certificate_expires * 1000).toISOString().slice(0, 10);
    if (left <= 0) return badge("bad", `expired ${day}`);
    const text = `${day}, in ${duration(left)}`;
    return left < 14 * 86400 ? badge("warn", text) : text;
  };

  const drawTables = (s) => {
    byId("stores").replaceChildren(...s.stores.map((store) => {
      const health = make("div", {}, store.checked == null ? badge("", "not yet") : store.up ? badge("good", "✓ reachable") : badge("bad", "✗ unreachable"));
      if (store.problem) health.append(make("div", { class: "problem" }, store.problem));
      return row([store.store, "mono"], [health], [store.buckets.join(", "), "soft"], [store.up ? said("time", store.seconds) : "–", "number"], [expiry(s, store), "number"]);
    }));
    if (!s.stores.length) byId("stores").append(empty(5, "The stores are being checked."));
    const fleet = s.shared_state;
    byId("shared").hidden = !fleet;
    if (fleet) {
      const health = !fleet.up ? badge("bad", "✗ away") : fleet.lease ? badge("good", "✓ shared") : badge("warn", "no lease");
      byId("shared-state").replaceChildren(row([health], [said("count", fleet.replicas), "number"], [said("count", fleet.hits), "number"],
        [said("count", fleet.misses), "number"], [said("time", fleet.mean), "number"], [said("count", fleet.failures), "number"], [said("count", fleet.behind), "number"]));
    }
    const refusals = Object.entries(s.totals.refusals).sort(([, a], [, b]) => b - a);
    byId("refusals").replaceChildren(...refusals.map(([code, n]) => row([code], [said("count", n), "number"])));
    if (!refusals.length) byId("refusals").append(empty(2, "None."));
    const limits = Object.entries(s.totals.limits).sort(([, a], [, b]) => b - a);
    byId("limited").hidden = !limits.length;
    byId("limits").replaceChildren(...limits.map(([name, n]) => row(...name.split(" ").map((text) => [text]), [said("count", n), "number"])));
    byId("caches").replaceChildren(...s.caches.map((c) => row([c.name], [said("count", c.hits), "number"], [said("count", c.misses), "number"],
      [c.hits + c.misses ? said("share", c.hits / (c.hits + c.misses)) : "–", "number"], [said("count", c.entries), "number"])));
  };

  // --- the whole ---
  let latest = null;
  const show = (s) => {
    latest = s;
    byId("version").textContent = s.version;
    const [state, text] = s.draining ? ["warn", "draining"] : s.ready ? ["good", "ready"] : ["bad", "not ready"];
    byId("state").dataset.state = state;
    byId("state").textContent = text;
    byId("since").textContent = `up for ${duration(s.now - s.started)}`;
    drawTiles(s);
    for (const chart of charts) draw(chart, s);
    drawTables(s);
  };

  const poll = async () => {
    if (!document.hidden) {
      try {
        const response = await fetch("/status.json", { cache: "no-store" });
        if (!response.ok) throw new Error(`status ${response.status}`);
        show(await response.json());
        byId("lost").hidden = true;
        document.body.classList.remove("stale");
      } catch (error) {
        byId("lost").textContent = `The proxy does not respond (${error.message}); the figures below are out of date.`;
        byId("lost").hidden = false;
        document.body.classList.add("stale");
      }
    }
    setTimeout(poll, 2000);
  };
  document.addEventListener("visibilitychange", () => { if (latest && !document.hidden) show(latest); });
  addEventListener("resize", () => { if (latest) for (const chart of charts) draw(chart, latest); });
  poll();
})();
