/*
 * A seat and a room: two participants that fit, or do not, and a program that proves it.
 *
 *	guide-checking              checks both
 *	guide-checking --contract   prints the contract of the first
 */
#include <saga/saga.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

SAGA_REQUEST(book_trip, "trip.book", 1, text(guest));
SAGA_EVENT(seat_taken, "seat.taken", 1, text(guest));
SAGA_EVENT(seat_given_back, "seat.given_back", 1, text(guest));
SAGA_EVENT(trip_booked, "trip.booked", 1, int64(room));
SAGA_EVENT(room_refused, "room.refused", 1, reason(why));

static saga_verdict take(saga_step *s)
{
	return saga_emit(s, seat_taken, .guest = saga_on(s, book_trip)->guest);
}

static saga_verdict give_back(saga_step *s)
{
	return saga_emit(s, seat_given_back, .guest = "");
}

static saga_verdict take_room(saga_step *s)
{
	return saga_emit(s, trip_booked, .room = 7);
}

static const saga_step_def seat_steps[] = {
	{ .name = "seat",
		.on = { &book_trip },
		.run = take,
		.emits = { &seat_taken },
		.undo = give_back,
		.undo_on = { &room_refused },
		.undone = { &seat_given_back } },
};
static const saga_participant_def seats =
	SAGA_PARTICIPANT("seats", seat_steps, .ends = { { &seat_given_back, SAGA_END_UNDONE } });

static const saga_step_def room_steps[] = {
	{ .name = "room",
		.on = { &seat_taken },
		.run = take_room,
		.emits = { &trip_booked },
		.rejects = { &room_refused } },
};
static const saga_participant_def rooms =
	SAGA_PARTICIPANT("rooms", room_steps, .ends = { { &trip_booked, SAGA_END_DONE } });

static char seats_contract[8192], rooms_contract[8192];

static const char *contract_of(const saga_participant_def *def, char *text, size_t size)
{
	size_t length = saga_contract_json(def, text, size);

	if (length > 0 && length < size)
		return text;
	fprintf(stderr, "%s: the declaration is wrong, or its contract is too long\n", def->name);
	exit(1);
}

static int check(void)
{
	const saga_contract contracts[] = {
		{ "seats", contract_of(&seats, seats_contract, sizeof seats_contract) },
		{ "rooms", contract_of(&rooms, rooms_contract, sizeof rooms_contract) },
	};
	saga_check *found;
	saga_error error;
	int code;

	if (saga_choreography_check(contracts, 2, NULL, &found, &error) != SAGA_OK) {
		fprintf(stderr, "checking: %s\n", error.text);
		return 1;
	}
	for (size_t i = 0; i < found->end_count; i++)
		printf("at rest with: %s\n", found->ends[i]);
	for (size_t i = 0; i < found->finding_count; i++)
		printf("%s\n", found->findings[i].text);
	printf("%s\n", found->passed ? "right" : "not right");
	code = found->passed ? 0 : 1;
	saga_check_free(found);
	return code;
}

int main(int count, char **words)
{
	if (count == 2 && strcmp(words[1], "--contract") == 0) {
		puts(contract_of(&seats, seats_contract, sizeof seats_contract));
		return 0;
	}
	return check();
}
