/*
 * What an operator may mistype: lines of a store's URL, a transport's URL, followers' names and an
 * id. Each is taken, or refused in words. A first line of SECRET as a password: no words tell it.
 */
#include "fuzz.h"

#include <saga/saga.h>

#include "saga_config.h"
#ifdef SAGA_HAVE_POSTGRES
#include "stores/postgres_settings.h"
#endif
#include "stores/sqlite_settings.h"
#ifdef SAGA_HAVE_MSSQL
#include "stores/mssql_settings.h"
#endif
#ifdef SAGA_HAVE_NNG
#include "../transports/nng_place.h"
#endif
#ifdef SAGA_HAVE_NATS
#include "../transports/nats_place.h"
#endif

#define SECRET "hunter2secret"

SAGA_BARE_EVENT(heard, "heard", 1);

static saga_verdict hear(saga_step *step)
{
	return saga_done(step);
}

static const saga_step_def steps[] = { { .name = "hear", .on = { &heard }, .run = hear } };
static const saga_participant_def participant = SAGA_PARTICIPANT("fuzz", steps);

enum {
	LINES = 8
};

/* Paths have no secrets, see saga_redact: what looks like one there may be told. */
static bool may_tell(const char *url)
{
	return strncmp(url, "sqlite:", 7) == 0 || strncmp(url, "inproc:", 7) == 0;
}

static void check_refused(int code, const saga_error *error, const char *url)
{
	HOLDS(!strstr(error->text, SECRET) || may_tell(url));
	HOLDS(code == SAGA_MALFORMED || code == SAGA_UNSUPPORTED);
	HOLDS(error->code == code && memchr(error->text, 0, sizeof error->text) && *error->text);
}

struct anything {
	int64_t number;
	int word;
	char text[9];
};

/* By a table whose keys are in the dictionary; what the table lacks is left to a driver. */
static void check_url(const char *text)
{
	static const saga_url_setting table[] = {
		{ "busy_ms", SAGA_URL_NUMBER, 1, 9999, offsetof(struct anything, number), NULL },
		{ "synchronous", SAGA_URL_WORD, 0, 0, offsetof(struct anything, word), "full off" },
		{ "name", SAGA_URL_TEXT, 1, 8, offsetof(struct anything, text), NULL },
		{ .key = NULL },
	};
	struct anything any = { 1, 0, "x" }, same = { 1, 0, "x" };
	saga_error error = { .code = SAGA_OK };
	char *rest = malloc(strlen(text) + 1);
	int code = saga_url_settings("fuzz", text, table, &any, rest, &error);

	if (code != SAGA_OK)
		check_refused(code, &error, text);
	else
		HOLDS(strlen(rest) <= strlen(text));
	HOLDS(any.number >= 1 && any.number <= 9999 && any.word >= 0 && any.word <= 1);
	HOLDS(memchr(any.text, 0, sizeof any.text));
	if (saga_url_settings("fuzz", text, table, &same, NULL, NULL) == SAGA_OK)
		HOLDS(code == SAGA_OK && !strchr(rest, '?') && same.number == any.number);
	free(rest);
}

static void check_settings(const char *text)
{
	const saga_store_options options = { .url = text, .timeout_ms = 10000 };
	struct saga__sqlite_settings settings;
	saga_error error = { .code = SAGA_OK };
	int code = saga__sqlite_settings_read(&options, &settings, &error);

	if (code != SAGA_OK) {
		saga_redact(text, error.text, sizeof error.text);
		check_refused(code, &error, text);
	} else {
		HOLDS(*settings.path && memchr(settings.path, 0, sizeof settings.path));
		HOLDS(settings.busy_ms >= 0 && settings.busy_ms <= settings.timeout_ms);
		HOLDS(settings.cache_kb >= 0);
	}
}

#ifdef SAGA_HAVE_POSTGRES
static void check_postgres(const char *text)
{
	const saga_store_options options = { .url = text, .timeout_ms = 10000 };
	struct saga__pg_settings settings = { .begin = NULL };
	saga_error error = { .code = SAGA_OK };
	int code = saga__pg_settings_read(&options, &settings, &error);

	if (code != SAGA_OK) {
		check_refused(code, &error, text);
		return;
	}
	HOLDS(*settings.begin && settings.timeout_ms > 0);
	saga__pg_settings_free(&settings);
}
#endif

