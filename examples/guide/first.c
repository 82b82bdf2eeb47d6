/* A first service: sells the seats of one evening, one to each guest. */
#include <saga/saga.h>

#include <inttypes.h>
#include <stdio.h>

SAGA_REQUEST(book_seat, "seat.book", 1, text(guest));
SAGA_EVENT(seat_sold, "seat.sold", 1, int64(left));
SAGA_EVENT(seat_refused, "seat.refused", 1, reason(why));

static saga_verdict sell(saga_step *s)
{
	const struct book_seat *book = saga_on(s, book_seat);

	if (!saga_require(s, "UPDATE hall SET free = free - 1 WHERE free > 0"))
		return saga_reject(s, seat_refused, .why = "no seat is left");
	saga_write(s, "INSERT INTO booking (saga, guest) VALUES (?, ?)", saga_this(s), book->guest);
	return saga_emit(s, seat_sold, .left = saga_query_int64(s, 0, "SELECT free FROM hall"));
}

static const saga_step_def steps[] = {
	{ .name = "sell",
		.on = { &book_seat },
		.run = sell,
		.emits = { &seat_sold },
		.rejects = { &seat_refused } },
};

static const char *const schema[] = {
	"CREATE TABLE hall (free BIGINT NOT NULL);"
	"INSERT INTO hall (free) VALUES (2);"
	"CREATE TABLE booking (saga SAGA_ID PRIMARY KEY, guest SAGA_TEXT(40) NOT NULL);",
	NULL,
};

static const saga_participant_def seats = SAGA_PARTICIPANT(
	"seats", steps, .schema = schema, .ends = { { &seat_sold, SAGA_END_DONE } });

static void show(void *guest, const saga_answer *answer)
{
	const saga_event *event = answer->outcome;
	const struct seat_sold *sold = event ? saga_body(event, seat_sold) : NULL;
	const struct seat_refused *refused = event ? saga_body(event, seat_refused) : NULL;

	printf("%s: ", (const char *)guest);
	if (sold)
		printf("sold, %" PRId64 " left", sold->left);
	else
		printf("%s", refused ? refused->why : answer->text);
	printf("%s\n", answer->repeated ? " (told before)" : "");
}

int main(int count, char **guests)
{
	const saga_options *options = SAGA_OPTIONS(.store = "sqlite:seats.db",
		.log = saga_log_stderr, .stop_when_idle = true);
	saga_participant *p;
	saga_error error;

	if (saga_open(&seats, options, &p, &error) != SAGA_OK) {
		fprintf(stderr, "first: %s\n", error.text);
		return 1;
	}
	for (int i = 1; i < count; i++) {
		const saga_submission booking = { SAGA_SUBMISSION(book_seat, .guest = guests[i]),
			.key = guests[i], .answered = show, .user = guests[i] };

		if (saga_submit(p, &booking, &error) != SAGA_OK)
			fprintf(stderr, "first: %s: %s\n", guests[i], error.text);
	}

	int code = saga_run(p);

	saga_close(p);
	return code == SAGA_OK ? 0 : 1;
}
