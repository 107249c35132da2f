/* Opens report pages in Chromium and checks what a reader relies on.
 *
 *   node report_test.mjs [--shots DIR] REPORT.html...
 *
 * Every page: no error, no request but itself, under 2 MB, every chart and diagram drawn, the diagrams' sources rendered
 * by the real Mermaid, zoom and reset, no sideways scrolling at 360 px, dark mode, inert log text, no accessibility
 * violation that axe-core knows, and on a Chinese page no English sentence. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const library = path => readFileSync(new URL(`node_modules/${path}`, import.meta.url), "utf8");
const AXE = library("axe-core/axe.min.js"), MERMAID = library("mermaid/dist/mermaid.min.js");

const BYTES_MAX = 2_000_000;
const args = process.argv.slice(2);
const shots = args.includes("--shots") ? resolve(args.splice(args.indexOf("--shots"), 2)[1]) : null;

const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
	args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/* What Chromium says about this test's own reading of pixels. */
const ours = /willReadFrequently/;

/* A page whose errors, dialogs and requests are kept. */
async function open(file, options = {}) {
	const viewport = { width: 1280, height: 900 };
	const context = await browser.newContext({ viewport, timezoneId: "Asia/Shanghai", ...options });
	const page = await context.newPage();
	const url = pathToFileURL(resolve(file)).href;
	const seen = { problems: [], requests: [] };

	page.on("console", m => ["error", "warning"].includes(m.type()) && !ours.test(m.text()) && seen.problems.push(m.text()));
	page.on("pageerror", e => seen.problems.push(e.stack ?? String(e)));
	page.on("dialog", d => { seen.problems.push(`dialog: ${d.message()}`); d.dismiss(); });
	page.on("request", r => { if (r.url() !== url && !r.url().startsWith("data:")) seen.requests.push(r.url()); });
	await page.goto(url);
	await page.waitForFunction(() => document.documentElement.classList.contains("scripted"));
	return { page, context, seen };
}

const shot = (file, what) => join(shots, `${basename(file, ".html")}.${what}`);

async function shoot(page, file, what, options = {}) {
	if (shots)
		await page.screenshot({ path: shot(file, `${what}.png`), fullPage: true, ...options });
}

