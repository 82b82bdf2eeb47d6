#include "nats_place.h"

#include <saga/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char domain_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789_-";

/* Copies [at, end); false: empty, or too long. */
static bool copy(char *to, size_t room, const char *at, const char *end)
{
	size_t size = (size_t)(end - at);

	if (!size || size >= room)
		return false;
	memcpy(to, at, size);
	to[size] = '\0';
	return true;
}

/*
 * Copies [at, end) and takes percent-encoding out. A `%` without two hex digits is a `%`, as for
 * libnats and the clients of other languages. False: empty, too long, or with a NUL in it.
 */
static bool decode(char *to, size_t room, const char *at, const char *end)
{
	size_t size = 0;

	while (at < end && size + 1 < room) {
		size_t left = (size_t)(end - at), piece = *at == '%' && left > 2 ? 3 : 1;

		if (piece == 3 && memcmp(at, "%00", 3) == 0)
			return false;
		if (saga_url_decode(at, piece, to + size, 2) != SAGA_OK) {
			to[size] = '%';
			piece = 1;
		}
		size++;
		at += piece;
	}
	to[size] = '\0';
	return size && at == end;
}

/* The last one in [at, end), or NULL. */
static const char *last_of(const char *at, const char *end, char wanted)
{
	while (end > at)
		if (*--end == wanted)
			return end;
	return NULL;
}

/* ---- who, where ---- */

static int read_user(
	struct saga__nats_place *place, const char *at, const char *end, saga_error *error)
{
	const char *colon = memchr(at, ':', (size_t)(end - at));
	bool fits = colon ? decode(place->user, sizeof place->user, at, colon) &&
			decode(place->password, sizeof place->password, colon + 1, end)
			  : decode(place->token, sizeof place->token, at, end);

	return fits ? SAGA_OK
		    : saga_error_set(error, SAGA_MALFORMED,
			      "transport: before the @ USER:PASSWORD or TOKEN is wanted, of at "
			      "most %d bytes each",
			      SAGA__NATS_TEXT - 1);
}

static int read_server(
	struct saga__nats_place *place, const char *at, const char *end, saga_error *error)
{
	const char *colon = last_of(at, end, ':');
	const char *host_end = colon && end[-1] != ']' ? colon : end;
	int64_t port = 4222;
	char *server;

	if (place->server_count == SAGA__NATS_SERVERS)
		return saga_error_set(error, SAGA_MALFORMED, "transport: more than %d servers",
			SAGA__NATS_SERVERS);
	if (host_end == at || end - at > 200 ||
		(host_end < end &&
			!saga_url_number(colon + 1, (size_t)(end - colon - 1), 1, 65535, &port)))
		return saga_error_set(error, SAGA_MALFORMED,
			"transport: HOST or HOST:PORT is wanted, not `%.*s`", (int)(end - at), at);
	server = place->servers[place->server_count++];
	(void)snprintf(server, sizeof place->servers[0], "%s://%.*s%s", place->tls ? "tls" : "nats",
		(int)(end - at), at, host_end == end ? ":4222" : "");
	return SAGA_OK;
}

static int read_servers(
	struct saga__nats_place *place, const char *at, const char *end, saga_error *error)
{
	int code = SAGA_OK;

	while (code == SAGA_OK) {
		const char *comma = memchr(at, ',', (size_t)(end - at));

		code = read_server(place, at, comma ? comma : end, error);
		if (!comma)
			return code;
		at = comma + 1;
	}
	return code;
}

static int read_domain(
	struct saga__nats_place *place, const char *at, const char *end, saga_error *error)
{
	if (at == end)
		return SAGA_OK;
	if (!copy(place->domain, sizeof place->domain, at + 1, end) ||
		strspn(place->domain, domain_letters) != strlen(place->domain))
		return saga_error_set(error, SAGA_MALFORMED,
			"transport: behind the / a domain of 1 to %d of A-Z a-z 0-9 _ - is wanted",
			SAGA__NATS_DOMAIN - 1);
	return SAGA_OK;
}

