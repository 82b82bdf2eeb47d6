#ifndef SHOP_PROVIDER_H
#define SHOP_PROVIDER_H

/*
 * The payment provider: it stands for another company's system, with its own ledger and no idea of
 * sagas. It does nothing twice for one key, and answers a key that came before as it did then. A
 * refund closes its charge, also one that never came: what comes for it later is declined.
 *
 * All functions but open and close: any thread, one at a time by the provider's own lock.
 */

#include <stdint.h>

struct provider;

enum provider_code {
	PROVIDER_DONE,
	PROVIDER_DECLINED,
	PROVIDER_SILENT
};

struct provider_reply {
	char text[128]; /* the receipt; or why not */
};

/*
 * How many of a hundred keys are slow, are declined, or are done and answered too late to be heard.
 * The hash of a key and the seed choose, so that a replay meets the same.
 */
struct provider_faults {
	uint64_t seed;
	int slow_percent;
	int slow_ms;
	int decline_percent;
	int late_percent;
	void (*be_slow)(int ms); /* how time passes where it runs; NULL: it does not */
};

/* Five numbers with a comma between them: SEED,SLOW%,SLOW_MS,DECLINE%,LATE%. -1: they are not. */
int provider_read_faults(const char *text, struct provider_faults *ret_faults);

/*
 * Opens or makes the ledger, a path or ":memory:". 0, or -1 with the reason in reply. Close with
 * provider_close.
 */
int provider_open(const char *path, const struct provider_faults *faults,
	struct provider **ret_provider, struct provider_reply *reply);
void provider_close(struct provider *provider);

/* `reference` is the merchant's own, for his books. */
enum provider_code provider_charge(struct provider *provider, const char *key,
	const char *reference, const char *customer, int64_t cents, int timeout_ms,
	struct provider_reply *reply);

/* Makes the charge's total what it shall be, up or down. */
enum provider_code provider_adjust(struct provider *provider, const char *charge_key,
	const char *key, int64_t cents, int timeout_ms, struct provider_reply *reply);

/* Gives all of it back and closes the charge. */
enum provider_code provider_refund(struct provider *provider, const char *charge_key,
	const char *key, int timeout_ms, struct provider_reply *reply);

/* For auditors: each charge that keeps something, until the answer is not 0. That answer, or -1. */
int provider_kept(struct provider *provider,
	int (*charge)(void *context, const char *reference, int64_t cents), void *context);

#endif
