/*
 * The jobs of the orders file, ref by ref: a job is submitted when the one before it took effect.
 * Its key is made from ref and line, so that the next run repeats it and changes nothing.
 */
#include "run.h"

#include "complain.h"

#include <stdio.h>
#include <string.h>

enum {
	MOST_ASKED = 512,  /* at once */
	LOOK_EVERY_MS = 25 /* at one order */
};

static int64_t now(const struct run *run)
{
	return (int64_t)uv_now(&run->loop);
}

static struct op *op_of(const struct job *job)
{
	return &job->ops[job->at];
}

static const char *key_of(const struct job *job, char key[96])
{
	const struct op *op = op_of(job);

	if (op->kind == OP_PLACE)
		snprintf(key, 96, "%s", job->ref);
	else
		snprintf(key, 96, "%s/%s/%zu", job->ref, op_name(op->kind), op->line);
	return key;
}

/* ---- moving on ---- */

static void next_op(struct job *job)
{
	job->at++;
	job->phase = job->at < job->op_count ? JOB_NEXT : JOB_ENDED;
	job->is_ready = false;
	job->look_at = 0;
	job->run->moved_at = now(job->run);
}

static void refuse(struct job *job, const char *why)
{
	progress_end(&job->run->progress);
	complain("%s:%zu: order %s: %s refused: %s", job->run->orders.path, op_of(job)->line,
		job->ref, op_name(op_of(job)->kind), why);
	job->run->result.refused++;
	job->run->to_place -= op_of(job)->kind == OP_PLACE;
	next_op(job);
}

static void look_later(struct job *job)
{
	job->look_at = now(job->run) + LOOK_EVERY_MS;
}

/* Ends every answer; returns NULL if there is no job, since the program stops. */
static struct job *answered(void *user, const saga_answer *answer)
{
	struct job *job = user;

	job->is_asking = false;
	job->run->asked--;
	if (answer->code == SAGA_STOPPED || answer->code == SAGA_UNKNOWN)
		return NULL;
	return job;
}

static const char *why_of(const saga_answer *answer)
{
	const struct order_refused *refused =
		answer->outcome ? saga_body(answer->outcome, order_refused) : NULL;

	return refused ? refused->why : answer->text;
}

/* Asks for a job. False: not now, try later. What can't be asked at all is refused. */
static bool ask(struct job *job, int seat, saga_submission submission, saga_answer_fn *then)
{
	saga_error error = { .code = SAGA_OK };

	submission.saga = job->saga;
	submission.user = job;
	submission.answered = then;
	job->is_asking = run_ask(job->run, seat, &submission, &error);
	if (!job->is_asking && error.code != SAGA_OK)
		refuse(job, error.text);
	return job->is_asking || error.code != SAGA_OK;
}

/* ---- looking at the order ---- */

static bool has_ended(const struct order_state *o)
{
	return strcmp(o->state, "cancelled") == 0 || strcmp(o->state, "fulfilled") == 0 ||
		strcmp(o->state, "completed") == 0;
}

static const struct amendment_state *amendment_of(
	const struct job *job, const struct order_state *o)
{
	char key[96];

	key_of(job, key);
	for (size_t i = 0; i < o->amendments_count; i++)
		if (strcmp(o->amendments[i].name, key) == 0)
			return &o->amendments[i];
	return NULL;
}

static void settle_amend(struct job *job, const struct order_state *o)
{
	const struct amendment_state *a = amendment_of(job, o);

	if (!a || strcmp(a->state, "asked") == 0)
		look_later(job);
	else if (strcmp(a->state, "refused") == 0)
		refuse(job, a->why ? a->why : "it does not say why");
	else
		next_op(job);
}

static void settle(struct job *job, const struct order_state *o)
{
	bool is_completed = strcmp(o->state, "completed") == 0;

	if (op_of(job)->kind == OP_AMEND)
		settle_amend(job, o);
	else if (op_of(job)->kind == OP_DELIVER ? !is_completed : !has_ended(o))
		look_later(job);
	else if (op_of(job)->kind == OP_CANCEL && strcmp(o->state, "cancelled") != 0)
		refuse(job, "it was on its way already");
	else
		next_op(job);
}

/* An amendment needs a paid order, a delivery a shipped one: earlier there is nothing to change. */
static void look_at_shipment(void *user, const saga_answer *answer)
{
	struct job *job = answered(user, answer);
	const struct shipment_state *parcel =
		job && answer->outcome ? saga_body(answer->outcome, shipment_state) : NULL;
	bool is_waiting;

	if (!parcel) {
		if (job)
			look_later(job);
		return;
	}
	is_waiting = strcmp(parcel->state, "none") == 0 || strcmp(parcel->state, "reserved") == 0;
	job->is_ready = !is_waiting || (op_of(job)->kind == OP_AMEND && parcel->paid);
	if (!job->is_ready)
		look_later(job);
}

static bool ask_shipment(struct job *job)
{
	return ask(job, SEAT_STOCK, (saga_submission){ SAGA_SUBMISSION(get_shipment) },
		look_at_shipment);
}

static void look_at_order(void *user, const saga_answer *answer)
{
	struct job *job = answered(user, answer);
	const struct order_state *o =
		job && answer->outcome ? saga_body(answer->outcome, order_state) : NULL;

	if (!job)
		return;
	if (!o) {
		if (answer->code == SAGA_REJECTED)
			refuse(job, why_of(answer));
		else
			look_later(job);
		return;
	}
	job->saga = o->saga;
	if (!job->is_known)
		job->is_known = true;
	else if (job->phase == JOB_SETTLE)
		settle(job, o);
	else if (has_ended(o))
		job->is_ready = true;
	else if (!ask_shipment(job))
		look_later(job);
}

