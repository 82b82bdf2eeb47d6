#!/usr/bin/env bash
# The core reaches time, randomness, threads and disk through its doors only, includes point one
# way, and a dependency is named only in the files that own it.
. "$(dirname "$0")/lint.sh"
need perl

# Every file without its comments, below $bare.
bare=$(mktemp -d)
trap 'rm -rf "$bare"' EXIT
c_files include src transports examples/kit | (cd "$bare" && xargs -n 1 dirname | sort -u | xargs mkdir -p)
c_files include src transports examples/kit | BARE=$bare perl -lne '
	open my $in, "<", $_ or die "$_: $!";
	open my $out, ">", "$ENV{BARE}/$_" or die "$_: $!";
	my $text = do { local $/; <$in> };
	$text =~ s{/\*.*?\*/|("(?:\\.|[^"\\])*")}{$1 // "\n" x ($& =~ tr/\n//)}gse;
	print $out $text;'

# hits PATTERN FILE...: the lines that match, each behind its file and number.
hits()
{
	local pattern=$1
	shift
	[ $# -gt 0 ] && (cd "$bare" && grep -EHn -- "$pattern" "$@")
}

# complain WHY PATTERN FILE...: whatever matches is a breach.
complain()
{
	local why=$1 found
	shift
	found=$(hits "$@") || return 0
	breach "$why:"$'\n'"$found"
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
core=$(directory src/event; directory src/step; directory src/delivery; directory src/choreography; directory src/sim)

# json_ is ours too (two files own jansson), hence the exception below.
if found=$(hits "(^|[^A-Za-z0-9_>.])($calls) *\(" $core |
	grep -Ev '^src/(event/json_read|choreography/document)\.c:[0-9]+:(.*[^A-Za-z0-9_>.])?json_[a-z_0-9]* *\('); then
	breach "the core goes past its doors:"$'\n'"$found"
fi
complain 'the core includes what only the outside may' \
	'#include <(time|pthread|threads|signal|unistd|fcntl|poll|uv|sqlite3|sys/.*|netinet/.*)\.h>' $core

# ---- arrows: tool, examples -> participant -> lane -> step, delivery -> event ----

up() { printf '#include "([^"]*/)?(%s)/' "$1"; }
complain 'an include that points the wrong way' \
	"$(up 'step|delivery|lane|participant|stores|transports|choreography|tool')" $(directory src/event)
complain 'an include that points the wrong way' \
	"$(up 'step|lane|participant|stores|transports|tool')" $(directory src/delivery)
complain 'an include that points the wrong way' \
	"$(up 'delivery|lane|participant|transports|choreography|tool')" $(directory src/step)
complain 'an include that points the wrong way' \
	"$(up 'lane|participant|transports|tool')" $(directory src/stores)
complain 'an include that points the wrong way' \
	"$(up 'participant|transports|tool')" $(directory src/lane)
complain 'an include that points the wrong way' \
	"$(up 'delivery|lane|participant|stores|transports|tool')" $(directory src/choreography)
complain 'an include that points the wrong way' "$(up 'transports|tool')" $(directory src/sim)
for inside in event delivery step stores choreography lane participant tool; do
	complain 'nothing but a test knows the simulator' "$(up sim)" $(directory src/$inside)
done
complain 'a transport knows plugin.h only' \
	"$(up 'event|step|delivery|lane|participant|stores|tool')" $(directory transports)

# Services that the kit does not know are built on it.
complain 'the kit knows no shop' \
	'(^|[^A-Za-z])(shop|SHOP|[Oo]rders?|[Pp]ayments?|[Ss]tock)([^A-Za-z]|$)' $(directory examples/kit)

# ---- dependencies: header, the files that own it ----

owns()
{
	local header=$1 owners=$2 others
	mapfile -t others < <(c_files include src transports | grep -Evx -- "$owners")
	complain "only $owners may know <$header>" "#include [<\"]$header[>\"]" "${others[@]}"
}

owns 'msgpack(/.*)?\.h' 'src/event/.*'
owns 'uv\.h' 'src/lane/.*|src/participant/.*|transports/.*|src/tool/bus\.c'
owns 'sqlite3\.h' 'src/stores/sqlite[a-z_]*\.[ch]'
owns 'jansson\.h' 'src/event/json_read\.c|src/choreography/document\.c'
owns '(.*/)?nng(/|_).*' 'transports/nng(_[a-z]+)?\.[ch]|src/tool/bus\.c'
owns 'nats(/.*)?\.h' 'transports/nats(_[a-z]+)?\.[ch]'
owns 'libpq-fe\.h' 'src/stores/postgres[a-z_]*\.[ch]'
owns 'ctpublic\.h' 'src/stores/mssql[a-z_]*\.[ch]'
finish
