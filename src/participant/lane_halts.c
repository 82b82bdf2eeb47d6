/* Streams that have stopped: what happened is written down, and orders are found. */

#include <stdlib.h>

#include "lane_batch.h"

enum {
	HALTS_MOST = 256 /* streams that are told of at once */
};

int saga__lane_tell_halts(
	struct saga__lane *lane, const struct saga__stream *resumed, saga_error *error)
{
	struct saga__report *report;
	int code;

	if (lane->options.number)
		return SAGA_OK;
	if (!(report = saga__report_new(lane, SAGA__REPORT_HALTS)) ||
		!(report->halts = calloc(HALTS_MOST, sizeof *report->halts))) {
		saga__report_free(report);
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	}
	code = saga__journal_halts(
		&lane->journal, report->halts, HALTS_MOST, &report->halt_count, error);
	if (code != SAGA_OK || (!resumed && !report->halt_count && !lane->has_halts)) {
		saga__report_free(report);
		return code;
	}
	lane->has_halts = report->halt_count > 0;
	if ((report->resumed = resumed != NULL))
		report->stream = *resumed;
	lane->options.report(lane->options.host, report);
	return SAGA_OK;
}

void saga__lane_do_halt(struct saga__lane *lane, struct saga__chore *chore)
{
	const struct saga__stream *stream = &chore->halt.source.stream;
	bool resumes = chore->kind == SAGA__CHORE_RESUME;
	saga_error error = { .code = SAGA_OK };
	int code = resumes ? saga__journal_resume(&lane->journal, stream, &error)
			   : saga__journal_halt(&lane->journal, &chore->halt, &error);

	if (code == SAGA_OK)
		code = saga__lane_tell_halts(lane, resumes ? stream : NULL, &error);
	if (code == SAGA_OK)
		free(chore);
	else
		saga__lane_put_off(lane, chore, &error);
}
