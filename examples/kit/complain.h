#ifndef KIT_COMPLAIN_H
#define KIT_COMPLAIN_H

#include <saga/event.h>

#include <stdio.h>

/*
 * The one way to stderr, and to a terminal: no password of a URL that was given gets there, and no
 * control character of anyone's text.
 */

/* A line on stderr. */
void complain(const char *format, ...) SAGA_PRINTF(1, 2);

/* Leaves out the secrets of this argument (a URL or `--store=URL`) from now on. Not copied. */
void complain_hides(const char *given);
void complain_hides_all(int argc, char **argv);

/* An option that getopt_long refused; getopt's own words would repeat its value. */
void complain_option(const char *program, const char *given, bool lacks_value);

/* The text as a terminal may have it, without a newline. */
void put_shown(FILE *out, const char *text);

#endif
