#ifndef SAGA_CHOREOGRAPHY_H
#define SAGA_CHOREOGRAPHY_H

/*
 * Contracts, and the proof of a choreography.
 *
 * A contract is what one participant declares, as a JSON document. All contracts of one domain are
 * a choreography. The checker explores every interleaving of one saga, by the same tables that run
 * it, and says where the saga would rest without an end, keep an effect that it should have taken
 * back, wait for ever. So a program proves in a unit test that it fits the others:
 *
 *	char mine[65536];
 *	const saga_contract contracts[] = { { "order", mine }, { "stock.json", stock } };
 *	saga_check *check;
 *
 *	if (saga_contract_json(&order, mine, sizeof mine) >= sizeof mine)
 *		return "too long";
 *	if (saga_choreography_check(contracts, 2, NULL, &check, &error) != SAGA_OK)
 *		return error.text;
 *	passed = check->passed;
 *	saga_check_free(check);
 *
 * The command `saga check FILE...` does the same. No function here touches a store, a transport, a
 * clock or a disk. Any thread.
 */

#include <saga/participant.h>

SAGA_BEGIN

/* ---- contracts ---- */

/*
 * Writes the contract of a declaration as JSON and a NUL. Cuts the text if size is too small.
 * Returns the length of the whole text without the NUL, as snprintf does; 0 if saga_open would
 * refuse the declaration, or without memory. One declaration always makes the same bytes.
 *
 * The document:
 *
 *	contract      1, the version of this form
 *	participant   its name
 *	requests      the types that saga_submit brings
 *	steps         of each step what saga_step_def holds, but for functions and retry rules; a
 *	              list, a text or a flag that is empty is left out
 *	ends          of each type that ends a saga "done" or "undone"
 *	unheard       the types that nobody needs to hear
 *	types         of each type its name, version and fields
 *	digest        SHA-256 of all that stands before it: it tells contracts apart, and no
 *	              reader checks it
 *
 * A field is "text", "reason", "int64", "flag", "bytes" or "id", with a `?` behind it if it is
 * optional; or { "list": FIELDS }, { "part": FIELDS }, { "part?": FIELDS }. The labels of a type
 * are named beside its fields.
 *
 * One that is no participant, a mail service of others or a warehouse, may have a contract too: a
 * file with `contract`, `participant`, `hears`, `says` and, if it is known, `types`.
 */
SAGA_API size_t saga_contract_json(const saga_participant_def *def, char *buffer, size_t size);

/* ---- the check ---- */

typedef struct saga_contract {
	const char *name; /* what an error calls it: the name of its file */
	const char *json;
} saga_contract;

/* Hears how far an exploration is; `waiting` states are yet to be looked at. */
typedef void saga_check_progress(void *user, size_t states, size_t waiting);

typedef struct saga_check_options {
	size_t size;
	int subjects;  /* how many subjects a `per_subject` step has, 1 to 8; 0: 2 */
	int dying;     /* so many slots may die, or get stuck, in one saga; at most 8 */
	size_t states; /* the most states; 0: 10 million */
	saga_check_progress *progress; /* NULL: nobody; called each 65,536 states */
	void *user;
} saga_check_options;

#ifndef __cplusplus
#define SAGA_CHECK_OPTIONS(...) \
	(&(const saga_check_options){ .size = sizeof(saga_check_options), __VA_ARGS__ })
#endif

typedef enum saga_finding_kind {
	SAGA_FINDING_BREACH = 1,   /* the choreography is wrong */
	SAGA_FINDING_WARNING = 2,  /* declared, and can't happen */
	SAGA_FINDING_OPEN = 3,     /* at rest the saga waits for a request that is owed */
	SAGA_FINDING_OPERATOR = 4, /* with `dying`: an operator must end it */
	SAGA_FINDING_ASSUMED = 5   /* believed, not proved: a declaration that is not enforced */
} saga_finding_kind;

