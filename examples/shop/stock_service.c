/* The stock service as a process: what is free, what is on its way, what the carrier reports. */
#include "data.h"
#include "events.h"
#include "kit.h"
#include "openapi.h"
#include "shop.h"

#include <string.h>

struct own {
	struct stock_config config;
	const char *products, *carrier;
	int64_t restock;
	struct data data;
};

static int open_own(void *context)
{
	struct own *own = context;

	return data_read(own->products, NULL, own->carrier, own->restock, &own->data) == 0 ? 0 : 2;
}

static void close_own(void *context)
{
	data_free(&((struct own *)context)->data);
}

static int tell(struct service *service, void *context, size_t nth)
{
	const struct data *data = &((struct own *)context)->data;
	const struct datum *d;

	if (nth < data->goods_count) {
		d = &data->goods[nth];
		return service_tell(service,
			(saga_submission){
				SAGA_SUBMISSION(open_stock, .sku = d->name, .quantity = d->number),
				.key = d->name });
	}
	nth -= data->goods_count;
	if (nth >= data->excluded_count)
		return SERVICE_TOLD;
	d = &data->excluded[nth];
	return service_tell(service,
		(saga_submission){
			SAGA_SUBMISSION(exclude_country, .country = d->name), .key = d->name });
}

/* ---- looking ---- */

static void show_level(struct http_call *call)
{
	service_ask(call,
		(saga_submission){ SAGA_SUBMISSION(get_stock, .sku = http_argument(call, 0)) },
		service_reply_found);
}

static void reply_shipment(void *user, const saga_answer *answer)
{
	const saga_event *event = service_outcome(user, answer);

	if (!event)
		return;
	if (strcmp(saga_body(event, shipment_state)->state, "none") == 0)
		http_problem(user, 404, NULL, "nothing was reserved for this order");
	else
		http_json(user, 200, service_body(event));
}

static void show_shipment(struct http_call *call)
{
	service_ask(call,
		(saga_submission){ SAGA_SUBMISSION(get_shipment, .ref = http_argument(call, 0),
			.after = http_query(call, "after")) },
		reply_shipment);
}

/* ---- the carrier ---- */

static void reported(void *user, const saga_answer *answer)
{
	if (answer->code == SAGA_OK)
		http_json(user, 202,
			json_pack("{s:s, s:b}", "tracking", http_argument(user, 0), "repeated",
				answer->repeated));
	else
		service_refuse(user, answer, saga_code_http(answer->code));
}

static void report_on(struct http_call *call, saga_id saga, const char *ref)
{
	saga_bytes body = http_body(call);

	http_set_location(call, "/shipments/", ref ? ref : "");
	service_ask(call,
		(saga_submission){
			SAGA_SUBMISSION_JSON(track_parcel, body.at, body.size), .saga = saga },
		reported);
}

static void parcel_is_found(void *user, const saga_answer *answer)
{
	const saga_event *event = service_outcome(user, answer);
	const struct parcel_found *parcel = event ? saga_body(event, parcel_found) : NULL;

	if (!parcel)
		return;
	if (strcmp(parcel->state, "none") == 0)
		http_problem(
			user, 404, NULL, "no parcel has the number `%s`", http_argument(user, 0));
	else if (strcmp(parcel->state, "shipped") != 0 && strcmp(parcel->state, "delivered") != 0)
		http_problem(user, 409, NULL, "the parcel is not on its way");
	else
		report_on(user, saga_event_saga(event), parcel->ref);
}

static void report(struct http_call *call)
{
	saga_id parcel;

	if (saga_id_parse(http_argument(call, 0), &parcel) != SAGA_OK)
		http_problem(
			call, 404, NULL, "no parcel has the number `%s`", http_argument(call, 0));
	else
		service_ask(call, (saga_submission){ SAGA_SUBMISSION(find_parcel), .saga = parcel },
			parcel_is_found);
}

/* ---- the program ---- */

static const struct http_route routes[] = {
	{ "GET", "/stock/{}", show_level, 0 },
	{ "GET", "/shipments/{}", show_shipment, 0 },
	{ "POST", "/shipments/{}/events", report, HTTP_BODY | HTTP_KEY },
	{ .method = NULL },
};

int main(int argc, char **argv)
{
	static const char *const others[] = { "order", "payment", NULL };
	struct own own = { .config.dispatch_delay_ms = 200, .restock = 50 };
	const struct setting settings[] = {
		{ "products", "FILE", "NDJSON; opens what is not opened yet", &own.products, NULL,
			0, 0 },
		{ "restock", "N", "multiplies units_in_stock when a product is opened", NULL,
			&own.restock, 0, 1000000 },
		{ "carrier", "FILE", "countries it does not serve, NDJSON; else built-in rules",
			&own.carrier, NULL, 0, 0 },
		{ "dispatch-ms", "N", "from paid to shipped: the time to cancel or amend in", NULL,
			&own.config.dispatch_delay_ms, 0, 86400000 },
		{ .name = NULL },
	};
	const struct service_def def = { .program = "stock-service",
		.about = "Holds goods, and sends them.",
		.prefix = "SHOP",
		.store = "sqlite:stock.db",
		.listen = "127.0.0.1:8083",
		.participant = &stock,
		.options = SAGA_OPTIONS(.followers = others, .follows = others,
			.handler_user = &own.config),
		.openapi = openapi,
		.openapi_size = openapi_size,
		.routes = routes,
		.settings = settings,
		.own = &own,
		.open = open_own,
		.close = close_own,
		.tell = tell };

	return service_main(&def, argc, argv);
}
