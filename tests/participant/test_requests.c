/* Requests: one key, one effect, one answer. */
#include "harness.h"

#include <stdio.h>

static saga_verdict run_please(saga_step *s)
{
	const struct please *asked = saga_on(s, please);

	saw(s, "run %d", (int)asked->n);
	effect(s, "please");
	switch ((enum to_do)asked->n) {
	case DO_REJECT:
		return saga_reject(s, a_rejected, .has_n = true, .n = 9, .why = "not today");
	case DO_FAIL:
		return saga_fail(s, "broken");
	case DO_WAIT:
		return saga_wait(s, "a request can't");
	case DO_RETRY:
		if (saga_attempt(s) <= ((struct stage *)saga_user(s))->knob)
			return saga_retry(s, "attempt %d", saga_attempt(s));
		break;
	case DO_MALFORMED:
		return saga_malformed(s, "n must not be %d", DO_MALFORMED);
	case DO_DONE:
		break;
	}
	return saga_emit(s, a_done, .has_n = true, .n = asked->n + 70, .text = asked->text);
}

SAGA_REQUEST(insist, "target.insist", 1, int64(n));

static saga_verdict run_insist(saga_step *s)
{
	saw(s, "insist");
	effect(s, "insist");
	return saga_fail(s, "broken");
}

static saga_verdict undo_please(saga_step *s)
{
	return saga_emit(s, a_undone);
}

static saga_verdict run_tell(saga_step *s)
{
	const struct tell_me *asked = saga_on(s, tell_me);

	if (asked->n == 1)
		effect(s, "written");
	return saga_emit(s, b_done, .has_n = true,
		.n = saga_query_int64(s, -1, "SELECT COUNT(*) FROM effect"));
}

