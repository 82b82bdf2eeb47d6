#include "mssql_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	/*
	 * FreeTDS counts whole seconds, and of each wait alone. So it asks every second, and the
	 * link's own clock answers.
	 */
	TICK_S = 1,
	TIMED_OUT = 20003,   /* TDSETIME */
	ERROR_SEVERITY = 11, /* below: the server only informs */
	FATAL_SEVERITY = 20  /* it has closed the connection, or will */
};

static int64_t now_ms(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static bool is_over(const struct saga__mssql_link *link)
{
	return atomic_load(&link->interrupted) || now_ms() >= link->deadline;
}

void saga__mssql_enter(struct saga__mssql_link *link)
{
	atomic_store(&link->interrupted, false);
	link->deadline = now_ms() + link->timeout_ms;
	if (link->dead)
		return;
	link->number = 0;
	link->text[0] = '\0';
}

/* ---- what the two sides say ---- */

static struct saga__mssql_link *link_of(CS_CONNECTION *connection)
{
	struct saga__mssql_link *link = NULL;

	if (connection)
		(void)ct_con_props(
			connection, CS_GET, CS_USERDATA, &link, (CS_INT)sizeof link, NULL);
	return link;
}

/* One line, the first that was said: what follows is its consequence. */
static void keep_text(struct saga__mssql_link *link, const char *text)
{
	if (link->text[0])
		return;
	(void)snprintf(link->text, sizeof link->text, "%.*s", (int)strcspn(text, "\r\n"), text);
}

static CS_RETCODE on_client_message(
	CS_CONTEXT *context, CS_CONNECTION *connection, CS_CLIENTMSG *message)
{
	struct saga__mssql_link *link = link_of(connection);

	(void)context;
	if (!link)
		return CS_FAIL;
	/* CS_SUCCEED: wait on. CS_FAIL: close the socket. */
	if (message->msgnumber == TIMED_OUT && !is_over(link))
		return CS_SUCCEED;
	if (atomic_load(&link->interrupted))
		keep_text(link, "interrupted");
	else if (message->msgnumber == TIMED_OUT)
		keep_text(link, "no answer in time");
	else
		keep_text(link, message->msgstring);
	return CS_FAIL;
}

static CS_RETCODE on_server_message(
	CS_CONTEXT *context, CS_CONNECTION *connection, CS_SERVERMSG *message)
{
	struct saga__mssql_link *link = link_of(connection);

	(void)context;
	if (!link || message->severity < ERROR_SEVERITY)
		return CS_SUCCEED;
	if (!link->number) {
		link->number = (int)message->msgnumber;
		link->severity = (int)message->severity;
		link->text[0] = '\0';
		keep_text(link, message->text);
	}
	if (message->severity >= FATAL_SEVERITY)
		link->dead = true;
	return CS_SUCCEED;
}

int saga__mssql_code(const struct saga__mssql_link *link)
{
	if (link->dead)
		return SAGA_AWAY;
	return link->number ? saga__mssql_code_of(link->number, link->severity, link->text)
			    : SAGA_OK;
}

const char *saga__mssql_why(const struct saga__mssql_link *link)
{
	return link->text[0] ? link->text : "the connection is lost";
}

/* ---- opening and closing ---- */

static bool set(CS_CONNECTION *connection, int property, const char *value)
{
	return ct_con_props(connection, CS_SET, property, (char *)(uintptr_t)value, CS_NULLTERM,
		       NULL) == CS_SUCCEED;
}

static bool set_number(CS_CONNECTION *connection, int property, int value)
{
	CS_INT number = value;

	return ct_con_props(connection, CS_SET, property, &number, CS_UNUSED, NULL) == CS_SUCCEED;
}

static bool set_context(struct saga__mssql_link *link)
{
	/* It is the limit of connecting, and of each wait while logging in. */
	CS_INT login_s = link->timeout_ms < 4000 ? 1 : link->timeout_ms / 2000;

	return cs_ctx_alloc(CS_VERSION_100, &link->context) == CS_SUCCEED &&
		ct_init(link->context, CS_VERSION_100) == CS_SUCCEED &&
		ct_config(link->context, CS_SET, CS_LOGIN_TIMEOUT, &login_s, CS_UNUSED, NULL) ==
		CS_SUCCEED &&
		ct_callback(link->context, NULL, CS_SET, CS_CLIENTMSG_CB,
			(CS_VOID *)(uintptr_t)on_client_message) == CS_SUCCEED &&
		ct_callback(link->context, NULL, CS_SET, CS_SERVERMSG_CB,
			(CS_VOID *)(uintptr_t)on_server_message) == CS_SUCCEED;
}

static bool set_connection(
	struct saga__mssql_link *link, const struct saga__mssql_settings *settings)
{
	CS_CONNECTION *connection;

	if (ct_con_alloc(link->context, &link->connection) != CS_SUCCEED)
		return false;
	connection = link->connection;
	return ct_con_props(connection, CS_SET, CS_USERDATA, &link, (CS_INT)sizeof link, NULL) ==
		CS_SUCCEED &&
		set_number(connection, CS_TDS_VERSION, CS_TDS_74) &&
		set_number(connection, CS_TIMEOUT, TICK_S) &&
		set(connection, CS_CLIENTCHARSET, "UTF-8") &&
		set(connection, CS_APPNAME, "libsaga") &&
		set(connection, CS_USERNAME, settings->user) &&
		set(connection, CS_PASSWORD, settings->password) &&
		set(connection, CS_DATABASE, settings->database);
}

int saga__mssql_link_open(struct saga__mssql_link *link,
	const struct saga__mssql_settings *settings, saga_error *error)
{
	link->timeout_ms = settings->timeout_ms;
	atomic_init(&link->interrupted, false);
	saga__mssql_enter(link);
	if (!set_context(link) || !set_connection(link, settings))
		return saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	if (ct_connect(link->connection, (char *)(uintptr_t)settings->server, CS_NULLTERM) !=
		CS_SUCCEED) {
		link->dead = true;
		return saga_error_set(error, SAGA_AWAY, "store: %s: %s", settings->server,
			link->text[0] ? link->text : "can't connect");
	}
	if (ct_cmd_alloc(link->connection, &link->command) != CS_SUCCEED)
		return saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	return SAGA_OK;
}

void saga__mssql_link_close(struct saga__mssql_link *link)
{
	if (link->command)
		(void)ct_cmd_drop(link->command);
	if (link->connection) {
		(void)ct_close(link->connection, CS_FORCE_CLOSE);
		(void)ct_con_drop(link->connection);
	}
	if (link->context) {
		(void)ct_exit(link->context, CS_FORCE_EXIT);
		(void)cs_ctx_drop(link->context);
	}
}

/* ---- a request ---- */

static bool put_param(CS_COMMAND *command, const struct saga__mssql_param *param, size_t number)
{
	CS_DATAFMT format = {
		.datatype = param->type, .status = CS_INPUTVALUE, .maxlength = (CS_INT)param->size
	};

	/* Some servers know parameters without names by this name alone. */
	format.namelen = snprintf(format.name, sizeof format.name, "@P%zu", number);
	return ct_param(command, &format, (void *)(uintptr_t)param->at, (CS_INT)param->size, 0) ==
		CS_SUCCEED;
}

bool saga__mssql_send(struct saga__mssql_link *link, const char *text,
	const struct saga__mssql_param *params, size_t count)
{
	bool sent;

	if (link->dead)
		return false;
	sent = ct_command(link->command, CS_LANG_CMD, text, CS_NULLTERM, CS_UNUSED) == CS_SUCCEED;
	for (size_t i = 0; sent && i < count; i++)
		sent = put_param(link->command, &params[i], i + 1);
	sent = sent && ct_send(link->command) == CS_SUCCEED;
	link->dead = !sent;
	return sent;
}

/* A server that always has one more token is cut off here, one that has none in its callback. */
static bool is_late(struct saga__mssql_link *link)
{
	if (link->dead || !is_over(link))
		return link->dead;
	keep_text(link, atomic_load(&link->interrupted) ? "interrupted" : "no answer in time");
	link->dead = true;
	return true;
}

enum saga__mssql_next saga__mssql_next(struct saga__mssql_link *link)
{
	CS_INT type;

	while (!is_late(link)) {
		switch (ct_results(link->command, &type)) {
		case CS_SUCCEED:
			if (type == CS_ROW_RESULT)
				return SAGA__MSSQL_ROWS;
			if (type == CS_STATUS_RESULT || type == CS_PARAM_RESULT)
				(void)ct_cancel(NULL, link->command, CS_CANCEL_CURRENT);
			break;
		case CS_END_RESULTS:
			return link->dead ? SAGA__MSSQL_DEAD : SAGA__MSSQL_END;
		default:
			link->dead = true;
			break;
		}
	}
	return SAGA__MSSQL_DEAD;
}

bool saga__mssql_row(struct saga__mssql_link *link)
{
	CS_INT count;

	if (is_late(link))
		return false;
	switch (ct_fetch(link->command, CS_UNUSED, CS_UNUSED, CS_UNUSED, &count)) {
	case CS_SUCCEED:
		return true;
	case CS_END_DATA:
		return false;
	default:
		link->dead = true;
		return false;
	}
}
