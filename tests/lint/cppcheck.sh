#!/usr/bin/env bash
# cppcheck over the library, the transports and the examples.
. "$(dirname "$0")/lint.sh"
need cppcheck

mkdir -p "$build_tree/lint-cppcheck"
cppcheck --quiet --project="$build_tree/compile_commands.json" \
	--cppcheck-build-dir="$build_tree/lint-cppcheck" -j "$(getconf _NPROCESSORS_ONLN)" \
	--file-filter="$source_tree/src/*" --file-filter="$source_tree/transports/*" \
	--file-filter="$source_tree/examples/*" \
	--std=c11 --library=posix --enable=warning,performance,portability \
	--inline-suppr --error-exitcode=1
