/* live.js - the live page: what the server sends becomes one column per instance, its charts drawn by charts.js.
 *
 * hello {lang, text}, instance {facts, drawn: {charts, model}}, tick {facts, series}, names [of those that are shown],
 * many: see src/cli/live.c. Where there are many instances, the page is an overview of /api/v1/fleet, and one of them is
 * looked at as #instance=NAME.
 * Texts from the log reach the page through textContent only. */
(() => {
"use strict";

const BUCKETS = 300; /* of the server's window */
const TONES = { critical: "tone-bad", attention: "tone-warn", healthy: "tone-good" };
const columns = new Map();
const place = document.getElementById("instances");
const link = document.getElementById("link");
const root = document.documentElement;
const TILES = ["throughput_tps", "token_latency_ms", "logits_entropy", "token_repetition_pct", "state_similarity", "vram_used_mb",
	"process_memory_mb", "cpu_utilization_pct"];
const AGAIN_MS = 2000;
const UNTOLD = "No answer; trying again. 没有应答，正在重试。"; /* the words of the page have not come */
const trouble = { events: "", fleet: "" };
let words = {}, verdictWords = {}, stateWords = {};

root.classList.add("scripted");

function element(tag, attributes = {}, ...children) {
	const e = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes))
		e.setAttribute(name, value);
	e.append(...children);
	return e;
}

/* A live region is read out when it is written, even with what it said before. */
function setText(e, text) {
	if (e.textContent !== text)
		e.textContent = text;
}

const two = n => String(n).padStart(2, "0");

function timeElement(iso) {
	const d = new Date(iso);

	return element("time", { datetime: iso, title: iso }, `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`);
}

/* A verdict in a word, with the colour beside it, and its sentence. */
function sayJudged(e, verdict, sentence) {
	e.className = `judged ${TONES[verdict] ?? "tone-none"}`;
	e.replaceChildren(element("b", {}, verdictWords[verdict] ?? ""), ` ${sentence}`);
}

/* ---- one instance */

class Column {
	constructor(facts) {
		this.badge = element("small");
		this.name = element("span");
		this.what = element("p", { class: "what" });
		this.tiles = element("div", { class: "tiles" });
		this.judged = element("p", { class: "judged" });
		this.among = element("p", { class: "judged", hidden: "" });
		this.alarms = element("ul", { class: "alarms" });
		this.actions = element("p", { class: "actions" });
		this.charts = element("div");
		this.article = element("article", {}, element("h2", {}, this.name, this.badge), this.what, this.judged, this.among, this.tiles,
			this.alarms, this.actions, this.charts);
		place.append(this.article);
		this.show(facts);
	}

	/* New metrics occurred, or the page has just connected: rebuilds everything. */
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
		this.what.replaceChildren(`${facts.model} · ${facts.strategy} · ${rwkvFill(words.LIVE_TOKENS, facts.tokens.toLocaleString("en"))} · `,
			timeElement(facts.last));
		sayJudged(this.judged, facts.judged.verdict, facts.judged.text);
		this.showAmong();
		this.alarms.replaceChildren(...facts.alarms.map(alarm => this.alarm(alarm)));
		this.actions.textContent = facts.actions_text;
		this.tiles.replaceChildren(...(this.model ? TILES.filter(m => m in facts.now && m in this.model.metric) : [])
			.slice(0, 6).map(m => this.tile(m, facts.now[m])));
	}

	/* What only a look at all instances tells: an instance alone cannot be unlike its peers. */
	showAmong() {
		const row = fleet?.instances.find(r => r.instance === this.name.textContent);

		this.among.hidden = !row?.peers;
		if (row?.peers)
			sayJudged(this.among, row.verdict, rwkvFill(words.LIVE_AMONG, row.peers.text));
	}

	tile(metric, value) {
		const [number, unit] = this.drawer.quantity(metric, value).split("\u00a0");

		return element("div", { class: "tile", "data-metric": metric }, element("h3", {}, this.model.metric[metric].label),
			element("div", { class: "value" }, number, ...(unit ? [" ", element("small", {}, unit)] : [])));
	}

	alarm(alarm) {
		return element("li", { class: { info: "tone-none", critical: "tone-bad" }[alarm.severity] ?? "tone-warn" },
			element("b", {}, alarm.label), ` ${alarm.summary} `, timeElement(alarm.since));
	}

	/* The newest buckets replace or follow the present ones; as many old ones are dropped. */
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
	verdictWords = data.verdict;
	stateWords = data.state;
	root.lang = data.lang;
	document.title = words.LIVE_TITLE;
	document.getElementById("title").textContent = words.LIVE_TITLE;
	document.getElementById("back").textContent = `← ${words.LIVE_OVERVIEW}`;
	document.getElementById("foot").textContent = `rwkvmon ${data.version}`;
	document.getElementById("theme").setAttribute("aria-label", words.LIVE_THEME);
	setTrouble("events", "");
	forgetFleet();
	if (!columns.size && overview.hidden)
		place.replaceChildren(element("p", {}, about() ? words.LIVE_NO_DETAIL : words.LIVE_NOTHING));
}

