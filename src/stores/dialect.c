#include "dialect.h"

#include "journal_columns.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LONGEST_SHORT = 4000 /* characters of an NVARCHAR that is no large object */
};

/* The last value is a LIMIT, so that the plan that the server keeps for a set is never a scan. */
#define SLOT_TYPES \
	"(?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::text[], ?::bytea[], ?::bytea[]," \
	" ?::bytea[], ?::bytea[], ?::bytea[], ?::uuid[], ?::text[], ?::text[])"
#define PARKED_TYPES \
	"(?::bigint[], ?::text[], ?::text[], ?::bigint[], ?::text[], ?::bigint[], ?::bigint[]," \
	" ?::text[], ?::text[], ?::bytea[], ?::bytea[], ?::bigint[], ?::uuid[], ?::uuid[])"

static const char *const postgresql_sets[SAGA__SETS] = {
	[SAGA__SET_GET_SLOTS] = "SELECT " SLOT_COLUMNS
				", n FROM (SELECT * FROM unnest(?::uuid[], ?::text[], ?::text[])"
				" WITH ORDINALITY wanted (saga, step, subject, n) LIMIT ?) wanted"
				" JOIN saga_slot USING (saga, step, subject)",
	[SAGA__SET_ADD_SLOTS] =
		"INSERT INTO saga_slot " SLOT_FIELDS " SELECT * FROM unnest" SLOT_TYPES " LIMIT ?",
	[SAGA__SET_SET_SLOTS] =
		"UPDATE saga_slot s SET state = k.state, was = k.was, attempts = k.attempts,"
		" moved = k.moved, why = k.why, ran_on = k.ran_on, answer = k.answer,"
		" digest = k.digest, note = k.note, seen = k.seen"
		" FROM (SELECT * FROM unnest" SLOT_TYPES " k " SLOT_FIELDS " LIMIT ?) k"
		" WHERE s.saga = k.saga AND s.step = k.step AND s.subject = k.subject",
	[SAGA__SET_DROP_SLOTS] =
		"DELETE FROM saga_slot s USING (SELECT *"
		" FROM unnest(?::uuid[], ?::text[], ?::text[]) k (saga, step, subject) LIMIT ?) k"
		" WHERE s.saga = k.saga AND s.step = k.step AND s.subject = k.subject",
	[SAGA__SET_ADD_EVENTS] =
		"INSERT INTO saga_outbox (shard, seq, id, saga, event, at, sum)"
		" SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::uuid[], ?::uuid[],"
		" ?::bytea[], ?::bigint[], ?::bigint[]) LIMIT ?",
	[SAGA__SET_SET_STREAMS] =
		"UPDATE saga_stream s SET seq = k.seq, last = k.last, own = k.own"
		" FROM (SELECT * FROM unnest(?::bigint[], ?::uuid[], ?::bigint[], ?::bigint[])"
		" k (seq, last, own, shard) LIMIT ?) k WHERE s.shard = k.shard",
	[SAGA__SET_WAKE_PARKED] =
		"UPDATE saga_parked p SET due = k.due, kind = 'retry', behind = ''"
		" FROM (SELECT * FROM unnest(?::bigint[], ?::uuid[], ?::text[])"
		" k (due, saga, behind) LIMIT ?) k"
		" WHERE p.saga = k.saga AND p.behind = k.behind AND p.kind = 'behind'",
	[SAGA__SET_PUT_POSITIONS] =
		"INSERT INTO " POSITION_FIELDS " SELECT * FROM unnest(?::uuid[], ?::bigint[],"
		" ?::bigint[], ?::bigint[], ?::uuid[], ?::text[]) LIMIT ?" POSITION_ONWARD,
	[SAGA__SET_ADD_PARKED] = "INSERT INTO saga_parked " PARKED_FIELDS
				 " SELECT * FROM unnest" PARKED_TYPES " LIMIT ?" UNLESS_THERE,
	[SAGA__SET_SET_PARKED] =
		"UPDATE saga_parked p SET shard = k.shard, step = k.step, subject = k.subject,"
		" role = k.role, kind = k.kind, attempts = k.attempts, due = k.due,"
		" behind = k.behind, why = k.why, event = k.event, question = k.question,"
		" at = k.at, command = NULL, outcome = NULL, body = NULL"
		" FROM (SELECT * FROM unnest" PARKED_TYPES " k " PARKED_FIELDS " LIMIT ?) k"
		" WHERE p.saga = k.saga AND p.id = k.id",
	[SAGA__SET_DROP_PARKED] =
		"DELETE FROM saga_parked p USING"
		" (SELECT * FROM unnest(?::uuid[], ?::uuid[]) k (saga, id) LIMIT ?) k"
		" WHERE p.saga = k.saga AND p.id = k.id",
	[SAGA__SET_DROP_PARKED_KIND] =
		"DELETE FROM saga_parked p USING (SELECT * FROM unnest(?::uuid[], ?::text[],"
		" ?::text[], ?::text[]) k (saga, step, subject, kind) LIMIT ?) k"
		" WHERE p.saga = k.saga AND p.step = k.step AND p.subject = k.subject"
		" AND p.kind = k.kind",
};

