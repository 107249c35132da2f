/* The live page in Chromium, over real runs that go on and a hostile log.
 *
 *   node live_test.mjs [--shots DIR] RWKVMON WORK_DIR
 *
 * Numbers move; a new instance appears; the page comes back after the server was restarted; nothing a log says runs;
 * 360 px and dark; no error, no request to anywhere else. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

const args = process.argv.slice(2);
const shots = args.includes("--shots") ? resolve(args.splice(args.indexOf("--shots"), 2)[1]) : null;
const [rwkvmon, work] = args;
const children = new Set();
const logs = join(work, "logs");

mkdirSync(logs, { recursive: true });

/* The runs go on as fast as they can: they give way to all else. */
function start(...argv) {
	const child = spawn("nice", ["-n", argv[0] === "run" ? "19" : "0", rwkvmon, ...argv], { stdio: ["ignore", "ignore", "pipe"] });

	children.add(child);
	child.on("exit", () => children.delete(child));
	return child;
}

const stop = child => new Promise(done => { child.on("exit", done); child.kill("SIGTERM"); });

/* The first line on standard error that looks like an address. */
const addressOf = child => new Promise((done, fail) => {
	let said = "";

	child.stderr.on("data", data => {
		said += data;
		const match = /http:\/\/[0-9.:]+/.exec(said);
		if (match)
			done(match[0]);
	});
	child.on("exit", () => fail(new Error(`ended early: ${said}`)));
});

const run = name => start("run", "--prompt", "It was a dark night", "--tokens", "100000000", "--log", join(logs, `${name}.log`), "--quiet");
const serve = (listen, ...more) => start("serve", logs, "--listen", listen, "--lang", "en", ...more);

const runs = [run("one")];
let server = serve("127.0.0.1:0");
const url = await addressOf(server);
const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
	args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync"],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
const page = await context.newPage();
const problems = [];
let restarting = false;
let fleetUrl = url;

page.on("console", m => ["error", "warning"].includes(m.type()) && !restarting && !/willReadFrequently/.test(m.text()) && problems.push(m.text()));
page.on("pageerror", e => problems.push(e.stack ?? String(e)));
page.on("dialog", d => { problems.push(`dialog: ${d.message()}`); d.dismiss(); });
page.on("request", r => { if (!r.url().startsWith(url) && !r.url().startsWith(fleetUrl) && !r.url().startsWith("data:")) problems.push(`request: ${r.url()}`); });
page.setDefaultTimeout(120_000);

const shoot = async what => shots && page.screenshot({ path: join(shots, `live.${what}.png`), fullPage: true });
const tokens = name => page.evaluate(n => {
	const article = [...document.querySelectorAll("article")].find(a => a.querySelector("h2 span").textContent.includes(n));
	return +(/([\d,]+) tokens/.exec(article?.querySelector(".what").textContent ?? "")?.[1].replaceAll(",", "") ?? -1);
}, name);
const until = async (what, test) => {
	for (let i = 0; i < 600; i++) {
		if (await test())
			return;
		await page.waitForTimeout(200);
	}
	assert.fail(`waited in vain for: ${what}`);
};
const moves = async (what, name) => {
	const before = await tokens(name);
	await until(what, async () => await tokens(name) > before);
};

/* axe-core finds nothing, in light and dark, without movement. */
const AXE = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const accessible = async () => {
	for (const colorScheme of ["light", "dark"]) {
		await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
		const { violations, passes } = await page.evaluate(`${AXE}; axe.run()`);
		assert.ok(passes.length > 10, "axe-core looked at nothing");
		assert.deepEqual(violations.map(v => `${v.id}: ${v.nodes[0].html.slice(0, 160)} (${v.nodes.length})`), [], colorScheme);
	}
	await page.emulateMedia({ colorScheme: "light" });
};

