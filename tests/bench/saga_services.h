#ifndef SAGA_SERVICES_H
#define SAGA_SERVICES_H

/*
 * The services as libsaga's participants: the main flow of the shop's table, with its undos, bars
 * and deadline declared, and the statements of shop_rows.h in its handlers.
 */

#include <saga/saga.h>

#include "shop_rows.h"

SAGA_STRUCT(line, text(sku), int64(quantity));

SAGA_REQUEST(place_order, "order.place", 1, text(ref), text(customer), text(country), int64(total),
	list(lines, line));

SAGA_EVENT(order_placed, "order.placed", 1, text(customer), text(country), int64(total),
	list(lines, line));
SAGA_BARE_EVENT(order_expired, "order.expired", 1);
SAGA_BARE_EVENT(order_cancelled, "order.cancelled", 1);
SAGA_BARE_EVENT(order_fulfilled, "order.fulfilled", 1);
SAGA_EVENT(stock_reserved, "stock.reserved", 1, text(customer), int64(total));
SAGA_EVENT(stock_rejected, "stock.rejected", 1, reason(why));
SAGA_BARE_EVENT(stock_released, "stock.released", 1);
SAGA_EVENT(shipment_created, "shipment.created", 1, list(lines, line));
SAGA_EVENT(shipment_refused, "shipment.refused", 1, reason(why));
SAGA_EVENT(payment_charged, "payment.charged", 1, text(receipt), int64(total));
SAGA_EVENT(payment_declined, "payment.declined", 1, reason(why));
SAGA_BARE_EVENT(payment_refunded, "payment.refunded", 1);

/* By service. */
extern const saga_participant_def *const saga_services[BENCH_SERVICES];
extern const char *const *const saga_followers[BENCH_SERVICES];

/* By the order service's batch that runs on this lane's thread. */
struct saga_fulfilled {
	size_t count;
	saga_id sagas[BENCH_BATCH];
};
extern _Thread_local struct saga_fulfilled saga_fulfilled_in_batch;

#endif
