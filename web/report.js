/* report.js - the report page around its charts (charts.js): controls, times, the shown range, print.
 * Texts from the log reach the page through textContent only. */
(() => {
"use strict";

const model = JSON.parse(document.getElementById("model").textContent);
const findings = JSON.parse(document.getElementById("findings").textContent);
const words = model.text;
const root = document.documentElement;
const charts = rwkvCharts(model, () => showRange());
const { $, $$, fill, element, day, clock, moment, two, whole, view, plots, zoomed, look, moves, drawAll, resizeAll } = charts;

root.classList.add("scripted");

function zone() {
	const ahead = -new Date().getTimezoneOffset();
	const minutes = Math.abs(ahead);

	return ahead ? `UTC${ahead < 0 ? "−" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}` : "UTC";
}

function localTimes() {
	for (const e of $$("time")) {
		const d = new Date(e.dateTime);

		if (Number.isNaN(+d))
			continue;
		e.title = `${e.dateTime} (UTC)`;
		e.textContent = `${day(d)} ${clock(d)}`;
	}
	$("#zone").textContent = fill(words.PAGE_TIMES, zone());
}

function showRange() {
	const output = $("#range");
	const fine = view.to - view.from < 10;

	output.textContent = `${moment(view.from, fine)} – ${moment(view.to, fine)}`;
	output.dataset.zoomed = zoomed();
	$('[data-move="reset"]').disabled = !zoomed();
	remember();
}

/* The address keeps the shown session and range, so that a link to them can be shared. */
function remember() {
	const parts = [];

	if (zoomed())
		parts.push(`t=${view.from.toFixed(3)}-${view.to.toFixed(3)}`);
	if (view.session)
		parts.push(`s=${view.session}`);
	try {
		history.replaceState(null, "", parts.length ? "#" + parts.join("&") : location.pathname + location.search);
	} catch { /* some viewers forbid it */ }
}

function recall() {
	const m = /[#&]t=(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)/.exec(location.hash);
	const s = /[#&]s=(\d+)/.exec(location.hash);

	if (s && model.series[+s[1]])
		view.session = +s[1];
	if (m && +m[1] < +m[2] && +m[1] < whole[1] && +m[2] > whole[0])
		[view.from, view.to] = [Math.max(+m[1], whole[0]), Math.min(+m[2], whole[1])];
}

/* ---- the page */

function setUpTheme() {
	const dark = matchMedia("(prefers-color-scheme: dark)");
	const button = $("#theme");

	button.hidden = false;
	button.addEventListener("click", () => {
		const now = root.dataset.theme || (dark.matches ? "dark" : "light");

		root.dataset.theme = now === "dark" ? "light" : "dark";
		drawAll();
	});
	dark.addEventListener("change", drawAll);
}

function setUpControls() {
	const select = $("#session");

	$("#controls").hidden = !plots.length;
	model.series.forEach((s, i) => {
		const option = element("option", { value: String(i) });

		option.textContent = i ? s.session : words.PAGE_ALL_SESSIONS;
		select.append(option);
	});
	if (model.series.length > 1 && model.sessions_undrawn) {
		const option = element("option", { disabled: "" });

		option.textContent = fill(words.PAGE_SESSIONS_UNDRAWN, model.sessions_undrawn.toLocaleString("en"));
		select.append(option);
	}
	select.value = String(view.session);
	select.parentElement.hidden = model.series.length < 2;
	select.addEventListener("change", () => setSession(+select.value));
	for (const b of $$("[data-move]"))
		b.addEventListener("click", moves[b.dataset.move]);
	for (const b of $$("[data-event]")) {
		b.hidden = false;
		b.addEventListener("click", () => showEvent(model.events[+b.dataset.event]));
	}
}

function setSession(i) {
	view.session = i;
	$("#session").value = String(i);
	for (const p of plots)
		if (!p.histogram)
			p.setSession();
	remember();
}

function showEvent(e) {
	const length = Math.max((e.to_us - e.from_us) / 1e6, 10 * model.series[0].width_us / 1e6);
	const at = plots.find(p => !p.histogram && p.spec.lines.some(l => l.metric === e.metric));

	if (view.session && model.series[view.session].session !== e.session)
		setSession(0);
	look(e.from_us / 1e6 - length, e.to_us / 1e6 + length);
	if (!at)
		return;
	at.figure.scrollIntoView({ block: "center" });
	at.box.focus({ preventScroll: true });
}

function setUpRaw() {
	const details = $("#raw-details");

	details.parentElement.hidden = findings === null;
	if (findings === null)
		return;
	details.addEventListener("toggle", () => {
		if (details.open && !$("#raw-text").textContent)
			$("#raw-text").textContent = JSON.stringify(findings, null, 1);
	});
	const button = $("#download");
	button.hidden = false;
	button.addEventListener("click", () => {
		const json = new Blob([JSON.stringify(findings, null, 1)], { type: "application/json" });
		const url = URL.createObjectURL(json);

		element("a", { href: url, download: "findings.json" }).click();
		setTimeout(() => URL.revokeObjectURL(url), 10000);
	});
}

/* In print, folded sections are shown. */
function setUpPrint() {
	const back = { opened: [] };

	addEventListener("beforeprint", () => {
		back.theme = root.dataset.theme;
		root.dataset.theme = "light";
		root.classList.add("printing");
		back.opened = [...$$("details.section-details:not([open])")];
		back.opened.forEach(d => (d.open = true));
		drawAll();
	});
	addEventListener("afterprint", () => {
		if (back.theme)
			root.dataset.theme = back.theme;
		else
			delete root.dataset.theme;
		root.classList.remove("printing");
		back.opened.forEach(d => (d.open = false));
		drawAll();
	});
}

localTimes();
recall();
charts.drawInto(document);
setUpTheme();
setUpControls();
setUpRaw();
setUpPrint();
if (plots.length)
	look(view.from, view.to);
new ResizeObserver(resizeAll).observe(document.body);
})();
