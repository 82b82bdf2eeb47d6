#include "nng_place.h"

#include <saga/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FILE_BYTES_MOST = 256 * 1024,
	PORT_MOST = 65535
};

/* ---- reading a URL ---- */

static const char host_signs[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 ".-_*:[]";

static int wrong(saga_error *error, const char *url, const char *why)
{
	return saga_error_set(error, SAGA_MALFORMED, "transport: %s in `%.200s`", why, url);
}

/* All of text, a number in its limits; 0: it is not. */
static size_t number(const char *text, size_t size, size_t least, size_t most)
{
	size_t value = 0;

	if (!size || size > 9)
		return 0;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		value = value * 10 + (size_t)(text[i] - '0');
	}
	return value >= least && value <= most ? value : 0;
}

/* HOST:PORT; where the port begins, or 0. */
static size_t port_at(const char *text, size_t size)
{
	size_t at = size;

	while (at && text[at - 1] != ':')
		at--;
	if (at < 2 || !number(text + at, size - at, 1, PORT_MOST))
		return 0;
	for (size_t i = 0; i < at; i++)
		if (!memchr(host_signs, text[i], sizeof host_signs - 1))
			return 0;
	return at;
}

static bool is_path(const char *text, size_t size)
{
	return size > 1 && size <= 100 && text[0] == '/' && !memchr(text, '\0', size);
}

struct scheme {
	const char *ours, *nng;
	bool ipc, tls;
};

static const struct scheme schemes[] = {
	{ "nng+ipc://", "ipc://", true, false },
	{ "nng+tcp://", "tcp://", false, false },
	{ "nng+tls+tcp://", "tls+tcp://", false, true },
};

static const struct scheme *scheme_of(const char *url)
{
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		if (strncmp(url, schemes[i].ours, strlen(schemes[i].ours)) == 0)
			return &schemes[i];
	return NULL;
}

static bool put(char to[SAGA__NNG_TEXT], const char *before, const char *text, size_t size)
{
	return snprintf(to, SAGA__NNG_TEXT, "%s%.*s", before, (int)size, text) < SAGA__NNG_TEXT;
}

static bool read_address(const struct scheme *scheme, const char *text, size_t size, char *to)
{
	if (scheme->ipc ? !is_path(text, size) : !port_at(text, size))
		return false;
	return put(to, scheme->nng, text, size);
}

/* The out of an in: one port further, or PATH.out. */
static bool default_out(const struct scheme *scheme, const char *text, size_t size, char *to)
{
	size_t at = scheme->ipc ? 0 : port_at(text, size);
	size_t port = scheme->ipc ? 0 : number(text + at, size - at, 1, PORT_MOST) + 1;
	char whole[SAGA__NNG_TEXT];
	int length = scheme->ipc ? snprintf(whole, sizeof whole, "%.*s.out", (int)size, text)
				 : snprintf(whole, sizeof whole, "%.*s%zu", (int)at, text, port);

	return (size_t)length < sizeof whole && read_address(scheme, whole, (size_t)length, to);
}

static bool read_out(const struct scheme *scheme, const char *in, const char *value, size_t size,
	struct saga__nng_place *place)
{
	char whole[SAGA__NNG_TEXT];
	int length;

	if (scheme->ipc || !number(value, size, 1, PORT_MOST))
		return read_address(scheme, value, size, place->out);
	length = snprintf(whole, sizeof whole, "%.*s%.*s", (int)port_at(in, strcspn(in, "?")), in,
		(int)size, value);
	return (size_t)length < sizeof whole &&
		read_address(scheme, whole, (size_t)length, place->out);
}

/* ---- settings ---- */

struct limit {
	const char *name;
	size_t at, least, most;
};

static const struct limit limits[] = {
	{ "sendbuf", offsetof(struct saga__nng_place, sendbuf), 65536, 268435456 },
	{ "frame", offsetof(struct saga__nng_place, frame), 1024, 268435456 },
	{ "reconnect", offsetof(struct saga__nng_place, reconnect), 10, 60000 },
};

struct word {
	const char *name;
	size_t at;
};

static const struct word tls_words[] = {
	{ "ca", offsetof(struct saga__nng_place, ca) },
	{ "cert", offsetof(struct saga__nng_place, cert) },
	{ "key", offsetof(struct saga__nng_place, key) },
	{ "name", offsetof(struct saga__nng_place, name) },
};

static bool is(const char *name, const char *text, size_t size)
{
	return strlen(name) == size && memcmp(name, text, size) == 0;
}