typedef struct saga_finding {
	saga_finding_kind kind;
	const char *text;          /* "payment.charge keeps its effect though ... is out" */
	const char *const *moves;  /* the shortest way there, a line each; NULL: it shows in the
	                              declarations */
	size_t move_count;
	const char *diagram;       /* the same way as a Mermaid sequence diagram; NULL: no way */
} saga_finding;

/*
 * The findings of a check. Memory: a state takes state_bytes, with its place in the table of
 * states; 10 million of up to 200 bytes fit into 2 GiB.
 */
typedef struct saga_check {
	bool passed;                   /* no breach, and whole */
	bool whole;                    /* every state was looked at: the limit did not stop it */
	int subjects;
	int dying;
	size_t states;
	size_t moves;
	size_t rests;                  /* states in which nothing but a request changes anything */
	size_t state_bytes;
	const saga_finding *findings;  /* breaches first, the shortest way first */
	size_t finding_count;
	const char *const *ends;       /* each set of ends that a saga rests with, or "-" */
	size_t end_count;
} saga_check;

/*
 * Composes contracts and explores them. SAGA_OK: the check was made, *ret_check says how it went,
 * and the caller frees it with saga_check_free. SAGA_MALFORMED: a contract can't be read, names
 * what it does not have, or contradicts itself or another one; error names the contract and the
 * member.
 * SAGA_MISUSE: an option. SAGA_TOO_BIG: beyond 400 steps with their subjects, or 512 events.
 * SAGA_UNSUPPORTED: a build without JSON. SAGA_NOMEM. `options` may be NULL.
 */
SAGA_API int saga_choreography_check(const saga_contract *contracts, size_t count,
	const saga_check_options *options, saga_check **ret_check, saga_error *error) SAGA_MUST_USE;
SAGA_API void saga_check_free(saga_check *check);

/* ---- drawings ---- */

typedef enum saga_drawing {
	SAGA_DRAW_MERMAID = 0, /* mermaid.js.org */
	SAGA_DRAW_DOT = 1      /* graphviz.org */
} saga_drawing;

/*
 * Draws the map of a choreography: participants as groups of steps, solid lines for events that run
 * a step, dotted ones for those that undo or bar it, and the ends.
 *
 * SAGA_OK: the caller frees *ret_text by free. MALFORMED, UNSUPPORTED and NOMEM as of
 * saga_choreography_check.
 */
SAGA_API int saga_choreography_draw(const saga_contract *contracts, size_t count,
	saga_drawing form, char **ret_text, saga_error *error) SAGA_MUST_USE;

/*
 * Draws the shortest run that rests with that end, "order.fulfilled", as a sequence diagram of
 * Mermaid. UNKNOWN: it is no end, or no saga rests with it. Else as above.
 */
SAGA_API int saga_choreography_sequence(const saga_contract *contracts, size_t count,
	const char *end, char **ret_text, saga_error *error) SAGA_MUST_USE;

/* ---- for other tools ---- */

/*
 * The choreography as an AsyncAPI 3.0 document in JSON (asyncapi.com): a channel and a message for
 * each type of event, with the attributes of CloudEvents and the body's schema; an operation for
 * each event that a step hears or says, with its participant as a tag. Requests are no events: they
 * are not in it. The document's version is a digest of the contracts.
 *
 * SAGA_OK: the caller frees *ret_json by free. MISUSE: there is no contract. MALFORMED,
 * UNSUPPORTED and NOMEM as of saga_choreography_check.
 */
SAGA_API int saga_choreography_asyncapi(const saga_contract *contracts, size_t count,
	char **ret_json, saga_error *error) SAGA_MUST_USE;

/*
 * The body of one type, "order.placed", as JSON Schema (json-schema.org, draft-07): its newest
 * version, as the participant declares it that says it. An event may have more members, which its
 * readers ignore; a request may not. UNKNOWN: no contract has the type. Else as above.
 */
SAGA_API int saga_choreography_schema(const saga_contract *contracts, size_t count,
	const char *type, char **ret_json, saga_error *error) SAGA_MUST_USE;

SAGA_END

#endif
