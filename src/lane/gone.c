/* Tells an operator, when the store is opened, which sagas wait for steps that are gone. */

#include <inttypes.h>
#include <stdio.h>

#include "inside.h"

static void tell(void *context, bool parked, const char *step, const char *what, int64_t count)
{
	char text[400];

	(void)snprintf(text, sizeof text,
		"%" PRId64 " %s of step %s (%s), and no step has that name any more: %s. If it was "
		"renamed, its new name must say .was = \"%s\"; if not, declare it again until "
		"its sagas have ended",
		count, parked ? "events wait" : "slots are left", step, what,
		parked ? "each becomes a dead letter when it is due"
		       : "nothing runs, undoes or requeues them",
		step);
	saga__lane_log(context, SAGA_ALARM, "step.gone", text);
}

int saga__lane_tell_gone(struct saga__lane *lane, saga_error *error)
{
	return saga__journal_find_gone(&lane->journal, lane->options.plan, tell, lane, error);
}
