/* Opens pages of `tune` in Chromium and compares them with what the same run printed as JSON.
 *
 *   node tune_test.mjs [--shots DIR] PAGE.html...      PAGE.json lies beside
 *
 * Every page: the plots' points are the measured settings, those on the Pareto front are marked, the faster stands higher and
 * the larger further right; the table has every setting; no error, no request, no script; 360 px, dark, inert texts, no
 * accessibility violation that axe-core knows, and on a Chinese page no English sentence. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "./pages.mjs";

const measured = race => race.settings.filter(s => s.rounds && s.tokens_per_second !== null);

/* Of each plot: its points by their numbers. */
const plotsOf = page => page.evaluate(() => [...document.querySelectorAll("svg.front")].map(svg => ({
	race: Number(svg.closest("section").getAttribute("aria-labelledby").split("-")[1]),
	points: [...svg.querySelectorAll(".point")].map(g => ({
		number: Number(g.querySelector(".name").textContent),
		on: g.classList.contains("on"),
		ring: !!g.querySelector(".ring"),
		x: Number(g.querySelector(".dot").getAttribute("cx")),
		y: Number(g.querySelector(".dot").getAttribute("cy")),
		title: g.querySelector("title").textContent,
	})),
	corners: (svg.querySelector(".stair").getAttribute("d").match(/[ML]/g) ?? []).length,
	outside: [...svg.querySelectorAll("text, circle")].filter(e => {
		const box = e.getBBox(), all = svg.viewBox.baseVal;
		return box.x < 0 || box.y < 0 || box.x + box.width > all.width || box.y + box.height > all.height;
	}).map(e => e.outerHTML),
})));

/* The table's numbers: the fastest first, those without a speed last; of equals the order is the page's. */
const bySpeed = race => [...race.settings].sort((a, b) => (b.tokens_per_second ?? -1) - (a.tokens_per_second ?? -1));

const checks = {
	async "the points are the measured settings"({ page, json }) {
		const plots = await plotsOf(page);
		assert.ok(plots.length > 0, "no plot");
		for (const { race, points, outside, corners } of plots) {
			const settings = measured(json.races[race]), order = bySpeed(json.races[race]);
			assert.equal(points.length, settings.length);
			assert.equal(points.filter(p => p.on).length, settings.filter(s => s.front).length);
			assert.equal(points.filter(p => p.ring).length, settings.filter(s => s.result === "chosen").length);
			for (const p of points) {
				assert.equal(p.on, order[p.number - 1].front, p.title);
				assert.ok(p.title.includes(order[p.number - 1].strategy), p.title);
			}
			assert.ok(corners > 0, "no stair");
			assert.deepEqual(outside, []);
		}
	},

	async "the faster stands higher, the larger further right"({ page, json }) {
		for (const [i, { race, points }] of (await plotsOf(page)).entries()) {
			const order = bySpeed(json.races[race]);
			const titles = await page.locator("svg.front").nth(i).getAttribute("aria-label");
			const key = /MiB/.test(titles) ? "memory_mb" : "kl_nats";
			for (const a of points)
				for (const b of points) {
					const [x, y] = [order[a.number - 1], order[b.number - 1]];
					if (x.tokens_per_second > y.tokens_per_second)
						assert.ok(a.y <= b.y, `${a.title} is not above ${b.title}`);
					if (x[key] > y[key])
						assert.ok(a.x >= b.x, `${a.title} is not to the right of ${b.title}`);
				}
		}
	},

	async "the tables have every setting, and the chosen one is marked"({ page, json }) {
		for (const [i, race] of json.races.entries()) {
			const rows = page.locator(`section[aria-labelledby=race-${i}] tbody tr`);
			assert.equal(await rows.count(), race.settings.length);
			assert.equal(await page.locator(`section[aria-labelledby=race-${i}] tr.chosen`).count(),
				race.settings.filter(s => s.result === "chosen").length);
		}
		if (json.chosen)
			assert.ok((await page.locator("#choice").textContent()).includes(json.chosen.strategy));
	},

	async "the raw results are those that were printed"({ page, json }) {
		assert.deepEqual(JSON.parse(await page.locator("#raw-text").textContent()), json);
	},

	async "texts are inert, and there is no script"({ page, file }) {
		assert.equal(await page.locator("script, body img, body iframe, body object").count(), 0);
		if (file.includes("hostile"))
			assert.ok((await page.locator("tbody").first().textContent()).includes("<img src=x onerror=alert(1)>"));
	},
};

/* The page forbids scripts; the check's own have to pass. */
await test(checks, {
	options: { bypassCSP: true },
	ready: async opened => { opened.json = JSON.parse(readFileSync(opened.file.replace(/html$/, "json"), "utf8")); },
});
