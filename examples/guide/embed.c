/* Embedding: poll(2) is the loop, and turns a participant beside standard input, a guest a line. */
#include <saga/saga.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

SAGA_BARE_REQUEST(enter, "guest.enter", 1);
SAGA_EVENT(entered, "guest.entered", 1, int64(number));

static saga_verdict count_guest(saga_step *s)
{
	saga_write(s, "UPDATE hall SET guests = guests + 1");
	return saga_emit(s, entered, .number = saga_query_int64(s, 0, "SELECT guests FROM hall"));
}

static const saga_step_def steps[] = {
	{ .name = "enter", .on = { &enter }, .run = count_guest, .emits = { &entered } },
};
static const char *const schema[] = {
	"CREATE TABLE hall (guests BIGINT NOT NULL); INSERT INTO hall (guests) VALUES (0);", NULL
};
static const saga_participant_def door =
	SAGA_PARTICIPANT("door", steps, .schema = schema, .ends = { { &entered, SAGA_END_DONE } });

struct host {
	int unanswered;
	bool stopped;
};

static void show(void *user, const saga_answer *answer)
{
	const struct entered *guest = answer->outcome ? saga_body(answer->outcome, entered) : NULL;

	((struct host *)user)->unanswered--;
	if (guest)
		printf("guest %" PRId64 "%s\n", guest->number, answer->repeated ? ", again" : "");
	else
		printf("%s\n", answer->text);
}

static void stopped(void *user, saga_participant *p, const saga_error *why)
{
	(void)p, (void)why;
	((struct host *)user)->stopped = true;
}

/* A terminal hands over whole lines, a guest each. False at the end of the input. */
static bool take_guests(saga_participant *p, struct host *host)
{
	char lines[256];
	ssize_t size = read(STDIN_FILENO, lines, sizeof lines - 1);
	saga_error error;

	if (size <= 0)
		return false;
	lines[size] = '\0';
	for (char *name = strtok(lines, "\n"); name; name = strtok(NULL, "\n")) {
		const saga_submission guest = { SAGA_SUBMISSION(enter), .key = name,
			.answered = show, .user = host };

		if (saga_submit(p, &guest, &error) == SAGA_OK)
			host->unanswered++;
		else
			fprintf(stderr, "embed: %s\n", error.text);
	}
	return true;
}

int main(void)
{
	struct host host = { 0 };
	saga_participant *p;
	saga_error error;

	if (saga_open(&door,
		    SAGA_OPTIONS(.store = "sqlite::memory:", .log = saga_log_stderr,
			    .stopped = stopped, .user = &host),
		    &p, &error) != SAGA_OK) {
		fprintf(stderr, "embed: %s\n", error.text);
		return 1;
	}

	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = saga_fd(p), .events = POLLIN } };

	while (!host.stopped) {
		(void)poll(fds, 2, saga_timeout(p));
		if (fds[0].revents && !take_guests(p, &host))
			fds[0].fd = -1;
		if (fds[0].fd == -1 && host.unanswered == 0)
			saga_stop(p);
		saga_turn(p);
	}
	saga_close(p);
	return 0;
}
