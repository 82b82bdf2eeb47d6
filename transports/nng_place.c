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

/* HOST:PORT; where the port begins, or 0. */
static size_t port_at(const char *text, size_t size)
{
	size_t at = size;
	int64_t port;

	while (at && text[at - 1] != ':')
		at--;
	if (at < 2 || !saga_url_number(text + at, size - at, 1, PORT_MOST, &port))
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
	char whole[SAGA__NNG_TEXT];
	int64_t port = 0;
	int length;

	if (scheme->ipc)
		length = snprintf(whole, sizeof whole, "%.*s.out", (int)size, text);
	else if (saga_url_number(text + at, size - at, 1, PORT_MOST - 1, &port))
		length = snprintf(
			whole, sizeof whole, "%.*s%lld", (int)at, text, (long long)port + 1);
	else
		return false;

	return (size_t)length < sizeof whole && read_address(scheme, whole, (size_t)length, to);
}

static bool read_out(const struct scheme *scheme, const char *in, const char *value,
	struct saga__nng_place *place)
{
	char whole[2 * SAGA__NNG_TEXT];
	size_t size = strlen(value);
	int64_t port;
	int length;

	if (scheme->ipc || !saga_url_number(value, size, 1, PORT_MOST, &port))
		return read_address(scheme, value, size, place->out);
	length = snprintf(
		whole, sizeof whole, "%.*s%s", (int)port_at(in, strcspn(in, "?")), in, value);
	return (size_t)length < sizeof whole &&
		read_address(scheme, whole, (size_t)length, place->out);
}

/* ---- settings ---- */

/* A place and the setting that only its scheme can read. */
struct settings {
	struct saga__nng_place place;
	char out[SAGA__NNG_TEXT];
};

#define AT(member) offsetof(struct settings, member)
#define TEXT(key_, member) \
	{ \
		.key = key_, .kind = SAGA_URL_TEXT, .least = 1, .most = SAGA__NNG_TEXT - 1, \
		.offset = AT(member) \
	}

static const saga_url_setting table[] = {
	TEXT("out", out),
	{ .key = "sendbuf",
		.kind = SAGA_URL_NUMBER,
		.least = 65536,
		.most = 268435456,
		.offset = AT(place.sendbuf) },
	{ .key = "frame",
		.kind = SAGA_URL_NUMBER,
		.least = 1024,
		.most = 268435456,
		.offset = AT(place.frame) },
	{ .key = "reconnect",
		.kind = SAGA_URL_NUMBER,
		.least = 10,
		.most = 60000,
		.offset = AT(place.reconnect) },
	TEXT("ca", place.ca),
	TEXT("cert", place.cert),
	TEXT("key", place.key),
	TEXT("name", place.name),
	{ .key = NULL },
};

static int read_settings(
	const struct scheme *scheme, const char *url, struct settings *settings, saga_error *error)
{
	int code = saga_url_settings("transport", url, table, settings, NULL, error);

	if (code != SAGA_OK || !settings->out[0] ||
		read_out(scheme, url + strlen(scheme->ours), settings->out, &settings->place))
		return code;
	return saga_error_set(error, SAGA_MALFORMED, "transport: out is %s, not `%s`",
		scheme->ipc ? "a path from / on, of at most 100 bytes" : "PORT or HOST:PORT",
		settings->out);
}

/* TLS here is mutual: both must show who they are. */
static int check_tls(const struct scheme *scheme, const char *in, struct saga__nng_place *place,
	saga_error *error)
{
	size_t port = scheme->ipc ? 0 : port_at(in, strcspn(in, "?"));

	place->ipc = scheme->ipc;
	place->tls = scheme->tls;
	if (!scheme->tls) {
		const char *given = place->ca[0] ? "ca"
			: place->cert[0]         ? "cert"
			: place->key[0]          ? "key"
			: place->name[0]         ? "name"
						 : NULL;

		return given ? saga_error_set(error, SAGA_MALFORMED,
				       "transport: %s is for nng+tls+tcp only", given)
			     : SAGA_OK;
	}
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
	struct settings settings = { .place = { .frame = SAGA__NNG_FRAME, .reconnect = 1000 } };
	struct saga__nng_place *place = &settings.place;
	const struct scheme *scheme;
	const char *in;
	int code;

	if (!url)
		url = "";
	if (!(scheme = scheme_of(url)))
		return saga_error_set(error, SAGA_MALFORMED,
			"transport: nng+ipc://PATH, nng+tcp://HOST:PORT or nng+tls+tcp://HOST:PORT "
			"is wanted, not `%.*s`",
			(int)strcspn(url, ":/@"), url);
	in = url + strlen(scheme->ours);
	if (!read_address(scheme, in, strcspn(in, "?"), place->in))
		return wrong(error, url,
			scheme->ipc ? "a path from / on, of at most 100 bytes, is wanted"
				    : "HOST:PORT is wanted");
	code = read_settings(scheme, url, &settings, error);
	if (code == SAGA_OK)
		code = check_tls(scheme, in, place, error);
	if (code != SAGA_OK)
		return code;
	if (!place->out[0] && !default_out(scheme, in, strcspn(in, "?"), place->out))
		return wrong(error, url, "there is no room for `out` behind it: say ?out=");
	if (strcmp(place->in, place->out) == 0)
		return wrong(error, url, "in and out are the same");
	*ret_place = *place;
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
