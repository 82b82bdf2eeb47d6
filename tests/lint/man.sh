#!/usr/bin/env bash
# groff, which `man` runs, reads each man page without a warning; what a page refers to by .so is
# there; and each function of the public headers has a page.
. "$(dirname "$0")/lint.sh"
need groff

pages=$build_tree/docs/man/man3
[ -e "$pages/saga_step.3" ] || breach "$pages holds no page saga_step.3"
for page in src/tool/saga.1 "$pages"/*.3; do
	if read -r request target <"$page" && [ "$request" = .so ]; then
		[ -s "$pages/../$target" ] || breach "$page: $target is not there"
		continue
	fi
	said=$(LC_ALL=C.UTF-8 groff -man -Tutf8 -ww -z "$page" 2>&1) || true
	[ -z "$said" ] || breach "$said"
done
while read -r name; do
	[ -e "$pages/$name.3" ] || breach "$name has no man page"
done < <(sed -n 's/^SAGA_API .*\b\(saga_[a-z0-9_]*\)(.*/\1/p' include/saga/*.h)
finish
