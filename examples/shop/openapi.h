#ifndef SHOP_OPENAPI_H
#define SHOP_OPENAPI_H

#include <stddef.h>

/* openapi.yaml, as it was when this was built: embed.py makes its C. */
extern const char openapi[];
extern const size_t openapi_size;

#endif