/* ---- settings ---- */

#define AT(member) offsetof(struct saga__nats_place, member)
#define NUMBER(name_, least_, most_) \
	{ \
		.key = #name_, .kind = SAGA_URL_NUMBER, .least = least_, .most = most_, \
		.offset = AT(name_) \
	}
#define TEXT(name_) \
	{ \
		.key = #name_, .kind = SAGA_URL_TEXT, .least = 1, .most = SAGA__NATS_TEXT - 1, \
		.offset = AT(name_) \
	}

static const saga_url_setting table[] = {
	NUMBER(replicas, 1, 5),
	{ .key = "retention",
		.kind = SAGA_URL_WORD,
		.offset = AT(retention),
		.words = "limits interest" },
	NUMBER(age, 0, 4000000000),
	NUMBER(bytes, 0, INT64_MAX / 2),
	NUMBER(messages, 0, INT64_MAX / 2),
	NUMBER(settle, 1, 86400),
	NUMBER(window, 1, 172800),
	NUMBER(ack, 1, 3600),
	NUMBER(pending, 1, 65536),
	{ .key = "format", .kind = SAGA_URL_WORD, .offset = AT(format), .words = "msgpack json" },
	TEXT(creds),
	NUMBER(reconnect, 10, 60000),
	TEXT(ca),
	TEXT(cert),
	TEXT(key),
	TEXT(name),
	{ .key = NULL },
};

static int read_settings(struct saga__nats_place *place, const char *url, saga_error *error)
{
	int code = saga_url_settings("transport", url, table, place, NULL, error);
	const char *of_tls = place->ca[0] ? "ca"
		: place->cert[0]          ? "cert"
		: place->key[0]           ? "key"
		: place->name[0]          ? "name"
					  : NULL;

	if (code != SAGA_OK)
		return code;
	if (of_tls && !place->tls)
		return saga_error_set(
			error, SAGA_MALFORMED, "transport: %s is for tls:// only", of_tls);
	if (!place->cert[0] != !place->key[0])
		return saga_error_set(error, SAGA_MALFORMED, "transport: cert and key go together");
	return SAGA_OK;
}

static int read_place(const char *url, struct saga__nats_place *ret_place, saga_error *error)
{
	struct saga__nats_place place = { .domain = "saga",
		.replicas = 1,
		.age = 90LL * 24 * 60 * 60,
		.settle = 250,
		.ack = 10,
		.pending = 256,
		.reconnect = 500 };
	const char *at = url ? strstr(url, "://") : NULL, *user_end, *host_end, *domain_end;
	int code = SAGA_OK;

	if (!at || (strncmp(url, "nats://", 7) != 0 && strncmp(url, "tls://", 6) != 0))
		return saga_error_set(error, SAGA_MALFORMED,
			"transport: nats://HOST or tls://HOST is wanted, not `%.*s`",
			url ? (int)strcspn(url, ":/@") : 0, url ? url : "");
	place.tls = url[0] == 't';
	at += 3;
	domain_end = at + strcspn(at, "?");
	/* A password may hold a `/`; a domain holds no `@`. */
	if ((user_end = last_of(at, domain_end, '@')))
		code = read_user(&place, at, user_end, error);
	at = user_end ? user_end + 1 : at;
	host_end = memchr(at, '/', (size_t)(domain_end - at));
	if (!host_end)
		host_end = domain_end;
	if (code == SAGA_OK)
		code = read_servers(&place, at, host_end, error);
	if (code == SAGA_OK)
		code = read_domain(&place, host_end, domain_end, error);
	if (code == SAGA_OK)
		code = read_settings(&place, url, error);
	if (!place.window)
		place.window = 2 * place.settle;
	if (code == SAGA_OK)
		*ret_place = place;
	return code;
}

int saga__nats_place_read(const char *url, struct saga__nats_place *ret_place, saga_error *error)
{
	int code = read_place(url, ret_place, error);

	if (code != SAGA_OK && error)
		saga_redact(url, error->text, sizeof error->text);
	return code;
}
