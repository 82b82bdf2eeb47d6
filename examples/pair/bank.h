#ifndef BANK_H
#define BANK_H

/* The bank: another company's REST service, which charges once for each key. */

enum bank_answer {
	BANK_PAID,
	BANK_DECLINED,
	BANK_SILENT /* it may have charged, or not: ask again with the same key */
};

/*
 * Charges what the JSON text says. Fills in the receipt, or why there is none. Any thread. The
 * program links bank.c, the test in the simulator a bank of its own.
 */
enum bank_answer bank_charge(
	void *bank, const char *key, const char *json, int timeout_ms, char ret_text[64]);

#endif
