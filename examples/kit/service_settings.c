#include "service_settings.h"

#include "settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	TOKEN_LEAST = 16 /* bytes */
};

int service_complain(const struct service_def *def, const char *format, ...)
{
	char text[1024];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	complain("%s: %s", def->program, text);
	return -1;
}

static int read_level(const struct service_def *def, struct service_settings *settings)
{
	static const char *const names[] = { "info", "warning", "alarm" };

	for (int i = 0; i < 3; i++)
		if (strcmp(names[i], settings->level_name) == 0) {
			settings->level = SAGA_INFO + i;
			return 0;
		}
	return service_complain(
		def, "log-level `%s`: not info, warning or alarm", settings->level_name);
}

static int read_token_file(const struct service_def *def, struct service_settings *settings)
{
	FILE *file = fopen(settings->token_file, "r");

	if (!file || !fgets(settings->token_read, sizeof settings->token_read, file)) {
		service_complain(def, "token-file `%s`: %s", settings->token_file,
			file ? "it is empty" : strerror(errno));
		if (file)
			fclose(file);
		return -1;
	}
	fclose(file);
	settings->token_read[strcspn(settings->token_read, "\r\n")] = '\0';
	settings->token = settings->token_read;
	return 0;
}

static int read_token(const struct service_def *def, struct service_settings *settings)
{
	if (settings->token && settings->token_file)
		return service_complain(def, "token, token-file: give one of them, not both");
	if (settings->token_file && read_token_file(def, settings) != 0)
		return -1;
	if (settings->token && !settings->token_file && *settings->token == '@') {
		if (secret_read(def->program, settings->token, settings->token_read,
			    sizeof settings->token_read) != 0)
			return -1;
		settings->token = settings->token_read;
	}
	if (settings->token &&
		(strlen(settings->token) < TOKEN_LEAST || strlen(settings->token) > TOKEN_MOST))
		return service_complain(
			def, "token: it takes %d to %d bytes", TOKEN_LEAST, TOKEN_MOST);
	for (const char *at = settings->token; at && *at; at++)
		if (*at <= ' ' || *at > '~')
			return service_complain(def, "token: it takes printable ASCII, no blanks");
	return 0;
}

static int read_url(const struct service_def *def, const char **url, char read[URL_MOST])
{
	if (secret_read(def->program, *url, read, URL_MOST) != 0)
		return -1;
	*url = read;
	return 0;
}

static int read_address(const struct service_def *def, struct service_settings *settings)
{
	if (http_address(settings->listen, &settings->address) != 0)
		return service_complain(def,
			"listen `%s`: not HOST:PORT, as 127.0.0.1:8081 or [::1]:8081",
			settings->listen);
	if (!http_is_loopback(&settings->address) && !settings->token)
		return service_complain(def,
			"listen `%s`: others can reach this: it needs a token (--token-file)",
			settings->listen);
	return 0;
}

static bool asks_for(const char *flag, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], flag) == 0)
			return true;
	return false;
}

/* 1: it is printed, as after --help. */
static int print_contract(const struct service_def *def)
{
	size_t size = saga_contract_json(def->participant, NULL, 0) + 1;
	char *text = malloc(size);

	if (!text || size == 1) {
		free(text);
		return service_complain(def, "the contract can't be made");
	}
	(void)saga_contract_json(def->participant, text, size);
	fputs(text, stdout);
	free(text);
	return 1;
}

int service_settings_read(
	const struct service_def *def, struct service_settings *settings, int argc, char **argv)
{
	static const struct setting none[] = { { .name = NULL } };
	const struct setting common[] = {
		{ "store", "URL", "the database; @FILE: the first line of that file",
			&settings->store, NULL, 0, 0 },
		{ "bus", "URL",
			"the --in of `saga bus`, or nats://; none: it runs alone; @FILE as above",
			&settings->bus, NULL, 0, 0 },
		{ "listen", "HOST:PORT",
			"an address; one beyond loopback needs a token; port 0: any free one",
			&settings->listen, NULL, 0, 0 },
		{ "token", "TEXT",
			"bearer token, needed for everything but /healthz; @FILE as above",
			&settings->token, NULL, 0, 0 },
		{ "token-file", "FILE", "a file whose first line is the token",
			&settings->token_file, NULL, 0, 0 },
		{ "lanes", "N",
			"threads with a store connection each; 0: none, the loop does the work",
			NULL, &settings->lanes, 0, 8 },
		{ "lease-ms", "N",
			"after so long without a sign of life other instances take over its work",
			NULL, &settings->lease_ms, 3000, 3600000 },
		{ "log-level", "LEVEL", "info, warning or alarm", &settings->level_name, NULL, 0,
			0 },
		{ "drain-ms", "N", "grace period after SIGTERM; then it exits, finished or not",
			NULL, &settings->drain_ms, 0, 600000 },
		{ .name = NULL },
	};
	const struct setting *const tables[] = { common, def->settings ? def->settings : none,
		NULL };
	int code;

	if (asks_for("--contract", argc, argv) && !asks_for("--help", argc, argv))
		return print_contract(def);
	settings->store = def->store;
	settings->bus = def->bus ? def->bus : "nng+tcp://127.0.0.1:7700";
	settings->listen = def->listen;
	settings->level_name = "info";
	settings->lanes = 1;
	settings->lease_ms = 15000;
	settings->drain_ms = 10000;
	code = settings_read(
		&(struct settings_of){ .program = def->program,
			.about = def->about,
			.prefix = def->prefix,
			.more = "  --contract\n      print the participant's contract, for "
				"`saga check`\n" },
		tables, argc, argv);
	if (code != 0)
		return code;
	if (read_level(def, settings) != 0 ||
		read_url(def, &settings->store, settings->store_read) != 0 ||
		read_url(def, &settings->bus, settings->bus_read) != 0 ||
		read_token(def, settings) != 0)
		return -1;
	return read_address(def, settings);
}
