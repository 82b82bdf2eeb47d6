import assert from "node:assert/strict";
import { test } from "node:test";
import { readMail } from "./events.js";

const ORDER = "0190f3c2-0200-7000-8000-000000000000";
const read = (event) => readMail(JSON.stringify({ sagaid: ORDER, ...event }));

test("two types have a mail", () => {
	assert.deepEqual(read({ type: "order.fulfilled", data: {} }), { order: ORDER, text: "Your order is on its way." });
	assert.equal(read({ type: "order.cancelled", data: { why: "too dear" } }).text, "Your order is cancelled: too dear.");
});

test("no other type has one, whatever it is called", () => {
	const others = ["order.placed", "", "__proto__", "toString", "constructor", "hasOwnProperty", "valueOf"];
	for (const type of others) assert.deepEqual(read({ type, data: {} }), { order: ORDER, text: null });
});

test("a reason that is no text is none", () => {
	const none = "Your order is cancelled: no reason was given.";
	const reasons = [undefined, null, "", 7, true, [], ["x"], {}, { toString: 1 }, { toString: "x", valueOf: null }];
	for (const why of reasons) assert.equal(read({ type: "order.cancelled", data: { why } }).text, none);
	for (const data of [undefined, null, 7, "why", [], true])
		assert.equal(read({ type: "order.cancelled", data }).text, none);
	assert.equal(readMail(`{"sagaid":"${ORDER}","type":"order.cancelled","data":{"__proto__":{"why":"x"}}}`).text, none);
	assert.ok(read({ type: "order.cancelled", data: { why: "x".repeat(1e5) } }).text.length < 300);
});

test("what is no event is none", () => {
	const none = ["", "{", "null", "7", "[]", '"x"', "{}", "[null]", "\u0000", '{"__proto__":null}'];
	for (const json of none) assert.equal(readMail(json), null);
	for (const sagaid of [undefined, null, 7, {}, [], "", "x", "__proto__", ORDER + "0", ORDER + "\n", { toString: 1 }])
		assert.equal(read({ sagaid, type: "order.fulfilled" }), null);
	for (const type of [undefined, null, 7, {}, [], { toString: 1 }]) assert.equal(read({ type }), null);
});
