/* The payment service as a process. The payment provider, another company's, lives inside it. */
#include "data.h"
#include "events.h"
#include "kit.h"
#include "openapi.h"
#include "provider.h"
#include "shop.h"

#include <stdio.h>
#include <time.h>

struct own {
	struct payment_config config;
	const char *ledger, *credit, *faults;
	struct data data;
};

/* A thread of the outside calls' pool waits: the provider is slow. */
static void be_slow(int ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 },
		NULL);
}

static int open_own(void *context)
{
	struct own *own = context;
	struct provider_faults faults;
	struct provider_reply reply;

	if (provider_read_faults(own->faults, &faults) != 0) {
		complain("payment-service: provider-faults `%s`: not"
			 " SEED,SLOW%%,SLOW_MS,DECLINE%%,LATE%%",
			own->faults);
		return 2;
	}
	if (data_read(NULL, own->credit, NULL, 0, &own->data) != 0)
		return 2;
	faults.be_slow = be_slow;
	if (provider_open(own->ledger, &faults, &own->config.provider, &reply) == 0)
		return 0;
	complain("payment-service: ledger `%s`: %s", own->ledger, reply.text);
	return 1;
}

static void close_own(void *context)
{
	struct own *own = context;

	provider_close(own->config.provider);
	data_free(&own->data);
}

static int tell(struct service *service, void *context, size_t nth)
{
	const struct own *own = context;
	const struct datum *d;

	if (nth >= own->data.credit_count)
		return SERVICE_TOLD;
	d = &own->data.credit[nth];
	return service_tell(service,
		(saga_submission){ SAGA_SUBMISSION(open_account, .customer = d->name,
					   .credit_cents = d->number),
			.key = d->name });
}

static void show(struct http_call *call)
{
	service_ask(call,
		(saga_submission){ SAGA_SUBMISSION(get_payment, .ref = http_argument(call, 0)) },
		service_reply_found);
}

static const struct http_route routes[] = {
	{ "GET", "/payments/{}", show, 0 },
	{ .method = NULL },
};

int main(int argc, char **argv)
{
	static const char *const others[] = { "stock", "order", NULL };
	struct own own = { .ledger = "provider.db", .faults = "1,5,20,1,3" };
	const struct setting settings[] = {
		{ "ledger", "FILE", "the payment provider's ledger, an SQLite file", &own.ledger,
			NULL, 0, 0 },
		{ "credit", "FILE", "customers' credit limits, NDJSON; else built-in rules",
			&own.credit, NULL, 0, 0 },
		{ "provider-faults", "SEED,SLOW%,SLOW_MS,DECLINE%,LATE%",
			"of the payment provider's answers", &own.faults, NULL, 0, 0 },
		{ .name = NULL },
	};
	const struct service_def def = { .program = "payment-service",
		.about = "Charges, adjusts and refunds at the payment provider.",
		.prefix = "SHOP",
		.store = "sqlite:payment.db",
		.listen = "127.0.0.1:8082",
		.participant = &payment,
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
