/* pages.mjs - what the tests of pages that are files begin with and end with: Chromium, a page whose errors, dialogs and
 * requests are kept, and the checks that hold for every page.
 *
 *   node tests/page/report_test.mjs [--shots DIR] PAGE.html... */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const BYTES_MAX = 2_000_000;
const WIDE = { width: 1280, height: 900 };
const files = process.argv.slice(2);

export const shots = files.includes("--shots") ? resolve(files.splice(files.indexOf("--shots"), 2)[1]) : null;
export const library = path => readFileSync(new URL(`node_modules/${path}`, import.meta.url), "utf8");
export const shot = (file, what) => join(shots, `${basename(file, ".html")}.${what}`);

export async function shoot(page, file, what, options = {}) {
	if (shots)
		await page.screenshot({ path: shot(file, `${what}.png`), fullPage: true, ...options });
}

const AXE = library("axe-core/axe.min.js");
/* What axe-core finds on a page. Rows of a table are alike: of each table it sees the first eight; and where a dark page differs is
 * its colours. */
const ROWS = 8;
const axed = (page, rules) => page.evaluate(async ([rules, rows]) => {
	const more = [...document.querySelectorAll("tr")].filter(r => r.sectionRowIndex >= rows && !r.hidden);

	more.forEach(r => (r.hidden = true));
	const found = await axe.run({ resultTypes: ["violations"], selectors: false, ...(rules && { runOnly: rules }) });
	more.forEach(r => (r.hidden = false));
	return found;
}, [rules, ROWS]);
const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
	args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/* What Chromium says about a test's own reading of pixels. */
const ours = /willReadFrequently/;

export async function open(file, options = {}) {
	const context = await browser.newContext({ viewport: WIDE, timezoneId: "Asia/Shanghai", ...options });
	const page = await context.newPage();
	const url = pathToFileURL(resolve(file)).href;
	const seen = { problems: [], requests: [] };

	page.on("console", m => ["error", "warning"].includes(m.type()) && !ours.test(m.text()) && seen.problems.push(m.text()));
	page.on("pageerror", e => seen.problems.push(e.stack ?? String(e)));
	page.on("dialog", d => { seen.problems.push(`dialog: ${d.message()}`); d.dismiss(); });
	page.on("request", r => { if (r.url() !== url && !r.url().startsWith("data:")) seen.requests.push(r.url()); });
	await page.goto(url);
	return { page, context, seen, file };
}

/* Checks of every page, after its own. */
const ofEveryPage = {
	async "no sideways scrolling at 360 px"({ page, file }) {
		await page.setViewportSize({ width: 360, height: 740 });
		await page.waitForTimeout(150);
		const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth
			? [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1
				&& !e.closest(".scroll")).slice(0, 5).map(e => e.outerHTML.slice(0, 120)) : []);
		assert.deepEqual(wide, []);
		await shoot(page, file, "360");
		await page.setViewportSize(WIDE);
		await page.waitForTimeout(150);
	},

	async "light and dark, and axe-core finds nothing in either"({ page, file }) {
		const backgrounds = new Set();
		await page.evaluate(() => document.querySelectorAll("details").forEach(d => (d.open = true)));
		await page.evaluate(AXE);
		for (const colorScheme of ["light", "dark"]) {
			await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
			backgrounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
			const { violations, passes } = await axed(page, colorScheme === "dark" ? ["color-contrast"] : null);
			assert.ok(passes.length > (colorScheme === "dark" ? 0 : 10), "axe-core looked at nothing");
			assert.deepEqual(violations.map(v => `${v.id}: ${v.nodes[0].html.slice(0, 160)} (${v.nodes.length})`), [], colorScheme);
			await shoot(page, file, colorScheme);
		}
		assert.equal(backgrounds.size, 2);
		await page.emulateMedia({ colorScheme: "light" });
	},

	/* Names of things may be Latin; three plain words in a row are a sentence that nobody translated. */
	async "no English sentence on a Chinese page"({ page }) {
		if (await page.evaluate(() => document.documentElement.lang) === "en")
			return;
		const english = await page.evaluate(() => {
			const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
			for (let node; (node = walk.nextNode());)
				if (!node.parentElement.closest("script, bdi, pre, style, .mark") && /(\b[a-z]{2,}\b[ ,.]+){3}/.test(node.data))
					found.push(node.data.trim().slice(0, 80));
			for (const element of document.querySelectorAll("[aria-label], [title]"))
				for (const name of ["aria-label", "title"])
					if (/(\b[a-z]{2,}\b[ ,.]+){3}/.test(element.getAttribute(name) ?? ""))
						found.push(element.getAttribute(name).slice(0, 80));
			return found;
		});
		assert.deepEqual(english, []);
	},

	/* A line must not break between a number and its unit. */
	async "units stay with their numbers"({ page }) {
		const torn = await page.evaluate(() => {
			const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
			for (let node; (node = walk.nextNode());)
				if (!node.parentElement.closest("script, bdi, pre, style, code, svg") &&
					/\d (ms|s|min|%|MiB|GiB|nats|tokens\/s)(?![\w/])/.test(node.data))
					found.push(node.data.trim().slice(0, 120));
			return found;
		});
		assert.deepEqual(torn, []);
	},

	async "no error, no warning"({ seen }) {
		assert.deepEqual(seen.problems, []);
	},

	async "no request leaves the page"({ seen }) {
		assert.deepEqual(seen.requests, []);
	},
};

/* Runs the checks on every page that was named. ready(opened) comes before them, last(opened, run) after them; options are
 * those of the page's context. */
export async function test(checks, { options = {}, ready = async () => {}, last = async () => {} } = {}) {
	let failed = 0;

	if (shots)
		mkdirSync(shots, { recursive: true });
	for (const file of files) {
		console.log(file);
		assert.ok(statSync(file).size < BYTES_MAX, `${file} is larger than ${BYTES_MAX} bytes`);
		const opened = await open(file, options);
		const run = async (name, check) => {
			try {
				await check(opened);
				console.log(`  ok      ${name}`);
			} catch (e) {
				failed++;
				console.log(`  FAILED  ${name}\n${String(e.message).replace(/^/gm, "          ")}`);
			}
		};

		await ready(opened);
		for (const [name, check] of Object.entries({ ...checks, ...ofEveryPage }))
			await run(name, check);
		await last(opened, run);
		await opened.context.close();
	}
	await browser.close();
	console.log(failed ? `${failed} checks failed` : "all checks passed");
	process.exitCode = failed ? 1 : 0;
}
