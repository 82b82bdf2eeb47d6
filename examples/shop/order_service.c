/* The order service as a process: what customers ask for. */
#include "events.h"
#include "kit.h"
#include "openapi.h"
#include "shop.h"

#include <string.h>

/* ---- one order ---- */

static void show(struct http_call *call)
{
	service_ask(call,
		(saga_submission){ SAGA_SUBMISSION(get_order, .ref = http_argument(call, 0),
			.amendment = http_query(call, "amendment"),
			.after = http_query(call, "after")) },
		service_reply_found);
}

/* ---- taken on: 202, with the order's saga; how it ends is read later ---- */

static void reply_taken(struct http_call *call, const saga_answer *answer, const char *ref)
{
	char saga[SAGA_ID_TEXT];

	http_set_location(call, "/orders/", ref);
	http_json(call, 202,
		json_pack("{s:s, s:s, s:b}", "ref", ref, "saga", saga_id_text(answer->saga, saga),
			"repeated", answer->repeated));
}

static void placed(void *user, const saga_answer *answer)
{
	saga_bytes body = http_body(user);
	json_t *wish;

	if (!service_outcome(user, answer))
		return;
	wish = json_loadb(body.at, body.size, 0, NULL);
	reply_taken(user, answer, json_string_value(json_object_get(wish, "ref")));
	json_decref(wish);
}

static void place_it(struct http_call *call)
{
	saga_bytes body = http_body(call);

	service_ask(call,
		(saga_submission){ SAGA_SUBMISSION_JSON(place_order, body.at, body.size) }, placed);
}

static void changed(void *user, const saga_answer *answer)
{
	if (service_outcome(user, answer))
		reply_taken(user, answer, http_argument(user, 0));
}

/* An order is changed by its saga, which its ref leads to. */
static void find(struct http_call *call, saga_answer_fn *then)
{
	service_ask(call,
		(saga_submission){ SAGA_SUBMISSION(find_order, .ref = http_argument(call, 0)) },
		then);
}

static const struct order_found *found(struct http_call *call, const saga_answer *answer)
{
	if (answer->code == SAGA_OK)
		return saga_body(answer->outcome, order_found);
	service_refuse(call, answer, 404);
	return NULL;
}

static void amend_found(void *user, const saga_answer *answer)
{
	const struct order_found *o = found(user, answer);
	saga_bytes body = http_body(user);

	if (o)
		service_ask(user,
			(saga_submission){ SAGA_SUBMISSION_JSON(amend_order, body.at, body.size),
				.saga = o->saga },
			changed);
}

static void cancel_found(void *user, const saga_answer *answer)
{
	const struct order_found *o = found(user, answer);

	if (o)
		service_ask(user,
			(saga_submission){ SAGA_SUBMISSION(cancel_order), .saga = o->saga },
			changed);
}

static void amend_it(struct http_call *call)
{
	find(call, amend_found);
}

static void cancel_it(struct http_call *call)
{
	find(call, cancel_found);
}

/* ---- many ---- */

static void reply_orders(void *user, const saga_answer *answer)
{
	const saga_event *listed = service_outcome(user, answer);

	if (listed)
		http_json(user, 200, service_body(listed));
}

static void list(struct http_call *call)
{
	service_ask(call,
		(saga_submission){ SAGA_SUBMISSION(list_orders,
			.status = http_query(call, "status"), .after = http_query(call, "after")) },
		reply_orders);
}

/* ---- its numbers: how long an order takes, from placed to its end ---- */

struct own {
	struct order_config config;
	struct times fulfilled, cancelled;
};

/* A lane's thread. */
static void ended(void *user, bool is_fulfilled, int64_t ms)
{
	struct own *own = user;

	times_add(is_fulfilled ? &own->fulfilled : &own->cancelled, 1000 * ms);
}

static void count(void *context, saga_metric_fn *each, void *user)
{
	static const saga_metric_label fulfilled = { "end", "fulfilled" };
	static const saga_metric_label cancelled = { "end", "cancelled" };
	static const char name[] = "shop_order_seconds", help[] = "from placed to its end";
	const struct own *own = context;

	times_tell(&own->fulfilled, name, help, &fulfilled, 1, each, user);
	times_tell(&own->cancelled, name, help, &cancelled, 1, each, user);
}

/* ---- the program ---- */

static const struct http_route routes[] = {
	{ "POST", "/orders", place_it, HTTP_BODY | HTTP_KEY },
	{ "GET", "/orders", list, 0 },
	{ "GET", "/orders/{}", show, 0 },
	{ "PATCH", "/orders/{}", amend_it, HTTP_BODY | HTTP_KEY },
	{ "DELETE", "/orders/{}", cancel_it, HTTP_KEY },
	{ .method = NULL },
};

int main(int argc, char **argv)
{
	static const char *const others[] = { "stock", "payment", NULL };
	struct own own = {
		.config = { .pay_within_ms = 60000, .ended = ended, .user = &own },
	};
	const struct setting settings[] = {
		{ "deadline-ms", "N", "an order that is not paid by then expires", NULL,
			&own.config.pay_within_ms, 0, 86400000 },
		{ .name = NULL },
	};
	const struct service_def def = { .program = "order-service",
		.about = "Takes orders, and says what became of them.",
		.prefix = "SHOP",
		.store = "sqlite:order.db",
		.listen = "127.0.0.1:8081",
		.participant = &order,
		.options = SAGA_OPTIONS(.followers = others, .follows = others,
			.handler_user = &own.config),
		.openapi = openapi,
		.openapi_size = openapi_size,
		.routes = routes,
		.settings = settings,
		.own = &own,
		.count = count };

	return service_main(&def, argc, argv);
}