static void check_open(const char *store, const char *transport, const char *const *followers)
{
	saga_participant *opened = NULL;
	saga_error error = { .code = SAGA_OK };
	int code = saga_open(&participant,
		SAGA_OPTIONS(.store = store, .transport = transport, .followers = followers),
		&opened, &error);

	if (code == SAGA_OK)
		saga_close(opened);
	else
		check_refused(code, &error, store);
}

#ifdef SAGA_HAVE_MSSQL
static void check_mssql(const char *text)
{
	const saga_store_options options = { .url = text, .timeout_ms = 10000 };
	struct saga__mssql_settings settings = { .memory = NULL };
	saga_error error = { .code = SAGA_OK };
	int code = saga__mssql_settings_read(&options, &settings, &error);

	if (code != SAGA_OK) {
		check_refused(code, &error, text);
		return;
	}
	HOLDS(*settings.database && *settings.server && settings.timeout_ms > 0);
	saga__mssql_settings_free(&settings);
}
#endif

#ifdef SAGA_HAVE_NNG
static void check_nng(const char *text)
{
	struct saga__nng_place place;
	saga_error error = { .code = SAGA_OK };
	int code = saga__nng_place_read(text, &place, &error);

	if (code != SAGA_OK) {
		check_refused(code, &error, text);
		return;
	}
	HOLDS(*place.in && *place.out && strcmp(place.in, place.out) != 0);
	HOLDS(memchr(place.in, 0, sizeof place.in) && memchr(place.out, 0, sizeof place.out));
	HOLDS(!place.tls || (*place.ca && *place.cert && *place.key));
}
#endif

#ifdef SAGA_HAVE_NATS
static void check_nats(const char *text)
{
	struct saga__nats_place place;
	saga_error error = { .code = SAGA_OK };
	int code = saga__nats_place_read(text, &place, &error);

	if (code != SAGA_OK) {
		check_refused(code, &error, text);
		return;
	}
	HOLDS(place.server_count && place.server_count <= SAGA__NATS_SERVERS && *place.domain);
	for (size_t i = 0; i < place.server_count; i++)
		HOLDS(memchr(place.servers[i], 0, sizeof place.servers[i]));
	HOLDS(place.replicas >= 1 && place.replicas <= 5);
}
#endif

static void check_all(const char *text)
{
	check_url(text);
	check_settings(text);
#ifdef SAGA_HAVE_POSTGRES
	check_postgres(text);
#endif
#ifdef SAGA_HAVE_MSSQL
	check_mssql(text);
#endif
#ifdef SAGA_HAVE_NNG
	check_nng(text);
#endif
#ifdef SAGA_HAVE_NATS
	check_nats(text);
#endif
}

/*
 * A password before the fuzzer's text, or, if that can be a user's name, behind it. Text with an
 * `@` or a `?` in front of the password makes another URL, whose password is another.
 */
static void check_secrets(const char *line)
{
	static const char *const forms[] = {
		"postgres://u:" SECRET "%s",
		"postgres://h/db?%s&password=" SECRET,
		"mssql://u:" SECRET "%s",
		"mssql://u:" SECRET "@%s",
		"nats://u:" SECRET "%s",
		"nats://" SECRET "@%s",
		"tls://u:" SECRET "@h%s",
		"nng+tls+tcp://u:" SECRET "@%s",
		"sqlite://u:" SECRET "@%s",
		"postgresql://%s:" SECRET "@h/db",
		"nats://%s:" SECRET "@h",
	};
	const size_t count = sizeof forms / sizeof forms[0];
	char url[2048];

	for (size_t i = 0; i < (strpbrk(line, "@?/:") ? count - 2 : count); i++) {
		const char *at = strstr(forms[i], "%s");

		if (snprintf(url, sizeof url, "%.*s%s%s", (int)(at - forms[i]), forms[i], line,
			    at + 2) < (int)sizeof url)
			check_all(url);
	}
}

static void check_id(const char *text)
{
	char back[SAGA_ID_TEXT];
	saga_id id, again;

	if (saga_id_parse(text, &id) != SAGA_OK)
		return;
	saga_id_text(id, back);
	HOLDS(saga_id_parse(back, &again) == SAGA_OK && memcmp(&id, &again, sizeof id) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	const char *lines[LINES + 1] = { NULL };
	size_t count = 0;
	char *rest = text;

	while (rest && count < LINES) {
		char *end = strchr(rest, '\n');

		if (end)
			*end++ = '\0';
		lines[count++] = rest;
		rest = end;
	}
	check_all(lines[0]);
	check_secrets(lines[0]);
	check_id(lines[0]);
	check_open(lines[0], lines[1], lines[1] ? &lines[2] : NULL);
	free(text);
	return 0;
}