static const struct saga__dialect dialects[] = {
	{
		.dialect = SAGA_SQLITE,
		.id = "BLOB",
		.bytes = "BLOB",
		.text = "TEXT",
		.short_text = "VARCHAR",
		.exactly = "",
		.keyed = "WITHOUT ROWID",
		.locks_by_begin = true,
		.expecting = STREAM_AS,
		.has_table = "SELECT COUNT(*) AS n FROM sqlite_master"
			     " WHERE type = 'table' AND name = ?",
		.low_byte = "((instr('123456789ABCDEF', substr(hex(saga), 31, 1)) * 16)"
			    " + instr('123456789ABCDEF', substr(hex(saga), 32, 1)))",
		/* 2 is FULL, 3 EXTRA; a database in memory has nothing to lose. */
		.durable = "SELECT CASE WHEN (SELECT synchronous FROM pragma_synchronous) >= 2"
			   " OR (SELECT journal_mode FROM pragma_journal_mode) = 'memory'"
			   " THEN 1 ELSE 0 END AS durable",
		/* 3.51.3, as 3051003. */
		.sound = "WITH v AS (SELECT sqlite_version() AS t), r AS (SELECT CAST(t AS INTEGER)"
			 " AS major, substr(t, instr(t, '.') + 1) AS rest FROM v)"
			 " SELECT CASE WHEN major * 1000000 + CAST(rest AS INTEGER) * 1000"
			 " + CAST(substr(rest, instr(rest, '.') + 1) AS INTEGER) >= 3051003"
			 " OR (SELECT journal_mode FROM pragma_journal_mode) = 'memory'"
			 " THEN 1 ELSE 0 END AS sound FROM r",
		.leases = SAGA__LEASES(""),
	},
	{
		.dialect = SAGA_POSTGRESQL,
		.id = "UUID",
		.bytes = "BYTEA",
		.text = "TEXT",
		.short_text = "VARCHAR",
		.exactly = "",
		.keyed = "",
		.locking = STREAM_ROW " FOR UPDATE",
		.expecting = STREAM_AS " FOR UPDATE",
		.has_table = "SELECT CASE WHEN to_regclass(?) IS NULL THEN 0 ELSE 1 END AS n",
		/* SQL_ASCII takes any bytes, and counts them where we count characters. */
		.encoding = "SELECT CASE WHEN current_setting('server_encoding') = 'UTF8' THEN ''"
			    " ELSE current_setting('server_encoding') END AS encoding",
		.low_byte = "get_byte(uuid_send(saga), 15)",
		.sets = postgresql_sets,
		.locking_all =
			STREAM_FIELDS " WHERE shard = ANY (?::bigint[]) ORDER BY shard FOR UPDATE",
		/* "saga": two may not make the same at once. */
		.alone = "SELECT CASE WHEN pg_advisory_xact_lock(1935763297) IS NULL THEN 0 ELSE 1"
			 " END AS n",
		.durable = "SELECT CASE WHEN current_setting('fsync') = 'on'"
			   " AND current_setting('full_page_writes') = 'on'"
			   " AND current_setting('synchronous_commit') <> 'off'"
			   " THEN 1 ELSE 0 END AS durable",
		.clock =
			"SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS ms",
		.leases = SAGA__LEASES(""),
	},
	{
		.dialect = SAGA_TSQL,
		.id = "BINARY(16)",
		.bytes = "VARBINARY(MAX)",
		.text = "NVARCHAR(MAX)",
		.short_text = "NVARCHAR",
		/* A database's own collation does not tell `a` from `A`, as a rule. */
		.exactly = " COLLATE Latin1_General_BIN2",
		.spare = 1, /* the guard behind a blank: see mssql_text.h */
		.fetches = true,
		.keyed = "",
		.has_table = "SELECT CASE WHEN OBJECT_ID(?, N'U') IS NULL THEN 0 ELSE 1 END AS n",
		.low_byte = "CAST(SUBSTRING(saga, 16, 1) AS INTEGER)",
		.alone = "DECLARE @saga INT EXEC @saga = sp_getapplock @Resource = N'saga',"
			 " @LockMode = N'Exclusive', @LockOwner = N'Transaction'"
			 " SELECT @saga AS n",
		/*
		 * 2 is FORCED; ALLOWED is for who asks for it, and nobody here does. On Azure
		 * DB_ID() is not the id that sys.databases tells.
		 */
		.durable = "SELECT CASE WHEN delayed_durability = 2 THEN 0 ELSE 1 END AS durable"
			   " FROM sys.databases WHERE name = DB_NAME()",
		/* Nothing here is wrong without: all that a batch relies on it has locked. */
		.waiting = "SELECT CAST(is_read_committed_snapshot_on AS INT) AS snapshots"
			   " FROM sys.databases WHERE name = DB_NAME()",
		.clock = "SELECT DATEDIFF_BIG(MILLISECOND, CAST('19700101' AS DATETIME2),"
			 " SYSUTCDATETIME()) AS ms",
		.leases = SAGA__LEASES(" WITH (NOLOCK)"),
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

/* Whether the word stands at `at`, in a text that began at `schema`. */
static bool stands(const char *word, const char *schema, const char *at)
{
	size_t length = strlen(word);

	return (at == schema || !is_word(at[-1])) && strncmp(at, word, length) == 0 &&
		!is_word(at[length]);
}

/* SAGA_TEXT(95); *at is behind the word. A length beyond the store's type stays as it is. */
static char *put_short_text(const struct saga__dialect *dialect, const char **at, char *to)
{
	size_t length = strcspn(*at, ")"), digits = strspn(*at + 1, "0123456789");
	unsigned long most = strtoul(*at + 1, NULL, 10);

	to = stpcpy(to, dialect->short_text);
	if (dialect->spare && digits > 0 && digits + 1 == length && most < LONGEST_SHORT) {
		to += sprintf(to, "(%lu", most + dialect->spare);
	} else {
		memcpy(to, *at, length);
		to += length;
	}
	*at += length;
	if (**at) {
		*to++ = *(*at)++;
		to = stpcpy(to, dialect->exactly);
	}
	return to;
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
		room += *at == 'S' ? 64 : 1;
	if (!(out = to = malloc(room)))
		return NULL;
	for (const char *at = schema; *at;) {
		bool found = false;

		for (size_t i = 0; i < sizeof words / sizeof words[0] && !found; i++) {
			if (!stands(words[i].word, schema, at))
				continue;
			found = true;
			at += strlen(words[i].word);
			if (words[i].with == dialect->text && *at == '(')
				to = put_short_text(dialect, &at, to);
			else
				to = stpcpy(to, words[i].with);
		}
		if (!found)
			*to++ = *at++;
	}
	*to = 0;
	return out;
}
