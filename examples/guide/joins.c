/* A join: a trip is confirmed when its flight and its room are booked, whichever comes first. */
#include <saga/saga.h>

#include <stdio.h>
#include <string.h>

SAGA_REQUEST(ask_trip, "trip.ask", 1, text(traveller));
SAGA_EVENT(trip_asked, "trip.asked", 1, text(traveller));
SAGA_EVENT(flight_booked, "flight.booked", 1, text(flight));
SAGA_BARE_EVENT(flight_returned, "flight.returned", 1);
SAGA_EVENT(room_booked, "room.booked", 1, text(room));
SAGA_EVENT(room_refused, "room.refused", 1, reason(why));
SAGA_BARE_EVENT(trip_confirmed, "trip.confirmed", 1);
SAGA_EVENT(trip_failed, "trip.failed", 1, reason(why));
SAGA_STRUCT(trip_row, text(traveller), opt_text(flight), opt_text(room));

static saga_verdict ask(saga_step *s)
{
	const char *traveller = saga_on(s, ask_trip)->traveller;

	saga_write(s, "INSERT INTO trip (saga, traveller) VALUES (?, ?)", saga_this(s), traveller);
	return saga_emit(s, trip_asked, .traveller = traveller);
}

static saga_verdict fly(saga_step *s)
{
	saga_write(s, "UPDATE trip SET flight = ? WHERE saga = ?", "SK 501", saga_this(s));
	return saga_emit(s, flight_booked, .flight = "SK 501");
}

static saga_verdict return_flight(saga_step *s)
{
	saga_write(s, "UPDATE trip SET flight = NULL WHERE saga = ?", saga_this(s));
	return saga_emit(s, flight_returned);
}

static saga_verdict lodge(saga_step *s)
{
	if (strcmp(saga_on(s, trip_asked)->traveller, "bea") == 0)
		return saga_reject(s, room_refused, .why = "no room for bea");
	saga_write(s, "UPDATE trip SET room = ? WHERE saga = ?", "12", saga_this(s));
	return saga_emit(s, room_booked, .room = "12");
}

/* Runs on the last of the two events; the rows hold what both of them said. */
static saga_verdict confirm(saga_step *s)
{
	const struct trip_row *trip = saga_query_one(s, trip_row,
		"SELECT traveller, flight, room FROM trip WHERE saga = ?", saga_this(s));

	if (trip)
		printf("%s: flight %s, room %s\n", trip->traveller, trip->flight, trip->room);
	return saga_emit(s, trip_confirmed);
}

static saga_verdict tell(saga_step *s)
{
	printf("no trip: %s\n", saga_on(s, trip_failed)->why);
	return saga_done(s);
}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "ask", .on = { &ask_trip }, .run = ask, .emits = { &trip_asked } },

	{ .name = "fly", .on = { &trip_asked }, .run = fly, .emits = { &flight_booked },
	  .undo = return_flight, .undo_on = { &trip_failed }, .undone = { &flight_returned } },

	{ .name = "lodge", .on = { &trip_asked }, .run = lodge,
	  .emits = { &room_booked }, .rejects = { &room_refused } },

	{ .name = "confirm", .on = { &flight_booked, &room_booked }, .join = SAGA_ALL,
	  .run = confirm, .emits = { &trip_confirmed },
	  .rejects = { &trip_failed }, .bar_on = { &room_refused } },

	{ .name = "tell", .on = { &trip_failed }, .run = tell },
};
/* clang-format on */

static const char *const schema[] = {
	"CREATE TABLE trip (saga SAGA_ID PRIMARY KEY, traveller SAGA_TEXT(40) NOT NULL,"
	"  flight SAGA_TEXT(10), room SAGA_TEXT(10));",
	NULL,
};

static const saga_participant_def trips = SAGA_PARTICIPANT("trips", steps, .schema = schema);

int main(void)
{
	static const char *const travellers[] = { "ada", "bea" };
	const saga_options *options =
		SAGA_OPTIONS(.store = "sqlite::memory:", .log = saga_log_stderr,
			.stop_when_idle = true);
	saga_participant *p;
	saga_error error;

	if (saga_open(&trips, options, &p, &error) != SAGA_OK) {
		fprintf(stderr, "joins: %s\n", error.text);
		return 1;
	}
	for (size_t i = 0; i < 2; i++) {
		const saga_submission trip = {
			SAGA_SUBMISSION(ask_trip, .traveller = travellers[i]), .key = travellers[i]
		};

		if (saga_submit(p, &trip, &error) != SAGA_OK)
			fprintf(stderr, "joins: %s\n", error.text);
	}

	int code = saga_run(p);

	saga_close(p);
	return code == SAGA_OK ? 0 : 1;
}
