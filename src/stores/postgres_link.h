#ifndef SAGA_STORES_POSTGRES_LINK_H
#define SAGA_STORES_POSTGRES_LINK_H

/*
 * One connection in libpq's pipeline mode: what was sent on it and has not answered yet, and the
 * waiting for that, which is never longer than a slot may take.
 */

#include "postgres_cache.h"
#include "postgres_settings.h"

#include <stdatomic.h>

enum saga__pg_own {
	SAGA__PG_BEGIN,
	SAGA__PG_COMMIT,
	SAGA__PG_ROLLBACK,
	SAGA__PG_MARK,
	SAGA__PG_UNMARK,
	SAGA__PG_BACK,
	SAGA__PG_OWN_COUNT
};

enum {
	/* Statements that may be on their way without an answer; one more waits for them. */
	SAGA__PG_SENT_MOST = 1024
};

struct saga__pg_sent {
	int kind;
	size_t i;         /* of the run that waits */
	bool wanted;      /* by its sink */
	bool must;        /* change a row, or find one */
	bool guards;      /* and the server itself says if it did not */
	uint64_t number;  /* of the prepared statement */
	const char *sql;  /* a constant, or borrowed until the run returns */
	int64_t *changed; /* NULL, or gains the number of rows that it changed */
};

struct saga__pg {
	PGconn *conn;
	const char *own[SAGA__PG_OWN_COUNT];
	char own_names[SAGA__PG_OWN_COUNT][SAGA__PG_NAME];
	int64_t timeout_ms;
	int64_t until; /* monotonic: the slot's end */
	int alarm[2];  /* a pipe that an interrupt writes to */
	atomic_bool interrupted;
	bool broken; /* nothing more goes over this connection */
	bool open;   /* a transaction is, with what is on its way */
	bool failed; /* and takes nothing but `back` and its end */
	bool marked;
	size_t musts;    /* on their way, at whose answers somebody must look */
	size_t required; /* by this transaction so far, and by those before it */
	size_t required_before;
	bool unguarded; /* the server did not take a guard: no more */
	bool unmet;     /* one of this transaction's was not so */
	struct saga__pg_sent *sent;
	size_t first, count, room;
	struct saga__pg_cache cache;
	struct saga__pg_values values;
	const char **names; /* of a row */
	saga_value *columns;
	size_t column_room;
};

/* Connects, and no more: the session is as the server gave it. AWAY, NOMEM. */
int saga__pg_reach(
	struct saga__pg *pg, const struct saga__pg_settings *settings, saga_error *error);

/* Makes the session ours: its limits, and the statements that every transaction needs. */
int saga__pg_set_up(
	struct saga__pg *pg, const struct saga__pg_settings *settings, saga_error *error);
void saga__pg_disconnect(struct saga__pg *pg);

/* Returns the code for an SQLSTATE. */
int saga__pg_code_of(const char *state);

/* Whether a connection was refused, as libpq's verbose words tell, for a setting of its session. */
bool saga__pg_says_setting_is_wrong(const char *said);

/* REFUSED: a server that is there takes no session with these settings. Waiting mends nothing. */
int saga__pg_refuses_settings(const char *said, saga_error *error);

/* At the beginning of each slot. */
void saga__pg_enter(struct saga__pg *pg);

/* Puts a statement on its way: statement i of the run, with rows if `wanted`. */
int saga__pg_send(struct saga__pg *pg, const saga_statement *statement, size_t i, bool wanted,
	saga_error *error);

/*
 * The same with what must change a row, or find one; else who waits gets REJECTED. If it guards,
 * the server fails it itself, and a commit may be right behind it.
 */
int saga__pg_send_must(
	struct saga__pg *pg, const saga_statement *statement, bool guards, saga_error *error);

/* The same with a statement whose changed rows are added to *changed when it answers. */
int saga__pg_send_counted(
	struct saga__pg *pg, const saga_statement *statement, int64_t *changed, saga_error *error);

int saga__pg_drop(struct saga__pg *pg, uint64_t number, saga_error *error);
int saga__pg_send_own(struct saga__pg *pg, enum saga__pg_own which, saga_error *error);

/* Statements behind the sync run even if statements before it fail. */
int saga__pg_send_sync(struct saga__pg *pg, saga_error *error);

struct saga__pg_end {
	int code;       /* the first failure; SAGA_OK */
	bool lost;      /* the connection went before all was answered */
	uint64_t stale; /* a prepared statement that no longer suits; 0: none */
	bool was_given; /* something to the sink */
	char tag[32];   /* of the last statement that answered */
};

/* Waits until all has answered. */
void saga__pg_wait(
	struct saga__pg *pg, saga_sink *sink, saga_error *error, struct saga__pg_end *ret_end);

/* Several statements in one text, while nothing is on its way. */
void saga__pg_script(
	struct saga__pg *pg, const char *sql, saga_error *error, struct saga__pg_end *ret_end);

/* A handler had the connection: what it left on it must not be in the way. */
int saga__pg_pipeline(struct saga__pg *pg, saga_error *error);

#endif
