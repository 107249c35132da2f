/* live.js - the live page: what the server sends becomes one column per instance, its charts drawn by charts.js.
 *
 * hello {lang, text}, instance {facts, drawn: {charts, model}}, tick {facts, series}: see src/cli/live.c.
 * Texts from the log reach the page through textContent only. */
(() => {
"use strict";

const BUCKETS = 300; /* of the server's window */
const columns = new Map();
const place = document.getElementById("instances");
const link = document.getElementById("link");
const root = document.documentElement;
const TILES = ["throughput_tps", "token_latency_ms", "logits_entropy", "token_repetition_pct", "state_similarity", "vram_used_mb",
	"process_memory_mb", "cpu_utilization_pct"];
let words = {};

root.classList.add("scripted");

function element(tag, attributes = {}, ...children) {
	const e = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes))
		e.setAttribute(name, value);
	e.append(...children);
	return e;
}

const two = n => String(n).padStart(2, "0");

function timeElement(iso) {
	const d = new Date(iso);

	return element("time", { datetime: iso, title: iso }, `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`);
}

/* ---- one instance */

class Column {
	constructor(facts) {
		this.badge = element("small");
		this.name = element("span");
		this.what = element("p", { class: "what" });
		this.tiles = element("div", { class: "tiles" });
		this.alarms = element("ul", { class: "alarms" });
		this.charts = element("div");
		this.article = element("article", {}, element("h2", {}, this.name, this.badge), this.what, this.tiles, this.alarms, this.charts);
		place.append(this.article);
		this.show(facts);
	}

	/* New metrics occurred, or the page has just connected: everything anew. */
	rebuild(facts) {
		this.model = facts.drawn.model;
		this.drawer = rwkvCharts(this.model);
		this.charts.replaceChildren(...facts.drawn.charts.map(chart => this.section(chart)));
		this.drawer.drawInto(this.charts);
		this.drawer.look(...this.drawer.whole);
		this.show(facts);
	}

	section(chart) {
		return element("section", {},
			element("h3", {}, chart.title + " ", element("small", {}, chart.question)),
			element("div", { class: "panels" }, ...chart.panels.map(panel => this.figure(panel))));
	}

	figure(panel) {
		const spec = this.model.panels.find(p => p.id === panel.id);
		const unit = this.model.metric[spec.lines[0].metric].unit;
		const heading = element("h4", {}, panel.title);

		if (unit && unit !== "bytes")
			heading.append(" ", element("small", {}, unit));
		return element("figure", { class: "panel", "data-panel": panel.id },
			element("figcaption", {}, heading, element("ul", { class: "legend" })),
			element("div", { class: "plot", role: "group", "aria-label": panel.title }));
	}

	show(facts) {
		this.name.textContent = facts.instance;
		this.badge.textContent = facts.up ? words.LIVE_UP : words.LIVE_DOWN;
		this.badge.className = facts.up ? "tone-good" : "tone-none";
		this.what.replaceChildren(`${facts.model} · ${facts.strategy} · ${facts.tokens.toLocaleString("en")} ${words.LIVE_TOKENS} · `,
			timeElement(facts.last));
		this.alarms.replaceChildren(...facts.alarms.map(alarm => this.alarm(alarm)));
		this.tiles.replaceChildren(...(this.model ? TILES.filter(m => m in facts.now && m in this.model.metric) : [])
			.slice(0, 6).map(m => this.tile(m, facts.now[m])));
	}

	tile(metric, value) {
		return element("div", { class: "tile", "data-metric": metric }, element("h3", {}, this.model.metric[metric].label),
			element("div", { class: "value" }, this.drawer.quantity(metric, value)));
	}

	alarm(alarm) {
		return element("li", { class: alarm.severity === "critical" ? "tone-bad" : "tone-warn" },
			element("b", {}, alarm.label), ` ${alarm.summary} `, timeElement(alarm.since));
	}

	/* The newest buckets replace or follow those that are there; as many old ones go. */
	tick(facts) {
		if (this.model)
			this.append(this.model.series[0], facts.series);
		this.show(facts);
		if (this.model)
			this.drawer.refresh();
	}

	append(all, fresh) {
		if (!fresh.n)
			return;
		const begin = (fresh.from_us - all.from_us) / all.width_us;
		const end = Math.max(all.n, begin + fresh.n);
		const drop = Math.max(0, end - BUCKETS);
		for (const [metric, lines] of Object.entries(all.metric))
			for (const [name, values] of Object.entries(lines)) {
				const kept = values.slice(Math.min(drop, values.length));
				while (kept.length < end - drop)
					kept.push(null);
				(fresh.metric[metric]?.[name] ?? []).forEach((value, i) => {
					if (begin + i >= drop)
						kept[begin + i - drop] = value;
				});
				lines[name] = kept;
			}
		all.from_us += drop * all.width_us;
		all.n = end - drop;
	}
}

/* ---- the page */

function column(facts) {
	if (!columns.has(facts.instance)) {
		if (!columns.size)
			place.replaceChildren();
		columns.set(facts.instance, new Column(facts));
		for (const c of columns.values())
			c.article.classList.toggle("wide", columns.size === 1);
	}
	return columns.get(facts.instance);
}

function hello(data) {
	words = data.text;
	root.lang = data.lang;
	document.title = words.LIVE_TITLE;
	document.getElementById("title").textContent = words.LIVE_TITLE;
	document.getElementById("foot").textContent = `rwkvmon ${data.version}`;
	document.getElementById("theme").setAttribute("aria-label", words.LIVE_THEME);
	link.textContent = words.LIVE_CONNECTED;
	link.removeAttribute("data-lost");
	if (!columns.size)
		place.replaceChildren(element("p", {}, words.LIVE_NOTHING));
}

function lost() {
	link.textContent = words.LIVE_LOST ?? "…";
	link.setAttribute("data-lost", "");
}

function setUpTheme() {
	const dark = matchMedia("(prefers-color-scheme: dark)");
	const button = document.getElementById("theme");
	const redraw = () => columns.forEach(c => c.drawer?.drawAll());

	button.hidden = false;
	button.addEventListener("click", () => {
		root.dataset.theme = (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark" ? "light" : "dark";
		redraw();
	});
	dark.addEventListener("change", redraw);
}

const source = new EventSource("events");

source.addEventListener("hello", e => hello(JSON.parse(e.data)));
source.addEventListener("instance", e => {
	const facts = JSON.parse(e.data);

	column(facts).rebuild(facts);
});
source.addEventListener("tick", e => {
	const facts = JSON.parse(e.data);

	column(facts).tick(facts);
});
source.addEventListener("error", lost);
setUpTheme();
new ResizeObserver(() => columns.forEach(c => c.drawer?.resizeAll())).observe(document.body);
})();
