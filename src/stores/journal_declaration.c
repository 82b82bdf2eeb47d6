/*
 * Which declaration the store is worked by. Two instances whose steps differ would each lose what
 * only the other one has: an event that its own steps don't know passes, and an undo finds no slot
 * under its step's other name. So a store is opened with another declaration only once no instance
 * of the former one lives; and one that stood still meanwhile stops when it renews its lease.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dialect.h"
#include "journal_sql.h"

enum {
	DIGEST = 16 /* characters */
};

struct digest {
	uint64_t hash;
};

static void add(struct digest *digest, const char *text)
{
	for (const char *at = text ? text : ""; *at; at++)
		digest->hash = (digest->hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
	digest->hash = (digest->hash ^ 0xff) * UINT64_C(0x100000001b3);
}

static void add_types(struct digest *digest, const char *role, const saga_type *const *types)
{
	char version[16];

	add(digest, role);
	for (size_t i = 0; i < SAGA_EVENTS && types[i]; i++) {
		(void)snprintf(version, sizeof version, "%d", types[i]->version);
		add(digest, types[i]->name);
		add(digest, version);
	}
}

/* The digest covers the rows that an event reaches, and what they publish; code may differ. */
static void add_step(struct digest *digest, const saga_step_def *step)
{
	add(digest, step->name);
	add(digest, step->per_subject ? "each subject" : "each saga");
	add(digest, step->join == SAGA_ALL ? "all" : "any");
	add_types(digest, "on", step->on);
	add_types(digest, "emits", step->emits);
	add_types(digest, "rejects", step->rejects);
	add_types(digest, "undo on", step->undo_on);
	add_types(digest, "undone", step->undone);
	add_types(digest, "bar on", step->bar_on);
	for (size_t i = 0; i < SAGA_EVENTS && step->after[i].event; i++) {
		add(digest, step->after[i].event->name);
		add_types(digest, "unless", step->after[i].unless);
	}
}

/* The digest, and the names of the steps, as far as there is room: for whoever reads an error. */
static void describe(const struct saga__plan *plan, char text[SAGA__DECLARATION_TEXT])
{
	struct digest digest = { UINT64_C(0xcbf29ce484222325) };
	size_t at;

	for (size_t i = 0; i < plan->step_count; i++)
		add_step(&digest, &plan->steps[i]);
	at = (size_t)snprintf(text, SAGA__DECLARATION_TEXT, "%016" PRIx64, digest.hash);
	for (size_t i = 0; i < plan->step_count; i++) {
		size_t size = strlen(plan->steps[i].name);

		if (at + size + 8 > SAGA__DECLARATION_TEXT) {
			(void)snprintf(text + at, SAGA__DECLARATION_TEXT - at, " ...");
			return;
		}
		at += (size_t)snprintf(
			text + at, SAGA__DECLARATION_TEXT - at, " %s", plan->steps[i].name);
	}
}

bool saga__journal_is_declared(const struct saga__journal *j, const char *text)
{
	return !*text || strncmp(text, j->declaration, DIGEST) == 0;
}

int saga__journal_undeclared(const struct saga__journal *j, const char *text, saga_error *error)
{
	return saga_error_set(error, SAGA_TWINS,
		"another declaration has taken the store over: its steps are `%.90s`, ours "
		"`%.90s`",
		strlen(text) > DIGEST ? text + DIGEST + 1 : text, j->declaration + DIGEST + 1);
}

int saga__journal_declare(struct saga__journal *j, const struct saga__plan *plan, saga_error *error)
{
	const saga_value name[] = { saga_text("declaration") };
	const saga_value now[] = { saga_int64(saga__journal_now(j)) };
	struct saga__one was, living;
	int code;

	describe(plan, j->declaration);
	code = saga__journal_one(
		j, "SELECT value FROM saga_meta WHERE name = ?", name, 1, &was, error);
	if (code == SAGA_OK && was.found && saga__journal_is_declared(j, was.text))
		return SAGA_OK;
	if (code == SAGA_OK)
		code = saga__journal_one(j,
			"SELECT COUNT(*) AS n FROM saga_instance WHERE until >= ?", now, 1, &living,
			error);
	if (code != SAGA_OK)
		return code;
	if (living.number)
		return saga_error_set(error, SAGA_CONTENDED,
			SAGA__DECLARATION_WAITS
			"%lld instances live here with other steps: `%.80s`, and ours are "
			"`%.80s`. Stop those first",
			(long long)living.number,
			was.found && strlen(was.text) > DIGEST ? was.text + DIGEST + 1 : "unknown",
			j->declaration + DIGEST + 1);
	return was.found ? SAGA__RUN(j, "UPDATE saga_meta SET value = ? WHERE name = ?", error,
				   saga_text(j->declaration), name[0])
			 : SAGA__RUN(j, "INSERT INTO saga_meta (name, value) VALUES (?, ?)", error,
				   name[0], saga_text(j->declaration));
}
