#include "dialect.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct saga__dialect dialects[] = {
	{
		.dialect = SAGA_SQLITE,
		.id = "BLOB",
		.bytes = "BLOB",
		.text = "TEXT",
		.keyed = "WITHOUT ROWID",
		.locks_by_begin = true,
		/* 2 is FULL, 3 EXTRA; a database in memory has nothing to lose. */
		.durable = "SELECT CASE WHEN (SELECT synchronous FROM pragma_synchronous) >= 2"
			   " OR (SELECT journal_mode FROM pragma_journal_mode) = 'memory'"
			   " THEN 1 ELSE 0 END AS durable",
	},
	{
		.dialect = SAGA_POSTGRESQL,
		.id = "UUID",
		.bytes = "BYTEA",
		.text = "TEXT",
		.keyed = "",
		.locking = STREAM_ROW " FOR UPDATE",
		/* "saga"; IF NOT EXISTS alone does not keep two from making the same. */
		.alone = "SELECT pg_advisory_xact_lock(1935763297)",
		.durable = "SELECT CASE WHEN current_setting('fsync') = 'on'"
			   " AND current_setting('full_page_writes') = 'on'"
			   " AND current_setting('synchronous_commit') <> 'off'"
			   " THEN 1 ELSE 0 END AS durable",
	},
};

const struct saga__dialect *saga__dialect_of(saga_dialect dialect)
{
	for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++)
		if (dialects[i].dialect == dialect)
			return &dialects[i];
	return NULL;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

char *saga__dialect_schema(const struct saga__dialect *dialect, const char *schema)
{
	const struct {
		const char *word, *with;
	} words[] = { { "SAGA_ID", dialect->id }, { "SAGA_BYTES", dialect->bytes },
		{ "SAGA_TEXT", dialect->text }, { "SAGA_KEYED", dialect->keyed } };
	size_t room = 1;
	char *out, *to;

	/* No word grows by more than this. */
	for (const char *at = schema; *at; at++)
		room += *at == 'S' ? 32 : 1;
	if (!(out = to = malloc(room)))
		return NULL;
	for (const char *at = schema; *at;) {
		bool found = false;

		for (size_t i = 0; i < sizeof words / sizeof words[0] && !found; i++) {
			size_t length = strlen(words[i].word);

			if ((at == schema || !is_word(at[-1])) &&
				strncmp(at, words[i].word, length) == 0 && !is_word(at[length])) {
				to = stpcpy(to, words[i].with);
				at += length;
				found = true;
			}
		}
		if (!found)
			*to++ = *at++;
	}
	*to = 0;
	return out;
}
