#ifndef REFUSED_EVENTS_H
#define REFUSED_EVENTS_H

/* What the programs beside it speak of. Each is refused as it stands, and compiles with ALLOWED. */

#include <saga/saga.h>

SAGA_STRUCT(order_line, text(sku), int64(quantity));
SAGA_EVENT(order_placed, "order.placed", 1, int64(total), list(lines, order_line));
SAGA_BARE_EVENT(order_cancelled, "order.cancelled", 1);
SAGA_EVENT(stock_reserved, "stock.reserved", 1, text(customer), int64(total));

saga_verdict run(saga_step *s);

#endif
