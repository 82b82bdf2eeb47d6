#include "postgres_settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const begins[] = { "BEGIN ISOLATION LEVEL READ COMMITTED",
	"BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN" };

/* Indexes of `begins`; a URL can't name the last. */
enum isolation {
	READ_COMMITTED,
	REPEATABLE_READ,
	SERIALIZABLE,
	OF_THE_SERVER
};

static const saga_url_setting table[] = {
	{ .key = "isolation",
		.kind = SAGA_URL_WORD,
		.words = "read-committed repeatable-read serializable" },
	{ .key = NULL },
};

/*
 * Refuses URLs for which libpq's error would repeat a part of the password: libpq ends the user's
 * name and password at the first `@`, or nowhere if a `/` comes first.
 */
static int check_escapes(const char *url, saga_error *error)
{
	const char *at = strstr(url, "://") + 3, *keys = at + strcspn(at, "?"), *last = NULL;
	const char *first = at + strcspn(at, "@/");

	for (const char *c = at; c < keys; c++)
		if (*c == '@')
			last = c;
	if ((last && last != first) || (*first == '@' && keys < first))
		return saga_error_set(error, SAGA_MALFORMED,
			"store: in a user's name, password or database `/` `@` `?` are written "
			"%%2F %%40 %%3F");
	for (const char *c = strchr(url, '%'); c; c = strchr(c + 1, '%')) {
		char byte[2];

		if (saga_url_decode(c, strnlen(c, 3), byte, sizeof byte) != SAGA_OK)
			return saga_error_set(error, SAGA_MALFORMED,
				"store: a `%%` of the URL has no two hex digits behind it; "
				"a `%%` itself is written %%25");
	}
	return SAGA_OK;
}

static bool has_scheme(const char *url)
{
	return strncmp(url, "postgres://", 11) == 0 || strncmp(url, "postgresql://", 13) == 0;
}

int saga__pg_settings_read(const saga_store_options *options,
	struct saga__pg_settings *ret_settings, saga_error *error)
{
	const char *url = options->url ? options->url : "";
	struct saga__pg_settings settings = { .timeout_ms = options->timeout_ms };
	enum isolation isolation = OF_THE_SERVER;
	char *rest, *why = NULL;
	int code;

	if (options->timeout_ms <= 0)
		return saga_error_set(error, SAGA_MALFORMED,
			"store: timeout_ms is more than 0, not %d", options->timeout_ms);
	if (!has_scheme(url))
		return saga_error_set(error, SAGA_MALFORMED,
			"store: the URL begins with neither postgres:// nor postgresql://");
	if (!(rest = malloc(strlen(url) + 1)))
		return saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	if ((code = check_escapes(url, error)) == SAGA_OK)
		code = saga_url_settings("store", url, table, &isolation, rest, error);
	settings.begin = begins[isolation];
	if (code == SAGA_OK && !(settings.options = PQconninfoParse(rest, &why)))
		code = why ? saga_error_set(error, SAGA_MALFORMED, "store: %.*s",
				     (int)strcspn(why, "\n"), why)
			   : saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	PQfreemem(why);
	free(rest);
	if (code != SAGA_OK && error)
		saga_redact(url, error->text, sizeof error->text);
	if (code == SAGA_OK)
		*ret_settings = settings;
	return code;
}

void saga__pg_settings_free(struct saga__pg_settings *settings)
{
	PQconninfoFree(settings->options);
	settings->options = NULL;
}

/* A key of libpq's own, with the value that it gets if the URL says nothing. */
struct wish {
	const char *name;
	char value[24];
};

PGconn *saga__pg_settings_connect(const struct saga__pg_settings *settings)
{
	enum {
		KEYS = 64
	};
	struct wish wishes[] = { { "tcp_user_timeout", "" }, { "keepalives_idle", "" },
		{ "keepalives_interval", "1" }, { "keepalives_count", "3" },
		{ "fallback_application_name", "libsaga" } };
	const char *names[KEYS + 2] = { "client_encoding" }, *values[KEYS + 2] = { "UTF8" };
	int64_t seconds = settings->timeout_ms / 2000;
	size_t count = 1;

	(void)snprintf(
		wishes[0].value, sizeof wishes[0].value, "%" PRId64, settings->timeout_ms / 2 + 1);
	(void)snprintf(
		wishes[1].value, sizeof wishes[1].value, "%" PRId64, seconds > 0 ? seconds : 1);
	for (const PQconninfoOption *o = settings->options; o->keyword && count < KEYS; o++) {
		const char *value = o->val;

		for (size_t i = 0; !value && i < sizeof wishes / sizeof wishes[0]; i++)
			if (strcmp(wishes[i].name, o->keyword) == 0)
				value = wishes[i].value;
		if (!value || strcmp(o->keyword, "client_encoding") == 0)
			continue;
		names[count] = o->keyword;
		values[count++] = value;
	}
	return PQconnectStartParams(names, values, 0);
}

void saga__pg_settings_limits(const struct saga__pg_settings *settings, char *sql, size_t size)
{
	int64_t ms = settings->timeout_ms;

	/* A server that is too old for one of them has no such row. */
	(void)snprintf(sql, size,
		"SELECT set_config(name, CASE name"
		" WHEN 'lock_timeout' THEN '%" PRId64 "'"
		" WHEN 'statement_timeout' THEN '%" PRId64 "'"
		" WHEN 'idle_in_transaction_session_timeout' THEN '%" PRId64 "'"
		" WHEN 'idle_session_timeout' THEN '0'"
		" WHEN 'tcp_user_timeout' THEN '%" PRId64 "'"
		" WHEN 'client_connection_check_interval' THEN '%" PRId64 "'"
		" ELSE 'on' END, false) FROM pg_settings WHERE name IN ('lock_timeout',"
		" 'statement_timeout', 'idle_in_transaction_session_timeout',"
		" 'idle_session_timeout', 'tcp_user_timeout', 'client_connection_check_interval',"
		" 'standard_conforming_strings')",
		ms * 5 / 8 + 1, ms * 6 / 8 + 1, ms * 7 / 8 + 1, ms * 7 / 8 + 1, ms / 4 + 1);
}
