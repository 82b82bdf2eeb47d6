// The mails that were sent: a file, a line each. It is also what tells that an order had its mail.
import { appendFileSync, fsyncSync, ftruncateSync, openSync, readFileSync } from "node:fs";

export class SentMails {
	#file;
	#orders = new Set();

	constructor(path) {
		this.#file = openSync(path, "a+");
		const bytes = readFileSync(this.#file);
		const whole = bytes.lastIndexOf("\n") + 1; // behind it: half a line, of a process that was killed
		if (whole < bytes.length) ftruncateSync(this.#file, whole);
		for (const line of bytes.subarray(0, whole).toString().split("\n"))
			if (line) this.#orders.add(JSON.parse(line).order);
	}

	// Whether it was sent now. It is on the disk when this returns; what can't be written throws.
	send(order, text) {
		if (this.#orders.has(order)) return false;
		appendFileSync(this.#file, JSON.stringify({ order, text }) + "\n");
		fsyncSync(this.#file);
		this.#orders.add(order);
		return true;
	}
}
