/* How long a report page takes in a real Chromium from navigation to its charts drawn.
 *
 *     node bench/open_report.mjs REPORT.html [ROUNDS]
 *
 * Needs what the page tests need: Chromium, and `npm --prefix tests/page ci`. Each round is a new browser context. `drawn`:
 * every chart's canvas has lines and a frame with them went to the compositor. Prints medians. */
import { createRequire } from "node:module";
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const { chromium } = createRequire(new URL("../tests/page/package.json", import.meta.url))("playwright-core");
const [file, rounds = "9"] = process.argv.slice(2);
const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
	args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});

/* In the page: when the first frame after the charts' code ran is out. */
function whenDrawn() {
	return new Promise(done => {
		const blank = canvas => {
			const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
			return !data.some((v, i) => i % 4 === 3 && v);
		};
		const look = () => {
			const ms = performance.now();
			const canvases = [...document.querySelectorAll("[data-panel] canvas")];
			if (!document.documentElement.classList.contains("scripted") || !canvases.length || canvases.some(blank))
				return requestAnimationFrame(look);
			const [navigation] = performance.getEntriesByType("navigation");
			done({ drawn: ms, parsed: navigation.domInteractive, charts: canvases.length });
		};
		requestAnimationFrame(() => requestAnimationFrame(look));
	});
}

async function round() {
	const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
	const page = await context.newPage();

	await page.goto(pathToFileURL(resolve(file)).href, { waitUntil: "commit" });
	const seen = await page.evaluate(whenDrawn);
	await context.close();
	return seen;
}

const median = values => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

await round(); /* the browser's own first steps */
const seen = [];
for (let i = 0; i < +rounds; i++)
	seen.push(await round());
const of = key => Math.round(median(seen.map(s => s[key])));
console.log(`${file}: ${(statSync(file).size / 1e6).toFixed(2)} MB, ${seen[0].charts} charts: parsed ${of("parsed")} ms, drawn ${of("drawn")} ms after navigation began (median of ${rounds}; most ${Math.round(Math.max(...seen.map(s => s.drawn)))} ms)`);
await browser.close();
