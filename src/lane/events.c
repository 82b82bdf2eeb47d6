#include "events.h"

#include <stdlib.h>

#include "../step/call.h"

struct saga__report *saga__report_new(struct saga__lane *lane, enum saga__report_kind kind)
{
	struct saga__report *report = calloc(1, sizeof *report);

	if (!report)
		return NULL;
	report->lane = lane;
	report->kind = kind;
	saga__items_init(&report->answers);
	return report;
}

int saga__report_room(struct saga__report *report, size_t items, size_t steps)
{
	if (!report)
		return SAGA_NOMEM;
	report->moves = calloc(items + 1, sizeof *report->moves);
	report->acks = calloc(items + 1, sizeof *report->acks);
	report->refused = calloc(items + 1, sizeof *report->refused);
	report->refused_shards = calloc(items + 1, sizeof *report->refused_shards);
	report->tally = calloc((steps + 1) * SAGA__TALLIES, sizeof *report->tally);
	return report->moves && report->acks && report->refused && report->refused_shards &&
			report->tally
		? SAGA_OK
		: SAGA_NOMEM;
}

void saga__report_free(struct saga__report *report)
{
	struct saga__item *item;
	struct saga__call *call;

	if (!report)
		return;
	for (size_t i = 0; i < report->sent_count; i++)
		saga__blob_unref(report->sent[i].event);
	while ((item = saga__items_pop(&report->answers)))
		saga__item_free(item);
	while ((call = report->calls)) {
		report->calls = call->next;
		saga__call_free(call);
	}
	free(report->halts);
	free(report->sent);
	free(report->moves);
	free(report->acks);
	free(report->refused);
	free(report->refused_shards);
	free(report->tally);
	free(report->stands);
	free(report);
}

int saga__report_add(struct saga__report *report, const struct saga__sent *sent)
{
	if (report->sent_count == report->sent_room) {
		size_t room = report->sent_room ? 2 * report->sent_room : 64;
		struct saga__sent *more = realloc(report->sent, room * sizeof *more);

		if (!more)
			return SAGA_NOMEM;
		report->sent = more;
		report->sent_room = room;
	}
	report->sent[report->sent_count] = *sent;
	saga__blob_ref(sent->event);
	report->sent_count++;
	return SAGA_OK;
}