static int wrong_setting(saga_error *error, const char *text, size_t size, const char *why)
{
	return saga_error_set(error, SAGA_MALFORMED, "transport: setting `%.*s`: %s",
		(int)(size < 80 ? size : 80), text, why);
}

static int read_limit(const struct limit *limit, const char *text, size_t size, const char *value,
	size_t value_size, struct saga__nng_place *place, saga_error *error)
{
	size_t *field = (size_t *)(void *)((char *)place + limit->at);
	char why[64];

	(void)snprintf(why, sizeof why, "%zu to %zu is wanted", limit->least, limit->most);
	*field = number(value, value_size, limit->least, limit->most);
	return *field ? SAGA_OK : wrong_setting(error, text, size, why);
}

static int read_setting(const struct scheme *scheme, const char *in, const char *text, size_t size,
	struct saga__nng_place *place, saga_error *error)
{
	const char *equals = memchr(text, '=', size);
	size_t name = equals ? (size_t)(equals - text) : size;
	const char *value = text + name + 1;
	size_t value_size = equals ? size - name - 1 : 0;

	if (!value_size)
		return wrong_setting(error, text, size, "has no value");
	if (is("out", text, name))
		return read_out(scheme, in, value, value_size, place)
			? SAGA_OK
			: wrong_setting(error, text, size,
				  scheme->ipc ? "a path from / on, of at most 100 bytes, is wanted"
					      : "PORT or HOST:PORT is wanted");
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		if (is(limits[i].name, text, name))
			return read_limit(&limits[i], text, size, value, value_size, place, error);
	for (size_t i = 0; i < sizeof tls_words / sizeof tls_words[0]; i++) {
		if (!is(tls_words[i].name, text, name))
			continue;
		if (!scheme->tls)
			return wrong_setting(error, text, size, "is for nng+tls+tcp only");
		return put((char *)place + tls_words[i].at, "", value, value_size)
			? SAGA_OK
			: wrong_setting(error, text, size, "is too long");
	}
	return wrong_setting(error, text, size, "there is no such setting");
}

/* TLS here is mutual: both must show who they are. */
static int check_tls(const struct scheme *scheme, const char *in, struct saga__nng_place *place,
	saga_error *error)
{
	size_t port = scheme->ipc ? 0 : port_at(in, strcspn(in, "?"));

	place->ipc = scheme->ipc;
	place->tls = scheme->tls;
	if (!scheme->tls)
		return SAGA_OK;
	if (!place->ca[0] || !place->cert[0] || !place->key[0])
		return saga_error_set(error, SAGA_MALFORMED,
			"transport: nng+tls+tcp needs the settings ca, cert and key; %s is missing",
			!place->ca[0]             ? "ca"
				: !place->cert[0] ? "cert"
						  : "key");
	if (!place->name[0])
		(void)put(place->name, "", in, port - 1);
	return SAGA_OK;
}

static int read_place(const char *url, struct saga__nng_place *ret_place, saga_error *error)
{
	struct saga__nng_place place = { .frame = SAGA__NNG_FRAME, .reconnect = 1000 };
	const struct scheme *scheme;
	const char *in, *at;
	int code = SAGA_OK;

	if (!url)
		url = "";
	if (!(scheme = scheme_of(url)))
		return saga_error_set(error, SAGA_MALFORMED,
			"transport: nng+ipc://PATH, nng+tcp://HOST:PORT or nng+tls+tcp://HOST:PORT "
			"is wanted, not `%.*s`",
			(int)strcspn(url, ":/@"), url);
	in = url + strlen(scheme->ours);
	if (!read_address(scheme, in, strcspn(in, "?"), place.in))
		return wrong(error, url,
			scheme->ipc ? "a path from / on, of at most 100 bytes, is wanted"
				    : "HOST:PORT is wanted");
	for (at = in + strcspn(in, "?"); *at && code == SAGA_OK; at += strcspn(at, "&")) {
		at++;
		code = read_setting(scheme, in, at, strcspn(at, "&"), &place, error);
	}
	if (code == SAGA_OK)
		code = check_tls(scheme, in, &place, error);
	if (code != SAGA_OK)
		return code;
	if (!place.out[0] && !default_out(scheme, in, strcspn(in, "?"), place.out))
		return wrong(error, url, "there is no room for `out` behind it: say ?out=");
	if (strcmp(place.in, place.out) == 0)
		return wrong(error, url, "in and out are the same");
	*ret_place = place;
	return SAGA_OK;
}

