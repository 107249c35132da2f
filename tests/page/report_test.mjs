/* Opens report pages in Chromium and checks what a reader relies on.
 *
 *   node report_test.mjs [--shots DIR] REPORT.html...
 *
 * Every page: no error, no request but itself, under 2 MB, every chart and diagram drawn, the diagrams' sources rendered
 * by the real Mermaid, zoom and reset, no sideways scrolling at 360 px, dark mode, inert log text, no accessibility
 * violation that axe-core knows, and on a Chinese page no English sentence. */
import assert from "node:assert/strict";
import { library, open, shoot, shot, shots, test } from "./pages.mjs";

const MERMAID = library("mermaid/dist/mermaid.min.js");

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

	async "dragging zooms all time charts, double click resets"({ page, file }) {
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
		await shoot(page, file, "zoomed", { fullPage: false });
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
		const n = await page.locator("#session option:not([disabled])").count();
		const undrawn = await page.evaluate(() => JSON.parse(document.getElementById("model").textContent).sessions_undrawn);
		if (n > 1 && undrawn)
			assert.ok((await page.textContent("#session option[disabled]")).includes(undrawn.toLocaleString("en")), "sessions left out unsaid");
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

	async "light and dark"({ page }) {
		const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
		const light = await background();
				await page.locator("#theme").click();
		const dark = await background();
		assert.notEqual(dark, light);
		await checks["every chart is drawn"]({ page });
				await page.locator("#theme").click();
		assert.equal(await background(), light);
		await page.emulateMedia({ colorScheme: "dark" });
		await page.evaluate(() => delete document.documentElement.dataset.theme);
		assert.equal(await background(), dark);
		await page.emulateMedia({ colorScheme: "light" });
	},

	async "log text is inert"({ page, file }) {
		assert.equal(await page.locator("body img, body iframe, body object").count(), 0);
		assert.equal(await page.locator("script").count(), 3);
		if (file.includes("hostile"))
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
			wide: [...svg.querySelectorAll("text, rect")].filter(text => {
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

	async "the real Mermaid renders each source, with the same words"({ page, file }) {
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
				await bench.screenshot({ path: shot(file, `mermaid${i}.png`), fullPage: true });
		}
		await bench.close();
	},

	async "each button, plot and table has a name"({ page }) {
		const nameless = await page.locator("button, select, .plot, [role=group]").evaluateAll(all => all
			.filter(e => !(e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label")))
			.map(e => e.outerHTML.slice(0, 100)));
		assert.deepEqual(nameless, []);
	},
};

await test(checks, {
	ready: ({ page }) => page.waitForFunction(() => document.documentElement.classList.contains("scripted")),
	async last({ page, file }, run) {
		if (shots)
			await page.pdf({ path: shot(file, "pdf"), format: "A4", printBackground: true });
		const bare = await open(file, { javaScriptEnabled: false });
		await run("verdict and headings are there without JavaScript", async () =>
			assert.ok((await bare.page.locator("#verdict, #diagnosis").first().textContent()).trim().length > 1));
		await bare.context.close();
	},
});
