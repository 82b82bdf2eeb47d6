# What the lint scripts share; they source it. Arguments: the source tree, the build tree.

set -euo pipefail

source_tree=$(cd "$1" && pwd)
build_tree=$(cd "$2" && pwd)
here=$source_tree/tests/lint
cd "$source_tree"

skip()
{
	echo "SKIP: $*"
	exit 77
}

need()
{
	local tool
	for tool; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
}

# The C files below the given directories, one a line, sorted.
c_files()
{
	find "$@" -name '*.[ch]' -type f | LC_ALL=C sort
}

# Says what is wrong; the script goes on and fails at its end.
breaches=0
breach()
{
	echo "$*"
	breaches=$((breaches + 1))
}

finish()
{
	[ "$breaches" -eq 0 ] || { echo "$breaches breaches"; exit 1; }
}
