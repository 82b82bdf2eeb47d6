#!/usr/bin/env bash
# Every C file is as clang-format leaves it, save the public headers: their tables are set by hand.
. "$(dirname "$0")/lint.sh"
need clang-format

mapfile -t files < <(c_files src transports examples tests)
for file in "${files[@]}"; do
	clang-format --dry-run --Werror "$file" 2>/dev/null || breach "$file: clang-format -i changes it"
done
finish
