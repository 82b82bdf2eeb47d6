#!/usr/bin/env bash
# The core reaches time, randomness, threads and disk through its doors only, includes point one
# way, and a dependency is named only in the files that own it (DESIGN, sections 3 and 9).
. "$(dirname "$0")/lint.sh"
need perl

# A file without its comments, each line behind its name and number.
bare()
{
	perl -0777 -pe 's{/\*.*?\*/|("(?:\\.|[^"\\])*")}{$1 // "\n" x ($& =~ tr/\n//)}gse' "$1" |
		awk -v name="$1" '{ print name ":" NR ": " $0 }'
}

# complain WHY PATTERN FILE...: whatever matches is a breach.
complain()
{
	local why=$1 pattern=$2 file hits
	shift 2
	for file; do
		hits=$(bare "$file" | grep -E -- "$pattern") || continue
		breach "$why:"$'\n'"$hits"
	done
}

directory()
{
	[ ! -d "$1" ] || c_files "$1"
}

# ---- doors ----

calls='time|clock|clock_gettime|gettimeofday|timespec_get|nanosleep|sleep|usleep|localtime|gmtime|mktime'
calls+='|rand|srand|rand_r|random|srandom|drand48|arc4random[a-z_]*|getrandom|getentropy'
calls+='|getenv|secure_getenv|setenv|system|popen|fork|signal|sigaction|exit|_exit|abort|atexit'
calls+='|fopen|open|read|write|close|remove|rename|printf|puts|putchar|fprintf|perror'
calls+='|(uv|pthread|thrd|mtx|cnd|tss|sqlite3|json|nng|natsConnection|PQ)_?[a-z_0-9]*'
core=$(directory src/event; directory src/step; directory src/delivery)

# json_ is ours too (src/event/json_read.c owns jansson), hence the exception below.
for file in $core; do
	found=$(bare "$file" | grep -E "(^|[^A-Za-z0-9_>.])($calls) *\(") || continue
	[ "$file" != src/event/json_read.c ] ||
		found=$(grep -Ev '(^|[^A-Za-z0-9_>.])json_[a-z_0-9]* *\(' <<<"$found") || continue
	breach "the core goes past its doors:"$'\n'"$found"
done
complain 'the core includes what only the outside may' \
	'#include <(time|pthread|threads|signal|unistd|fcntl|poll|uv|sqlite3|sys/.*|netinet/.*)\.h>' $core

# ---- arrows: tool, examples -> participant -> step, delivery -> event ----

up() { printf '#include "([^"]*/)?(%s)/' "$1"; }
complain 'an include that points the wrong way' \
	"$(up 'step|delivery|participant|stores|transports|tool')" $(directory src/event)
complain 'an include that points the wrong way' \
	"$(up 'step|participant|stores|transports|tool')" $(directory src/delivery)
complain 'an include that points the wrong way' \
	"$(up 'delivery|participant|transports|tool')" $(directory src/step)
complain 'an include that points the wrong way' \
	"$(up 'participant|transports|tool')" $(directory src/stores)
complain 'a transport knows plugin.h only' \
	"$(up 'event|step|delivery|participant|stores|tool')" $(directory transports)

# ---- dependencies: header, the files that own it ----

owns()
{
	local header=$1 owners=$2 file
	for file in $(c_files include src transports); do
		[[ $file =~ ^($owners)$ ]] || complain "only $owners may know <$header>" \
			"#include [<\"]$header[>\"]" "$file"
	done
}

owns 'msgpack(/.*)?\.h' 'src/event/.*'
owns 'uv\.h' 'src/participant/.*|transports/.*'
owns 'sqlite3\.h' 'src/stores/sqlite[a-z_]*\.[ch]'
owns 'jansson\.h' 'src/event/json_read\.c'
owns 'nng/.*' 'transports/nng\.c'
owns 'nats(/.*)?\.h' 'transports/nats\.c'
owns 'libpq-fe\.h' 'src/stores/postgres[a-z_]*\.[ch]'
owns 'ctpublic\.h' 'src/stores/mssql[a-z_]*\.[ch]'
finish
