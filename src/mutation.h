#ifndef SAGA_MUTATION_H
#define SAGA_MUTATION_H

/*
 * Bugs that are planted to prove that the simulator's checkers see. They exist in a static library
 * that only tests/sim builds, with SAGA_MUTANTS defined; everywhere else SAGA__MUTANT is a constant
 * 0, and nothing of this is left.
 */

#ifndef SAGA_MUTANTS
#define SAGA__MUTANT(name) 0
#else

#define SAGA__MUTANTS(X) \
	X(done_runs_again, "a step that is done runs again at its next trigger") \
	X(barred_runs, "a barred step runs when its trigger comes") \
	X(bar_ignored, "a bar that comes before the step is ignored") \
	X(undo_skipped, "an undo of a step that took effect is skipped") \
	X(undo_twice, "an undone step is undone again") \
	X(undo_ignored_while_trying, "an undo during the outside call is lost") \
	X(reject_keeps_writes, "a reject keeps what the handler wrote before it") \
	X(join_of_one, "a join runs at the first of its events") \
	X(retry_forgotten, "an event to be retried is not parked") \
	X(guard_passes, "a guard that no row met counts as met") \
	X(behind_forgotten, "what is parked behind a call is not woken") \
	X(call_lost_at_crash, "a call whose answer was lost is never made again") \
	X(key_not_stable, "an outside call asks again with another key") \
	X(schedule_twice, "a schedule fires twice") \
	X(schedule_stays, "a withdrawn schedule is still armed") \
	X(conflict_unnoticed, "the same key with another body gets the old answer") \
	X(error_swallowed, "a statement's error does not force the verdict") \
	X(lost_batch_committed, "a batch commits though a handler lost it") \
	X(sent_before_commit, "events leave though their commit failed") \
	X(unknown_is_done, "a commit without an answer counts as done") \
	X(own_skipped, "after a commit without an answer own events are not read again") \
	X(replay_forgets_one, "a batch that is replayed leaves one event out") \
	X(position_too_early, "a position is stored one event ahead") \
	X(position_not_stored, "a position is not stored with its batch") \
	X(parked_dropped, "what is parked is dropped at a restart") \
	X(seen_lost, "SEEN is never sent") \
	X(seen_of_received, "SEEN says what was received, not what is committed") \
	X(need_answered_late, "a NEED is answered from one event too late") \
	X(trim_unseen, "the outbox drops what not all have seen") \
	X(gained_as_it_was, "a shard that was taken over goes on where this instance is") \
	X(gained_without_own, "of a shard that was taken over, own events are not read again") \
	X(cause_lost, "an event does not say what caused it") \
	X(number_off_by_one, "an event has the number of the one before it") \
	X(retention_ignored, "the outbox drops what was seen at once") \
	X(acked_at_once, "a delivery is acked before it is committed") \
	X(trusted_keeps_writes, "a step that was trusted rejects, and keeps what it wrote") \
	X(leap_followed, "a clock that leaps is followed at once") \
	X(tail_not_republished, "what a broker lost after it had confirmed it is not sent again") \
	X(double_believed, "a double is taken for there, though the broker has lost it") \
	X(tail_not_reread, "a broker's stream that lost its end is read on from where it was") \
	X(set_back_unnoticed, "a store that was set back goes on where its broker is") \
	X(settled_at_once, "what a broker confirms counts as settled at once")

enum saga__mutant {
	SAGA__NO_MUTANT,
#define SAGA__MUTANT_NAME(name, text) SAGA__MUTANT_##name,
	SAGA__MUTANTS(SAGA__MUTANT_NAME)
#undef SAGA__MUTANT_NAME
};

/* A world is one thread's, and so is its bug. */
extern _Thread_local enum saga__mutant saga__mutant;

#define SAGA__MUTANT(name) (saga__mutant == SAGA__MUTANT_##name)
#endif

/* Returns what is wrong. */
#define SAGA__MUTANT_RETURN(name, condition, value) \
	do { \
		if (SAGA__MUTANT(name) && (condition)) \
			return value; \
	} while (0)

#endif
