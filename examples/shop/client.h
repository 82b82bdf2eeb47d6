#ifndef SHOP_CLIENT_H
#define SHOP_CLIENT_H

/* A small HTTP client: one kept connection, one request at a time, which blocks. */

#include <jansson.h>
#include <stddef.h>

struct client {
	char host[256];
	char port[8];
	const char *token; /* NULL: none */
	int fd;            /* -1: not connected */
};

enum {
	CLIENT_REPLY_MOST = 1024 * 1024
};

/* http://HOST[:PORT]. -1: it is none. */
int client_init(struct client *client, const char *url, const char *token);
void client_close(struct client *client);

/*
 * Asks. The status, and the reply's JSON (the caller's; NULL: it is none); -1: no connection, or it
 * was lost: whether it was heard is unknown. `key` and `body` may be NULL.
 */
int client_ask(struct client *client, const char *method, const char *path, const char *key,
	const char *body, json_t **ret_json);

/* A text as a segment of a path. 0; -1: too long. */
int client_escape(const char *text, char *buffer, size_t size);

#endif
