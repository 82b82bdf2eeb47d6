#!/usr/bin/env bash
# cppcheck over the library and the transports. Not the examples: it stops at the macros that declare
# events and at _Generic; clang-tidy reads those.
. "$(dirname "$0")/lint.sh"
need cppcheck

mkdir -p "$build_tree/lint-cppcheck"
cppcheck --quiet --project="$build_tree/compile_commands.json" \
	--cppcheck-build-dir="$build_tree/lint-cppcheck" -j "$(getconf _NPROCESSORS_ONLN)" \
	--file-filter="$source_tree/src/*" --file-filter="$source_tree/transports/*" \
	--std=c11 --library=posix --enable=warning,performance,portability \
	--inline-suppr --error-exitcode=1
