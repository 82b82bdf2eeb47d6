#ifndef KIT_SECRET_H
#define KIT_SECRET_H

#include <stddef.h>

/*
 * Copies the argument, or, if that is @FILE, the file's first line: so a password need not stand
 * among the arguments, which everyone on the machine can read. Returns 0; -1: it has complained.
 */
int secret_read(const char *program, const char *given, char *buffer, size_t size);

#endif
