// The first service in C++20: the same steps, with the macros of C replaced by a few templates.
#include <saga/saga.h>

#include <cinttypes>
#include <cstdio>

SAGA_REQUEST(book_seat, "seat.book", 1, text(guest));
SAGA_EVENT(seat_sold, "seat.sold", 1, int64(left));
SAGA_EVENT(seat_refused, "seat.refused", 1, reason(why));

// ---- for saga_require, saga_write and their like ----

static saga_value value(std::int64_t x) { return saga_int64(x); }
static saga_value value(const char *x) { return saga_text(x); }
static saga_value value(saga_id x) { return saga_uuid(x); }

template <class... T> static bool require(saga_step *s, const char *sql, T... x)
{
	const saga_value values[] = { value(x)..., saga_null() };
	return saga_require_sql(s, sql, values, sizeof...(x));
}

template <class... T> static void write(saga_step *s, const char *sql, T... x)
{
	const saga_value values[] = { value(x)..., saga_null() };
	saga_write_sql(s, sql, values, sizeof...(x));
}

// ---- the service ----

static saga_verdict sell(saga_step *s)
{
	auto book = saga_body(saga_trigger(s), book_seat);

	if (!require(s, "UPDATE hall SET free = free - 1 WHERE free > ?", std::int64_t{ 0 })) {
		const struct seat_refused body = { .why = "no seat is left" };
		return saga_reject_body(s, &seat_refused, &body);
	}
	write(s, "INSERT INTO booking (saga, guest) VALUES (?, ?)", saga_this(s), book->guest);

	const struct seat_sold body = {
		.left = saga_query_int64_sql(s, 0, "SELECT free FROM hall", nullptr, 0)
	};
	return saga_emit_body(s, &seat_sold, &body);
}

static const saga_step_def steps[] = {
	{ .name = "sell", .on = { &book_seat }, .run = sell,
	  .emits = { &seat_sold }, .rejects = { &seat_refused } },
};

static const char *const schema[] = {
	"CREATE TABLE hall (free BIGINT NOT NULL);"
	"INSERT INTO hall (free) VALUES (2);"
	"CREATE TABLE booking (saga SAGA_ID PRIMARY KEY, guest SAGA_TEXT(40) NOT NULL);",
	nullptr,
};

static const saga_participant_def seats =
	SAGA_PARTICIPANT("seats", steps, .schema = schema, .ends = { { &seat_sold, SAGA_END_DONE } });

static void show(void *guest, const saga_answer *answer)
{
	auto refused = answer->outcome ? saga_body(answer->outcome, seat_refused) : nullptr;

	std::printf("%s: %s\n", static_cast<const char *>(guest),
		answer->code == SAGA_OK ? "sold" : refused ? refused->why : answer->text);
}

int main(int count, char **guests)
{
	const saga_options options = { .size = sizeof options, .store = "sqlite::memory:",
		.stop_when_idle = true, .log = saga_log_stderr };
	saga_participant *p;
	saga_error error;

	if (saga_open(&seats, &options, &p, &error) != SAGA_OK) {
		std::fprintf(stderr, "service: %s\n", error.text);
		return 1;
	}
	for (int i = 1; i < count; i++) {
		const struct book_seat body = { .guest = guests[i] };
		const saga_submission booking = { .size = sizeof booking, .type = &book_seat,
			.body = &body, .key = guests[i], .answered = show, .user = guests[i] };

		if (saga_submit(p, &booking, &error) != SAGA_OK)
			std::fprintf(stderr, "service: %s: %s\n", guests[i], error.text);
	}

	int code = saga_run(p);

	saga_close(p);
	return code == SAGA_OK ? 0 : 1;
}
