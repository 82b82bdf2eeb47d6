#!/usr/bin/env python3
"""
Makes the man pages of section 3 from the public headers, which remain the one source: a page for
each group of functions, and for each name in it a page that is the same one. A group is a section
of a header: what follows a line `/* ---- title ---- */`.

Arguments: the version, the stamp to write, the headers; the pages go beside the stamp, into `man3`.
As a script of `meson install` it has --install and the directory of man pages in the stamp's place.
"""

import os
import pathlib
import re
import shutil
import sys

# Header, title of the section ("" before the first): page, and what `whatis` says.
GROUPS = {
    ("error.h", ""): ("saga_error", "error codes, and failures in words"),
    ("event.h", ""): ("saga_event", "event types, their fields, and events"),
    ("step.h", ""): ("saga_step", "declare a step of a saga"),
    ("step.h", "declaring a step"): ("saga_step", ""),
    ("step.h", "ending"): ("saga_verdict", "end a step's handler in one outcome"),
    ("step.h", "the store"): ("saga_sql", "SQL in the transaction of a step"),
    ("step.h", "what a handler knows"): ("saga_handler", "ask about the event, the saga, the attempt"),
    ("step.h", "what it leaves"): ("saga_note", "leave a note or a schedule in the slot of a step"),
    ("step.h", "outside calls"): ("saga_outside", "work beyond the database, with idempotency keys"),
    ("participant.h", ""): ("saga_participant", "one service's part in a choreography"),
    ("participant.h", "what it is"): ("saga_participant", ""),
    ("participant.h", "how it runs"): ("saga_open", "open, run, stop and close a participant"),
    ("participant.h", "asking it"): ("saga_submit", "submit a request to a participant"),
    ("participant.h", "watching it"): ("saga_health", "the health of a participant"),
    ("choreography.h", ""): ("saga_choreography", "contracts, and the proof of a choreography"),
    ("choreography.h", "contracts"): ("saga_contract_json", "write the contract of a participant"),
    ("choreography.h", "the check"): ("saga_choreography_check", "prove a choreography of its contracts"),
    ("choreography.h", "drawings"): ("saga_choreography_draw", "draw a choreography of its contracts"),
    ("choreography.h", "for other tools"): ("saga_choreography_asyncapi", "tell other tools what events there are"),
    ("metrics.h", ""): ("saga_metrics", "the numbers of a participant"),
    ("metrics.h", "as Prometheus reads them"): ("saga_metrics", ""),
    ("inproc.h", ""): ("saga_hub", "join participants of one process"),
    ("saga.h", ""): ("saga_version", "the version of libsaga"),
    ("plugin.h", ""): ("saga_transport", "write a transport"),
    ("plugin.h", "transports"): ("saga_transport", ""),
    ("plugin.h", "stores"): ("saga_store", "write a store"),
    ("plugin.h", "the settings of a URL"): ("saga_url", "read the settings of a URL"),
    ("plugin.h", "what an error may say"): ("saga_redact", "take the secrets of a URL out of a text"),
    ("sim.h", ""): ("saga_sim", "simulate participants under faults, by seeds"),
}

HIDDEN = re.compile(r"how the (declarations|macros) are made")
SECTION = re.compile(r"^/\* (?:-{4}|={8}) (.+?) (?:-{4}|={8}) \*/$")
INCLUDED_BY_USERS = ("error.h", "event.h", "step.h", "participant.h", "choreography.h", "metrics.h", "inproc.h", "saga.h")


# ---- the header, in pieces ----

