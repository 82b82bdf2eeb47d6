#!/usr/bin/env bash
# Files near 250 lines, none over 700; no line over 100 columns (a tab is 8).
. "$(dirname "$0")/lint.sh"

mapfile -t files < <(c_files include src transports examples tests)
for file in "${files[@]}"; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 700 ] || breach "$file has $lines lines; 700 are the most"
	long=$(expand -t 8 "$file" | LC_ALL=C.UTF-8 awk 'length > 100 { printf " %d", NR }')
	[ -z "$long" ] || breach "$file: over 100 columns in line$long"
done
wc -l "${files[@]}" | awk '$2 != "total" { print $1 }' | sort -n |
	awk '{ n[NR] = $1 } END { print NR " files, median " n[int((NR + 1) / 2)] " lines, largest " n[NR] }'
finish