/* Removes instances that made room for others. */
function keepOnly(names) {
	for (const [name, c] of columns)
		if (!names.includes(name)) {
			c.article.remove();
			columns.delete(name);
		}
	for (const c of columns.values())
		c.article.classList.toggle("wide", columns.size === 1);
}

/* What does not work now, by what it is of; the first one is said. */
function setTrouble(of, what) {
	trouble[of] = what;
	const said = trouble.events || trouble.fleet;

	setText(link, said || (words.LIVE_CONNECTED ?? ""));
	link.toggleAttribute("data-lost", said !== "");
}

/* Chromium ends the stream for good when it gets another answer than 200; a new one is begun then. */
function lost() {
	setTrouble("events", words.LIVE_LOST ?? UNTOLD);
	if (source.readyState === EventSource.CLOSED) {
		clearTimeout(again);
		again = setTimeout(connect, AGAIN_MS);
	}
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

/* ---- many instances */

const FLEET_EVERY_MS = 5000;
const FLEET_WAIT_MS = 30000;
const HEAT_MAX = 320; /* pixels high */
const HEAT_LEAST = 0.2; /* of opacity: what is usual is to be told from what is not there */
const overview = document.getElementById("overview");
let fleet = null; /* the latest answer */
let shown = [];   /* its instances that match, in their order */
let parts = null; /* elements of the overview */
let only = "all";

/* The instance that the address asks for; as it stands there, if that is no percent-encoding. */
function about() {
	const name = location.hash.startsWith("#instance=") ? location.hash.slice(10) : "";

	try {
		return decodeURIComponent(name);
	} catch {
		return name;
	}
}

function isTroubled(row) {
	return row.verdict === "critical" || row.verdict === "attention";
}

function matches(row, wanted) {
	const group = fleet.groups[row.group] ?? {};
	const text = [row.instance, row.title, row.cause, ...(row.by_chance?.causes ?? []), row.by_chance?.text, row.state, stateWords[row.state], verdictWords[row.verdict], group.model_name, group.strategy, group.device].join(" ").toLowerCase();

	return text.includes(wanted) && (only === "all" || (only === "silent" ? row.state === "silent" : isTroubled(row)));
}

function cell(content, kind) {
	return element("td", { class: kind }, content ?? "–");
}

const times = value => value === null ? "–" : value.toFixed(2);

/* One without a name has no page of its own. */
function nameOf(row) {
	return row.instance === null ? "–" : element("a", { href: `#instance=${encodeURIComponent(row.instance)}` }, row.instance);
}

function fleetRow(row) {
	const group = fleet.groups[row.group];
	const why = [row.peers?.text, row.verdict !== "healthy" && !(row.peers && row.cause === "unlike_peers") ? row.title : null, row.by_chance?.text].filter(Boolean).join("; ");
	const line = element("tr", { class: TONES[row.verdict] ?? "tone-none", "data-instance": row.instance ?? "" },
		element("th", { scope: "row" }, nameOf(row)),
		cell(group ? [group.model_name, group.strategy, group.device].filter(Boolean).join(", ") : null, "prose"),
		cell(rwkvPlain(row.throughput_tps), "n"), cell(rwkvPlain(row.token_latency_ms), "n"), cell(times(row.times_peers), "n"),
		cell(row.alarms.toLocaleString("en"), "n"), cell(why || "–", "prose"), cell(stateWords[row.state] ?? row.state, "nowrap"));

	line.append(element("td", {}, row.to ? timeElement(row.to) : "–"));
	return line;
}

/* From blue (half of what is usual) over the page's own colour to red (twice). */
function heatColour(ms, usual) {
	const at = Math.max(-1, Math.min(1, Math.log2(ms / usual)));

	return at > 0 ? `rgba(220, 50, 40, ${HEAT_LEAST + (1 - HEAT_LEAST) * at})` : `rgba(50, 110, 220, ${HEAT_LEAST - (1 - HEAT_LEAST) * at})`;
}

/* If several instances share a line of pixels, the worst one is drawn. */
function drawHeat() {
	const slices = shown[0]?.course.length ?? 1;
	const canvas = parts.heat;
	const height = Math.min(HEAT_MAX, Math.max(shown.length * 14, 14));
	const each = height / Math.max(shown.length, 1);
	const context = canvas.getContext("2d");

	canvas.width = canvas.clientWidth || 800;
	canvas.height = height;
	for (let i = shown.length - 1; i >= 0; i--) {
		const usual = fleet.groups[shown[i].group]?.token_latency_ms ?? shown[i].token_latency_ms;
		shown[i].course.forEach((ms, c) => {
			const x = Math.floor(c * canvas.width / slices), y = Math.floor(i * each);
			const right = Math.floor((c + 1) * canvas.width / slices), bottom = Math.max(y + 1, Math.floor((i + 1) * each) - (each > 6 ? 1 : 0));
			if (ms === null)
				return;
			context.clearRect(x, y, right - x, bottom - y);
			context.fillStyle = heatColour(ms, usual);
			context.fillRect(x, y, right - x, bottom - y);
		});
	}
}

function rowAt(event) {
	const box = parts.heat.getBoundingClientRect();

	return shown[Math.floor((event.clientY - box.top) / box.height * shown.length)];
}

function focusRow(instance) {
	if (instance)
		parts.body.querySelector(`tr[data-instance="${CSS.escape(instance)}"] a`)?.focus();
}

function showFleet() {
	const focused = parts.body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.instance : "";

	shown = fleet.instances.filter(row => matches(row, parts.search.value.trim().toLowerCase()));
	sayJudged(parts.verdict, fleet.verdict, fleet.verdict_text);
	setText(parts.count, rwkvFill(words.LIVE_SHOWN, shown.length.toLocaleString("en"), fleet.instances_total.toLocaleString("en")));
	parts.leftOut.textContent = (fleet.fleet?.left_out ?? []).join(" ");
	parts.body.replaceChildren(...shown.map(fleetRow));
	focusRow(focused);
	drawHeat();
}

function filterButton(name, label) {
	const button = element("button", { type: "button", class: "quiet", "aria-pressed": String(name === only) }, label);

	button.addEventListener("click", () => {
		only = name;
		for (const other of parts.filters)
			other.setAttribute("aria-pressed", String(other === button));
		showFleet();
	});
	return button;
}

function buildOverview() {
	const heads = ["INSTANCE", "GROUP", "SPEED", "LATENCY", "PEERS", "ALARMS", "WHY", "STATE", "SEEN"];
	const numbers = new Set(["SPEED", "LATENCY", "PEERS", "ALARMS"]);

	parts = {
		verdict: element("p"),
		search: element("input", { type: "search", placeholder: words.LIVE_SEARCH, "aria-label": words.LIVE_SEARCH }),
		filters: [],
		count: element("p", { class: "count", role: "status" }),
		leftOut: element("p", { class: "note" }),
		heat: element("canvas", { role: "img", "aria-label": words.LIVE_HEAT, title: words.LIVE_HEAT }),
		body: element("tbody"),
	};
	parts.filters = [["all", words.LIVE_ALL], ["trouble", words.LIVE_TROUBLED], ["silent", words.LIVE_SILENT]].map(([n, label]) => filterButton(n, label));
	parts.search.addEventListener("input", showFleet);
	parts.heat.addEventListener("click", e => {
		const row = rowAt(e);
		if (row && row.instance !== null)
			location.hash = `#instance=${encodeURIComponent(row.instance)}`;
	});
	parts.heat.addEventListener("mousemove", e => parts.heat.title = rowAt(e)?.instance ?? words.LIVE_HEAT);
	overview.replaceChildren(element("h2", { id: "overview-title" }, words.LIVE_OVERVIEW), parts.verdict, parts.leftOut,
		element("div", { class: "controls" }, parts.search, ...parts.filters, parts.count), parts.heat,
		element("div", { class: "scroll rows", role: "group", tabindex: "0", "aria-label": words.LIVE_OVERVIEW },
			element("table", {}, element("thead", {}, element("tr", {}, ...heads.map(h =>
				element("th", numbers.has(h) ? { scope: "col", class: "n" } : { scope: "col" }, words[`LIVE_${h}`])))), parts.body)));
}

/* What was asked about all instances, or known of them, was of another server or another address. */
function forgetFleet() {
	asking?.abort();
	asking = null;
	askedAt = 0;
	manyNow = false;
	setTrouble("fleet", "");
}

/* Asks for all instances. An answer counts only while nobody looks at something else: forgetFleet() ends the question. */
async function askFleet() {
	const mine = asking = new AbortController();
	const late = setTimeout(() => mine.abort(), FLEET_WAIT_MS);
	let fresh = null, why = words.LIVE_NO_ANSWER;

	try {
		const answer = await fetch("api/v1/fleet", { signal: mine.signal });
		if (answer.ok)
			fresh = await answer.json();
		else
			why = `HTTP ${answer.status}`;
	} catch (e) {
		why = e instanceof SyntaxError || e instanceof TypeError ? e.message : why;
	}
	clearTimeout(late);
	if (asking !== mine)
		return;
	asking = null;
	setTrouble("fleet", fresh ? "" : rwkvFill(words.LIVE_NO_FLEET, why));
	if (fresh)
		takeFleet(fresh);
}

function takeFleet(fresh) {
	fleet = fresh;
	if (isShowingSome()) {
		columns.forEach(c => c.showAmong());
		return;
	}
	if (!parts)
		buildOverview();
	place.replaceChildren();
	columns.clear();
	overview.hidden = false;
	showFleet();
	focusRow(leftFor);
	leftFor = "";
}

/* One of many instances is looked at, or some are side by side. */
function isShowingSome() {
	return about() !== "" || (columns.size > 1 && !manyNow);
}

function askInTime() {
	if (asking || Date.now() - askedAt < FLEET_EVERY_MS)
		return;
	askedAt = Date.now();
	askFleet();
}

/* The server has more instances than the page shows side by side: shows the overview. */
function many() {
	manyNow = true;
	if (!about())
		askInTime();
}

let manyNow = false;

let asking = null; /* AbortController of the question that is under way */
let askedAt = 0;
let leftFor = ""; /* the instance that was looked at last: who comes back from it goes on where it stands */
let source, again;

function connect() {
	const one = about();
	const mine = new EventSource(one ? `events?about=${encodeURIComponent(one)}` : "events");
	const on = (what, act) => mine.addEventListener(what, e => source === mine && act(e.data && JSON.parse(e.data)));

	source?.close();
	source = mine;
	on("hello", hello);
	on("many", many);
	on("instance", facts => {
		if (!manyNow)
			overview.hidden = true;
		column(facts).rebuild(facts);
		if (isShowingSome())
			askInTime();
	});
	on("tick", facts => {
		column(facts).tick(facts);
		if (isShowingSome())
			askInTime();
	});
	on("names", keepOnly);
	on("error", lost);
}

/* Begins anew with what the address asks for: one instance, or all. */
function listen() {
	const one = about(), back = document.getElementById("back");
	const inside = overview.contains(document.activeElement);

	forgetFleet();
	clearTimeout(again);
	columns.clear();
	place.replaceChildren();
	overview.hidden = !parts || one !== "";
	back.hidden = one === "";
	if (one && inside)
		back.focus();
	leftFor = one || leftFor;
	connect();
}

window.addEventListener("hashchange", listen);
listen();
setUpTheme();
new ResizeObserver(() => {
	columns.forEach(c => c.drawer?.resizeAll());
	if (!overview.hidden)
		drawHeat();
}).observe(document.body);
})();
