/* Opens pages of `tune` in Chromium and compares them with what the same run printed as JSON.
 *
 *   node tune_test.mjs [--shots DIR] PAGE.html...      PAGE.json lies beside
 *
 * Every page: the plots' points are the measured settings, those on the Pareto front are marked, the faster stands higher and
 * the larger further right; the table has every setting; no error, no request, no script; 360 px, dark, inert texts, no
 * accessibility violation that axe-core knows, and on a Chinese page no English sentence. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const AXE = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const BYTES_MAX = 2_000_000;
const args = process.argv.slice(2);
const shots = args.includes("--shots") ? resolve(args.splice(args.indexOf("--shots"), 2)[1]) : null;
const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
	args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

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

	async "no sideways scrolling at 360 px"({ page, file }) {
		await page.setViewportSize({ width: 360, height: 740 });
		const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
		assert.equal(wide, false);
		if (shots)
			await page.screenshot({ path: join(shots, `${basename(file, ".html")}.360.png`), fullPage: true });
		await page.setViewportSize({ width: 1280, height: 900 });
	},

	async "light and dark, and axe-core finds nothing in either"({ page, file }) {
		const backgrounds = new Set();
		await page.evaluate(() => document.querySelectorAll("details").forEach(d => (d.open = true)));
		for (const colorScheme of ["light", "dark"]) {
			await page.emulateMedia({ colorScheme });
			backgrounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
			await page.evaluate(AXE);
			const { violations, passes } = await page.evaluate(() => axe.run());
			assert.ok(passes.length > 10, "axe-core looked at nothing");
			assert.deepEqual(violations.map(v => `${v.id}: ${v.nodes[0].html.slice(0, 160)}`), [], colorScheme);
			if (shots)
				await page.screenshot({ path: join(shots, `${basename(file, ".html")}.${colorScheme}.png`), fullPage: true });
		}
		assert.equal(backgrounds.size, 2);
	},

	async "no English sentence on a Chinese page"({ page }) {
		if (await page.evaluate(() => document.documentElement.lang) === "en")
			return;
		const english = await page.evaluate(() => {
			const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
			for (let node; (node = walk.nextNode());)
				if (!node.parentElement.closest("bdi, pre, style, .mark") && /(\b[a-z]{2,}\b[ ,.]+){3}/.test(node.data))
					found.push(node.data.trim().slice(0, 80));
			return found;
		});
		assert.deepEqual(english, []);
	},

	async "no error and no request"({ seen }) {
		assert.deepEqual(seen, []);
	},
};

let failed = 0;

if (shots)
	mkdirSync(shots, { recursive: true });
for (const file of args) {
	console.log(file);
	assert.ok(statSync(file).size < BYTES_MAX, `${file} is larger than ${BYTES_MAX} bytes`);
	const json = JSON.parse(readFileSync(file.replace(/html$/, "json"), "utf8"));
	/* The page forbids scripts; the check's own have to pass. */
	const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, bypassCSP: true });
	const page = await context.newPage();
	const url = pathToFileURL(resolve(file)).href, seen = [];
	page.on("console", m => ["error", "warning"].includes(m.type()) && seen.push(m.text()));
	page.on("pageerror", e => seen.push(String(e)));
	page.on("dialog", d => { seen.push(`dialog: ${d.message()}`); d.dismiss(); });
	page.on("request", r => r.url() !== url && !r.url().startsWith("data:") && seen.push(r.url()));
	await page.goto(url);
	for (const [name, check] of Object.entries(checks))
		try {
			await check({ page, json, file, seen });
			console.log(`  ok      ${name}`);
		} catch (e) {
			failed++;
			console.log(`  FAILED  ${name}\n${String(e.message).replace(/^/gm, "          ")}`);
		}
	await context.close();
}
await browser.close();
console.log(failed ? `${failed} checks failed` : "all checks passed");
process.exitCode = failed ? 1 : 0;
