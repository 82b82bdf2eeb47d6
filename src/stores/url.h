#ifndef SAGA_STORES_URL_H
#define SAGA_STORES_URL_H

/* A store's URL, `scheme:path?key=value&key=value`, cut into its parts and percent-decoded. */

#include <saga/error.h>

#include <stddef.h>

enum {
	SAGA__URL_KEYS = 16
};

struct saga__url_key {
	const char *name;
	const char *value;
};

struct saga__url {
	char *memory;
	const char *path;
	struct saga__url_key keys[SAGA__URL_KEYS];
	size_t key_count;
};

/* MALFORMED (a `%` that is none, a key without a value or twice, no path), NOMEM. */
int saga__url_read(const char *url, struct saga__url *ret_url, saga_error *error);
void saga__url_free(struct saga__url *url);

/* Takes percent-encoding out, in place; `url` is what an error names. MALFORMED. */
int saga__url_decode(char *text, const char *url, saga_error *error);

#endif
