#ifndef SAGA_STORES_JOURNAL_WRITING_H
#define SAGA_STORES_JOURNAL_WRITING_H

/* The statements that write a batch: its parts add to them, and they go out together. */

#include "../step/batch.h"
#include "dialect.h"
#include "journal.h"

/*
 * A statement for each row, and one for all of them: its last value is their number. That is a
 * LIMIT where rows are looked up by key, so that the plan that the server keeps is never a scan.
 */
struct saga__texts {
	const char *each;
	enum saga__set all;
};

enum {
	VALUES_MOST = 16 /* of one statement */
};

/* Statements that gather, and go out together. */
struct saga__writing {
	struct saga__arena *arena;
	const char *const *sets; /* by enum saga__set; NULL: each row has its statement */
	saga_statement *statements;
	const struct saga__texts **texts;
	int64_t **counters; /* NULL for a statement whose changed rows nobody counts */
	saga_value *values; /* one statement's behind the other's */
	size_t count, value_count, room;
	int code;
};

/* One more statement; returns room for its values. There is room for it: saga__journal_write. */
saga_value *saga__writing_add(
	struct saga__writing *writing, const struct saga__texts *texts, size_t values);

static inline saga_value saga__text_or_null(const char *text)
{
	return *text ? saga_text(text) : saga_null();
}

static inline saga_value saga__bytes_or_null(saga_bytes bytes)
{
	return bytes.size ? saga_blob(bytes) : saga_null();
}

/* journal_parked.c: what the batch does to parked rows. */
void saga__write_parked(struct saga__writing *writing, struct saga__batch *batch);

#endif
