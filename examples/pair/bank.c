/* The bank over HTTP, by libcurl: POST the JSON text with the key in a header. */
#include "bank.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

enum bank_answer bank_charge(
	void *bank, const char *key, const char *json, int timeout_ms, char ret_text[64])
{
	char header[64];
	long status = 0;
	CURL *curl = curl_easy_init();
	FILE *body = fmemopen(ret_text, 64, "w");
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");

	snprintf(header, sizeof header, "Idempotency-Key: %s", key);
	headers = curl_slist_append(headers, header);
	curl_easy_setopt(curl, CURLOPT_URL, (const char *)bank);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);

	CURLcode code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	fclose(body);
	if (code != CURLE_OK)
		snprintf(ret_text, 64, "%s", curl_easy_strerror(code));
	if (code == CURLE_OK && status == 201)
		return BANK_PAID;
	return code == CURLE_OK && status == 402 ? BANK_DECLINED : BANK_SILENT;
}
