#include "sqlite_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_number(const struct saga__url_key *key, int64_t *ret_number, saga_error *error)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(key->value, &end, 10);
	if (errno != 0 || *end != '\0' || key->value[0] < '0' || key->value[0] > '9' ||
		number > INT32_MAX)
		return saga_error_set(error, SAGA_MALFORMED,
			"store: %s is a number from 0 to 2147483647, not `%s`", key->name,
			key->value);
	*ret_number = number;
	return SAGA_OK;
}

static int read_synchronous(
	const struct saga__url_key *key, const char **ret_synchronous, saga_error *error)
{
	static const char *const words[] = { "full", "normal", "off", "extra" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(key->value, words[i]) == 0) {
			*ret_synchronous = words[i];
			return SAGA_OK;
		}
	}
	return saga_error_set(error, SAGA_MALFORMED,
		"store: synchronous is full, normal, off or extra, not `%s`", key->value);
}

static int read_checkpoint(const char *value, bool *ret_checkpoints, saga_error *error)
{
	*ret_checkpoints = strcmp(value, "on") == 0;
	if (*ret_checkpoints || strcmp(value, "off") == 0)
		return SAGA_OK;
	return saga_error_set(
		error, SAGA_MALFORMED, "store: checkpoint is on or off, not `%s`", value);
}

static int read_key(
	const struct saga__url_key *key, struct saga__sqlite_settings *settings, saga_error *error)
{
	if (strcmp(key->name, "synchronous") == 0)
		return read_synchronous(key, &settings->synchronous, error);
	if (strcmp(key->name, "busy_ms") == 0)
		return read_number(key, &settings->busy_ms, error);
	if (strcmp(key->name, "cache_kb") == 0)
		return read_number(key, &settings->cache_kb, error);
	if (strcmp(key->name, "checkpoint") == 0)
		return read_checkpoint(key->value, &settings->checkpoints, error);
	return saga_error_set(error, SAGA_MALFORMED,
		"store: sqlite knows no key `%s`, but synchronous, busy_ms, cache_kb and "
		"checkpoint",
		key->name);
}

int saga__sqlite_settings_read(const saga_store_options *options,
	struct saga__sqlite_settings *settings, saga_error *error)
{
	const char *url = options->url ? options->url : "";
	int code;

	*settings = (struct saga__sqlite_settings){ .synchronous = "full",
		.checkpoints = true,
		.timeout_ms = options->timeout_ms,
		.busy_ms = options->timeout_ms };
	if (options->timeout_ms <= 0)
		return saga_error_set(error, SAGA_MALFORMED,
			"store: timeout_ms is more than 0, not %d", options->timeout_ms);
	if (strncmp(url, "sqlite:", 7) != 0)
		return saga_error_set(
			error, SAGA_MALFORMED, "store: sqlite:PATH is wanted, not `%s`", url);
	code = saga__url_read(url, &settings->url, error);
	for (size_t i = 0; code == SAGA_OK && i < settings->url.key_count; i++)
		code = read_key(&settings->url.keys[i], settings, error);
	if (code != SAGA_OK)
		return code;
	settings->path = settings->url.path;
	settings->in_memory = strcmp(settings->path, ":memory:") == 0;
	if (strncmp(settings->path, "//", 2) == 0 && settings->path[2] != '/')
		return saga_error_set(error, SAGA_MALFORMED,
			"store: sqlite has no host, write sqlite:PATH instead of `%s`", url);
	if (settings->busy_ms > settings->timeout_ms)
		return saga_error_set(error, SAGA_MALFORMED,
			"store: busy_ms=%lld is longer than the %lld ms that one call may take",
			(long long)settings->busy_ms, (long long)settings->timeout_ms);
	return SAGA_OK;
}