class Piece:
    """A comment, the declaration that it stands on, or both."""

    def __init__(self, comment, code):
        self.comment, self.code = comment, code

    def prototypes(self):
        """Functions and macros without their comments, each as one text."""
        text = re.sub(r"/\*.*?\*/", "", self.code, flags=re.S)
        found = re.findall(r"^SAGA_API (.*?);", text, re.S | re.M)
        found = [re.sub(r"\s*SAGA_(PRINTF\([^)]*\)|MUST_USE)", "", one) + ";" for one in found]
        macros = re.findall(r"^#define ((?:saga_|SAGA_(?!_))\w+\([^)]*\))", text, re.M)
        return [re.sub(r"[ \t]*\n\s*", " ", one) for one in macros + found]

    def names(self):
        names = [re.search(r"(\w+)\(", one)[1] for one in self.prototypes()]
        names += re.findall(r"^(?:typedef (?:struct|enum) |\} |typedef .*?\b)(saga_\w+)(?: \{|;|\()",
                            self.code, re.M)
        return list(dict.fromkeys(names))

    def shown(self):
        """The declaration, but of a macro that stands for a call its head alone."""
        code = re.sub(r"^#define (saga_\w+\([^)]*\)) (?:\\\n.*|.*)(?:(?<=\\)\n.*)*", r"\1", self.code,
                      flags=re.M)
        if not re.sub(r"^SAGA_API [^;{]*?;[ \t]*$", "", code, flags=re.S | re.M).strip():
            return ""  # prototypes alone: the synopsis has them
        return re.sub(r"SAGA_API |[ \t]+SAGA_MUST_USE\b", "", code)


def is_macro_inside(line):
    return re.match(r"#define SAGA__|#undef|#include|#if|#else|#endif|#pragma|SAGA_BEGIN|SAGA_END", line)


def take_comment(lines, at):
    end = at
    while "*/" not in lines[end]:
        end += 1
    return "\n".join(lines[at:end + 1]), end + 1


def take_code(lines, at):
    """To the blank line, or the comment, that ends the declaration; a struct has both inside."""
    code, depth = [], 0
    while at < len(lines):
        line = lines[at]
        if depth == 0 and (not line.strip() or line.startswith("/*") or is_macro_inside(line)):
            break
        code.append(line)
        bare = re.sub(r"/\*.*?\*/|\"[^\"]*\"", "", line)
        if not line.startswith("#define") and not (len(code) > 1 and code[-2].endswith("\\")):
            depth += bare.count("{") - bare.count("}")
        at += 1
    return "\n".join(code), at


def pieces_of(path):
    """Each piece of a header, behind the title of its section."""
    lines, at, title, comment = path.read_text().splitlines(), 2, "", None
    while at < len(lines):
        line = lines[at]
        section = SECTION.match(line)
        if section or not line.strip() or (comment and is_macro_inside(line)):
            if comment:
                yield title, Piece(comment, "")
            comment = None
            title = section[1] if section else title
            at += 1
        elif line.startswith("/*"):
            if comment:
                yield title, Piece(comment, "")
            comment, at = take_comment(lines, at)
        elif is_macro_inside(line):
            while lines[at].endswith("\\"):
                at += 1
            at += 1
        else:
            code, at = take_code(lines, at)
            yield title, Piece(comment or "", code)
            comment = None


# ---- troff ----

def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha")
    text = text.replace("~", "\\(ti").replace("`", "\\(ga")
    return "\\&" + text if text.startswith(".") else text


def words(text):
    """Prose: `code` is bold."""
    parts = re.split(r"`([^`]+)`", text)
    for i, part in enumerate(parts):
        part = part.replace("\\", "\\e").replace("'", "\\(aq")
        parts[i] = f"\\fB{part.replace('-', chr(92) + '-')}\\fR" if i % 2 else part
    joined = "".join(parts)
    return "\\&" + joined if joined.startswith(".") else joined


def verbatim(text):
    lines = [escape(line.expandtabs(8)) for line in text.strip("\n").splitlines()]
    return [".PP", ".nf", *lines, ".fi"]


