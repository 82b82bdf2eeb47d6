#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

/* ---- outside: publishes what it is asked to ---- */

#define INJECTOR(type_) \
	static saga_verdict publish_##type_(saga_step *s) \
	{ \
		const struct ask_##type_ *asked = saga_on(s, ask_##type_); \
\
		return saga_emit(s, type_, .n = asked->n, .text = asked->text); \
	}
INJECTABLES(INJECTOR)
#undef INJECTOR

static saga_verdict publish_bare_first(saga_step *s)
{
	return saga_emit(s, go_first, .n = saga_on(s, ask_bare_first)->n);
}

#define INJECT_STEP(type_) \
	{ .name = #type_, \
		.on = { &ask_##type_ }, \
		.run = publish_##type_, \
		.emits = { &type_ }, \
		.per_subject = true },
static const saga_step_def outside_steps[] = {
	INJECTABLES(INJECT_STEP) /* */
	{ .name = "bare_first",
		.on = { &ask_bare_first },
		.run = publish_bare_first,
		.emits = { &go_first } },
};
#undef INJECT_STEP

static const saga_participant_def outside_def = SAGA_PARTICIPANT("outside", outside_steps);

saga_verdict run_marker(saga_step *s)
{
	return saga_done(s);
}

/* ---- the log, and the end ---- */

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static void append_text(char *to, size_t size, const char *from, size_t length)
{
	size_t before = strlen(to);

	snprintf(to + before, size - before, "%.*s ", (int)length, from);
}

static void note_field(struct log_line *line, const saga_log_field *field)
{
	const saga_bytes *bytes = &field->value.as.bytes;

	append_text(line->fields, sizeof line->fields, field->name, strlen(field->name));
	if (field->value.kind != SAGA_VALUE_TEXT)
		return;
	append_text(line->values, sizeof line->values, bytes->at, bytes->size);
	if (!strcmp(field->name, "step"))
		snprintf(line->step, sizeof line->step, "%.*s", (int)bytes->size,
			(const char *)bytes->at);
}

static void take_log(void *user, const saga_log *log)
{
	struct stage *stage = user;

	if (getenv("SAGA_TEST_LOG"))
		saga_log_stderr(NULL, log);
	pthread_mutex_lock(&stage->lock);
	if (stage->log_count < sizeof stage->log / sizeof stage->log[0]) {
		struct log_line *line = &stage->log[stage->log_count++];

		memset(line, 0, sizeof *line);
		line->level = log->level;
		line->time = log->time;
		copy_text(line->participant, sizeof line->participant, log->participant);
		copy_text(line->what, sizeof line->what, log->what);
		copy_text(line->text, sizeof line->text, log->text);
		for (size_t i = 0; i < log->field_count; i++)
			note_field(line, &log->fields[i]);
	}
	pthread_mutex_unlock(&stage->lock);
}

static void has_stopped(void *user, saga_participant *participant, const saga_error *why)
{
	struct stage *stage = user;
	struct actor *actor =
		participant == stage->outside.participant ? &stage->outside : &stage->target;

	ck_assert_msg(actor->participant == participant, "`stopped` names another participant");
	ck_assert_msg(!actor->stopped, "`stopped` came twice");
	actor->stopped = true;
	actor->why = why ? why->code : SAGA_OK;
	copy_text(actor->why_text, sizeof actor->why_text, why ? why->text : "");
}

/* ---- time ---- */

int64_t stage_deadline(void)
{
	return (int64_t)(uv_hrtime() / 1000000) + DEADLINE_MS;
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

static void tell_log(const struct stage *stage)
{
	for (size_t i = 0; i < stage->log_count; i++)
		fprintf(stderr, "  log %d %s %s: %s\n", stage->log[i].level,
			stage->log[i].participant, stage->log[i].what, stage->log[i].text);
}

void stage_turn(struct stage *stage, int64_t until, const char *what, const char *file, int line)
{
	if ((int64_t)(uv_hrtime() / 1000000) > until) {
		fprintf(stderr, "%s:%d: waited in vain for: %s\n", file, line, what);
		fprintf(stderr, "  trace: %s\n", trace(stage));
		tell_log(stage);
		ck_abort_msg("%s:%d: waited %d ms in vain for: %s", file, line, DEADLINE_MS, what);
	}
	uv_run(&stage->loop, UV_RUN_ONCE);
}

/* ---- its life ---- */

/* SAGA_TEST_TRANSPORT=nats: on a domain of its own. */
static void choose_bus(struct stage *stage)
{
	const char *wanted = getenv("SAGA_TEST_TRANSPORT"), *nats = getenv("SAGA_TEST_NATS");

	if (wanted && nats && strcmp(wanted, "nats") == 0)
		(void)snprintf(stage->bus, sizeof stage->bus, "%.99s/p%d-%llu?ack=1", nats,
			(int)getpid(), (unsigned long long)uv_hrtime());
}

struct stage *stage_new(int lanes)
{
	struct stage *stage = calloc(1, sizeof *stage);

	ck_assert_ptr_nonnull(stage);
	stage->lanes = lanes;
	strcpy(stage->dir, "/tmp/saga-suite-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(stage->dir));
	ground()->fresh(stage->url, sizeof stage->url, stage->dir);
	memcpy(stage->look_url, stage->url, sizeof stage->url);
	choose_bus(stage);
	ck_assert_int_eq(pthread_mutex_init(&stage->lock, NULL), 0);
	ck_assert_int_eq(pthread_cond_init(&stage->opened, NULL), 0);
	ck_assert_int_eq(uv_loop_init(&stage->loop), 0);
	ck_assert_int_eq(uv_timer_init(&stage->loop, &stage->tick), 0);
	ck_assert_int_eq(uv_timer_start(&stage->tick, on_tick, 2, 2), 0);
	ck_assert_int_eq(saga_hub_new(&stage->hub), SAGA_OK);
	return stage;
}

static void url_of(const struct stage *stage, const char *file, bool fails, char *url, size_t size)
{
	const char *before = fails ? "fault:" : "";

	if (!strcmp(file, "target.db"))
		snprintf(url, size, "%s%s", before, stage->url);
	else
		snprintf(url, size, "%ssqlite:%s/%s", before, stage->dir, file);
}

void actor_open(struct stage *stage, struct actor *actor, const saga_participant_def *def,
	const saga_options *change, const char *file)
{
	saga_options options = { .size = sizeof options };
	char url[600];
	saga_error error = { 0 };

	if (change)
		options = *change;
	url_of(stage, file, options.store_ops != NULL, url, sizeof url);
	if (!options.store)
		options.store = url;
	if (!options.transport && !stage->use_lossy && stage->bus[0]) {
		options.transport = stage->bus;
	} else if (!options.transport) {
		options.transport = stage->use_lossy ? "lossy://stage" : "inproc://stage";
		options.transport_ops = stage->use_lossy ? &lossy_transport : NULL;
		options.transport_context = stage->use_lossy ? (void *)&stage->lossy : stage->hub;
	}
	if (!options.lease_ms)
		options.lease_ms = STAGE_LEASE_MS;
	options.lanes = stage->lanes;
	options.loop = &stage->loop;
	options.user = stage;
	options.log = take_log;
	if (!options.stopped)
		options.stopped = has_stopped;
	actor->stage = stage;
	actor->stopped = false;
	actor->why = SAGA_OK;
	ck_assert_msg(saga_open(def, &options, &actor->participant, &error) == SAGA_OK,
		"%s does not open: %s", def->name, error.text);
}

void stage_open_outside(struct stage *stage)
{
	static const char *const followers[] = { "target", NULL };

	if (!stage->outside.participant)
		actor_open(stage, &stage->outside, &outside_def,
			SAGA_OPTIONS(.followers = followers), "outside.db");
}

void stage_open(struct stage *stage, const saga_participant_def *def, const saga_options *change)
{
	stage->def = def;
	stage->options = change ? *change : *SAGA_OPTIONS(.start = SAGA_FROM_OLDEST);
	stage_open_outside(stage);
	actor_open(stage, &stage->target, def, &stage->options, "target.db");
}

struct stage *stage_start(int lanes, const saga_participant_def *def)
{
	struct stage *stage = stage_new(lanes);

	stage_open(stage, def, NULL);
	return stage;
}

void actor_close(struct actor *actor)
{
	if (!actor->participant)
		return;
	saga_stop(actor->participant);
	AWAIT(actor->stage, actor->stopped);
	saga_close(actor->participant);
	actor->participant = NULL;
}

void stage_restart(struct stage *stage)
{
	actor_close(&stage->target);
	actor_open(stage, &stage->target, stage->def, &stage->options, "target.db");
}

static void remove_all(const char *path)
{
	DIR *dir = opendir(path);
	char file[512];

	ck_assert_ptr_nonnull(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			ck_assert_msg(remove(file) == 0, "%s can't be removed", file);
	}
	closedir(dir);
	ck_assert_int_eq(rmdir(path), 0);
}

void stage_end(struct stage *stage)
{
	gate_open(stage);
	actor_close(&stage->target);
	actor_close(&stage->outside);
	look_close(stage);
	uv_close((uv_handle_t *)&stage->tick, NULL);
	uv_run(&stage->loop, UV_RUN_DEFAULT);
	ck_assert_msg(uv_loop_close(&stage->loop) == 0, "something is still open on the loop");
	saga_hub_free(stage->hub);
	pthread_cond_destroy(&stage->opened);
	pthread_mutex_destroy(&stage->lock);
	if (ground()->drop)
		ground()->drop(stage->look_url);
	remove_all(stage->dir);
	free(stage);
}

/* ---- requests ---- */

static void take_answer(void *user, const saga_answer *answer)
{
	struct reply *reply = user;

	reply->times++;
	reply->code = answer->code;
	copy_text(reply->text, sizeof reply->text, answer->text);
	reply->saga = answer->saga;
	copy_text(reply->outcome, sizeof reply->outcome,
		answer->outcome ? saga_event_type(answer->outcome) : "");
	saga_answer_json(answer, reply->json, sizeof reply->json);
	reply->repeated = answer->repeated;
	if (reply->stage)
		reply->effects =
			sql_int(reply->stage, "SELECT COUNT(*) AS n FROM effect", NULL, NULL);
}

static int submit_to(
	saga_participant *participant, const saga_submission *submission, struct reply *reply)
{
	saga_submission copy = *submission;
	saga_error error = { 0 };
	int code;

	copy.answered = take_answer;
	copy.user = reply;
	code = saga_submit(participant, &copy, &error);
	if (code != SAGA_OK) {
		reply->code = code;
		copy_text(reply->text, sizeof reply->text, error.text);
	}
	return code;
}

int ask_later(struct stage *stage, const saga_submission *submission, struct reply *reply)
{
	memset(reply, 0, sizeof *reply);
	reply->stage = stage;
	return submit_to(stage->target.participant, submission, reply);
}

struct reply ask(struct stage *stage, const saga_submission *submission)
{
	struct reply reply;

	if (ask_later(stage, submission, &reply) == SAGA_OK)
		AWAIT(stage, reply.times > 0);
	return reply;
}

struct reply ask_please(struct stage *stage, const char *key, int64_t n)
{
	return ask(stage, &(saga_submission){ SAGA_SUBMISSION(please, .n = n), .key = key });
}

/* ---- events from outside ---- */

saga_id stage_saga(struct stage *stage)
{
	saga_id saga = { { 0x01, 0x90, 0xf3, 0xc2, 0, 0, 0x70, 0, 0x80 } };
	uint32_t number = ++stage->sagas;

	for (size_t i = 0; i < sizeof number; i++)
		saga.bytes[15 - i] = (uint8_t)(number >> (8 * i));
	return saga;
}

static void publish(struct stage *stage, saga_id saga, const saga_type *request, const void *body,
	const char *subject)
{
	saga_submission submission = {
		.size = sizeof submission,
		.type = request,
		.body = body,
		.saga = saga,
	};
	struct reply reply = { 0 };
	char key[16];

	snprintf(key, sizeof key, "s%u", (unsigned)++stage->subjects);
	submission.key = subject ? subject : key;
	ck_assert_msg(submit_to(stage->outside.participant, &submission, &reply) == SAGA_OK,
		"%s can't be published: %s", request->name, reply.text);
	AWAIT(stage, reply.times > 0);
	ck_assert_msg(reply.code == SAGA_OK, "%s was not published: %s", request->name, reply.text);
}

#define PUBLISH(type_) \
	if (!strcmp(type->name, type_.name)) { \
		const struct ask_##type_ body = { .n = n }; \
\
		publish(stage, saga, &ask_##type_, &body, subject); \
		return; \
	}

void inject_as(
	struct stage *stage, saga_id saga, const saga_type *type, int64_t n, const char *subject)
{
	INJECTABLES(PUBLISH)
	ck_abort_msg("outside does not publish %s", type->name);
}

void inject_n(struct stage *stage, saga_id saga, const saga_type *type, int64_t n)
{
	inject_as(stage, saga, type, n, NULL);
}

void inject(struct stage *stage, saga_id saga, const saga_type *type)
{
	inject_as(stage, saga, type, DO_DONE, NULL);
}

void inject_bare_first(struct stage *stage, saga_id saga)
{
	const struct ask_bare_first body = { .n = DO_DONE };

	publish(stage, saga, &ask_bare_first, &body, NULL);
}

void settle(struct stage *stage)
{
	enum {
		LANES_MOST = 8
	};
	saga_id sagas[LANES_MOST];
	int lanes = stage->lanes < 1 ? 1 : stage->lanes;

	/* Sagas one after the other are of all lanes in turn. */
	for (int i = 0; i < lanes; i++)
		inject(stage, sagas[i] = stage_saga(stage), &marker);
	for (int i = 0; i < lanes; i++)
		AWAIT(stage, slot_count(stage, sagas[i], "marker", "done") == 1);
}

/* ---- running it ---- */

static int run_from(const char *name, const TTest *const *tests, size_t count, int first, int below)
{
	Suite *suite;
	TCase *both;
	SRunner *runner;
	int failed;

	if (!ground_is_there())
		return 77;
	suite = suite_create(name);
	both = tcase_create("both modes");
	tcase_set_timeout(both, 100);
	for (size_t i = 0; i < count; i++)
		tcase_add_loop_test(both, tests[i], first, below);
	suite_add_tcase(suite, both);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int run_both_modes(const char *name, const TTest *const *tests, size_t count)
{
	int first = getenv("SAGA_TEST_SOAK") ? 0 : ground()->first_mode;

	return run_from(name, tests, count, first, ground()->modes);
}

int run_each_once(const char *name, const TTest *const *tests, size_t count)
{
	return run_from(name, tests, count, 0, 1);
}
