#!/usr/bin/env bash
# Each public header compiles alone, in C11 and in C++17, with gcc and with clang.
. "$(dirname "$0")/lint.sh"
need gcc g++ clang clang++

alone()
{
	printf '#include <saga/%s>\nextern int nothing;\n' "$header" |
		"$@" -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude -fsyntax-only - 2>&1 ||
		breach "saga/$header does not compile alone: $*"
}

for header in $(cd include/saga && echo *.h); do
	for cc in gcc clang; do
		alone $cc -std=c11 -Wshadow -Wstrict-prototypes -x c
	done
	for cxx in g++ clang++; do
		alone $cxx -std=c++17 -x c++
	done
done
finish
