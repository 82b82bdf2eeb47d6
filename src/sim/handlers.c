/*
 * The user's handlers, each behind one of ours: which may ask for a retry, fail or be killed
 * instead, before or after the user's has run, and which tells the checkers what effect it had.
 */

#include <stdlib.h>
#include <string.h>

#include "world.h"

enum {
	DEFAULT_ATTEMPTS = 8
};

static size_t number_of(const struct saga_step *s)
{
	return (size_t)(s->def - s->batch->plan->steps);
}

static saga_handler *original_of(const struct saga__member *member, const struct saga_step *s)
{
	return saga__handler_of(&member->originals[number_of(s)], s->phase);
}

static struct saga__known_slot *slot_of(struct saga__member *member, const struct saga_step *s)
{
	if (!s->slot)
		return NULL;
	return saga__mirror_slot(member, s->slot->saga, s->slot->row, s->slot->subject, true);
}

static bool is_undo(const struct saga_step *s)
{
	return s->phase == SAGA__PHASE_UNDO || s->phase == SAGA__PHASE_PREPARE_UNDO;
}

/* ---- faults ---- */

/* The world takes no more than half of its attempts, so that what is spent is the user's doing. */
static bool may_retry(const struct saga_step *s)
{
	const saga_retry_rule *rule = is_undo(s) ? &s->def->undo_retry : &s->def->retry;
	int most = rule->attempts ? rule->attempts : DEFAULT_ATTEMPTS;

	return s->phase != SAGA__PHASE_REFUSE && s->phase != SAGA__PHASE_READ &&
		s->work->attempts < most / 2;
}

static bool may_fail(const struct saga_step *s)
{
	return s->def->rejects[0] &&
		(s->phase == SAGA__PHASE_RUN || s->phase == SAGA__PHASE_PREPARE) &&
		s->slot->state != SAGA__TRYING;
}

enum strike {
	NONE,
	RETRY,
	RETRY_AFTER,
	FAIL,
	CRASH,
	CRASH_AFTER
};

static enum strike draw(struct saga__member *member, const struct saga_step *s)
{
	enum strike strike;

	if (!saga__sim_strikes(member->sim, SAGA_SIM_HANDLER))
		return NONE;
	strike = (enum strike)(RETRY + saga__sim_of_fault(member->sim, SAGA_SIM_HANDLER, 5));
	if ((strike == RETRY || strike == RETRY_AFTER) && !may_retry(s))
		return NONE;
	if (strike == FAIL && !may_fail(s))
		return NONE;
	return strike;
}

static void kill_in(struct saga__member *member, const struct saga_step *s, const char *when)
{
	if (saga__sim_is_suspected(member))
		return;
	saga__sim_trace(member->sim, member, "FAULT: step %s: %s", s->def->name, when);
	saga__member_kill(member, "in a handler");
}

/* ---- what the user's handler did ---- */

static void note_effect(
	struct saga__member *member, const struct saga_step *s, struct saga__known_slot *slot)
{
	if (!slot || s->error.code != SAGA_OK || s->outcomes != 1)
		return;
	switch (s->outcome) {
	case SAGA__EMITS:
	case SAGA__DONE_SILENTLY:
		if (s->phase != SAGA__PHASE_REFUSE)
			saga__mirror_effect(member, slot, is_undo(s));
		break;
	case SAGA__RETRIES:
	case SAGA__FAILS:
	case SAGA__MALFORMS:
		slot->now.asked = true;
		break;
	case SAGA__NO_OUTCOME:
	case SAGA__REJECTS:
	case SAGA__WAITS:
	case SAGA__ASKS:
	case SAGA__BREAKS:
		break;
	}
}

/* A batch that took it for not begun may run it, and be lost. */
static void check_may_run(
	struct saga__member *member, const struct saga_step *s, const struct saga__known_slot *slot)
{
	if (!slot || s->phase == SAGA__PHASE_REFUSE || s->phase == SAGA__PHASE_READ)
		return;
	if (is_undo(s)) {
		saga__check_undo(member, s);
	} else if (slot->now.state != SAGA__ABSENT && slot->now.state != SAGA__WAITING &&
		slot->now.state != SAGA__TRYING && slot->now.state != SAGA__DEAD) {
		member->mirror->ran_over = slot;
		member->mirror->ran_over_as = slot->now.state;
	}
}

