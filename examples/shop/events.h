#ifndef SHOP_EVENTS_H
#define SHOP_EVENTS_H

/*
 * The events and requests of the shop's services, in one file that all of them share. One order is
 * one saga. Money is integer cents.
 */

#include <saga/event.h>

SAGA_STRUCT(order_line, text(sku), int64(quantity), int64(unit_price_cents),
	opt_int64(discount_percent));
SAGA_STRUCT(stock_line, text(sku), int64(quantity));
SAGA_STRUCT(amendment_state, text(name), text(state), opt_text(why));
SAGA_STRUCT(order_summary, text(ref), id(saga), text(customer), text(state), int64(total),
	opt_int64(placed_at));                                 /* ms since 1970, as is each `at` */
SAGA_STRUCT(parcel_event, text(what), text(place), int64(at)); /* at: ms since 1970 */

/* Why an order ends as cancelled: what the summary counts by. */
#define WHY_STOCK "not enough is free"
#define WHY_UNKNOWN "no such product"
#define WHY_CREDIT "beyond the credit limit"
#define WHY_DECLINED "the payment provider declines"
#define WHY_CARRIER "the carrier does not go there"
#define WHY_CUSTOMER "cancelled by the customer"
#define WHY_EXPIRED "not paid in time"

/* ---- order ---- */

SAGA_REQUEST(place_order, "order.place", 1, label(ref), text(customer), text(country),
	list(lines, order_line));
SAGA_REQUEST(cancel_order, "order.cancel", 1, opt_text(note));
SAGA_REQUEST(amend_order, "order.amend", 1, list(lines, order_line));
/*
 * By its saga, or else by its ref. Of its amendments: that one alone, or a page of those after one.
 */
SAGA_REQUEST(get_order, "order.get", 1, opt_text(ref), opt_text(amendment), opt_text(after));
SAGA_REQUEST(find_order, "order.find", 1, text(ref));
SAGA_REQUEST(list_orders, "order.list", 1, opt_text(status), opt_text(after)); /* after a ref */
SAGA_BARE_REQUEST(count_orders, "order.count", 1);

SAGA_EVENT(order_placed, "order.placed", 1, text(customer), text(country), int64(total),
	list(lines, stock_line), opt_label(ref));
SAGA_BARE_EVENT(order_expired, "order.expired", 1);
SAGA_BARE_EVENT(order_cancel_asked, "order.cancel_asked", 1);
SAGA_EVENT(order_refused, "order.refused", 1, reason(why));
SAGA_EVENT(order_cancelled, "order.cancelled", 1, reason(why));
SAGA_BARE_EVENT(order_fulfilled, "order.fulfilled", 1);
SAGA_BARE_EVENT(order_completed, "order.completed", 1);
SAGA_EVENT(amend_asked, "amend.asked", 1, int64(total), list(lines, stock_line));
SAGA_EVENT(amend_rejected, "amend.rejected", 1, reason(why));
SAGA_EVENT(order_amended, "order.amended", 1, int64(total));

SAGA_EVENT(order_state, "order.state", 1, id(saga), text(ref), text(customer), text(country),
	text(state), int64(total), opt_int64(placed_at), opt_text(why), opt_text(pending),
	list(lines, order_line), list(amendments, amendment_state), opt_text(next));
SAGA_EVENT(order_found, "order.found", 1, id(saga));
SAGA_EVENT(orders_listed, "orders.listed", 1, list(orders, order_summary), opt_text(next));
SAGA_EVENT(orders_counted, "orders.counted", 1, int64(placed), int64(ended));

/* ---- stock ---- */

SAGA_REQUEST(open_stock, "stock.open", 1, text(sku), int64(quantity));
SAGA_REQUEST(exclude_country, "carrier.exclude", 1, text(country));
SAGA_REQUEST(track_parcel, "stock.track", 1, text(place), flag(delivered));
SAGA_REQUEST(get_stock, "stock.get_stock", 1, text(sku));
/* As get_order; of its history a page, the first one or after a page's `next`. */
SAGA_REQUEST(get_shipment, "stock.get_shipment", 1, opt_text(ref), opt_text(after));
SAGA_BARE_REQUEST(find_parcel, "stock.find_parcel", 1); /* by its saga */

SAGA_EVENT(stock_reserved, "stock.reserved", 1, text(customer), int64(total), opt_label(ref));
SAGA_EVENT(stock_rejected, "stock.rejected", 1, opt_text(sku), reason(why));
SAGA_EVENT(stock_released, "stock.released", 1, list(lines, stock_line), reason(why));
SAGA_BARE_EVENT(dispatch_due, "dispatch.due", 1);
SAGA_EVENT(shipment_created, "shipment.created", 1, text(parcel), list(lines, stock_line));
SAGA_EVENT(shipment_refused, "shipment.refused", 1, reason(why));
SAGA_EVENT(shipment_moved, "shipment.moved", 1, text(place));
SAGA_EVENT(shipment_delivered, "shipment.delivered", 1, text(place));
SAGA_EVENT(stock_adjusted, "stock.adjusted", 1, int64(total));
SAGA_EVENT(amend_refused, "amend.refused", 1, reason(why));
SAGA_EVENT(stock_restored, "stock.restored", 1, reason(why));
SAGA_BARE_EVENT(stock_settled, "stock.settled", 1);

SAGA_EVENT(stock_level, "stock.level", 1, text(sku), int64(opened), int64(free));
SAGA_EVENT(shipment_state, "shipment.state", 1, text(state), flag(paid), opt_text(locked_by),
	list(lines, stock_line), opt_text(tracking), list(history, parcel_event), opt_text(next));
SAGA_EVENT(parcel_found, "parcel.found", 1, text(state), opt_text(ref));
SAGA_EVENT(stock_unknown, "stock.unknown", 1, reason(why));

/* ---- payment ---- */

SAGA_REQUEST(open_account, "payment.open", 1, text(customer), int64(credit_cents));
SAGA_REQUEST(get_payment, "payment.get", 1, opt_text(ref)); /* as get_order */

SAGA_EVENT(payment_charged, "payment.charged", 1, int64(cents), text(receipt));
SAGA_EVENT(payment_declined, "payment.declined", 1, reason(why));
SAGA_EVENT(payment_refunded, "payment.refunded", 1, int64(cents), reason(why));
SAGA_EVENT(payment_adjusted, "payment.adjusted", 1, int64(cents));
SAGA_EVENT(payment_unadjusted, "payment.unadjusted", 1, reason(why));

SAGA_EVENT(payment_state, "payment.state", 1, int64(cents), text(receipt), flag(refunded));
SAGA_EVENT(payment_unknown, "payment.unknown", 1, reason(why));

#endif
