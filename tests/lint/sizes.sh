#!/usr/bin/env bash
# Files near 250 lines, none over 700 (of tests 1000); no line over 100 columns (a tab is 8).
. "$(dirname "$0")/lint.sh"
need perl

mapfile -t files < <(c_files include src transports examples tests)
while read -r words; do
	breach "$words"
done < <(perl -CSD -ne '
	1 while s/^([^\t\n]*)\t/$1 . " " x (8 - length($1) % 8)/e;
	chomp;
	print "$ARGV:$.: over 100 columns\n" if length > 100;
	if (eof) {
		my $most = $ARGV =~ m{^tests/} ? 1000 : 700;
		print "$ARGV has $. lines; $most are the most\n" if $. > $most;
		close ARGV;
	}' "${files[@]}")
wc -l "${files[@]}" | awk '$2 != "total" { print $1 }' | sort -n |
	awk '{ n[NR] = $1 } END { print NR " files, median " n[int((NR + 1) / 2)] " lines, largest " n[NR] }'
lines=$(wc -l <README.md)
[ "$lines" -lt 250 ] || breach "README.md has $lines lines; it must stay under 250"
finish