int saga__nng_place_read(const char *url, struct saga__nng_place *ret_place, saga_error *error)
{
	int code = read_place(url, ret_place, error);

	if (code != SAGA_OK && error)
		saga_redact(url, error->text, sizeof error->text);
	return code;
}

/* ---- TLS ---- */

static int read_file(const char *name, const char *path, char **ret_text, saga_error *error)
{
	FILE *file = fopen(path, "rb");
	char *text = file ? malloc(FILE_BYTES_MOST + 1) : NULL;
	size_t size = text ? fread(text, 1, FILE_BYTES_MOST + 1, file) : 0;

	if (file)
		(void)fclose(file);
	if (!size || size > FILE_BYTES_MOST) {
		free(text);
		return saga_error_set(error, SAGA_MALFORMED,
			"transport: setting %s: `%.150s` can't be read, or holds nothing", name,
			path);
	}
	text[size] = '\0';
	*ret_text = text;
	return SAGA_OK;
}

static int fill_config(const struct saga__nng_place *place, bool listens, nng_tls_config *config,
	saga_error *error)
{
	char *ca = NULL, *cert = NULL, *key = NULL;
	int code = read_file("ca", place->ca, &ca, error);

	if (code == SAGA_OK)
		code = read_file("cert", place->cert, &cert, error);
	if (code == SAGA_OK)
		code = read_file("key", place->key, &key, error);
	if (code != SAGA_OK)
		goto done;
	if (nng_tls_config_ca_chain(config, ca, NULL) != 0)
		code = saga_error_set(error, SAGA_MALFORMED,
			"transport: setting ca: `%.150s` holds no PEM certificate", place->ca);
	else if (nng_tls_config_own_cert(config, cert, key, NULL) != 0)
		code = saga_error_set(error, SAGA_MALFORMED,
			"transport: settings cert and key: `%.90s` and `%.90s` are no PEM pair",
			place->cert, place->key);
	else if (nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED) != 0 ||
		(!listens && nng_tls_config_server_name(config, place->name) != 0))
		code = saga_error_set(error, SAGA_NOMEM, "transport: out of memory");
done:
	free(key);
	free(cert);
	free(ca);
	return code;
}

int saga__nng_tls_open(const struct saga__nng_place *place, bool listens,
	nng_tls_config **ret_config, saga_error *error)
{
	nng_tls_config *config = NULL;
	int code, failed;

	if (!place->tls) {
		*ret_config = NULL;
		return SAGA_OK;
	}
	failed = nng_tls_config_alloc(&config, listens ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT);
	if (failed)
		return saga_error_set(error, failed == NNG_ENOMEM ? SAGA_NOMEM : SAGA_UNSUPPORTED,
			"transport: nng+tls+tcp: %s",
			failed == NNG_ENOTSUP ? "this nng was built without TLS"
					      : nng_strerror(failed));
	if ((code = fill_config(place, listens, config, error)) != SAGA_OK) {
		nng_tls_config_free(config);
		return code;
	}
	*ret_config = config;
	return SAGA_OK;
}

void saga__nng_tls_close(nng_tls_config *config)
{
	if (config)
		nng_tls_config_free(config);
}

/* ---- meeting ---- */

int saga__nng_dialer_open(const struct saga__nng_place *place, const char *url,
	nng_tls_config *config, nng_stream_dialer **ret_dialer)
{
	nng_stream_dialer *dialer;
	int failed = nng_stream_dialer_alloc(&dialer, url);

	if (failed)
		return failed;
	if (config)
		failed = nng_stream_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
	if (!failed && !place->ipc)
		failed = nng_stream_dialer_set_bool(dialer, NNG_OPT_TCP_KEEPALIVE, true);
	if (failed)
		nng_stream_dialer_free(dialer);
	else
		*ret_dialer = dialer;
	return failed;
}

int saga__nng_listener_open(const struct saga__nng_place *place, const char *url,
	nng_tls_config *config, nng_stream_listener **ret_listener)
{
	nng_stream_listener *listener;
	int failed = nng_stream_listener_alloc(&listener, url);

	if (failed)
		return failed;
	if (config)
		failed = nng_stream_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
	if (!failed && !place->ipc)
		failed = nng_stream_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true);
	if (!failed)
		failed = nng_stream_listener_listen(listener);
	if (failed)
		nng_stream_listener_free(listener);
	else
		*ret_listener = listener;
	return failed;
}
