#include "mssql_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char scheme[] = "mssql://";
static const char wanted[] = "mssql://user:password@host:port/database";

#define AT(member) offsetof(struct saga__mssql_settings, member)

static const saga_url_setting table[] = {
	{ .key = "isolation",
		.kind = SAGA_URL_WORD,
		.offset = AT(isolation),
		.words = "read-committed serializable" },
	{ .key = "encrypt",
		.kind = SAGA_URL_TEXT,
		.least = 1,
		.offset = AT(encrypt),
		.most = sizeof((struct saga__mssql_settings *)0)->encrypt - 1 },
	{ .key = NULL },
};

/*
 * ct-lib has no property for encryption, and a file of settings of our own would be the whole
 * process's: an operator who wants more than its default, TLS if the server offers it, writes that
 * into freetds.conf.
 */
static int check_encrypt(const char *value, saga_error *error)
{
	if (!*value || strcmp(value, "conf") == 0)
		return SAGA_OK;
	return saga_error_set(error, SAGA_MALFORMED,
		"store: encrypt=%s can't be asked of FreeTDS here: write a section [NAME] with "
		"`host =`, `port =` and `encryption = %s` into freetds.conf; NAME is the URL's "
		"host then, with encrypt=conf or nothing",
		value, value);
}

/* In place. `what` is named instead of the text, which may be a password. */
static int decode(char *text, const char *what, saga_error *error)
{
	size_t size = strlen(text);

	if (saga_url_decode(text, size, text, size + 1) == SAGA_OK)
		return SAGA_OK;
	return saga_error_set(error, SAGA_MALFORMED,
		"store: a `%%` of %s has no two hex digits behind it, or is %%00; a `%%` itself is "
		"written %%25, in %s",
		what, wanted);
}

static int read_user(char *login, struct saga__mssql_settings *settings, saga_error *error)
{
	char *password = strchr(login, ':');
	int code;

	if (password)
		*password++ = '\0';
	else
		password = login + strlen(login);
	if ((code = decode(login, "the user's name", error)) != SAGA_OK ||
		(code = decode(password, "the password", error)) != SAGA_OK)
		return code;
	if (*login == '\0')
		return saga_error_set(error, SAGA_MALFORMED, "store: no user, in %s", wanted);
	settings->user = login;
	settings->password = password;
	return SAGA_OK;
}

/* `host`, `host:port`, `[v6]` or `[v6]:port`. */
static int read_host(char *host, struct saga__mssql_settings *settings, saga_error *error)
{
	char *end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":");
	int64_t port = 1433;
	int code;

	if (*host == '[' && end)
		end++;
	if (!end || end == host || (*end && *end != ':'))
		return saga_error_set(
			error, SAGA_MALFORMED, "store: `%s` is no host:port, in %s", host, wanted);
	if (*end && !saga_url_number(end + 1, strlen(end + 1), 1, 65535, &port))
		return saga_error_set(error, SAGA_MALFORMED,
			"store: a port is a number from 1 to 65535, not `%s`", end + 1);
	*end = '\0';
	if ((code = decode(host, "the host", error)) != SAGA_OK)
		return code;
	if (strlen(host) > 255)
		return saga_error_set(error, SAGA_MALFORMED, "store: the host's name is too long");
	(void)snprintf(settings->server, sizeof settings->server, "%s:%d", host, (int)port);
	return SAGA_OK;
}

static int read_rest(char *rest, struct saga__mssql_settings *settings, saga_error *error)
{
	char *database, *host;
	int code;

	rest[strcspn(rest, "?")] = '\0';
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
		code = decode(database, "the database's name", error);
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
	if (code == SAGA_OK)
		code = saga_url_settings("store", url, table, &settings, NULL, error);
	if (code == SAGA_OK)
		code = check_encrypt(settings.encrypt, error);
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
	free(settings->memory);
	settings->memory = NULL;
}
