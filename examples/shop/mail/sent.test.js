import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { SentMails } from "./sent.js";

let folder, path;

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "mails-"));
	path = join(folder, "mails.ndjson");
});
afterEach(() => rmSync(folder, { recursive: true }));

const lines = () => readFileSync(path, "utf8").split("\n").filter(Boolean).map(JSON.parse);

test("an order has one mail, also after a restart", () => {
	const mails = new SentMails(path);
	assert.equal(mails.send("a", "one\nline"), true);
	assert.equal(mails.send("a", "again"), false);
	const restarted = new SentMails(path);
	assert.equal(restarted.send("a", "again"), false);
	assert.equal(restarted.send("b", "two"), true);
	assert.deepEqual(lines(), [{ order: "a", text: "one\nline" }, { order: "b", text: "two" }]);
});

test("half a line is taken back, and its mail sent", () => {
	new SentMails(path).send("ä", "ü");
	appendFileSync(path, Buffer.from('{"order":"b","text":"\u00fc').subarray(0, -1));
	const mails = new SentMails(path);
	assert.equal(mails.send("ä", "again"), false);
	assert.equal(mails.send("b", "two"), true);
	assert.deepEqual(lines(), [{ order: "ä", text: "ü" }, { order: "b", text: "two" }]);
});
