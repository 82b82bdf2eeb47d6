#!/usr/bin/env python3
"""Writes a file as a C array.

usage: embed.py FILE NAME OUT
"""
import pathlib
import sys

path, name, out = sys.argv[1:]
data = pathlib.Path(path).read_bytes()
rows = "".join("\t" + "".join(f"{byte}, " for byte in data[at:at + 20]).rstrip() + "\n"
               for at in range(0, len(data), 20))
pathlib.Path(out).write_text(f"""/* Made of {pathlib.Path(path).name}. */
#include "{name}.h"

const char {name}[] = {{
{rows}}};
const size_t {name}_size = sizeof {name};
""")
