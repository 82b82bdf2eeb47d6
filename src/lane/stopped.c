/* Streams that have stopped: what happened is written down, and orders are found. */

#include <stdio.h>
#include <stdlib.h>

#include "inside.h"

enum {
	HALTS_MOST = 256 /* streams that are told of at once */
};

int saga__lane_tell_halts(
	struct saga__lane *lane, const struct saga__stream *resumed, bool anew, saga_error *error)
{
	struct saga__notification *notification;
	int code;

	if (lane->options.number)
		return SAGA_OK;
	if (!(notification = saga__notification_new(lane, SAGA__NOTIFY_STOPPED)) ||
		!(notification->halts = calloc(HALTS_MOST, sizeof *notification->halts))) {
		saga__notification_free(notification);
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	}
	code = saga__journal_halts(
		&lane->journal, notification->halts, HALTS_MOST, &notification->halt_count, error);
	if (code != SAGA_OK || (!anew && !notification->halt_count && !lane->has_halts)) {
		saga__notification_free(notification);
		return code;
	}
	lane->has_halts = notification->halt_count > 0;
	notification->anew = anew;
	if ((notification->resumed = resumed != NULL))
		notification->stream = *resumed;
	lane->options.notify(lane->options.host, notification);
	return SAGA_OK;
}

/* Another instance was told by an operator, and so what was found here is of before. */
static void log_void(struct saga__lane *lane, const struct saga__halt *halt)
{
	char text[160];

	(void)snprintf(text, sizeof text,
		"another instance carried out an operator command: the stream of %s goes on",
		halt->source.owner);
	saga__lane_log(lane, SAGA_WARNING, "stream.resumed", text);
}

void saga__lane_do_halt(struct saga__lane *lane, struct saga__lane_command *command)
{
	const struct saga__stream *resumed =
		command->kind == SAGA__COMMAND_RESUME ? &command->halt.source.stream : NULL;
	saga_error error = { .code = SAGA_OK };
	bool is_void = false;
	int code = resumed ? saga__journal_resume(&lane->journal, &command->halt, &error)
			   : saga__journal_halt(&lane->journal, &command->halt, &is_void, &error);

	if (code == SAGA_OK)
		code = saga__lane_tell_halts(lane, resumed, resumed || is_void, &error);
	if (code == SAGA_OK && is_void)
		log_void(lane, &command->halt);
	if (code == SAGA_OK)
		free(command);
	else
		saga__lane_put_off(lane, command, &error);
}

/* As far as it knows: renewals come each third of a lease, and then it was told. */
static bool is_alone(const struct saga__lane *lane)
{
	int64_t now = saga__monotonic(lane->options.env);

	return !lane->shared && now - lane->told_at < lane->options.lease_ms / 2;
}

int saga__lane_check_moves(
	struct saga__lane *lane, const struct saga__notification *notification, saga_error *error)
{
	bool is_void = false;
	int code = SAGA_OK;

	if (notification->move_count && !is_alone(lane))
		code = saga__journal_moves(&lane->journal, notification->moves,
			notification->move_count, &is_void, error);
	if (code != SAGA_OK || !is_void)
		return code;
	lane->stale = lane->unsettled = true;
	return saga_error_set(error, SAGA_CONTENDED, "an operator's order goes before");
}
