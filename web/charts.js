/* charts.js - the panels of charts.def over time and as histograms: what the report and the live page share.
 *
 * rwkvCharts(model) draws one model (src/report/html_model.c says what is in it); a page may have several. Knows no
 * metric by name. Texts from a log reach the page through textContent only. */
/* %s takes the next value, {one|many} is worded for the value before it. */
const rwkvFill = (template, ...values) => {
	let value = "";

	return template.replace(/%s|\{([^|{}]*)\|([^{}]*)\}/g, (found, one, many) =>
		found === "%s" ? value = String(values.shift()) : value === "1" ? one : many);
};

/* A number as people read it. near1: differences from 1 matter, as they do for similarities. */
const rwkvPlain = (value, near1 = false) => {
	const size = Math.abs(value);

	if (!Number.isFinite(value))
		return "–";
	if (size >= 1e12 || (size > 0 && size < 5e-4))
		return value.toExponential(2);
	if (size >= 1000 || Number.isInteger(value))
		return Math.round(value).toLocaleString("en");
	return value.toFixed(size >= 99.95 ? 1 : size >= 9.995 ? 2 : size >= 0.9995 ? 3 : near1 && size > 0.9 ? 5 : 4);
};

const rwkvCharts = (() => {
"use strict";

return (model, changed = () => {}) => {
const words = model.text;
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const known = value => value !== null && value !== undefined;

function element(tag, attributes = {}, ...children) {
	const e = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes))
		e.setAttribute(name, value);
	e.append(...children);
	return e;
}

/* ---- numbers and times as people read them */

const Y_AXIS = 52; /* pixels for its labels */
const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const BYTE_STEPS = Array.from({ length: 60 }, (_, i) => 2 ** i);

function quantity(metric, value) {
	const unit = model.metric[metric].unit;

	if (!known(value))
		return "–";
	if (unit !== "bytes")
		return rwkvPlain(value, !unit) + (unit ? "\u00a0" + unit : "");
	let step = 0;
	for (; Math.abs(value) >= 1024 && step + 1 < BYTE_UNITS.length; step++)
		value /= 1024;
	return `${rwkvPlain(value)}\u00a0${BYTE_UNITS[step]}`;
}

/* Axis labels of bytes: all in the unit of the largest. */
function byteTicks(values) {
	const largest = Math.max(...values.map(v => Math.abs(v ?? 0)));
	const step = Math.min(BYTE_UNITS.length - 1, Math.max(0, Math.floor(Math.log2(largest || 1) / 10)));

	return values.map(v => v === null ? null : `${+(v / 1024 ** step).toPrecision(3)} ${BYTE_UNITS[step]}`);
}

const decimalsOf = step => (step.toFixed(7).replace(/0+$/, "").split(".")[1] ?? "").length;

/* Axis labels: as short as the distance between them allows. */
function tick(value, step) {
	const size = Math.abs(value);

	if (value === 0)
		return "0";
	if (size >= 1e15 || step < 1e-6)
		return value.toExponential(1);
	for (const [limit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]])
		if (size >= limit) {
			const unit = letter === "k" ? 1e3 : limit;
			return (value / unit).toFixed(Math.min(3, decimalsOf(step / unit))) + letter;
		}
	return value.toFixed(decimalsOf(step));
}

