/* The seats: holds one for each guest until it is paid for, or refused by the till. */
#include "pair.h"

#include <string.h>

enum {
	PRICE_CENTS = 1200,
	LONGEST_NAME = 40
};

static const char *const schema[] = {
	"CREATE TABLE hall (free BIGINT NOT NULL);"
	"INSERT INTO hall (free) VALUES (3);"
	"CREATE TABLE booking (saga SAGA_ID PRIMARY KEY, guest SAGA_TEXT(40) NOT NULL,"
	"  receipt SAGA_TEXT(64));",
	NULL,
};

static saga_verdict hold(saga_step *s)
{
	const struct book_seat *book = saga_on(s, book_seat);
	const int64_t *hold_ms = saga_user(s);

	if (strlen(book->guest) > LONGEST_NAME)
		return saga_malformed(s, "a guest's name has at most %d bytes", LONGEST_NAME);
	if (!saga_require(s, "UPDATE hall SET free = free - 1 WHERE free > 0"))
		return saga_reject(s, seat_refused, .why = "no seat is left");
	saga_write(s, "INSERT INTO booking (saga, guest) VALUES (?, ?)", saga_this(s), book->guest);
	saga_after(s, *hold_ms, hold_expired);
	return saga_emit(s, seat_held, .guest = book->guest, .cents = PRICE_CENTS);
}

static saga_verdict release(saga_step *s)
{
	saga_write(s, "UPDATE hall SET free = free + 1");
	saga_write(s, "DELETE FROM booking WHERE saga = ?", saga_this(s));
	return saga_emit(s, seat_released, .why = saga_on(s, charge_declined)->why);
}

static saga_verdict sell(saga_step *s)
{
	const char *receipt = saga_on(s, charge_paid)->receipt;

	saga_write(s, "UPDATE booking SET receipt = ? WHERE saga = ?", receipt, saga_this(s));
	return saga_emit(s, seat_sold, .receipt = receipt);
}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "hold", .on = { &book_seat }, .run = hold,
	  .emits = { &seat_held }, .rejects = { &seat_refused },
	  .after = { { .event = &hold_expired, .unless = { &charge_paid, &charge_declined } } },
	  .undo = release, .undo_on = { &charge_declined }, .undone = { &seat_released } },

	{ .name = "sell", .on = { &charge_paid }, .run = sell, .emits = { &seat_sold } },
};
/* clang-format on */

const saga_participant_def seats = SAGA_PARTICIPANT("seats", steps, .schema = schema,
	.ends = { { &seat_sold, SAGA_END_DONE }, { &seat_released, SAGA_END_UNDONE } });
