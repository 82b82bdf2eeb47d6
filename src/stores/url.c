#include "url.h"

#include <stdlib.h>
#include <string.h>

static int hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A `%00` would cut the text short behind the reader's back, so it is none. */
int saga__url_decode(char *text, const char *url, saga_error *error)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (*from == '%') {
			int high = hex_of(from[1]);
			int low = high < 0 ? -1 : hex_of(from[2]);

			if (low < 0 || high + low == 0)
				return saga_error_set(error, SAGA_MALFORMED,
					"store: `%.3s` is no percent-encoded byte, in `%s`", from,
					url);
			*to++ = (char)(high * 16 + low);
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return SAGA_OK;
}

static int add_key(struct saga__url *url, char *name, const char *whole, saga_error *error)
{
	char *value = strchr(name, '=');
	int code;

	if (!value || value == name)
		return saga_error_set(error, SAGA_MALFORMED,
			"store: `%s` is not key=value, in `%s`", name, whole);
	*value++ = '\0';
	if (url->key_count == SAGA__URL_KEYS)
		return saga_error_set(error, SAGA_MALFORMED, "store: more than %d keys in `%s`",
			SAGA__URL_KEYS, whole);
	code = saga__url_decode(name, whole, error);
	if (code == SAGA_OK)
		code = saga__url_decode(value, whole, error);
	if (code != SAGA_OK)
		return code;
	for (size_t i = 0; i < url->key_count; i++) {
		if (strcmp(url->keys[i].name, name) == 0)
			return saga_error_set(error, SAGA_MALFORMED,
				"store: key `%s` comes twice in `%s`", name, whole);
	}
	url->keys[url->key_count++] = (struct saga__url_key){ .name = name, .value = value };
	return SAGA_OK;
}

static int read_keys(struct saga__url *url, char *query, const char *whole, saga_error *error)
{
	int code = SAGA_OK;

	while (query && code == SAGA_OK) {
		char *next = strchr(query, '&');

		if (next)
			*next++ = '\0';
		code = add_key(url, query, whole, error);
		query = next;
	}
	return code;
}

int saga__url_read(const char *url, struct saga__url *ret_url, saga_error *error)
{
	struct saga__url read = { 0 };
	size_t size = strlen(url) + 1;
	char *path, *query;
	int code;

	read.memory = malloc(size);
	if (!read.memory)
		return saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	memcpy(read.memory, url, size);
	path = strchr(read.memory, ':');
	path = path ? path + 1 : read.memory;
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	read.path = path;
	code = saga__url_decode(path, url, error);
	if (code == SAGA_OK && *path == '\0')
		code = saga_error_set(error, SAGA_MALFORMED, "store: no path in `%s`", url);
	if (code == SAGA_OK)
		code = read_keys(&read, query, url, error);
	if (code == SAGA_OK)
		*ret_url = read;
	else
		saga__url_free(&read);
	return code;
}

void saga__url_free(struct saga__url *url)
{
	free(url->memory);
	url->memory = NULL;
}
