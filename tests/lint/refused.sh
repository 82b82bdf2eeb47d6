#!/usr/bin/env bash
# What must not compile does not, with gcc and with clang, and for its own reason: with ALLOWED
# defined the same file compiles; without, each compiler's words hold what `says:` asks for.
. "$(dirname "$0")/lint.sh"
need gcc clang

# As strictly as the library itself; a file that says `plain`, as a user may who asks for nothing.
compile()
{
	local warnings="-Wall -Wextra -Wpedantic -Wconversion -Werror"

	grep -q '^/\* plain \*/$' "$file" && warnings=
	"$@" -std=c11 $warnings -Iinclude -Itests/refused -c -o /dev/null "$file" 2>&1
}

count=0
for file in tests/refused/*.c; do
	says=$(sed -n 's|^/\* says: \(.*\) \*/$|\1|p' "$file")
	[ -n "$says" ] || { breach "$file: has no line /* says: ... */"; continue; }
	for cc in gcc clang; do
		compile $cc -DALLOWED || breach "$file: $cc refuses its control"
		if words=$(compile $cc); then
			breach "$file: $cc compiles it"
		elif ! grep -Eq -- "$says" <<<"$words"; then
			breach "$file: $cc refuses it for another reason than '$says':" "$words"
		fi
	done
	count=$((count + 1))
done
[ "$count" -gt 0 ] || breach "tests/refused holds no program"
finish
echo "$count programs are refused, each for its own reason"
