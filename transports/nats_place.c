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

static int hex_of(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)((at - digits) % 16) : -1;
}

/*
 * Copies [at, end) and takes percent-encoding out. A `%` without two hex digits is a `%`, as for
 * libnats and the clients of other languages. False: empty, too long, or with a NUL in it.
 */
static bool decode(char *to, size_t room, const char *at, const char *end)
{
	size_t size = 0;

	while (at < end && size + 1 < room) {
		bool coded = *at == '%' && end - at > 2 && hex_of(at[1]) >= 0 && hex_of(at[2]) >= 0;

		to[size] = coded ? (char)(hex_of(at[1]) * 16 + hex_of(at[2])) : *at;
		if (to[size++] == '\0')
			return false;
		at += coded ? 3 : 1;
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

static bool is_port(const char *at, const char *end)
{
	long port = 0;

	for (const char *digit = at; digit < end; digit++) {
		if (*digit < '0' || *digit > '9' || port > 65535)
			return false;
		port = 10 * port + (*digit - '0');
	}
	return end > at && port > 0 && port <= 65535;
}

static int read_server(
	struct saga__nats_place *place, const char *at, const char *end, saga_error *error)
{
	const char *colon = last_of(at, end, ':');
	const char *host_end = colon && end[-1] != ']' ? colon : end;
	char *server;

	if (place->server_count == SAGA__NATS_SERVERS)
		return saga_error_set(error, SAGA_MALFORMED, "transport: more than %d servers",
			SAGA__NATS_SERVERS);
	if (host_end == at || end - at > 200 || (host_end < end && !is_port(colon + 1, end)))
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

struct setting {
	const char *name;
	size_t at; /* in the place */
	int64_t least, most;
	bool tls_only;
};

#define NUMBER(name_, least_, most_) \
	{ \
#name_, offsetof(struct saga__nats_place, name_), least_, most_, false \
	}
#define TEXT(name_, tls_) \
	{ \
#name_, offsetof(struct saga__nats_place, name_), 0, 0, tls_ \
	}

static const struct setting numbers[] = {
	NUMBER(replicas, 1, 5),
	NUMBER(age, 0, 4000000000),
	NUMBER(bytes, 0, INT64_MAX / 2),
	NUMBER(messages, 0, INT64_MAX / 2),
	NUMBER(settle, 1, 86400),
	NUMBER(window, 1, 172800),
	NUMBER(ack, 1, 3600),
	NUMBER(pending, 1, 65536),
	NUMBER(reconnect, 10, 60000),
};

static const struct setting texts[] = {
	TEXT(creds, false),
	TEXT(ca, true),
	TEXT(cert, true),
	TEXT(key, true),
	TEXT(name, true),
};

static bool is_named(const struct setting *setting, const char *at, const char *end)
{
	return strlen(setting->name) == (size_t)(end - at) &&
		memcmp(setting->name, at, (size_t)(end - at)) == 0;
}

static int read_number(struct saga__nats_place *place, const struct setting *setting,
	const char *text, saga_error *error)
{
	char *end;
	long long value = strtoll(text, &end, 10);

	if (!*text || *end || strspn(text, "0123456789") != strlen(text) || strlen(text) > 18 ||
		value < setting->least || value > setting->most)
		return saga_error_set(error, SAGA_MALFORMED, "transport: %s is %lld to %lld",
			setting->name, (long long)setting->least, (long long)setting->most);
	*(int64_t *)(void *)((char *)place + setting->at) = value;
	return SAGA_OK;
}

/* One of two words. */
static bool read_choice(bool *ret_second, const char *text, const char *first, const char *second)
{
	*ret_second = strcmp(text, second) == 0;
	return *ret_second || strcmp(text, first) == 0;
}

static int read_setting(
	struct saga__nats_place *place, const char *at, const char *end, saga_error *error)
{
	const char *equals = memchr(at, '=', (size_t)(end - at));
	char value[SAGA__NATS_TEXT];

	if (!equals || !copy(value, sizeof value, equals + 1, end))
		return saga_error_set(error, SAGA_MALFORMED,
			"transport: SETTING=VALUE is wanted, not `%.*s`", (int)(end - at), at);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (is_named(&numbers[i], at, equals))
			return read_number(place, &numbers[i], value, error);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		if (!is_named(&texts[i], at, equals))
			continue;
		if (texts[i].tls_only && !place->tls)
			return saga_error_set(error, SAGA_MALFORMED,
				"transport: %s is for tls:// only", texts[i].name);
		memcpy((char *)place + texts[i].at, value, strlen(value) + 1);
		return SAGA_OK;
	}
	if (equals - at == 9 && memcmp(at, "retention", 9) == 0 &&
		read_choice(&place->interest, value, "limits", "interest"))
		return SAGA_OK;
	if (equals - at == 6 && memcmp(at, "format", 6) == 0 &&
		read_choice(&place->json, value, "msgpack", "json"))
		return SAGA_OK;
	return saga_error_set(error, SAGA_MALFORMED, "transport: there is no setting `%.*s`",
		(int)(end - at), at);
}

static int read_settings(struct saga__nats_place *place, const char *at, saga_error *error)
{
	int code = SAGA_OK;

	while (code == SAGA_OK && *at) {
		const char *end = at + 1 + strcspn(at + 1, "&");

		code = read_setting(place, at + 1, end, error);
		at = end;
	}
	if (code == SAGA_OK && !place->cert[0] != !place->key[0])
		code = saga_error_set(error, SAGA_MALFORMED, "transport: cert and key go together");
	return code;
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
		code = read_settings(&place, domain_end, error);
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