const two = n => String(n).padStart(2, "0");
const day = d => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
const clock = d => `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
const fraction = d => "." + String(d.getMilliseconds()).padStart(3, "0");
const moment = (seconds, fine) => {
	const d = new Date(seconds * 1000);
	return Number.isNaN(+d) ? "–" : `${day(d)} ${clock(d)}${fine ? fraction(d) : ""}`;
};

/* Whether a label centred there stays on the canvas (which is not laid out yet). */
function fits(u, x, label) {
	const half = 3.2 * Math.max(...label.split("\n").map(line => line.length));
	const { min, max } = u.scales.x;

	return (max - x) / (max - min) * (u.width - Y_AXIS) + 12 > half;
}

function timeTicks(u, splits, axis, space, step) {
	let last = "";

	return splits.map(seconds => {
		const d = new Date(seconds * 1000);
		const date = day(d);
		const fine = step >= 1 ? clock(d) : clock(d) + fraction(d);
		const time = step >= 86400 ? "" : step >= 60 ? clock(d).slice(0, 5) : fine;
		const label = date === last ? time : time ? `${time}\n${date}` : date;

		last = date;
		return fits(u, seconds, label) ? label : null;
	});
}

/* ---- state of the page: the session and the range that are shown */

const span = () => {
	const s = model.series[0];
	const from = s.from_us / 1e6;

	return [from, from + Math.max(1, s.n) * s.width_us / 1e6];
};
const whole = span();
const view = { session: 0, from: whole[0], to: whole[1] };
const plots = [];

const zoomed = () => view.from > whole[0] || view.to < whole[1];

function look(from, to) {
	const smallest = Math.max((whole[1] - whole[0]) / 20000, 1e-3);
	const width = Math.min(Math.max(to - from, smallest), whole[1] - whole[0]);

	view.from = Math.max(whole[0], Math.min(from, whole[1] - width));
	view.to = view.from + width;
	for (const p of plots)
		if (!p.histogram)
			p.u.setScale("x", { min: view.from, max: view.to });
	changed();
}

const moves = {
	earlier: () => look(view.from - (view.to - view.from) / 4, view.to - (view.to - view.from) / 4),
	later: () => look(view.from + (view.to - view.from) / 4, view.to + (view.to - view.from) / 4),
	in: () => look(view.from + (view.to - view.from) / 4, view.to - (view.to - view.from) / 4),
	out: () => look(view.from - (view.to - view.from) / 2, view.to + (view.to - view.from) / 2),
	reset: () => look(...whole),
};

/* ---- data of a panel */

/* Buckets that are empty only because values come less often than buckets do are bridged
 * (undefined); a hole several times as wide as usual is a gap (null). */
function withGaps(values) {
	const at = [];

	values.forEach((v, i) => known(v) && at.push(i));
	if (at.length < 2)
		return values;
	const holes = at.slice(1).map((i, k) => i - at[k]).sort((a, b) => a - b);
	const usual = holes[Math.floor(holes.length * 0.9)];
	const out = values.slice();

	for (let k = 1; k < at.length; k++)
		if (at[k] - at[k - 1] <= usual * 3)
			for (let i = at[k - 1] + 1; i < at[k]; i++)
				out[i] = undefined;
	return out;
}

function timeData(panel) {
	const s = model.series[view.session];
	const width = s.width_us / 1e6;
	const data = [Array.from({ length: s.n }, (_, i) => s.from_us / 1e6 + (i + 0.5) * width)];
	const none = () => new Array(s.n).fill(null);

	for (const line of panel.lines) {
		const m = s.metric[line.metric];

		if (line.band)
			data.push(m ? withGaps(m.min) : none(), m ? withGaps(m.max) : none());
		data.push(m ? withGaps(m.mean) : none());
	}
	return data;
}

/* ---- drawing */

let ink;

/* A canvas cannot evaluate light-dark(), but an element's computed style can. */
function readColours() {
	const probe = document.body.appendChild(element("span", { hidden: "" }));
	const read = name => {
		probe.style.color = `var(--${name})`;
		return getComputedStyle(probe).color;
	};

	ink = {};
	for (const name of ["panel", "soft", "rule", "grid", "line-1", "line-2", "line-3", "mark", "warn", "bad"])
		ink[name] = read(name);
	ink.lines = [ink["line-1"], ink["line-2"], ink["line-3"]];
	ink.font = `11px ${getComputedStyle(document.body).fontFamily}`;
	probe.remove();
}

const faint = (colour, alpha) => `rgba(${colour.match(/[\d.]+/g).slice(0, 3).join(",")}, ${alpha})`;

/* True if the lines of a panel are so far apart that the lower ones would coincide with the axis, as percentiles of a
 * half-life do. */
function liesApart(panel) {
	const means = panel.lines.map(l => model.metric[l.metric].mean).filter(m => Number.isFinite(m));

	return means.length > 1 && Math.max(...means) > 20 * Math.min(...means);
}

/* Values that are all positive and not nearly the same: of one line, or of lines that lie apart. */
function logPossible(panel) {
	const metrics = panel.lines.map(l => model.metric[l.metric]);
	const low = Math.min(...metrics.map(m => m.min));

	return metrics.every(m => m.min >= 10 ** -m.decimals) && Math.max(...metrics.map(m => m.max)) > 3 * low &&
		(panel.lines.length === 1 ? panel.lines[0].band : liesApart(panel));
}

/* True if peaks would flatten the usual values against the axis. */
function hasPeaks(panel) {
	const { metric } = panel.lines[0];
	const means = model.series[0].metric[metric]?.mean.filter(known).sort((a, b) => a - b) ?? [];

	return model.metric[metric].max > 20 * means[Math.floor(means.length / 2)];
}

/* The range of values, widened to a limit that is near enough not to flatten the line. */
function yRange(panel, log) {
	return (u, low, high) => {
		if (!Number.isFinite(low) || !Number.isFinite(high) || (log && low <= 0))
			return log ? [1, 10] : [0, 1];
		let [from, to] = [low, high];
		if (log) {
			for (const l of panel.limits) {
				if (l.value > to && l.value < 3 * to)
					to = l.value;
				if (l.value < from && l.value > from / 3)
					from = l.value;
			}
			return [from / 1.15, to * 1.15];
		}
		const span = to - from || Math.abs(to) || 1;

		for (const l of panel.limits) {
			if (l.value > to && l.value - to <= 0.8 * span)
				to = l.value;
			if (l.value < from && from - l.value <= 0.8 * span)
				from = l.value;
		}
		const pad = (to - from || Math.abs(to) || 1) * 0.08;

		return [from >= 0 && from < 0.35 * to ? 0 : from >= 0 ? Math.max(0, from - pad) : from - pad, to + pad];
	};
}

/* If a panel has several lines, a limit has the colour of its line. */
function limitInk(panel, limit) {
	const at = panel.lines.findIndex(l => l.metric === limit.metric);

	return panel.lines.length > 1 && at >= 0 ? ink.lines[at % 3] : ink.bad;
}

function drawLimits(u, panel) {
	const { ctx, bbox } = u;
	const ratio = uPlot.pxRatio;

	ctx.save();
	ctx.font = ink.font.replace("11px", `${10.5 * ratio}px`);
	ctx.textAlign = "right";
	const shown = panel.limits.filter(l => l.value >= u.scales.y.min && l.value <= u.scales.y.max)
		.map(l => ({ y: Math.round(u.valToPos(l.value, "y", true)), label: String(+l.value.toPrecision(6)), ink: limitInk(panel, l) }))
		.sort((a, b) => a.y - b.y);
	shown.forEach((limit, i) => {
		const next = shown[i + 1];
		const { y } = limit;
		if (next && next.y - y < 13 * ratio) {
			next.label = `${next.label}, ${limit.label}`;
			limit.label = "";
		}
		const { label } = limit;
		const below = y - bbox.top < 16 * ratio;

		ctx.strokeStyle = limit.ink;
		ctx.lineWidth = ratio;
		ctx.setLineDash([5 * ratio, 4 * ratio]);
		ctx.beginPath();
		ctx.moveTo(bbox.left, y);
		ctx.lineTo(bbox.left + bbox.width, y);
		ctx.stroke();
		ctx.fillStyle = limit.ink;
		ctx.textBaseline = below ? "top" : "bottom";
		ctx.strokeStyle = ink.panel;
		ctx.lineWidth = 3 * ratio;
		ctx.setLineDash([]);
		ctx.lineJoin = "round";
		ctx.strokeText(label, bbox.left + bbox.width - 3 * ratio, y + (below ? 3 : -2) * ratio);
		ctx.fillText(label, bbox.left + bbox.width - 3 * ratio, y + (below ? 3 : -2) * ratio);
	});
	ctx.restore();
}

/* With one session chosen, only its own events. */
const inView = event => !view.session || event.session === model.series[view.session].session;

/* Moments at which a metric of the panel left its usual range: a lane along the bottom edge. */
function drawUnusual(u, moments) {
	const { ctx, bbox } = u;
	const ratio = uPlot.pxRatio;

	ctx.save();
	ctx.beginPath();
	ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
	ctx.clip();
	ctx.fillStyle = ink.soft;
	for (const m of moments) {
		const from = u.valToPos(m.from_us / 1e6, "x", true);
		const width = Math.max(3 * ratio, u.valToPos(m.to_us / 1e6, "x", true) - from);

		ctx.fillRect(from, bbox.top + bbox.height - 6 * ratio, width, 6 * ratio);
	}
	ctx.restore();
}

/* Anomalies of the panel's metrics: a tinted background, and a bar along the top edge. */
function drawEvents(u, events) {
	const { ctx, bbox } = u;
	const ratio = uPlot.pxRatio;

	ctx.save();
	ctx.beginPath();
	ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
	ctx.clip();
	for (const severity of ["info", "warning", "critical"]) {
		const wash = new Path2D(), edge = new Path2D();

		for (const e of events) {
			const from = u.valToPos(e.from_us / 1e6, "x", true);
			const width = Math.max(2 * ratio, u.valToPos(e.to_us / 1e6, "x", true) - from);

			if (e.severity !== severity || from > bbox.left + bbox.width || from + width < bbox.left)
				continue;
			wash.rect(from, bbox.top, width, bbox.height);
			edge.rect(from, bbox.top, width, 3 * ratio);
		}
		const colour = { info: ink.soft, warning: ink.warn, critical: ink.bad }[severity];
		ctx.fillStyle = faint(colour, 0.14);
		ctx.fill(wash);
		ctx.fillStyle = colour;
		ctx.fill(edge);
	}
	ctx.restore();
}

function drawBins(bins, edges) {
	return (u, series, from, to) => {
		const path = new Path2D();
		const floor = u.valToPos(u.scales.y.min, "y", true);

		for (let i = from; i <= to; i++) {
			if (!bins[i])
				continue;
			const left = u.valToPos(edges[i], "x", true);
			const right = u.valToPos(edges[i + 1], "x", true);
			const top = Math.min(u.valToPos(bins[i], "y", true), floor - uPlot.pxRatio);

			path.rect(left, top, Math.max(1, right - left - uPlot.pxRatio), floor - top);
		}
		return { fill: path, stroke: null };
	};
}

/* Percentiles: dotted lines with their names above the plot, in two rows when they crowd. */
function drawMarks(u, marks) {
	const { ctx, bbox } = u;
	const ratio = uPlot.pxRatio;
	const right = bbox.left + bbox.width;
	const named = new Map(), ends = [-Infinity, -Infinity];

	for (const [name, value] of marks)
		if (value >= u.scales.x.min && value <= u.scales.x.max)
			named.set(+value.toPrecision(3), [...(named.get(+value.toPrecision(3)) ?? []), name]);
	ctx.save();
	ctx.font = ink.font.replace("11px", `${11 * ratio}px`);
	ctx.textAlign = "left";
	ctx.textBaseline = "bottom";
	ctx.strokeStyle = ctx.fillStyle = ink.mark;
	ctx.lineWidth = ratio;
	ctx.setLineDash([2 * ratio, 3 * ratio]);
	for (const [value, names] of named) {
		const x = Math.round(u.valToPos(value, "x", true));
		const label = `${names.join(", ")} ${value}`;
		const width = ctx.measureText(label).width;
		let left = Math.max(bbox.left, Math.min(x - width / 2, right - width));
		let row = ends.findIndex(end => left - end > 8 * ratio);

		if (row < 0) {
			row = ends[0] < ends[1] ? 0 : 1;
			left = ends[row] + 8 * ratio;
		}
		const bottom = bbox.top - (2 + row * 13) * ratio;
		ends[row] = left + width;
		ctx.beginPath();
		ctx.moveTo(x, bottom);
		ctx.lineTo(x, bbox.top + bbox.height);
		ctx.stroke();
		ctx.fillText(label, left, bottom);
	}
	ctx.restore();
}

/* ---- one panel */

/* The y axis of plain numbers, of bytes, or logarithmic. */
function yAxis(kind) {
	if (kind === "log")
		return { splits: logSplits, filter: (u, splits) => splits, values: (u, splits) => logTicks(u, splits) };
	if (kind === "bytes")
		return { size: Y_AXIS + 12, incrs: BYTE_STEPS, values: (u, splits) => byteTicks(splits) };
	return { values: (u, splits, axis, space, step) => splits.map(v => v === null ? null : tick(v, step)) };
}

function axes(extra = {}, kind = "") {
	const common = { stroke: ink.soft, font: ink.font, grid: { stroke: ink.grid, width: 1 }, ticks: { show: false } };

	return [
		{
			...common, space: 90, size: 34, gap: 4, values: timeTicks,
			grid: { show: false },
			ticks: { show: true, stroke: ink.rule, size: 4, width: 1 },
			border: { show: true, stroke: ink.rule, width: 1 },
			...extra,
		},
		{ ...common, space: 30, size: Y_AXIS, gap: 4, ...yAxis(kind) },
	];
}

class Panel {
	constructor(figure, spec) {
		this.figure = figure;
		this.spec = spec;
		this.box = $(".plot", figure);
		this.histogram = spec.phase !== undefined;
		this.hidden = new Set();
		this.log = !this.histogram && logPossible(spec) && (spec.lines.length > 1 || hasPeaks(spec));
		this.legend = $(".legend", figure);
		this.values = [];
		this.box.tabIndex = 0;
		this.box.addEventListener("keydown", e => this.key(e));
		this.draw();
		this.fillLegend();
	}

	draw() {
		if (this.u)
			this.u.destroy();
		$$(".when, .empty", this.box).forEach(e => e.remove());
		this.when = this.box.appendChild(element("span", { class: "when", "aria-hidden": "true" }));
		this.when.hidden = true;
		this.u = new uPlot(...(this.histogram ? this.histogramOptions() : this.timeOptions()), this.box);
		this.empty = this.box.appendChild(element("p", { class: "empty" }, words.PAGE_NOT_IN_SESSION));
		this.showEmpty();
	}

	/* The model of a live page has none. */
	unusual() {
		return (model.unusual || []).filter(m => this.spec.lines.some(l => l.metric === m.metric));
	}

	events() {
		return model.events.filter(e => this.spec.lines.some(l => l.metric === e.metric));
	}

	showEmpty() {
		this.empty.hidden = this.histogram || this.u.data.slice(1).some(values => values.some(known));
	}

	size() {
		return { width: Math.max(120, this.box.clientWidth), height: this.box.clientHeight };
	}

	base() {
		return {
			...this.size(),
			padding: [10, 10, 0, 0],
			legend: { show: false },
			cursor: {
				y: false,
				points: { size: 7, width: 1.5 },
				drag: { x: true, y: false, setScale: false },
				bind: { dblclick: () => () => { this.reset(); return null; } },
			},
		};
	}

	reset() {
		if (this.histogram)
			this.show(...this.whole);
		else
			moves.reset();
	}

	/* For a histogram, which has a range of its own. */
	show(from, to) {
		this.range = [from, to];
		this.u.setScale("x", { min: from, max: to });
	}

	selected(u) {
		if (u.select.width < 4)
			return;
		const from = u.posToVal(u.select.left, "x");
		const to = u.posToVal(u.select.left + u.select.width, "x");

		u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
		if (this.histogram)
			this.show(from, to);
		else
			look(from, to);
	}

	timeOptions() {
		const series = [{}], bands = [];

		this.spec.lines.forEach((line, i) => {
			const colour = ink.lines[i % ink.lines.length];
			const show = !this.hidden.has(line.metric);

			if (line.band) {
				const edge = { stroke: faint(colour, 0), width: 0, points: { show: false }, show };
				bands.push({ series: [series.length + 1, series.length], fill: faint(colour, 0.18) });
				series.push({ ...edge }, { ...edge });
			}
			series.push({ stroke: colour, width: 1.5, show, metric: line.metric,
				points: { show: true, size: 4, fill: colour, stroke: colour, filter: lonely } });
		});
		const base = this.base();
		const options = {
			...base,
			scales: {
				x: { time: true, min: view.from, max: view.to, range: (u, min, max) => [min, max] },
				y: { distr: this.log ? 3 : 1, range: yRange(this.spec, this.log) },
			},
			axes: axes({}, this.log ? "log" : model.metric[this.spec.lines[0].metric].unit),
			series, bands,
			cursor: {
				...base.cursor,
				/* The pointer is shared; what a drag selects goes through look(). */
				sync: { key: "time", scales: ["x", null], filters: { pub: type => !/mouse(up|down)|dblclick/.test(type) } },
				points: { ...base.cursor.points, show: (u, i) => u.series[i].metric && cursorPoint(u, i) },
			},
			hooks: {
				drawClear: [u => drawEvents(u, this.events().filter(inView)), u => drawUnusual(u, this.unusual())],
				draw: [u => drawLimits(u, this.spec)],
				setSelect: [u => this.selected(u)],
				setCursor: [u => this.cursorMoved(u)],
			},
		};
		return [options, timeData(this.spec)];
	}

	histogramOptions() {
		const h = model.histogram[this.spec.phase];
		const total = h.bin.reduce((a, b) => a + b, 0);
		let low = h.low, high = h.high;

		if (!(low > 0 && high > low))
			[low, high] = [Math.max(low, 1e-6) / 1.1, Math.max(high, 1e-6) * 1.1];
		const n = h.bin.length;
		this.edges = Array.from({ length: n + 1 }, (_, i) => low * (high / low) ** (i / n));
		this.whole = n > 1 ? [low, high] : [low / 2, high * 2];
		this.range = this.whole;
		this.share = h.bin.map(b => 100 * b / total);
		const middle = this.share.map((_, i) => Math.sqrt(this.edges[i] * this.edges[i + 1]));
		const marks = ["p50", "p95", "p99"].map(p => [p, h[p]]);
		const [x, y] = axes({ values: (u, splits) => logTicks(u, splits), space: 40, size: 24 });

		return [{
			...this.base(),
			padding: [30, 10, 0, 0],
			scales: { x: { time: false, distr: 3, range: () => this.range },
				y: { range: (u, min, max) => [0, (max || 1) * 1.05] } },
			axes: [
				{ ...x, splits: logSplits, filter: (u, splits) => splits },
				{ ...y, values: (u, splits, axis, space, step) => splits.map(v => tick(v, step) + " %") },
			],
			series: [{}, { stroke: ink["line-1"], fill: faint(ink["line-1"], 0.7), points: { show: false },
				paths: drawBins(this.share, this.edges) }],
			hooks: {
				draw: [u => drawMarks(u, marks)],
				setSelect: [u => this.selected(u)],
				setCursor: [u => this.cursorMoved(u)],
			},
		}, [middle, this.share]];
	}

	cursorMoved(u) {
		const i = u.cursor.idx;
		const inside = known(i) && u.cursor.left >= 0;

		this.showValues(inside ? i : null);
		this.when.hidden = !inside;
		if (!inside)
			return;
		this.when.textContent = this.histogram
			? `${rwkvPlain(this.edges[i])} – ${rwkvPlain(this.edges[i + 1])} ${model.metric[this.spec.lines[0].metric].unit}`
			: moment(u.data[0][i], view.to - view.from < 600);
		const left = u.over.offsetLeft + u.cursor.left;
		const width = this.when.offsetWidth;
		const x = Math.max(0, Math.min(left - width / 2, this.box.clientWidth - width));
		const y = this.box.clientHeight - (this.histogram ? 22 : 32);
		this.when.style.transform = `translate(${x}px, ${y}px)`;
	}

	fillLegend() {
		const items = [];

		if (this.histogram) {
			this.values = [element("b")];
			items.push(element("li", {}, words.PAGE_SHARE + " ", this.values[0]));
		}
		(this.histogram ? [] : this.spec.lines).forEach((line, i) => {
			const value = element("b");
			const swatch = element("i");
			const name = this.spec.lines.length > 1 ? shortLabel(this.spec.lines, line) : words.PAGE_MEAN;
			const button = element("button", { type: "button", "aria-pressed": "true" }, swatch, name + " ", value);

			swatch.style.color = `var(--line-${i % 3 + 1})`;
			button.addEventListener("click", () => this.toggle(line.metric, button));
			this.values.push(value);
			items.push(element("li", {}, button));
		});
		if (!this.histogram && logPossible(this.spec))
			items.push(element("li", {}, this.logButton()));
		this.legend.replaceChildren(...items);
		this.showValues(null);
	}

	logButton() {
		const button = element("button", { type: "button", class: "scale" }, words.PAGE_LOG_SCALE);

		button.setAttribute("aria-pressed", String(this.log));
		button.addEventListener("click", () => {
			this.log = !this.log;
			button.setAttribute("aria-pressed", String(this.log));
			this.draw();
		});
		return button;
	}

	showValues(i) {
		if (this.histogram) {
			if (this.values.length)
				this.values[0].textContent = i === null ? "" : this.share[i].toFixed(1) + " %";
			return;
		}
		const s = model.series[view.session];

		this.spec.lines.forEach((line, k) => {
			if (!this.values[k])
				return;
			const m = s.metric[line.metric];
			const mean = i === null ? model.metric[line.metric].mean : m?.mean[i] ?? null;
			let text = quantity(line.metric, mean);

			if (i === null && view.session)
				text = ""; /* only the whole log's means are known */
			else if (i !== null && line.band && mean !== null && m.min[i] !== m.max[i])
				text += ` (${rwkvPlain(m.min[i])} – ${rwkvPlain(m.max[i])})`;
			this.values[k].textContent = text;
		});
	}

	toggle(metric, button) {
		if (!this.hidden.delete(metric))
			this.hidden.add(metric);
		button.setAttribute("aria-pressed", String(!this.hidden.has(metric)));
		this.draw();
	}

	setSession() {
		this.u.setData(timeData(this.spec), false);
		this.u.setScale("x", { min: view.from, max: view.to });
		this.showEmpty();
		this.showValues(null);
	}

	key(event) {
		const u = this.u, n = u.data[0].length;
		const stride = event.shiftKey ? Math.ceil(n / 32) : 1;
		const step = { ArrowLeft: -stride, ArrowRight: stride }[event.key];

		if (event.ctrlKey || event.metaKey || event.altKey)
			return;
		if (step) {
			const [first, last] = u.series[0].idxs;
			const from = known(u.cursor.idx) ? u.cursor.idx + step : step > 0 ? first : last;
			const at = Math.max(first, Math.min(last, from));
			u.setCursor({ left: u.valToPos(u.data[0][at], "x"), top: 10 }, true, true);
			$("#said").textContent = `${this.when.textContent}: ${this.legend.textContent}`;
		} else if (!this.histogram && (event.key === "+" || event.key === "=")) {
			moves.in();
		} else if (!this.histogram && event.key === "-") {
			moves.out();
		} else if (event.key === "0" || event.key === "Escape") {
			this.reset();
		} else {
			return;
		}
		event.preventDefault();
	}
}

/* "State similarity (token shift)" beside "State similarity" is "token shift". */
function shortLabel(lines, line) {
	const labels = lines.map(l => model.metric[l.metric].label);
	const shortest = labels.reduce((a, b) => b.length < a.length ? b : a);
	const label = model.metric[line.metric].label;
	const rest = label.startsWith(shortest) ? label.slice(shortest.length).trim() : "";

	return /^\(.+\)$/.test(rest) ? rest.slice(1, -1) : label;
}

/* Draws points only for values without a neighbour, which a line would not show. */
function lonely(u, series, show, gaps) {
	const data = u.data[series];
	const count = data.filter(known).length;
	const out = [];
	let last = -1;

	for (let i = 0; i < data.length; i++) {
		if (!known(data[i]))
			continue;
		let right = i + 1;
		while (right < data.length && data[right] === undefined)
			right++;
		const joinsLeft = last >= 0 && data.slice(last + 1, i).every(v => v === undefined);
		const joinsRight = right < data.length && known(data[right]);
		if (count <= 40 || (!joinsLeft && !joinsRight))
			out.push(i);
		last = i;
	}
	return out;
}

function cursorPoint(u, i) {
	const point = document.createElement("div");

	point.style.background = u.series[i].stroke();
	return point;
}

/* Labels within a decade, by how many decades there are. */
const LOG_STEPS = [
	[4, [1]],
	[0.9, [1, 2, 5]],
	[0.3, [1, 1.5, 2, 3, 5, 7]],
	[-Infinity, [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9]],
];

/* At least two labels: a range too narrow for the steps is divided evenly. */
function logSplits(u, axis, low, high) {
	const decades = Math.log10(high / low);

	if (!(low > 0 && Number.isFinite(decades)))
		return [];
	const [, steps] = LOG_STEPS.find(([least]) => decades > least);
	const out = [];

	for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++)
		for (const s of steps)
			if (s * 10 ** e >= low && s * 10 ** e <= high)
				out.push(s * 10 ** e);
	if (out.length >= 2)
		return out;
	return Array.from({ length: 4 }, (_, i) => low + (high - low) * i / 3);
}

function logTicks(u, splits) {
	return splits.map(v => v >= 1e5 || v < 1e-3 ? v.toExponential(0) : String(+v.toPrecision(3)));
}

/* ---- all panels */

function drawAll() {
	readColours();
	for (const p of plots)
		p.draw();
}

function resizeAll() {
	for (const p of plots) {
		const { width, height } = p.size();

		if (p.u.width !== width || p.u.height !== height)
			p.u.setSize({ width, height });
	}
}

/* Draws into every figure that names a panel of the model. */
function drawInto(place) {
	readColours();
	for (const figure of $$("[data-panel]", place)) {
		const spec = model.panels.find(p => p.id === figure.dataset.panel);

		if (spec)
			plots.push(new Panel(figure, spec));
	}
}

/* The model's series have new values: a view of the whole range stays a view of the whole range. */
function refresh() {
	const follows = !zoomed();

	[whole[0], whole[1]] = span();
	for (const p of plots)
		if (!p.histogram)
			p.setSession();
	if (follows)
		look(...whole);
}

return { $, $$, known, fill: rwkvFill, element, quantity, day, clock, moment, two, whole, view, plots, zoomed, look, moves,
	drawInto, drawAll, resizeAll, refresh };
};
})();
