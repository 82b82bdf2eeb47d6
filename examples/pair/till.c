/* The till: charges for a seat that is held, by one call to the bank. */
#include "bank.h"
#include "pair.h"

SAGA_STRUCT(bank_said, flag(paid), reason(text));

static const char *const schema[] = {
	"CREATE TABLE charge (saga SAGA_ID PRIMARY KEY, cents BIGINT NOT NULL,"
	"  receipt SAGA_TEXT(64) NOT NULL);",
	NULL,
};

/* On a thread of the library's pool, in no transaction. */
static saga_verdict ask_bank(saga_call *c)
{
	char json[512], text[64] = "";

	saga_event_json(saga_call_trigger(c), json, sizeof json);
	switch (bank_charge(
		saga_call_user(c), saga_key(c, "charge"), json, saga_time_left(c), text)) {
	case BANK_PAID:
		return saga_tell(c, bank_said, .paid = true, .text = text);
	case BANK_DECLINED:
		return saga_tell(c, bank_said, .paid = false, .text = text);
	case BANK_SILENT:
		break;
	}
	return saga_call_retry(c, "the bank does not answer: %s", text);
}

/* In a transaction, once the bank's answer is stored. */
static saga_verdict charge(saga_step *s)
{
	const struct bank_said *said = saga_told(s, bank_said);

	if (!said->paid)
		return saga_reject(s, charge_declined, .why = said->text);
	saga_write(s, "INSERT INTO charge (saga, cents, receipt) VALUES (?, ?, ?)", saga_this(s),
		saga_on(s, seat_held)->cents, said->text);
	return saga_emit(s, charge_paid, .receipt = said->text);
}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "charge", .on = { &seat_held }, .run = charge,
	  .outside = { .call = ask_bank, .timeout_ms = 5000 },
	  .emits = { &charge_paid }, .rejects = { &charge_declined },
	  .bar_on = { &hold_expired } },
};
/* clang-format on */

const saga_participant_def till = SAGA_PARTICIPANT("till", steps, .schema = schema);
