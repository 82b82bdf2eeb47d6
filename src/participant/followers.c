/* The roll of our followers, at work: who is heard and not declared, who is declared and silent. */

#include <inttypes.h>
#include <string.h>

#include "inside.h"

void saga__followers_heard(struct saga_participant *p, const struct saga__message *message)
{
	if (strcmp(message->from, p->plan->name) == 0 ||
		!saga__rollcall_heard(&p->roll, message->from, saga__monotonic(&p->env)))
		return;
	saga__log(p, SAGA_WARNING, "follower.undeclared",
		"%s follows our events and is not among .followers: what it has not seen is "
		"trimmed after retention_ms, and is lost to it. Add it there; or, if none of its "
		"steps is on our events, let its .follows leave us out%s",
		message->from,
		p->roll.undeclared_count < SAGA__UNDECLARED_MOST
			? ""
			: "; other undeclared names are not told any more");
}

static uint64_t unseen_by(const struct saga_participant *p, size_t index)
{
	uint64_t unseen = 0;

	for (unsigned shard = 0; shard < p->shards; shard++)
		if (saga__works(p, shard) && p->publishes[shard])
			unseen += saga__publish_unseen_by(p->publishes[shard], index);
	return unseen;
}

void saga__followers_tick(struct saga_participant *p)
{
	int64_t now = saga__monotonic(&p->env);
	const struct saga__enrolled *silent;

	for (size_t i = 0; i < p->roll.count; i++)
		saga__rollcall_owes(&p->roll, i, unseen_by(p, i), now);
	if (!__atomic_load_n(&p->transport_up, __ATOMIC_ACQUIRE))
		saga__rollcall_away(&p->roll, now);
	while ((silent = saga__rollcall_next(&p->roll, now)))
		saga__log(p, SAGA_WARNING, "follower.silent",
			"follower %s was never heard since we started, and has not seen %" PRId64
			" events, the oldest of them for at least %" PRId64
			" s. Is its name in .followers right, and does it run on this transport? "
			"Until it is heard nothing is trimmed before retention_max_ms; then "
			"it is lost to it",
			silent->name, silent->unseen, (now - silent->owed_since) / 1000);
}