static const saga_step_def steps[] = {
	{ .name = "please",
		.on = { &please },
		.run = run_please,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.undo = undo_please,
		.undo_on = { &take_back },
		.undone = { &a_undone },
		.bar_on = { &bar_it },
		.retry = { .attempts = 3, .first_ms = 1, .max_ms = 4 } },
	{ .name = "insist", .on = { &insist }, .run = run_insist },
	{ .name = "tell",
		.on = { &tell_me },
		.run = run_tell,
		.emits = { &b_done },
		.reads_only = true },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

static bool same_id(saga_id a, saga_id b)
{
	return !memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

static int64_t all_effects(struct stage *stage)
{
	return sql_int(stage, "SELECT COUNT(*) FROM effect", NULL, NULL);
}

START_TEST(an_answer_comes_once_and_after_the_commit)
{
	struct stage *stage = stage_start(_i, &def);
	struct reply reply = ask_please(stage, "k", DO_DONE);

	ck_assert_int_eq(reply.code, SAGA_OK);
	ck_assert_str_eq(reply.outcome, "a.done");
	ck_assert_ptr_nonnull(strstr(reply.json, "70"));
	ck_assert_ptr_nonnull(strstr(reply.json, "a.done"));
	ck_assert(!reply.repeated);
	ck_assert_int_eq(reply.effects, 1);
	ck_assert_str_eq(slot_state(stage, reply.saga, "please"), "done");
	ck_assert_int_eq(said(stage, reply.saga, "a.done"), 1);
	ck_assert_int_eq(said(stage, reply.saga, "target.please"), 0);
	settle(stage);
	ck_assert_int_eq(reply.times, 1);
	stage_end(stage);
}
END_TEST

START_TEST(each_verdict_has_its_answer)
{
	struct stage *stage = stage_start(_i, &def);
	struct reply reply = ask_please(stage, "rejected", DO_REJECT);

	ck_assert_int_eq(reply.code, SAGA_REJECTED);
	ck_assert_str_eq(reply.outcome, "a.rejected");
	ck_assert_ptr_nonnull(strstr(reply.json, "not today"));

	reply = ask_please(stage, "failed", DO_FAIL);
	ck_assert_int_eq(reply.code, SAGA_FAILED);
	ck_assert_ptr_nonnull(strstr(reply.text, "broken"));

	reply = ask_please(stage, "waits", DO_WAIT);
	ck_assert_int_eq(reply.code, SAGA_FAILED);

	stage->knob = 2;
	reply = ask_please(stage, "retried", DO_RETRY);
	ck_assert_int_eq(reply.code, SAGA_OK);
	ck_assert_int_eq(all_effects(stage), 1);

	stage->knob = 100;
	reply = ask_please(stage, "given up", DO_RETRY);
	ck_assert_int_eq(reply.code, SAGA_FAILED);

	reply = ask_please(stage, "malformed", DO_MALFORMED);
	ck_assert_int_eq(reply.code, SAGA_MALFORMED);
	ck_assert_ptr_nonnull(strstr(reply.text, "n must not be"));
	ck_assert_str_eq(slot_state(stage, reply.saga, "please"), "absent");
	ck_assert_int_eq(all_effects(stage), 1);
	stage_end(stage);
}
END_TEST

static void check_repeat(
	struct stage *stage, const char *key, int64_t n, const struct reply *before)
{
	struct reply reply = ask_please(stage, key, n);

	ck_assert_int_eq(reply.code, before->code);
	ck_assert(reply.repeated);
	ck_assert(same_id(reply.saga, before->saga));
	ck_assert_str_eq(reply.outcome, before->outcome);
}

START_TEST(the_same_key_gets_the_same_answer)
{
	struct stage *stage = stage_start(_i, &def);
	struct reply done = ask_please(stage, "done", DO_DONE);
	struct reply rejected = ask_please(stage, "rejected", DO_REJECT);
	struct reply failed = ask_please(stage, "failed", DO_FAIL);
	struct reply other;

	for (int restarts = 0; restarts < 2; restarts++) {
		check_repeat(stage, "done", DO_DONE, &done);
		check_repeat(stage, "rejected", DO_REJECT, &rejected);
		check_repeat(stage, "failed", DO_FAIL, &failed);
		stage_restart(stage);
	}
	ck_assert_int_eq(all_effects(stage), 1);
	ck_assert_int_eq(trace_count(stage, "run 0"), 1);
	ck_assert_int_eq(trace_count(stage, "run 1"), 1);
	other = ask_please(stage, "another", DO_DONE);
	ck_assert(!same_id(other.saga, done.saga));
	stage_end(stage);
}
END_TEST

START_TEST(the_same_key_twice_in_one_batch)
{
	struct stage *stage = stage_start(_i, &def);
	struct reply replies[4];
	int fresh = 0;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(ask_later(stage,
					 &(saga_submission){ SAGA_SUBMISSION(please, .n = DO_DONE),
						 .key = "same" },
					 &replies[i]),
			SAGA_OK);
	for (int i = 0; i < 4; i++) {
		AWAIT(stage, replies[i].times == 1);
		ck_assert_int_eq(replies[i].code, SAGA_OK);
		fresh += !replies[i].repeated;
	}
	ck_assert_int_eq(fresh, 1);
	ck_assert_int_eq(all_effects(stage), 1);
	stage_end(stage);
}
END_TEST

static struct reply ask_insist(struct stage *stage, int64_t n)
{
	return ask(stage, &(saga_submission){ SAGA_SUBMISSION(insist, .n = n), .key = "insist" });
}

static void check_conflict(const struct reply *reply)
{
	ck_assert_int_eq(reply->code, SAGA_CONFLICT);
	ck_assert_str_eq(reply->outcome, "");
	ck_assert(!reply->repeated);
}

/* Whatever became of the first. */
START_TEST(the_same_key_with_another_body_conflicts)
{
	static const struct {
		const char *key, *state;
		enum to_do n;
	} firsts[] = {
		{ "done", "done", DO_DONE },
		{ "rejected", "rejected", DO_REJECT },
		{ "failed", "failed", DO_FAIL },
		{ "given up", "failed", DO_RETRY },
	};
	struct stage *stage = stage_start(_i, &def);
	struct reply first[4], dead, reply;

	stage->knob = 100;
	for (size_t i = 0; i < 4; i++)
		first[i] = ask_please(stage, firsts[i].key, firsts[i].n);
	dead = ask_insist(stage, 1);
	ck_assert_int_eq(dead.code, SAGA_FAILED);
	for (int restarts = 0; restarts < 2; restarts++) {
		for (size_t i = 0; i < 4; i++) {
			reply = ask_please(stage, firsts[i].key, DO_MALFORMED);
			check_conflict(&reply);
			ck_assert_str_eq(
				slot_state(stage, first[i].saga, "please"), firsts[i].state);
			check_repeat(stage, firsts[i].key, firsts[i].n, &first[i]);
		}
		reply = ask_insist(stage, 2);
		check_conflict(&reply);
		ck_assert_str_eq(slot_state(stage, dead.saga, "insist"), "dead");
		reply = ask_insist(stage, 1);
		ck_assert_int_eq(reply.code, SAGA_FAILED);
		ck_assert(reply.repeated);
		if (!restarts)
			stage_restart(stage);
	}
	ck_assert_int_eq(all_effects(stage), 1);
	ck_assert_int_eq(trace_count(stage, "run 5"), 0);
	ck_assert_int_eq(trace_count(stage, "insist"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(a_saga_id_is_made_from_the_key_alone)
{
	struct stage *one = stage_start(_i, &def);
	struct stage *other = stage_start(_i, &def);
	struct reply first = ask_please(one, "the key", DO_DONE);
	struct reply second = ask_please(other, "the key", DO_DONE);

	ck_assert(same_id(first.saga, second.saga));
	ck_assert_int_eq(first.saga.bytes[6] >> 4, 8);
	ck_assert_int_eq(first.saga.bytes[8] >> 6, 2);
	ck_assert(!second.repeated);
	stage_end(one);
	stage_end(other);
}
END_TEST

START_TEST(a_barred_request_says_so)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);
	saga_submission submission = { SAGA_SUBMISSION(please, .n = DO_DONE), .key = "k",
		.saga = saga };
	struct reply reply;

	inject(stage, saga, &bar_it);
	AWAIT(stage, slot_is(stage, saga, "please", "barred"));
	reply = ask(stage, &submission);
	ck_assert_int_eq(reply.code, SAGA_REJECTED);
	ck_assert_ptr_nonnull(strstr(reply.text, "outside.bar_it"));
	ck_assert_str_eq(trace(stage), "");
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 1);
	stage_end(stage);
}
END_TEST

/* ---- JSON, and what is refused at once ---- */

static struct reply ask_json(struct stage *stage, const char *json, const char *key)
{
	return ask(stage,
		&(saga_submission){ SAGA_SUBMISSION_JSON(please, json, strlen(json)), .key = key });
}

START_TEST(a_body_may_be_json)
{
	struct stage *stage = stage_start(_i, &def);
	struct reply reply = ask_json(stage, "{\"n\": 0, \"text\": \"h\\u00e9\"}", "k");

	ck_assert_int_eq(reply.code, SAGA_OK);
	ck_assert_int_eq(said_with(stage, reply.saga, "a.done", "h\xc3\xa9"), 1);
	reply = ask(stage,
		&(saga_submission){
			SAGA_SUBMISSION(please, .n = 0, .text = "h\xc3\xa9"), .key = "k" });
	ck_assert_int_eq(reply.code, SAGA_OK);
	ck_assert(reply.repeated);
	stage_end(stage);
}
END_TEST

START_TEST(bad_json_is_named)
{
	static const struct {
		const char *json, *names;
	} bad[] = { { "{\"n\": \"seven\"}", "n" }, { "{\"text\": \"no n\"}", "n" },
		{ "{\"n\": 1, \"text\": 2}", "text" }, { "{\"n\": 1", "" }, { "[]", "" },
		{ "{\"n\": 1.5}", "n" }, { "{\"n\": 99999999999999999999}", "n" }, { "", "" } };
	struct stage *stage = stage_start(_i, &def);

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct reply reply = ask_json(stage, bad[i].json, "k");

		ck_assert_msg(reply.times == 0 && reply.code == SAGA_MALFORMED, "%s: %s",
			bad[i].json, saga_code_name(reply.code));
		ck_assert_ptr_nonnull(strstr(reply.text, bad[i].names));
		ck_assert_uint_gt(strlen(reply.text), 0);
	}
	settle(stage);
	ck_assert_int_eq(all_effects(stage), 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_bad_submission_is_refused_at_once)
{
	struct stage *stage = stage_start(_i, &def);
	char key[257], big[70000];
	struct reply reply;

	memset(key, 'k', sizeof key);
	key[256] = '\0';
	memset(big, 'b', sizeof big);
	big[sizeof big - 1] = '\0';

	reply = ask_please(stage, NULL, 0);
	ck_assert(reply.times == 0 && reply.code == SAGA_MALFORMED);
	ck_assert_ptr_nonnull(strstr(reply.text, "key"));
	reply = ask_please(stage, "", 0);
	ck_assert(reply.times == 0 && reply.code == SAGA_MALFORMED);
	reply = ask_please(stage, key, 0);
	ck_assert(reply.times == 0 && reply.code == SAGA_MALFORMED);
	key[255] = '\0';
	reply = ask_please(stage, key, 0);
	ck_assert(reply.times == 1 && reply.code == SAGA_OK);

	reply = ask(stage, &(saga_submission){ SAGA_SUBMISSION(ask_go_first, .n = 1), .key = "k" });
	ck_assert(reply.times == 0 && reply.code == SAGA_MISUSE);
	reply = ask(stage, &(saga_submission){ SAGA_SUBMISSION(go_first, .n = 1), .key = "k" });
	ck_assert(reply.times == 0 && reply.code == SAGA_MISUSE);
	reply = ask(stage, &(saga_submission){ SAGA_SUBMISSION(please, .text = big), .key = "k" });
	ck_assert(reply.times == 0 && reply.code == SAGA_TOO_BIG);
	reply = ask(stage,
		&(saga_submission){ SAGA_SUBMISSION(please, .text = "\xff\xfe"), .key = "k" });
	ck_assert(reply.times == 0 && reply.code == SAGA_MALFORMED);
	stage_end(stage);
}
END_TEST

/* ---- requests that only look ---- */

static struct reply ask_tell(struct stage *stage, int64_t n)
{
	return ask(stage, &(saga_submission){ SAGA_SUBMISSION(tell_me, .n = n) });
}

START_TEST(a_look_answers_and_leaves_nothing)
{
	struct stage *stage = stage_start(_i, &def);
	struct reply before = ask_tell(stage, 0);
	struct reply after;

	ck_assert_int_eq(before.code, SAGA_OK);
	ck_assert_str_eq(before.outcome, "b.done");
	ck_assert_ptr_nonnull(strstr(before.json, "\"n\":0"));
	ask_please(stage, "k", DO_DONE);
	after = ask_tell(stage, 0);
	ck_assert_int_eq(after.code, SAGA_OK);
	ck_assert(!after.repeated);
	ck_assert_ptr_nonnull(strstr(after.json, "\"n\":1"));
	ck_assert_int_eq(
		sql_int(stage, "SELECT COUNT(*) FROM saga_slot WHERE step = 'tell'", NULL, NULL),
		0);
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) FROM saga_outbox", NULL, NULL), 1);
	stage_end(stage);
}
END_TEST

START_TEST(a_look_may_not_write)
{
	struct stage *stage = stage_start(_i, &def);
	struct reply reply = ask_tell(stage, 1);

	ck_assert_int_ne(reply.code, SAGA_OK);
	ck_assert_int_eq(reply.times, 1);
	ck_assert_int_eq(all_effects(stage), 0);
	ck_assert_int_eq(ask_tell(stage, 0).code, SAGA_OK);
	ck_assert_int_eq(ask_please(stage, "k", DO_DONE).code, SAGA_OK);
	ck_assert_int_eq(all_effects(stage), 1);
	stage_end(stage);
}
END_TEST

START_TEST(a_request_can_be_undone)
{
	struct stage *stage = stage_start(_i, &def);
	struct reply first = ask_please(stage, "k", DO_DONE);

	inject(stage, first.saga, &take_back);
	AWAIT(stage, slot_is(stage, first.saga, "please", "undone"));
	check_repeat(stage, "k", DO_DONE, &first);
	ck_assert_str_eq(slot_state(stage, first.saga, "please"), "undone");
	ck_assert_int_eq(trace_count(stage, "run 0"), 1);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_answer_comes_once_and_after_the_commit,
		each_verdict_has_its_answer,
		the_same_key_gets_the_same_answer,
		the_same_key_twice_in_one_batch,
		the_same_key_with_another_body_conflicts,
		a_saga_id_is_made_from_the_key_alone,
		a_barred_request_says_so,
		a_body_may_be_json,
		bad_json_is_named,
		a_bad_submission_is_refused_at_once,
		a_look_answers_and_leaves_nothing,
		a_look_may_not_write,
		a_request_can_be_undone,
	};

	return run_both_modes("requests", tests, sizeof tests / sizeof tests[0]);
}
