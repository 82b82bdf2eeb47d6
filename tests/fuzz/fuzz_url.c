/*
 * What an operator may mistype: lines of a store's URL, a transport's URL, followers' names and an
 * id. Each is taken, or refused in words.
 */
#include "fuzz.h"

#include <saga/saga.h>

#include "saga_config.h"
#ifdef SAGA_HAVE_POSTGRES
#include "stores/postgres_settings.h"
#endif
#include "stores/sqlite_settings.h"

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

static void check_refused(int code, const saga_error *error)
{
	HOLDS(code == SAGA_MALFORMED || code == SAGA_UNSUPPORTED);
	HOLDS(error->code == code && memchr(error->text, 0, sizeof error->text) && *error->text);
}

static void check_url(const char *text)
{
	struct saga__url url = { .memory = NULL };
	saga_error error = { .code = SAGA_OK };
	int code = saga__url_read(text, &url, &error);

	if (code != SAGA_OK) {
		check_refused(code, &error);
		HOLDS(!url.memory);
		return;
	}
	HOLDS(*url.path && url.key_count <= SAGA__URL_KEYS);
	for (size_t i = 0; i < url.key_count; i++) {
		HOLDS(*url.keys[i].name && strlen(url.keys[i].value) <= strlen(text));
		for (size_t k = 0; k < i; k++)
			HOLDS(strcmp(url.keys[i].name, url.keys[k].name) != 0);
	}
	saga__url_free(&url);
}

static void check_settings(const char *text)
{
	const saga_store_options options = { .url = text, .timeout_ms = 10000 };
	struct saga__sqlite_settings settings;
	saga_error error = { .code = SAGA_OK };
	int code = saga__sqlite_settings_read(&options, &settings, &error);

	if (code != SAGA_OK) {
		check_refused(code, &error);
	} else {
		HOLDS(*settings.path && *settings.synchronous);
		HOLDS(settings.busy_ms >= 0 && settings.busy_ms <= settings.timeout_ms);
		HOLDS(settings.cache_kb >= 0);
	}
	saga__url_free(&settings.url);
}

#ifdef SAGA_HAVE_POSTGRES
static void check_postgres(const char *text)
{
	const saga_store_options options = { .url = text, .timeout_ms = 10000 };
	struct saga__pg_settings settings = { .begin = NULL };
	saga_error error = { .code = SAGA_OK };
	int code = saga__pg_settings_read(&options, &settings, &error);

	if (code != SAGA_OK) {
		check_refused(code, &error);
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
		check_refused(code, &error);
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
	check_url(lines[0]);
	check_settings(lines[0]);
#ifdef SAGA_HAVE_POSTGRES
	check_postgres(lines[0]);
#endif
	check_id(lines[0]);
	check_open(lines[0], lines[1], lines[1] ? &lines[2] : NULL);
	free(text);
	return 0;
}
