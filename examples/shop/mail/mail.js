#!/usr/bin/env node
// The shop's mail: tells a customer once what became of an order. A mail is a line in a file.
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { AckPolicy, DeliverPolicy, connect, nanos } from "nats";
import { readMail } from "./events.js";
import { SentMails } from "./sent.js";

const PAUSE_MS = 500; // before it asks again what the servers could not answer
const ACK_MS = 5000; // until what was not acked comes again

const { values: settings } = parseArgs({
	options: {
		bus: { type: "string", default: process.env.SHOP_BUS ?? "nats://127.0.0.1:4222" },
		file: { type: "string", default: "mails.ndjson" },
		from: { type: "string", default: "oldest" }, // or now: where it starts when it is new
	},
});

const [, servers, domain = "saga"] =
	/^nats:\/\/([^/?]+)(?:\/([\w-]+))?(?:\?|$)/.exec(settings.bus) ??
	fail(`--bus ${settings.bus}: it must be nats://HOST:PORT[,HOST:PORT]...[/DOMAIN]`);

function fail(why) {
	console.error(why);
	process.exit(2);
}

// The servers keep its place under its name, so it goes on where it was.
async function openConsumer(connection) {
	const manager = await connection.jetstreamManager();
	await manager.consumers.add(domain, {
		durable_name: "mail",
		filter_subject: `${domain}.e.*.*.*.*.*.*.order.*`,
		ack_policy: AckPolicy.Explicit,
		ack_wait: nanos(ACK_MS),
		deliver_policy: settings.from === "now" ? DeliverPolicy.New : DeliverPolicy.All,
	});
	return connection.jetstream().consumers.get(domain, "mail");
}

function handle(message, mails) {
	const mail = readMail(message.string());
	if (!mail) {
		console.error(`no event in JSON, left aside: ${message.seq} of ${JSON.stringify(message.subject)}`);
		message.term();
		return;
	}
	if (mail.text) mails.send(mail.order, mail.text);
	message.ack(); // only now: what was not written comes again
}

async function main() {
	const mails = new SentMails(settings.file);
	const connection = await connect({
		servers: servers.split(","),
		name: "mail",
		waitOnFirstConnect: true,
		maxReconnectAttempts: -1,
	});
	let isOver = false;
	for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => (isOver = true));

	let consumer;
	while (!isOver) {
		try {
			consumer ??= await openConsumer(connection);
			for await (const message of await consumer.fetch({ max_messages: 100, expires: 1000 }))
				handle(message, mails);
		} catch (error) {
			if (error.name !== "NatsError") throw error;
			console.error(`asks again: ${error.message}`);
			consumer = undefined;
			await sleep(PAUSE_MS);
		}
	}
	await connection.drain();
}

await main();