const tests = {
	async "numbers of a running instance move"() {
		await page.goto(url);
		await page.waitForSelector("article .tile");
		await page.waitForSelector("article canvas");
		await moves("more tokens", ":");
		assert.equal(await page.textContent("article h2 small"), "up");
	},
	async "its charts get what comes"() {
		const newest = () => page.evaluate(() => document.querySelector("article [data-panel] canvas").getContext("2d")
			.getImageData(0, 0, 400, 200).data.reduce((a, b) => (a * 31 + b) | 0, 0));
		const before = await newest();
		await until("another picture", async () => await newest() !== before);
	},
	async "a new log appears beside it"() {
		runs.push(run("two"));
		await until("a second column", async () => await page.locator("article").count() === 2);
		await moves("more tokens", ":");
		await page.waitForSelector("article:nth-of-type(2) canvas");
		await page.waitForTimeout(4000);
		await shoot("two");
	},
	async "what a log says stays text"() {
		copyFileSync(join(work, "hostile.log"), join(logs, "hostile.log"));
		await until("the hostile instance", async () => await page.locator("article").count() === 3);
		assert.equal(await page.locator("article img").count(), 0);
		assert.match(await page.locator("article").nth(2).locator(".what").textContent(), /<\/script><img src=x onerror=alert\(1\)>/);
	},
	async "it is accessible"() {
		await accessible();
	},
	async "it fits into 360 px"() {
		await page.setViewportSize({ width: 360, height: 740 });
		await page.waitForTimeout(500);
		assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "sideways scrolling");
		await shoot("phone");
		await page.setViewportSize({ width: 1280, height: 1000 });
	},
	async "it uses the width of a large screen"() {
		await page.setViewportSize({ width: 1600, height: 1000 });
		await page.waitForTimeout(500);
		const [main, column] = await page.evaluate(() => ["main", "article"].map((what) =>
			document.querySelector(what).getBoundingClientRect().width));
		assert.ok(main > 1500 && column > 480, `${main} px, ${column} px an instance`);
		await shoot("large");
		await page.setViewportSize({ width: 1280, height: 1000 });
	},
	async "dark mode is dark"() {
		await page.emulateMedia({ colorScheme: "dark" });
		const light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0));
		assert.ok(light < 150, `background of ${light}`);
		await page.waitForTimeout(300);
		await shoot("dark");
		await page.emulateMedia({ colorScheme: "light" });
	},
	async "it comes back after the server was restarted"() {
		restarting = true;
		await stop(server);
		await page.waitForSelector("#link[data-lost]");
		server = serve(url.slice("http://".length));
		await addressOf(server);
		await until("the connection", async () => !await page.locator("#link[data-lost]").count());
		restarting = false;
		await moves("more tokens", ":");
	},
	async "a run that ends is down"() {
		await stop(runs.pop());
		await until("the badge", async () => (await page.locator("article h2 small.tone-none").count()) === 2); /* and the hostile log's, which is old */
	},
	async "an address that is no percent-encoding is looked for as it stands"() {
		await page.goto("about:blank");
		await page.goto(`${url}/#instance=%E4%`);
		await until("words", async () => /^No charts of this instance/.test(await page.textContent("main")));
		await page.goto("about:blank");
	},
	async "many instances have an overview, and each a page"() {
		const rows = page.locator("#overview tbody tr");
		const many = start("serve", join(work, "fleet"), "--listen", "127.0.0.1:0", "--lang", "en");

		fleetUrl = await addressOf(many);
		await page.goto(fleetUrl);
		await until("all in a list", async () => await rows.count() === 9);
		const slow = rows.filter({ hasText: "host3:" });
		await until("the slow one and the hostile one on top", async () => /its 7 peers/.test(await slow.textContent()) &&
			/host3:/.test(await rows.nth(0).textContent() + await rows.nth(1).textContent()));
		assert.equal(await page.locator("#overview img").count(), 0);
		assert.ok(await page.evaluate(() => document.documentElement.scrollHeight) < 2000, "tall");
		await accessible();
		await shoot("overview");
		await page.fill("#overview input", "HOST5");
		assert.equal(await rows.count(), 1);
		assert.match(await page.textContent("#overview .count"), /^1 shown of 9$/);
		await page.fill("#overview input", "");
		assert.match(await page.textContent("#overview .judged"), /^(ATTENTION|CRITICAL) /);
		await slow.locator("a").click();
		await page.waitForSelector("article canvas");
		assert.match(await page.textContent("article h2"), /^host3:/);
		await until("what its peers say", async () => /^ATTENTION Compared with the other instances: .*its 7 peers\.$/.test(
			await page.locator("article .judged:not([hidden])").nth(1).textContent({ timeout: 500 }).catch(() => "")));
		await page.click("#back");
		await page.waitForSelector("#overview:not([hidden])");
		await page.fill("#overview input", "host6");
		await page.locator("#overview canvas").click({ position: { x: 5, y: 3 } });
		await page.waitForSelector("article canvas");
		assert.match(await page.textContent("article h2"), /^host6:/);
		await page.setViewportSize({ width: 360, height: 740 });
		await page.click("#back");
		await page.waitForSelector("#overview:not([hidden])");
		assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "sideways scrolling");
		await page.setViewportSize({ width: 1280, height: 1000 });
		restarting = true;
		await stop(many);
		await page.goto("about:blank");
		restarting = false;
	},
	async "the overview says what it cannot read, and goes on trying"() {
		const many = start("serve", join(work, "fleet"), "--listen", "127.0.0.1:0", "--lang", "en");
		let answer = route => route.fulfill({ status: 503, body: "" });

		fleetUrl = await addressOf(many);
		restarting = true; /* Chromium's own words about the 503 */
		await page.route("**/api/v1/fleet", route => answer(route));
		await page.goto(fleetUrl);
		await until("why", async () => await page.textContent("#link[data-lost]") === "the overview could not be read (HTTP 503); trying again");
		answer = route => route.fulfill({ status: 200, body: "{" });
		await until("why else", async () => /\(.*JSON.*\); trying again$/.test(await page.textContent("#link")));
		answer = route => route.continue();
		await page.waitForSelector("#overview tbody tr");
		await until("no such words", async () => await page.locator("#link[data-lost]").count() === 0);

		/* An answer that comes after an instance was opened does not cover it; neither does an older one a newer one. */
		const held = [];
		answer = route => held.push(route);
		await until("a question", async () => held.length === 1);
		await page.evaluate(() => { location.hash = "#instance=" + encodeURIComponent(document.querySelector("tbody tr").dataset.instance); });
		await page.waitForSelector("article canvas");
		await held.shift().continue().catch(() => {});
		await page.waitForTimeout(500);
		assert.ok(await page.isHidden("#overview") && await page.locator("article canvas").count());
		assert.ok(await page.isVisible("#back"));
		await page.click("#back");
		await until("a question", async () => held.length === 1);
		assert.equal(await page.locator("article").count(), 0);
		assert.ok(await page.isVisible("#overview"));
		answer = route => route.continue();
		await held.shift().continue();
		await page.waitForTimeout(500);
		assert.equal(await page.locator("article").count(), 0);

		/* By keys alone: to an instance and back to its row, which stays where the focus is when new numbers come. */
		const focused = () => page.evaluate(() => document.activeElement.closest("tr")?.dataset.instance ?? document.activeElement.id);
		const row = page.locator("#overview tbody tr").nth(1);
		const name = await row.getAttribute("data-instance");
		await row.locator("a").focus();
		await page.keyboard.press("Enter");
		await page.waitForSelector("article canvas");
		assert.equal(await focused(), "back");
		await page.keyboard.press("Enter");
		await until("its row", async () => await focused() === name);
		await page.waitForTimeout(6000); /* another answer */
		assert.equal(await focused(), name);
		await page.unroute("**/api/v1/fleet");
		await stop(many);
		await page.goto("about:blank");
		restarting = false;
	},
	async "the overview speaks Chinese"() {
		const many = start("serve", join(work, "fleet"), "--listen", "127.0.0.1:0", "--lang", "zh");

		fleetUrl = await addressOf(many);
		restarting = true;
		await page.goto(fleetUrl);
		await page.waitForSelector("#overview tbody tr");
		const said = await page.locator("#overview").evaluate(e => [...e.querySelectorAll("th, td:nth-child(8), .judged b, .count")]
			.map(c => c.textContent).filter(t => !/^(host|\W*$)/.test(t)));
		assert.deepEqual(said.filter(t => /[a-z]{4,}/.test(t) && !/^(tokens\/s|ms\/Token|Token\/s)$/.test(t) && !/hostile/.test(t)), []);
		await stop(many);
		await page.goto("about:blank");
		restarting = false;
	},
	async "the token opens the page"() {
		const guarded = serve("127.0.0.1:0", "--listen-token", "a-token-for-the-page");
		const there = await addressOf(guarded);
		const other = await browser.newContext();
		const visitor = await other.newPage();

		assert.equal((await visitor.goto(there)).status(), 401);
		await visitor.goto(`${there}/?token=a-token-for-the-page`);
		await visitor.waitForSelector("article");
		assert.equal(new URL(visitor.url()).search, "");
		await other.close();
		await stop(guarded);
	},
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
	try {
		await test();
		console.log(`ok: ${name}`);
	} catch (e) {
		console.log(`FAILED: ${name}: ${e.message}`);
		failed++;
	}
}
for (const p of problems)
	console.log(`FAILED: ${p}`);
await browser.close();
for (const child of children)
	child.kill("SIGKILL");
process.exit(failed || problems.length ? 1 : 0);
