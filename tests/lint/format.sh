#!/usr/bin/env bash
# Every C file is as clang-format leaves it, save the public headers: their tables are set by hand.
. "$(dirname "$0")/lint.sh"
need clang-format

said=$(c_files src transports examples tests | xargs -n 16 -P "$(getconf _NPROCESSORS_ONLN)" \
	clang-format --dry-run 2>&1) || breach "clang-format fails: $said"
while read -r file; do
	breach "$file: clang-format -i changes it"
done < <(sed -n 's/^\([^: ]*\):[0-9]*:.*\[-Wclang-format-violations\]$/\1/p' <<<"$said" | LC_ALL=C sort -u)
finish
