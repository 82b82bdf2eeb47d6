#include "sqlite_settings.h"

#include <string.h>

static const char scheme[] = "sqlite:";

#define AT(member) offsetof(struct saga__sqlite_settings, member)

static const saga_url_setting table[] = {
	{ .key = "synchronous",
		.kind = SAGA_URL_WORD,
		.offset = AT(synchronous),
		.words = "off normal full extra" },
	{ .key = "busy_ms", .kind = SAGA_URL_NUMBER, .most = INT32_MAX, .offset = AT(busy_ms) },
	{ .key = "cache_kb", .kind = SAGA_URL_NUMBER, .most = INT32_MAX, .offset = AT(cache_kb) },
	{ .key = "checkpoint", .kind = SAGA_URL_WORD, .offset = AT(checkpoint), .words = "on off" },
	{ .key = NULL },
};

static int read_path(const char *url, struct saga__sqlite_settings *settings, saga_error *error)
{
	const char *path = url + sizeof scheme - 1;
	size_t size = strcspn(path, "?");
	int code = saga_url_decode(path, size, settings->path, sizeof settings->path);

	if (code == SAGA_TOO_BIG)
		return saga_error_set(error, SAGA_MALFORMED,
			"store: the path of sqlite:PATH has at most %d bytes, not %zu",
			SAGA__SQLITE_PATH - 1, size);
	if (code != SAGA_OK)
		return saga_error_set(error, code,
			"store: a `%%` of `%s` has no two hex digits behind it, or is %%00; a `%%` "
			"itself is written %%25",
			url);
	if (!size)
		return saga_error_set(error, SAGA_MALFORMED, "store: no path in `%s`", url);
	if (strncmp(settings->path, "//", 2) == 0 && settings->path[2] != '/')
		return saga_error_set(error, SAGA_MALFORMED,
			"store: sqlite has no host, write sqlite:PATH instead of `%s`", url);
	settings->in_memory = strcmp(settings->path, ":memory:") == 0;
	return SAGA_OK;
}

int saga__sqlite_settings_read(const saga_store_options *options,
	struct saga__sqlite_settings *ret_settings, saga_error *error)
{
	const char *url = options->url ? options->url : "";
	struct saga__sqlite_settings settings = { .synchronous = SAGA__SQLITE_FULL,
		.timeout_ms = options->timeout_ms,
		.busy_ms = options->timeout_ms };
	int code;

	if (options->timeout_ms <= 0)
		return saga_error_set(error, SAGA_MALFORMED,
			"store: timeout_ms is more than 0, not %d", options->timeout_ms);
	if (strncmp(url, scheme, sizeof scheme - 1) != 0)
		return saga_error_set(
			error, SAGA_MALFORMED, "store: sqlite:PATH is wanted, not `%s`", url);
	code = read_path(url, &settings, error);
	if (code == SAGA_OK)
		code = saga_url_settings("store", url, table, &settings, NULL, error);
	if (code == SAGA_OK && settings.busy_ms > settings.timeout_ms)
		code = saga_error_set(error, SAGA_MALFORMED,
			"store: busy_ms=%lld is longer than the %lld ms that one call may take",
			(long long)settings.busy_ms, (long long)settings.timeout_ms);
	if (code == SAGA_OK)
		*ret_settings = settings;
	return code;
}
