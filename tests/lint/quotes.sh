#!/usr/bin/env bash
# A block of README.md under a line `<!-- quotes: FILE -->` is FILE, to the letter. With --update
# as third argument the blocks are made so.
. "$(dirname "$0")/lint.sh"

document=README.md
quoted=$(mktemp)
trap 'rm -f "$quoted"' EXIT

awk '
	/^<!-- quotes: .* -->$/ { file = $3; print; next }
	file != "" && /^```/ && !inside {
		inside = 1
		print
		while ((got = (getline line < file)) > 0)
			print line
		if (got < 0) {
			print "README.md quotes " file ", which is not there" > "/dev/stderr"
			exit 1
		}
		close(file)
		next
	}
	inside && /^```$/ { inside = 0; file = "" }
	!inside { print }
' "$document" >"$quoted"

if [ "${3-}" = --update ]; then
	cat "$quoted" >"$document"
elif ! diff -u "$document" "$quoted"; then
	breach "$document: a quote differs from its file; tests/lint/quotes.sh . . --update mends it"
fi
grep -q '^<!-- quotes: ' "$document" || breach "$document quotes no file"
lines=$(wc -l <examples/hello/hello.c)
[ "$lines" -lt 100 ] || breach "examples/hello/hello.c has $lines lines; it must stay under 100"
finish
