#ifndef SAGA_STORES_DIALECT_H
#define SAGA_STORES_DIALECT_H

/* In what the databases differ, for journal.c. */

#include <saga/plugin.h>

/* The columns of a stream that a batch needs. */
#define STREAM_FIELDS "SELECT shard, seq, last, own FROM saga_stream"
#define STREAM_ROW STREAM_FIELDS " WHERE shard = ?"

/* A row only if the stream is as it is expected to be. */
#define STREAM_AS "SELECT shard FROM saga_stream WHERE shard = ? AND seq = ? AND own = ?"

/* Each shard's holder and its waiting rows; `hint` keeps the query from a batch's locks. */
#define SAGA__LEASES(hint) \
	"SELECT saga_lease.shard, saga_lease.holder, saga_stream.seq," \
	" (SELECT MIN(due) FROM saga_parked" hint " WHERE saga_parked.shard = saga_lease.shard)" \
	" AS due FROM saga_lease" hint " JOIN saga_stream" hint \
	" ON saga_stream.shard = saga_lease.shard"

/*
 * Statements that read or write many rows at once, for a store that takes sets (SAGA_STORE_SETS).
 * Each value is a set, one for each column; the last value is the number of rows.
 */
enum saga__set {
	SAGA__SET_NONE, /* such rows are written one by one */
	SAGA__SET_GET_SLOTS,
	SAGA__SET_ADD_SLOTS,
	SAGA__SET_SET_SLOTS,
	SAGA__SET_DROP_SLOTS,
	SAGA__SET_ADD_EVENTS,
	SAGA__SET_SET_STREAMS,
	SAGA__SET_WAKE_PARKED,
	SAGA__SET_PUT_POSITIONS,
	SAGA__SET_ADD_PARKED,
	SAGA__SET_SET_PARKED,
	SAGA__SET_DROP_PARKED,
	SAGA__SET_DROP_PARKED_KIND,
	SAGA__SETS /* how many */
};

/* Words of a schema, and what stands for them. */
struct saga__dialect {
	saga_dialect dialect;
	const char *id;         /* SAGA_ID */
	const char *bytes;      /* SAGA_BYTES */
	const char *text;       /* SAGA_TEXT: of any length */
	const char *short_text; /* SAGA_TEXT(n): of so many characters at most; it may be a key */
	const char *exactly;    /* behind that: compared byte by byte */
	unsigned spare;         /* characters of it that the driver needs, beyond the n */
	const char
		*has_table;  /* one integer: 0 if there is no table of the name that is its value */
	bool fetches;        /* FETCH NEXT instead of LIMIT */
	const char *keyed;   /* behind a table that lives in its primary key */
	bool locks_by_begin; /* `begin` takes the only writer's lock */
	const char *locking; /* STREAM_ROW, with its row's lock; NULL: an UPDATE takes that */
	const char *locking_all; /* the same of a set, in order; NULL: it has no sets */
	const char *const *sets; /* by enum saga__set; NULL: it has none */
	const char *expecting;   /* STREAM_AS, with its row's lock; NULL: nothing is expected */
	const char *alone;    /* lets one transaction at a time make tables; one integer: below 0 if
	                         another took too long; NULL: `begin` does it */
	const char *durable;  /* one integer: 0 if commits are not durable; NULL: they are */
	const char *waiting;  /* one integer: 0 if reads wait for writes; NULL: they don't */
	const char *sound;    /* one integer: 0 if its version loses commits; NULL: none does */
	const char *encoding; /* one text: the name of one that can't hold Unicode, else ""; NULL:
	                         it always can: SQLite has UTF-8 or UTF-16, and what we keep in
	                         SQL Server is NVARCHAR, UTF-16 whatever the collation */
	const char *low_byte; /* of a slot's `saga`, as an integer: its shard is in there */
	const char *clock;    /* one integer, ms since 1970; NULL: the process's own clock */
	const char *leases;   /* SAGA__LEASES */
};

/* A query that ends in ORDER BY, of at most as many rows as its last value says. */
#define SAGA__FIRST_ROWS(dialect, sql) \
	((dialect)->fetches ? sql " OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY" : sql " LIMIT ?")

/* NULL: a dialect that this build does not know. */
const struct saga__dialect *saga__dialect_of(saga_dialect dialect);

/* A schema in the dialect's words; the caller frees it. NULL: out of memory. */
char *saga__dialect_schema(const struct saga__dialect *dialect, const char *schema);

#endif
