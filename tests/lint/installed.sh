#!/usr/bin/env bash
# What is installed serves: hello builds by pkg-config against the shared and the static library,
# and runs; the man pages of the functions are there.
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
for page in saga_step saga_emit saga_open saga_transport; do
	[ -n "$(find "$place" -path "*/man3/$page.3")" ] || breach "man page $page.3 is not installed"
done

# hello NAME PACKAGE...: builds and runs it with what pkg-config says, and ${also[@]}.
also=()
hello()
{
	local name=$1
	shift
	read -ra flags < <(pkg-config --cflags --libs "$@")
	cc -std=c11 -Wall -Wextra -Werror -o "$place/$name" examples/hello/hello.c "${flags[@]}" \
		"${also[@]}" || { breach "hello does not build: $name"; return 0; }
	LD_LIBRARY_PATH=$library "$place/$name" || breach "hello fails: $name"
}

hello shared saga-0
# Static is libsaga alone: what it uses stays shared, for not all of that is to be had static.
rm "$library"/libsaga.so*
read -ra private < <(sed -n 's/^Requires.private: //p' "$pc" | sed 's/[<>=]* *[0-9.]*\(,\|$\)/ /g')
read -ra also < <(sed -n 's/^Libs.private: //p' "$pc")
hello static saga-0 "${private[@]}"
finish