static bool ask_order(struct job *job)
{
	char key[96];

	if (job->is_known)
		return ask(job, SEAT_ORDER,
			(saga_submission){
				SAGA_SUBMISSION(get_order, .amendment = key_of(job, key)) },
			look_at_order);
	return ask(job, SEAT_ORDER,
		(saga_submission){ SAGA_SUBMISSION(get_order, .ref = job->ref) }, look_at_order);
}

/* ---- the ops ---- */

static void placed(void *user, const saga_answer *answer)
{
	struct job *job = answered(user, answer);

	if (!job)
		return;
	if (answer->code != SAGA_OK) {
		refuse(job, why_of(answer));
		return;
	}
	job->saga = answer->saga;
	job->is_known = true;
	job->run->result.repeated += answer->repeated;
	next_op(job);
}

static void asked(void *user, const saga_answer *answer)
{
	struct job *job = answered(user, answer);

	if (!job)
		return;
	if (answer->code == SAGA_OK)
		job->phase = JOB_SETTLE;
	else
		refuse(job, why_of(answer));
}

static bool ask_op(struct job *job)
{
	const struct op *op = op_of(job);
	char key[96];

	key_of(job, key);
	switch (op->kind) {
	case OP_PLACE:
		return ask(job, SEAT_ORDER,
			(saga_submission){
				SAGA_SUBMISSION(place_order, .ref = job->ref,
					.customer = op->customer, .country = op->country,
					.lines = op->lines, .lines_count = op->lines_count),
				.key = key },
			placed);
	case OP_AMEND:
		return ask(job, SEAT_ORDER,
			(saga_submission){ SAGA_SUBMISSION(amend_order, .lines = op->lines,
						   .lines_count = op->lines_count),
				.key = key },
			asked);
	case OP_CANCEL:
		return ask(job, SEAT_ORDER,
			(saga_submission){ SAGA_SUBMISSION(cancel_order), .key = key }, asked);
	case OP_DELIVER:
		break;
	}
	return ask(job, SEAT_STOCK,
		(saga_submission){
			SAGA_SUBMISSION(track_parcel, .place = "at the door", .delivered = true),
			.key = key },
		asked);
}

/* False: the queue is full. */
static bool turn(struct job *job)
{
	enum op_kind kind;

	if (job->phase == JOB_ENDED || job->is_asking || now(job->run) < job->look_at)
		return true;
	kind = op_of(job)->kind;
	if (kind == OP_PLACE)
		return ask_op(job);
	if (!job->is_known || job->phase == JOB_SETTLE)
		return ask_order(job);
	if (!job->is_ready && (kind == OP_AMEND || kind == OP_DELIVER))
		return ask_order(job);
	return ask_op(job);
}

bool turn_jobs(struct run *run)
{
	struct orders *orders = &run->orders;

	while (run->first_open < orders->job_count &&
		orders->jobs[run->first_open].phase == JOB_ENDED)
		run->first_open++;
	for (size_t i = run->first_open; i < orders->job_count && run->asked < MOST_ASKED; i++)
		if (!turn(&orders->jobs[i]))
			break;
	return run->first_open == orders->job_count && run->asked == 0;
}

/* ---- before the first order: goods, countries, credit ---- */

static void told(void *user, const saga_answer *answer)
{
	struct run *run = user;

	run->asked--;
	run->moved_at = now(run);
	if (answer->code == SAGA_CONFLICT)
		complain("shop: the data directory was begun with other products or rules, "
			 "they stay");
	else if (answer->code != SAGA_OK && answer->code != SAGA_STOPPED)
		complain("shop: a product or rule is refused: %s", answer->text);
}

/* False: not now. What can't be told at all is said and passed. */
static bool tell(struct run *run, int seat, saga_submission submission, const char *name)
{
	saga_error error = { .code = SAGA_OK };

	submission.key = name;
	submission.answered = told;
	submission.user = run;
	if (run_ask(run, seat, &submission, &error))
		return true;
	if (error.code != SAGA_OK)
		complain("shop: `%s` is refused: %s", name, error.text);
	return error.code != SAGA_OK;
}

static bool tell_nth(struct run *run, size_t i)
{
	const struct data *data = &run->data;
	const struct datum *d;

	if (i < data->goods_count) {
		d = &data->goods[i];
		return tell(run, SEAT_STOCK,
			(saga_submission){ SAGA_SUBMISSION(
				open_stock, .sku = d->name, .quantity = d->number) },
			d->name);
	}
	i -= data->goods_count;
	if (i < data->excluded_count) {
		d = &data->excluded[i];
		return tell(run, SEAT_STOCK,
			(saga_submission){ SAGA_SUBMISSION(exclude_country, .country = d->name) },
			d->name);
	}
	d = &data->credit[i - data->excluded_count];
	return tell(run, SEAT_PAYMENT,
		(saga_submission){ SAGA_SUBMISSION(
			open_account, .customer = d->name, .credit_cents = d->number) },
		d->name);
}

bool tell_data(struct run *run)
{
	size_t all = run->data.goods_count + run->data.excluded_count + run->data.credit_count;

	if (run->is_told)
		return true;
	while (run->told < all && run->asked < MOST_ASKED && tell_nth(run, run->told))
		run->told++;
	run->is_told = run->told == all && run->asked == 0;
	return run->is_told;
}
