#include "postgres_pooler.h"

#include <stdlib.h>
#include <string.h>

enum {
	ASKED = 4
};

/* The server process that answers on a connection. */
struct asked {
	int64_t pid;
};

static int take_pid(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct asked *asked = context;

	(void)i, (void)names;
	if (column_count == 1 && columns[0].kind == SAGA_VALUE_INT64)
		asked->pid = columns[0].as.int64;
	return SAGA_OK;
}

static int ask(struct saga__pg *pg, const char *sql, saga_sink *sink, saga_error *error)
{
	struct saga__pg_end end = { .code = SAGA_OK };
	int code = saga__pg_send(pg, &(saga_statement){ .sql = sql }, 0, sink != NULL, error);

	if (code == SAGA_OK)
		saga__pg_wait(pg, sink, error, &end);
	return code == SAGA_OK ? end.code : code;
}

static int ask_pid(struct saga__pg *pg, int64_t *ret_pid, saga_error *error)
{
	struct asked asked = { .pid = 0 };
	saga_sink sink = { take_pid, NULL, &asked };
	int code = ask(pg, "SELECT CAST(pg_backend_pid() AS bigint) AS pid", &sink, error);

	if (code == SAGA_OK)
		*ret_pid = asked.pid;
	return code;
}

static int refuse(const char *mode, saga_error *error)
{
	return saga_error_set(error, SAGA_UNSUPPORTED,
		"store: a pooler is in between and gives each %s another session of the server: "
		"the store needs one of its own (PgBouncer: pool_mode = session), or the server's "
		"own address",
		mode);
}

/*
 * While the other connection holds a transaction, a first one with a session of its own keeps that.
 * In transaction mode the other gets the session that the first one used last; or, if the pool
 * hands sessions out in turn or a stranger was faster, the first one gets another: within some
 * requests, since two connections might else alternate between two sessions.
 */
static int compare(struct saga__pg *pg, struct saga__pg *other, int64_t first, bool *ret_own,
	saga_error *error)
{
	saga_error why;
	int64_t now = 0;
	int code;

	*ret_own = true;
	if ((code = ask(other, "BEGIN", NULL, &why)) == SAGA_OK)
		code = ask_pid(other, &now, &why);
	/* No other session is free, and so the first connection keeps its own. */
	if (code != SAGA_OK && other->broken && PQstatus(other->conn) == CONNECTION_OK)
		return SAGA_OK;
	if (code != SAGA_OK && strstr(why.text, "statement pooling"))
		return refuse("statement", error);
	if (code != SAGA_OK)
		return saga_error_set(error, SAGA_AWAY, "store: %s", why.text);
	*ret_own = now != first;
	code = ask(other, "COMMIT", NULL, &why) == SAGA_OK ? SAGA_OK : SAGA_AWAY;
	for (int i = 0; i < ASKED && code == SAGA_OK && *ret_own; i++) {
		if ((code = ask_pid(pg, &now, error)) != SAGA_OK)
			return code;
		*ret_own = now == first;
	}
	return SAGA_OK;
}

int saga__pg_check_session(
	struct saga__pg *pg, const struct saga__pg_settings *settings, saga_error *error)
{
	struct saga__pg_settings half = *settings;
	struct saga__pg *other;
	int64_t first = 0;
	bool is_own = true;
	saga_error why;
	int code = ask_pid(pg, &first, error);

	if (code != SAGA_OK || first == PQbackendPID(pg->conn))
		return code;
	if (!(other = calloc(1, sizeof *other)))
		return saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	/* It may have to wait in vain, and must not take the first one's time. */
	half.timeout_ms = settings->timeout_ms / 3 + 1;
	if (saga__pg_reach(other, &half, &why) == SAGA_OK)
		code = compare(pg, other, first, &is_own, error);
	saga__pg_disconnect(other);
	free(other);
	return code == SAGA_OK && !is_own ? refuse("transaction", error) : code;
}