/* The writes of a run stay if and only if it took effect, waits or asks. */
static enum saga__writes fate_of(const struct saga_step *s, saga_verdict verdict)
{
	if (s->phase == SAGA__PHASE_REFUSE || s->phase == SAGA__PHASE_READ)
		return SAGA__WRITES_GO;
	if (s->error.code != SAGA_OK || s->outcomes != 1 || verdict.made_by_the_library != s->token)
		return SAGA__WRITES_GO;
	switch ((enum saga__outcome)s->outcome) {
	case SAGA__EMITS:
	case SAGA__DONE_SILENTLY:
	case SAGA__WAITS:
	case SAGA__ASKS:
		return SAGA__WRITES_STAY;
	case SAGA__REJECTS:
	case SAGA__RETRIES:
	case SAGA__FAILS:
	case SAGA__MALFORMS:
	case SAGA__BREAKS:
		return SAGA__WRITES_GO;
	case SAGA__NO_OUTCOME:
		break;
	}
	return SAGA__WRITES_ANY;
}

/* ---- in its place ---- */

static saga_verdict run_behind(struct saga__member *member, saga_step *s, enum strike strike)
{
	struct saga__known_slot *slot = slot_of(member, s);
	saga_verdict verdict;

	int64_t tag;

	check_may_run(member, s, slot);
	tag = saga__writes_begin(member, slot);
	verdict = original_of(member, s)(s);
	if (member->dead)
		return verdict;
	saga__writes_end(
		member, tag, strike == RETRY_AFTER ? SAGA__WRITES_GO : fate_of(s, verdict));
	if (verdict.made_by_the_library == s->token)
		note_effect(member, s, slot);
	if (strike == RETRY_AFTER) {
		saga__sim_trace(
			member->sim, member, "FAULT: step %s: lost at its end", s->def->name);
		(void)saga__step_fail(s, SAGA_REFUSED, "the world says so");
		saga__mirror_no_effect(member, slot);
	} else if (strike == CRASH_AFTER) {
		kill_in(member, s, "its process dies at its end");
	}
	return verdict;
}

static saga_verdict handle(saga_step *s)
{
	struct saga__member *member = s->batch->env->context;
	enum strike strike;

	if (member->dead)
		return (saga_verdict){ 0 };
	strike = draw(member, s);
	switch (strike) {
	case RETRY:
		saga__sim_trace(
			member->sim, member, "FAULT: step %s: asks for a retry", s->def->name);
		return saga_retry(s, "the world says so");
	case FAIL:
		saga__sim_trace(member->sim, member, "FAULT: step %s: fails", s->def->name);
		return saga_fail(s, "the world says so");
	case CRASH:
		kill_in(member, s, "its process dies at its begin");
		if (member->dead)
			return (saga_verdict){ 0 };
		break;
	default:
		break;
	}
	return run_behind(member, s, strike);
}

/* ---- the def that the world opens ---- */

static saga_handler *ours(saga_handler *handler)
{
	return handler ? handle : NULL;
}

int saga__handlers_wrap(struct saga__member *member, saga_error *error)
{
	saga_participant_def *def = &member->def;

	member->steps = calloc(def->step_count, sizeof *member->steps);
	member->originals = calloc(def->step_count, sizeof *member->originals);
	if (!member->steps || !member->originals)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	memcpy(member->originals, member->plan->steps, def->step_count * sizeof *member->steps);
	memcpy(member->steps, member->originals, def->step_count * sizeof *member->steps);
	for (size_t i = 0; i < def->step_count; i++) {
		saga_step_def *step = &member->steps[i];

		step->run = ours(step->run);
		step->undo = ours(step->undo);
		step->refuse = ours(step->refuse);
		step->outside.prepare = ours(step->outside.prepare);
		step->undo_outside.prepare = ours(step->undo_outside.prepare);
	}
	def->size = sizeof *def;
	def->steps = member->steps;
	def->step_size = sizeof *member->steps;
	return SAGA_OK;
}
