/* Subjects: a party comes to one table, in one saga, and each of its guests is served once. */
#include <saga/saga.h>

#include <stdio.h>

SAGA_REQUEST(seat_guest, "guest.seat", 1, text(dish));
SAGA_EVENT(guest_seated, "guest.seated", 1, text(dish));
SAGA_EVENT(guest_served, "guest.served", 1, text(dish));
SAGA_BARE_EVENT(table_laid, "table.laid", 1);

/* Its subject is the key of the request, so each guest has a run of his own. */
static saga_verdict seat(saga_step *s)
{
	return saga_emit(s, guest_seated, .dish = saga_on(s, seat_guest)->dish);
}

/* Events carry the subject of the step that emitted them. */
static saga_verdict serve(saga_step *s)
{
	const char *dish = saga_on(s, guest_seated)->dish;

	printf("%s: %s\n", saga_subject(s), dish);
	return saga_emit(s, guest_served, .dish = dish);
}

/* Without per_subject: once for the saga, on the first guest who comes. */
static saga_verdict lay_table(saga_step *s)
{
	printf("the table is laid\n");
	return saga_emit(s, table_laid);
}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "seat", .per_subject = true, .on = { &seat_guest }, .run = seat,
	  .emits = { &guest_seated } },
	{ .name = "lay", .on = { &guest_seated }, .run = lay_table, .emits = { &table_laid } },
	{ .name = "serve", .per_subject = true, .on = { &guest_seated }, .run = serve,
	  .emits = { &guest_served } },
};
/* clang-format on */

static const saga_participant_def waiter = SAGA_PARTICIPANT("waiter", steps,
	.ends = { { &guest_served, SAGA_END_DONE }, { &table_laid, SAGA_END_DONE } });

int main(void)
{
	static const char *const guests[][2] = { { "ada", "soup" }, { "bea", "fish" },
		{ "ada", "soup" } };
	const saga_options *options =
		SAGA_OPTIONS(.store = "sqlite::memory:", .log = saga_log_stderr,
			.stop_when_idle = true);
	saga_participant *p;
	saga_error error;
	saga_id party;

	if (saga_id_parse("01a22d00-0000-7000-8000-000000000001", &party) != SAGA_OK ||
		saga_open(&waiter, options, &p, &error) != SAGA_OK) {
		fprintf(stderr, "subjects: %s\n", error.text);
		return 1;
	}
	for (size_t i = 0; i < 3; i++) {
		const saga_submission guest = { SAGA_SUBMISSION(seat_guest, .dish = guests[i][1]),
			.saga = party, .key = guests[i][0] };

		if (saga_submit(p, &guest, &error) != SAGA_OK)
			fprintf(stderr, "subjects: %s\n", error.text);
	}

	int code = saga_run(p);

	saga_close(p);
	return code == SAGA_OK ? 0 : 1;
}
