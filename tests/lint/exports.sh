#!/usr/bin/env bash
# The shared library exports what the public headers declare with SAGA_API: all of it, no more. And
# it holds no variable that can be written: nothing is process-wide; and no planted bug.
# The third argument is the library.
. "$(dirname "$0")/lint.sh"
need nm objdump gcc

declared=$(mktemp) exported=$(mktemp)
trap 'rm -f "$declared" "$exported"' EXIT

# Before every function stands what SAGA_API makes; what follows up to a bracket ends in its name.
api='__attribute__\(\(__visibility__\("default"\)\)\)'
sim=
nm -D --defined-only "$3" | grep saga_sim_new >/dev/null && sim='#include <saga/sim.h>\n'
printf '#include <saga/saga.h>\n#include <saga/plugin.h>\n'"$sim" |
	gcc -std=c11 -Iinclude -E -P -x c - | tr '\n' ' ' | grep -oE "$api [^;(]*\(" |
	grep -oE '[a-z0-9_]+ *\($' | tr -d ' (' | LC_ALL=C sort -u >"$declared"
nm -D --defined-only "$3" | awk '$2 ~ /[TDBRVW]/ { print $3 }' | sed 's/@.*//' |
	grep -Ev '^(_init|_fini|__asan|__ubsan|__gcov|__odr_asan)' | LC_ALL=C sort -u >"$exported"

while read -r name; do
	breach "$name is declared and not there"
done < <(LC_ALL=C comm -23 "$declared" "$exported")
while read -r name; do
	breach "$name is exported and in no public header"
done < <(LC_ALL=C comm -13 "$declared" "$exported")

# A sanitizer or a coverage build has variables of its own. nng's globals are the process's: so is
# what says that they are made.
if ! nm "$3" | grep -Eq '__(asan|tsan|ubsan|gcov)_'; then
	while read -r name; do
		breach "$name is a variable of the whole process"
	done < <(objdump -t "$3" | awk '$3 == "O" && ($4 == ".data" || $4 == ".bss") { print $NF }' |
		grep -Ev '^(__dso_handle|completed\.[0-9]+|nng_begun\.[0-9]+|__TMC_END__)$')
fi
# Planted bugs are for tests/sim alone (src/mutation.h): not a name of them is here.
if grep -aqi mutant "$3"; then
	breach "the installed library knows of mutants"
fi
finish
