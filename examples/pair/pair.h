#ifndef PAIR_H
#define PAIR_H

/* Two services that sell the seats of one evening: all that they share is their events. */

#include <saga/saga.h>

SAGA_REQUEST(book_seat, "seat.book", 1, text(guest));
SAGA_EVENT(seat_held, "seat.held", 1, text(guest), int64(cents));
SAGA_EVENT(seat_refused, "seat.refused", 1, reason(why));
SAGA_BARE_EVENT(hold_expired, "hold.expired", 1);
SAGA_EVENT(seat_released, "seat.released", 1, reason(why));
SAGA_EVENT(charge_paid, "charge.paid", 1, text(receipt));
SAGA_EVENT(charge_declined, "charge.declined", 1, reason(why));
SAGA_EVENT(seat_sold, "seat.sold", 1, text(receipt));

/* Its user is an int64_t: for how many ms a seat is held. */
extern const saga_participant_def seats;

/* Its user is the bank, for bank_charge. */
extern const saga_participant_def till;

#endif
