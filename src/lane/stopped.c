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
	struct saga__stopped_streams *stopped;
	int code;

	if (lane->options.number)
		return SAGA_OK;
	if (!(notification = saga__notification_new(lane, SAGA__NOTIFY_STOPPED)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	stopped = &notification->as.stopped;
	if (!(stopped->at = calloc(HALTS_MOST, sizeof *stopped->at))) {
		saga__notification_free(notification);
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	}
	code = saga__journal_halts(&lane->journal, stopped->at, HALTS_MOST, &stopped->count, error);
	if (code != SAGA_OK || (!anew && !stopped->count && !lane->has_halts)) {
		saga__notification_free(notification);
		return code;
	}
	lane->has_halts = stopped->count > 0;
	stopped->anew = anew;
	if ((stopped->resumed = resumed != NULL))
		stopped->stream = *resumed;
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

bool saga__lane_do_halt(struct saga__lane *lane, struct saga__lane_command *command)
{
	const struct saga__stream *resumed =
		command->kind == SAGA__COMMAND_RESUME ? &command->as.stream.source.stream : NULL;
	saga_error error = { .code = SAGA_OK };
	bool is_void = false;
	int code = resumed
		? saga__journal_resume(&lane->journal, &command->as.stream, &error)
		: saga__journal_halt(&lane->journal, &command->as.stream, &is_void, &error);

	if (code == SAGA_OK)
		code = saga__lane_tell_halts(lane, resumed, resumed || is_void, &error);
	if (code == SAGA_OK && is_void)
		log_void(lane, &command->as.stream);
	if (code != SAGA_OK)
		saga__lane_put_off(lane, command, &error);
	return code == SAGA_OK;
}

/* As far as it knows: renewals come each third of a lease, and then it was told. */
static bool is_alone(const struct saga__lane *lane)
{
	int64_t now = saga__monotonic(lane->options.env);

	return !lane->assigned.shared && now - lane->assigned.heard_at < lane->options.lease_ms / 2;
}

int saga__lane_check_moves(
	struct saga__lane *lane, const struct saga__committed *committed, saga_error *error)
{
	bool is_void = false;
	int code = SAGA_OK;

	if (committed->move_count && !is_alone(lane))
		code = saga__journal_moves(
			&lane->journal, committed->moves, committed->move_count, &is_void, error);
	if (code != SAGA_OK || !is_void)
		return code;
	lane->assigned.stale = lane->assigned.is_pending = true;
	return saga_error_set(error, SAGA_CONTENDED, "an operator's order goes before");
}
