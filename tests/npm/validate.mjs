// Reads { asyncapi, diagrams, events, broken } from stdin, and says what is wrong with each:
//
//	asyncapi    a document: its official parser must find no error
//	diagrams    texts that Mermaid must read
//	events      CloudEvents in JSON: the document's schemas must accept each
//	broken      events that they must refuse
//
// Exit status: 0 all is as it must be, 1 not.
import { readFileSync } from "node:fs";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import mermaid from "mermaid";
import parser from "@asyncapi/parser";

const job = JSON.parse(readFileSync(0, "utf8"));
const wrong = [];

const { document, diagnostics } = await new parser.Parser().parse(JSON.stringify(job.asyncapi));
for (const found of diagnostics)
	if (found.severity === 0)
		wrong.push(`asyncapi: ${found.path.join("/")}: ${found.message}`);
if (!document)
	wrong.push("asyncapi: is no document");

for (const diagram of job.diagrams) {
	try {
		await mermaid.parse(diagram);
	} catch (error) {
		wrong.push(`mermaid: ${error}\n${diagram}`);
	}
}

const ajv = new Ajv({ strict: false });
addFormats(ajv);
ajv.addSchema(job.asyncapi, "choreography");

// undefined: no message has that type and version.
function refusalOf(event) {
	const name = `${event.type}.${event.version}`;
	const pointer = `choreography#/components/messages/${encodeURIComponent(name)}/payload`;
	const validate = name in job.asyncapi.components.messages ? ajv.compile({ $ref: pointer }) : undefined;

	if (!validate)
		return `no message is ${name}`;
	return validate(event) ? null : ajv.errorsText(validate.errors);
}

for (const event of job.events) {
	const refusal = refusalOf(event);

	if (refusal)
		wrong.push(`event ${JSON.stringify(event)}: ${refusal}`);
}
for (const event of job.broken)
	if (!refusalOf(event))
		wrong.push(`accepted, and broken: ${JSON.stringify(event)}`);

for (const text of wrong)
	console.log(text);
console.log(`${job.diagrams.length} diagrams, ${job.events.length} events, ${job.broken.length} broken ones: ${wrong.length} wrong`);
process.exit(wrong.length ? 1 : 0);
