/*
 * One participant as a process, for nng_delivery.c: `nng_role source|drain URL FILE COUNT SIZE
 * SLEEP_US WINDOW QUEUE`. The source publishes COUNT events of SIZE bytes, one a saga, by requests
 * with keys, so that one that is started again goes on. The drain notes each in its own table.
 * SIGTERM stops it, and it says what it counted: "gaps N asked N resent N lost N".
 */

#include <saga/saga.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

SAGA_REQUEST(pour, "source.pour", 1, int64(n), text(filling));
SAGA_EVENT(poured, "source.poured", 1, int64(n), text(filling));

enum {
	IN_FLIGHT = 200,
	FILLING_MOST = 60000
};

struct role {
	saga_participant *participant;
	int64_t count, next, answered;
	size_t size;
	int sleep_us;
	char filling[FILLING_MOST + 1];
	uv_timer_t timer;
	uv_signal_t signal;
};

/* ---- the steps ---- */

static saga_verdict publish(saga_step *s)
{
	const struct pour *asked = saga_on(s, pour);

	return saga_emit(s, poured, .n = asked->n, .filling = asked->filling);
}

static saga_verdict take(saga_step *s)
{
	const struct poured *event = saga_on(s, poured);
	const struct role *role = saga_user(s);

	if (role->sleep_us && rand() % 8 == 0)
		uv_sleep((unsigned)(role->sleep_us / 1000));
	saga_exec(s, "INSERT INTO taken VALUES (?)", event->n);
	return saga_done(s);
}

static const saga_step_def source_steps[] = {
	{ .name = "publish", .on = { &pour }, .run = publish, .emits = { &poured } },
};
static const saga_step_def drain_steps[] = {
	{ .name = "take", .on = { &poured }, .run = take },
};
static const char *const drain_schema[] = { "CREATE TABLE taken (n INTEGER);", NULL };

static const saga_participant_def source = SAGA_PARTICIPANT("source", source_steps);
static const saga_participant_def drain =
	SAGA_PARTICIPANT("drain", drain_steps, .schema = drain_schema);

/* ---- the source's requests ---- */

static void answered(void *user, const saga_answer *answer)
{
	struct role *role = user;

	if (answer->code == SAGA_OK)
		role->answered++;
	else if (answer->code != SAGA_STOPPED)
		fprintf(stderr, "source: %s\n", answer->text);
}

static bool submit_one(struct role *role)
{
	char key[32];
	saga_error error;

	snprintf(key, sizeof key, "n%" PRId64, role->next);
	return saga_submit(role->participant,
		       &(saga_submission){
			       SAGA_SUBMISSION(pour, .n = role->next, .filling = role->filling),
			       .key = key, .answered = answered, .user = role },
		       &error) == SAGA_OK;
}

static void submit_some(uv_timer_t *timer)
{
	struct role *role = timer->data;

	while (role->next < role->count && role->next - role->answered < IN_FLIGHT &&
		submit_one(role))
		role->next++;
}

/* ---- its life ---- */

static void end(uv_signal_t *signal, int number)
{
	struct role *role = signal->data;
	saga_health health = { .size = sizeof health };

	(void)number;
	saga_health_of(role->participant, &health);
	printf("gaps %" PRId64 " asked %" PRId64 " resent %" PRId64 " lost %" PRId64 "\n",
		health.gaps, health.asked, health.resent, health.frames_lost);
	fflush(stdout);
	uv_close((uv_handle_t *)&role->timer, NULL);
	uv_close((uv_handle_t *)&role->signal, NULL);
	saga_stop(role->participant);
}

static int run(struct role *role)
{
	struct uv_loop_s *loop = saga_loop(role->participant);
	int code;

	uv_timer_init(loop, &role->timer);
	uv_signal_init(loop, &role->signal);
	role->timer.data = role->signal.data = role;
	uv_timer_start(&role->timer, submit_some, 1, 1);
	uv_signal_start(&role->signal, end, SIGTERM);
	printf("runs\n");
	fflush(stdout);
	code = saga_run(role->participant);
	saga_close(role->participant);
	return code == SAGA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const char *const followers[] = { "drain", NULL };
	struct role *role = calloc(1, sizeof *role);
	bool is_source;
	char store[256];
	saga_error error;

	if (argc != 9 || !role)
		return 2;
	is_source = strcmp(argv[1], "source") == 0;
	role->count = is_source ? atoll(argv[4]) : 0;
	role->size = (size_t)atoll(argv[5]);
	role->sleep_us = atoi(argv[6]);
	memset(role->filling, 'x', role->size);
	snprintf(store, sizeof store, "sqlite:%s", argv[3]);
	if (saga_open(is_source ? &source : &drain,
		    SAGA_OPTIONS(.store = store, .transport = argv[2], .lanes = 1, .user = role,
			    .followers = is_source ? followers : NULL, .start = SAGA_FROM_OLDEST,
			    .log = getenv("SAGA_TEST_LOG") ? saga_log_stderr : NULL,
			    .limits = SAGA_LIMITS(.window = (size_t)atoll(argv[7]),
				    .queue = (size_t)atoll(argv[8]))),
		    &role->participant, &error) != SAGA_OK) {
		fprintf(stderr, "%s: %s\n", argv[1], error.text);
		return 1;
	}
	argc = run(role);
	free(role);
	return argc;
}
