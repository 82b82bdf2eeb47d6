#!/usr/bin/env bash
# What is installed serves: hello builds by pkg-config against the shared and the static library,
# and runs.
. "$(dirname "$0")/lint.sh"
need meson pkg-config

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

meson install -C "$build_tree" --no-rebuild --destdir "$place" >"$place/said" 2>&1 ||
	{ cat "$place/said"; exit 1; }
pc=$(find "$place" -name saga-0.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
sed -i "s|^prefix=.*|prefix=$place$prefix|" "$pc"
export PKG_CONFIG_PATH=${pc%/*}
library=$(pkg-config --variable=libdir saga-0)

# hello NAME OPTION...: builds and runs it with what pkg-config says.
hello()
{
	local name=$1
	shift
	read -ra flags < <(pkg-config --cflags --libs "$@" saga-0)
	cc -std=c11 -Wall -Wextra -Werror -o "$place/$name" examples/hello/hello.c "${flags[@]}" ||
		{ breach "hello does not build: $name"; return 0; }
	LD_LIBRARY_PATH=$library "$place/$name" || breach "hello fails: $name"
}

hello shared
rm "$library"/libsaga.so*
hello static --static
finish