def prose(comment):
    """A comment's paragraphs; lines behind a tab stand as they are."""
    text = re.sub(r"^/\* ?|\s*\*/$", "", comment)
    lines = [re.sub(r"^ \* ?", "", line).rstrip() for line in text.splitlines()]
    out, block = [], []

    def flush():
        if block:
            out.extend(verbatim("\n".join(line.replace("\t", "    ", 1) for line in block)))
        block.clear()

    begins = True
    for line in lines:
        if line.startswith("\t") or (block and not line):
            block.append(line)
            begins = True
            continue
        flush()
        if not line:
            begins = True
        elif line.startswith("- "):
            out += [".IP \\(bu 2", words(line[2:])]
            begins = False
        else:
            if begins:
                out.append(".PP")
            out.append(words(line.strip()))
            begins = False
    flush()
    return out


def page(name, what, header, pieces, version):
    includes = f"<saga/{'saga.h' if header in INCLUDED_BY_USERS else header}>"
    names = list(dict.fromkeys([name] + [n for piece in pieces for n in piece.names()]))
    synopsis = [p for piece in pieces for p in piece.prototypes()]
    out = [f".\\\" Made from <saga/{header}> by docs/man/man3.py.",
           f".TH {name} 3 \"\" \"libsaga {version}\" \"libsaga\"",
           ".SH NAME", f"{', '.join(names)} \\- {what}",
           ".SH SYNOPSIS", ".nf", f"\\fB#include {includes}\\fR"]
    if synopsis:
        out += [".PP", *[escape(one) for one in synopsis]]
    out += [".fi", ".SH DESCRIPTION"]
    for piece in pieces:
        if piece.code and piece.names():
            out.append(f".SS {', '.join(piece.names())}")
        out += prose(piece.comment) if piece.comment else []
        out += verbatim(piece.shown()) if piece.shown() else []
    pages = sorted({group[0] for group in GROUPS.values()} - {name})
    out += [".SH SEE ALSO", ".BR saga (1),"]
    out += [f".BR {other} (3){',' if other != pages[-1] else ''}" for other in pages]
    text = "\n".join(line for i, line in enumerate(out)
                     if not (line == ".PP" and out[i - 1].startswith((".SH", ".SS", ".PP"))))
    return names, text + "\n"


def place():
    """The directory to fill, and the stamp that says it is done, or None."""
    if sys.argv[2] == "--install":
        pages = pathlib.Path(sys.argv.pop(3))
        if pages.is_absolute():
            return pathlib.Path(os.environ.get("DESTDIR", "") + str(pages)) / "man3", None
        return pathlib.Path(os.environ["MESON_INSTALL_DESTDIR_PREFIX"]) / pages / "man3", None
    stamp = pathlib.Path(sys.argv[2])
    directory = stamp.parent / "man3"
    shutil.rmtree(directory, ignore_errors=True)
    return directory, stamp


def main():
    if os.environ.get("MESON_INSTALL_DRY_RUN"):
        return
    version, (directory, stamp) = sys.argv[1], place()
    pages, declared = {}, set()
    for path in map(pathlib.Path, sys.argv[3:]):
        declared |= set(re.findall(r"^SAGA_API [^;]*?(\w+)\(", path.read_text(), re.M))
        for title, piece in pieces_of(path):
            if HIDDEN.search(title) or path.name == "macros.h":
                continue
            if (path.name, title) not in GROUPS:
                sys.exit(f"{path}: the section `{title}` has no page: see GROUPS in docs/man/man3.py")
            name, what = GROUPS[path.name, title]
            pages.setdefault(name, [what, path.name, []])[2].append(piece)
    directory.mkdir(parents=True, exist_ok=True)
    documented = set()
    for name, (what, header, pieces) in pages.items():
        names, text = page(name, what, header, pieces, version)
        documented |= set(names)
        (directory / f"{name}.3").write_text(text)
        for other in names:
            if other not in pages:
                (directory / f"{other}.3").write_text(f".so man3/{name}.3\n")
    if declared - documented:
        sys.exit(f"no page has {', '.join(sorted(declared - documented))}")
    if stamp:
        stamp.touch()


main()