const checks = {
	/* A canvas that holds more than two colours has a line on it; panels may be empty only by saying so. */
	async "every chart is drawn"({ page }) {
		const blank = await page.evaluate(() => [...document.querySelectorAll("[data-panel]")].filter(panel => {
			const canvas = panel.querySelector("canvas");
			if (!canvas)
				return true;
			if (!panel.querySelector(".empty").hidden)
				return false;
			const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
			const colours = new Set();
			for (let i = 0; i < data.length && colours.size < 8; i += 4)
				if (data[i + 3])
					colours.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
			return colours.size < 2;
		}).map(panel => panel.dataset.panel));
		assert.deepEqual(blank, []);
	},

	async "dragging zooms all time charts, double click resets"({ page }) {
		const over = page.locator("[data-panel] .u-over").first();
		const panel = page.locator("[data-panel]").first();
		if (!await over.count() || !(await page.locator("#range").textContent()))
			return;
		const range = () => page.locator("#range").textContent();
		const before = await range();
		await panel.scrollIntoViewIfNeeded();
		const box = await over.boundingBox();
		const y = box.y + box.height / 2;
		await page.mouse.move(box.x + box.width * 0.3, y);
		await page.mouse.down();
		await page.mouse.move(box.x + box.width * 0.5, y, { steps: 4 });
		await page.mouse.up();
		assert.notEqual(await range(), before, "the drag changed nothing");
		assert.equal(await page.locator("#range").getAttribute("data-zoomed"), "true");
		await shoot(page, current, "zoomed", { fullPage: false });
		await page.mouse.dblclick(box.x + box.width * 0.5, y);
		assert.equal(await range(), before, "double click did not reset");
	},

	async "the keyboard moves the cursor and zooms"({ page }) {
		const plot = page.locator("[data-panel] .plot").first();
		if (!await plot.count() || await page.locator("[data-panel] .empty").first().isVisible())
			return;
		await plot.focus();
		await page.keyboard.press("ArrowRight");
		assert.ok(await page.locator(".when:visible").count(), "no cursor");
		const before = await page.locator("#range").textContent();
		await page.keyboard.press("+");
		assert.notEqual(await page.locator("#range").textContent(), before);
		await page.keyboard.press("0");
		assert.equal(await page.locator("#range").textContent(), before);
	},

	async "each session and each event can be looked at"({ page }) {
		const n = await page.locator("#session option").count();
		for (let i = n - 1; i >= 0 && n > 1; i--)
			await page.locator("#session").selectOption(String(i));
		const event = page.locator("[data-event]").first();
		if (!await event.count())
			return;
		await event.click();
		assert.match(page.url(), /#t=/);
		await page.locator('[data-move="reset"]').click();
	},

	async "scales and lines switch and stay drawn"({ page }) {
		for (const button of await page.locator(".legend button").all()) {
			const before = await button.getAttribute("aria-pressed");
			await button.click();
			assert.notEqual(await button.getAttribute("aria-pressed"), before);
			if ((await button.getAttribute("class")) === "scale")
				await checks["every chart is drawn"]({ page });
			await button.click();
			assert.equal(await button.getAttribute("aria-pressed"), before);
		}
	},

	async "lines that lie far apart have a logarithmic axis"({ page }) {
		const scale = page.locator('[data-panel="half_life"] .scale');
		if (await page.locator('[data-panel="half_life"]').count())
			assert.equal(await scale.getAttribute("aria-pressed"), "true");
	},

	async "raw findings open and download"({ page }) {
		const details = page.locator("#raw-details");
		if (!await details.isVisible())
			return;
		await details.locator("summary").click();
		await page.waitForFunction(() => document.querySelector("#raw-text").textContent);
		JSON.parse(await page.locator("#raw-text").textContent());
		const download = page.waitForEvent("download");
		await page.locator("#download").click();
		assert.equal((await download).suggestedFilename(), "findings.json");
		await details.locator("summary").click();
	},

	async "no sideways scrolling at 360 px"({ page }) {
		await page.setViewportSize({ width: 360, height: 740 });
		await page.waitForTimeout(150);
		const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth
			? [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1
				&& !e.closest(".scroll")).slice(0, 5).map(e => e.outerHTML.slice(0, 120)) : []);
		assert.deepEqual(wide, []);
		await shoot(page, current, "360");
		await page.setViewportSize({ width: 1280, height: 900 });
		await page.waitForTimeout(150);
	},

	async "light and dark"({ page }) {
		const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
		const light = await background();
		await shoot(page, current, "light");
		await page.locator("#theme").click();
		const dark = await background();
		assert.notEqual(dark, light);
		await checks["every chart is drawn"]({ page });
		await shoot(page, current, "dark");
		await page.locator("#theme").click();
		assert.equal(await background(), light);
		await page.emulateMedia({ colorScheme: "dark" });
		await page.evaluate(() => delete document.documentElement.dataset.theme);
		assert.equal(await background(), dark);
		await page.emulateMedia({ colorScheme: "light" });
	},

	async "log text is inert"({ page }) {
		assert.equal(await page.locator("body img, body iframe, body object").count(), 0);
		assert.equal(await page.locator("script").count(), 3);
		if (current.includes("hostile"))
			assert.ok(await page.locator("bdi", { hasText: "</script><img src=x onerror=alert(1)>" }).count());
	},

	/* Text that leaves its box is text that nobody laid out. */
	async "every diagram is drawn, and its words fit their boxes"({ page }) {
		await page.evaluate(() => document.querySelectorAll("details").forEach(d => (d.open = true)));
		const drawn = await page.evaluate(() => [...document.querySelectorAll("svg.diagram")].map(svg => ({
			name: svg.querySelector("title").textContent,
			texts: svg.querySelectorAll("text").length,
			outside: [...svg.querySelectorAll("text.word, text.ask")].filter(text => {
				const box = text.previousElementSibling.getBBox(), words = text.getBBox();
				return words.x < box.x || words.x + words.width > box.x + box.width;
			}).map(text => text.textContent),
			wide: [...svg.querySelectorAll("text")].filter(text => {
				const words = text.getBBox();
				return words.x + words.width > svg.viewBox.baseVal.x + svg.viewBox.baseVal.width;
			}).map(text => text.textContent),
		})));
		assert.equal(drawn.length, 3, "the page has three diagrams");
		for (const { name, texts, outside, wide } of drawn) {
			assert.ok(texts > 8, `${name}: only ${texts} texts`);
			assert.deepEqual(outside, [], name);
			assert.deepEqual(wide, [], name);
		}
		assert.ok(await page.locator("svg.tree .lit").count() > 2, "no path is lit");
	},

	async "the real Mermaid renders each source, with the same words"({ page }) {
		const sources = await page.locator(".mermaid-source").allTextContents();
		const words = await page.evaluate(() => [...document.querySelectorAll("svg.diagram")].map(svg =>
			[...svg.querySelectorAll("text.word, text.ask, text.box-name")].map(t => t.textContent)));
		assert.equal(sources.length, 3);
		const bench = await page.context().newPage();
		await bench.addScriptTag({ content: MERMAID });
		for (const [i, source] of sources.entries()) {
			const shown = await bench.evaluate(async ([source, i]) => {
				mermaid.initialize({ startOnLoad: false, securityLevel: "strict" });
				document.body.innerHTML = (await mermaid.render(`drawn${i}`, source)).svg;
				return { text: document.body.textContent, lit: document.querySelectorAll(".node.lit").length };
			}, [source, i]);
			const flat = text => text.replace(/\s+/g, "");
			for (const word of words[i])
				assert.ok(flat(shown.text).includes(flat(word)), `${word} is missing from Mermaid's drawing ${i}`);
			if (source.includes("class q_"))
				assert.ok(shown.lit > 0, "Mermaid lights no path up");
			if (shots)
				await bench.screenshot({ path: shot(current, `mermaid${i}.png`), fullPage: true });
		}
		await bench.close();
	},

	async "axe-core finds nothing, light and dark"({ page }) {
		await page.evaluate(AXE);
		for (const colorScheme of ["light", "dark"]) {
			await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
			const { violations, passes } = await page.evaluate(() => axe.run());
			assert.ok(passes.length > 15, "axe-core looked at nothing");
			assert.deepEqual(violations.map(v => `${v.id}: ${v.nodes[0].html.slice(0, 160)} (${v.nodes.length})`), [], colorScheme);
		}
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

	async "each button, plot and table has a name"({ page }) {
		const nameless = await page.locator("button, select, .plot, [role=group]").evaluateAll(all => all
			.filter(e => !(e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label")))
			.map(e => e.outerHTML.slice(0, 100)));
		assert.deepEqual(nameless, []);
	},
};

let current, failed = 0;

if (shots)
	mkdirSync(shots, { recursive: true });
for (const file of args) {
	current = file;
	console.log(file);
	assert.ok(statSync(file).size < BYTES_MAX, `${file} is larger than ${BYTES_MAX} bytes`);
	const opened = await open(file);
	const run = async (name, check) => {
		try {
			await check(opened);
			console.log(`  ok      ${name}`);
		} catch (e) {
			failed++;
			console.log(`  FAILED  ${name}\n${String(e.message).replace(/^/gm, "          ")}`);
		}
	};

	for (const [name, check] of Object.entries(checks))
		await run(name, check);
	await run("no error, no warning", ({ seen }) => assert.deepEqual(seen.problems, []));
	await run("no request leaves the page", ({ seen }) => assert.deepEqual(seen.requests, []));
	if (shots)
		await opened.page.pdf({ path: shot(file, "pdf"), format: "A4", printBackground: true });
	await opened.context.close();

	const bare = await browser.newContext({ javaScriptEnabled: false });
	const page = await bare.newPage();
	await run("verdict and headings are there without JavaScript", async () => {
		await page.goto(pathToFileURL(resolve(file)).href);
		assert.ok((await page.locator("#verdict, #diagnosis").first().textContent()).trim().length > 1);
	});
	await bare.close();
}
await browser.close();
console.log(failed ? `${failed} checks failed` : "all checks passed");
process.exitCode = failed ? 1 : 0;
