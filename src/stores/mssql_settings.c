#include "mssql_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char scheme[] = "mssql://";
static const char wanted[] = "mssql://user:password@host:port/database";

static int read_isolation(const char *value, bool *ret_serializable, saga_error *error)
{
	bool serializable = strcmp(value, "serializable") == 0;

	if (!serializable && strcmp(value, "read-committed") != 0)
		return saga_error_set(error, SAGA_MALFORMED,
			"store: isolation is read-committed or serializable, not `%s`", value);
	*ret_serializable = serializable;
	return SAGA_OK;
}

/*
 * ct-lib has no property for it, and a file of settings of our own would be the whole process's:
 * what is wanted beyond its default, TLS if the server offers it, stands in freetds.conf.
 */
static int read_encrypt(const char *value, saga_error *error)
{
	if (strcmp(value, "conf") == 0)
		return SAGA_OK;
	return saga_error_set(error, SAGA_MALFORMED,
		"store: encrypt=%s can't be asked of FreeTDS here: write a section [NAME] with "
		"`host =`, `port =` and `encryption = %s` into freetds.conf; NAME is the URL's "
		"host then, with encrypt=conf or nothing",
		value, value);
}

static int read_key(
	const struct saga__url_key *key, struct saga__mssql_settings *settings, saga_error *error)
{
	if (strcmp(key->name, "isolation") == 0)
		return read_isolation(key->value, &settings->serializable, error);
	if (strcmp(key->name, "encrypt") == 0)
		return read_encrypt(key->value, error);
	return saga_error_set(error, SAGA_MALFORMED,
		"store: mssql knows no key `%s`, but encrypt and isolation", key->name);
}

/* The URL's keys alone: the rest holds a password, which an error would show. */
static int read_keys(const char *query, struct saga__mssql_settings *settings, saga_error *error)
{
	char *text;
	int code;

	if (!query)
		return SAGA_OK;
	if (!(text = malloc(strlen(query) + sizeof "mssql:...?")))
		return saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	(void)stpcpy(stpcpy(text, "mssql:...?"), query);
	code = saga__url_read(text, &settings->keys, error);
	for (size_t i = 0; code == SAGA_OK && i < settings->keys.key_count; i++)
		code = read_key(&settings->keys.keys[i], settings, error);
	free(text);
	return code;
}

static int read_user(char *login, struct saga__mssql_settings *settings, saga_error *error)
{
	char *password = strchr(login, ':');
	int code;

	if (password)
		*password++ = '\0';
	else
		password = login + strlen(login);
	code = saga__url_decode(login, "the user's name", error);
	if (code == SAGA_OK)
		code = saga__url_decode(password, "the password", NULL);
	if (code != SAGA_OK)
		return saga_error_set(error, SAGA_MALFORMED,
			"store: the login's percent-encoding is wrong, in %s", wanted);
	if (*login == '\0')
		return saga_error_set(error, SAGA_MALFORMED, "store: no user, in %s", wanted);
	settings->user = login;
	settings->password = password;
	return SAGA_OK;
}

static int read_port(const char *text, int *ret_port, saga_error *error)
{
	char *end;
	long port;

	errno = 0;
	port = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' || port < 1 || port > 65535)
		return saga_error_set(error, SAGA_MALFORMED,
			"store: a port is a number from 1 to 65535, not `%s`", text);
	*ret_port = (int)port;
	return SAGA_OK;
}

/* `host`, `host:port`, `[v6]` or `[v6]:port`. */
static int read_host(char *host, struct saga__mssql_settings *settings, saga_error *error)
{
	char *end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":");
	int code, port = 1433;

	if (*host == '[' && end)
		end++;
	if (!end || end == host || (*end && *end != ':'))
		return saga_error_set(
			error, SAGA_MALFORMED, "store: `%s` is no host:port, in %s", host, wanted);
	if (*end) {
		*end = '\0';
		if ((code = read_port(end + 1, &port, error)) != SAGA_OK)
			return code;
	}
	if ((code = saga__url_decode(host, host, error)) != SAGA_OK)
		return code;
	if (strlen(host) > 255)
		return saga_error_set(error, SAGA_MALFORMED, "store: the host's name is too long");
	(void)snprintf(settings->server, sizeof settings->server, "%s:%d", host, port);
	return SAGA_OK;
}

static int read_rest(char *rest, struct saga__mssql_settings *settings, saga_error *error)
{
	char *query = strchr(rest, '?'), *database, *host;
	int code;

	if (query)
		*query++ = '\0';
	if ((database = strchr(rest, '/')))
		*database++ = '\0';
	if (!(host = strrchr(rest, '@')) || !database || !*database)
		return saga_error_set(error, SAGA_MALFORMED, "store: %s is wanted", wanted);
	*host++ = '\0';
	settings->database = database;
	code = read_user(rest, settings, error);
	if (code == SAGA_OK)
		code = read_host(host, settings, error);
	if (code == SAGA_OK)
		code = saga__url_decode(database, "the database's name", error);
	if (code == SAGA_OK)
		code = read_keys(query, settings, error);
	return code;
}

int saga__mssql_settings_read(const saga_store_options *options,
	struct saga__mssql_settings *ret_settings, saga_error *error)
{
	const char *url = options->url ? options->url : "";
	struct saga__mssql_settings settings = { .timeout_ms = options->timeout_ms };
	int code;

	if (options->timeout_ms <= 0)
		return saga_error_set(error, SAGA_MALFORMED,
			"store: timeout_ms is more than 0, not %d", options->timeout_ms);
	if (strncmp(url, scheme, sizeof scheme - 1) != 0)
		return saga_error_set(error, SAGA_MALFORMED, "store: %s is wanted", wanted);
	if (!(settings.memory = strdup(url + sizeof scheme - 1)))
		return saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	code = read_rest(settings.memory, &settings, error);
	if (code != SAGA_OK && error)
		saga_redact(url, error->text, sizeof error->text);
	if (code == SAGA_OK)
		*ret_settings = settings;
	else
		saga__mssql_settings_free(&settings);
	return code;
}

void saga__mssql_settings_free(struct saga__mssql_settings *settings)
{
	saga__url_free(&settings->keys);
	free(settings->memory);
	settings->memory = NULL;
}
