// What a message says, as far as the mail needs it. Whoever may publish may send anything: each field is looked at.

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const WHY_MOST = 255;

// By event type. A Map: an object would also know `__proto__` and `toString`.
const texts = new Map([
	["order.fulfilled", () => "Your order is on its way."],
	["order.cancelled", ({ why }) => `Your order is cancelled: ${why}.`],
]);

function readWhy(data) {
	const why = typeof data === "object" && data !== null && Object.hasOwn(data, "why") ? data.why : null;
	return typeof why === "string" && why ? why.slice(0, WHY_MOST) : "no reason was given";
}

// The order and the text of its mail; text null: of this event there is none. Null: it is no event.
export function readMail(json) {
	let event;
	try {
		event = JSON.parse(json);
	} catch {
		return null;
	}
	if (typeof event !== "object" || event === null) return null;
	const { sagaid, type, data } = event;
	if (typeof sagaid !== "string" || !UUID.test(sagaid) || typeof type !== "string") return null;
	const text = texts.get(type);
	return { order: sagaid, text: text ? text({ why: readWhy(data) }) : null };
}
