#!/usr/bin/env python3
"""Writes generated/nodes.h and generated/reflection.inc from PostgreSQL 15's node headers.

libpg_query's tree is walked directly, because its JSON costs twice as much as the parse. The server's headers
are in postgresql-server-dev-15, which pulls in LLVM, so what we need of them is kept here. To make it again:

    apt-get download postgresql-server-dev-15 && dpkg -x postgresql-server-dev-15_*.deb unpacked
    policy/sql/generate_nodes.py unpacked/usr/include/postgresql/15/server && scripts/fix

Sizes and offsets in the output are what clang says of the real headers, not of our copies. That libpg_query's
library agrees is tested against its own JSON (tests/policy/sql/tree_test.cpp).
"""
import pathlib
import re
import subprocess
import sys
import tempfile

SERVER = pathlib.Path(sys.argv[1])
OUT = pathlib.Path(__file__).parent / "generated"
PROTO = pathlib.Path("/usr/include/pg_query/pg_query.proto")
# Kinds that only analysis, planning or PL/pgSQL make: the raw grammar never does. Their fields are not needed.
NEVER_RAW = set("""TableFunc Var Param Aggref WindowFunc SubscriptingRef FuncExpr OpExpr DistinctExpr NullIfExpr
ScalarArrayOpExpr SubPlan AlternativeSubPlan FieldSelect FieldStore RelabelType CoerceViaIO ArrayCoerceExpr
ConvertRowtypeExpr CollateExpr CaseTestExpr ArrayExpr RowCompareExpr CoerceToDomain CoerceToDomainValue
NextValueExpr InferenceElem TargetEntry RangeTblRef FromExpr OnConflictExpr MergeAction Query SetOperationStmt
RangeTblEntry RangeTblFunction TableSampleClause WithCheckOption SortGroupClause WindowClause RowMarkClause
InlineCodeBlock CallContext""".split())
LISTS = {"List", "IntList", "OidList"}
SCALARS = {"bool": "bool", "char": "char", "int": "std::int32_t", "int32": "std::int32_t", "long": "std::int64_t", "int16": "std::int16_t",
           "uint32": "std::uint32_t", "bits32": "std::uint32_t", "Oid": "std::uint32_t", "Index": "std::uint32_t",
           "AttrNumber": "std::int16_t", "SubTransactionId": "std::uint32_t"}


def strip(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r"^\s*#.*$", "", text, flags=re.M)


def read(name):
    return strip((SERVER / "nodes" / name).read_text())


def node_kinds():
    body = re.search(r"message Node \{(.*?)\n\}", PROTO.read_text(), re.S).group(1)
    return re.findall(r'json_name="(\w+)"', body)


def parse_structs(text):
    structs = {}
    for name, body in re.findall(r"(?:typedef )?struct (\w+)\s*\{(.*?)\n\}(?:\s*\1)?;", text, re.S):
        fields = []
        for line in body.split(";"):
            line = " ".join(line.split())
            if not line:
                continue
            match = re.fullmatch(r"(?:const )?(?:struct |union )?(\w+) (\*?) ?(\w+)", line)
            fields.append(match.groups() if match else None)
        structs[name] = fields
    return structs


def parse_enums(text):
    enums = {}
    for name, body in re.findall(r"typedef enum (\w+)\s*\{(.*?)\}\s*\1;", text, re.S):
        enums[name] = [" ".join(item.split()) for item in body.split(",") if item.strip()]
    return enums


def proto_order(enums):
    """libpg_query patches the order of some enums (LimitOption); its own description says which."""
    proto = PROTO.read_text()
    for name, items in enums.items():
        match = re.search(r"enum " + name + r"\n\{(.*?)\n\}", proto, re.S)
        theirs = re.findall(r"(\w+) = \d+;", match.group(1))[1:] if match else []
        if sorted(theirs) == sorted(items) and theirs != items:
            print(f"{name}: libpg_query's order", file=sys.stderr)
            enums[name] = theirs


def numbers(kinds, structs):
    """Sizes, offsets and tags as clang sees the real headers."""
    lines = ["#include <postgres.h>", "#include <nodes/parsenodes.h>", "#include <stdio.h>", "#undef printf", "int main(void) {"]
    for kind in kinds:
        lines.append(f'printf("tag {kind} %d\\n", (int)T_{kind});')
        if kind in NEVER_RAW or kind in LISTS:
            continue
        lines.append(f'printf("size {kind} %zu\\n", sizeof({kind}));')
        if kind == "A_Const":
            continue
        for field in structs[kind]:
            lines.append(f'printf("offset {kind}.{field[2]} %zu\\n", offsetof({kind}, {field[2]}));')
    lines.append("return 0; }")
    with tempfile.TemporaryDirectory() as work:
        source = pathlib.Path(work) / "numbers.c"
        source.write_text("\n".join(lines))
        subprocess.run(["clang-19", "-w", "-I", SERVER, source, "-o", f"{work}/numbers"], check=True)
        out = subprocess.run([f"{work}/numbers"], check=True, capture_output=True, text=True).stdout
    result = {}
    for line in out.splitlines():
        what, name, value = line.split()
        result[what, name] = int(value)
    return result


def cpp_field(field, raw, enums):
    kind, pointer, name = field
    if kind == "NodeTag":
        return f"Tag {name};"
    if kind == "Expr" and not pointer:
        return f"Tag {name};"
    if pointer:
        if kind == "char":
            return f"const char* {name};"
        if kind == "Expr":
            return f"const Node* {name};"
        if kind in raw or kind in ("Node", "List"):
            return f"const {kind}* {name};"
        return f"const void* {name};"
    if kind in SCALARS:
        return f"{SCALARS[kind]} {name};"
    if kind in enums or kind in raw:
        return f"{kind} {name};"
    raise SystemExit(f"no rule for {kind} {name}")


def reflection(kind, fields, raw, enums):
    rows = []
    for c_type, pointer, name in fields:
        if c_type == "NodeTag" or (c_type == "Expr" and not pointer):
            continue
        type_name = "Tag::none"
        if pointer and c_type == "char":
            what = "text"
        elif pointer and c_type == "List":
            what = "list"
        elif pointer and c_type in ("Node", "Expr"):
            what = "node"
        elif pointer and c_type in raw:
            what, type_name = "typed_node", f"Tag::{c_type}"
        elif pointer:
            continue  # never set by the raw grammar: Bitmapset and PartitionStrategy-like internals
        elif c_type in raw:
            what, type_name = "embedded", f"Tag::{c_type}"
        elif c_type in enums:
            what = "enumeration"
        elif c_type == "bool":
            what = "boolean"
        elif c_type == "char":
            what = "character"
        elif SCALARS[c_type] == "std::int16_t":
            what = "int16"
        elif SCALARS[c_type] == "std::int64_t":
            what = "int64"
        elif SCALARS[c_type] == "std::uint32_t":
            what = "uint32"
        else:
            what = "int32"
        rows.append(f'    {{"{name}", offsetof({kind}, {name}), FieldKind::{what}, {type_name}'
                    + (f", names_of_{c_type}" if what == "enumeration" else "") + "},")
    return rows


def main():
    text = "".join(read(name) for name in ("value.h", "lockoptions.h", "nodes.h", "primnodes.h", "parsenodes.h"))
    structs, enums = parse_structs(text), parse_enums(text)
    proto_order(enums)
    kinds = node_kinds()
    raw = [kind for kind in kinds if kind not in NEVER_RAW and kind not in LISTS]
    for kind in raw:
        if kind != "A_Const" and (kind not in structs or None in structs[kind]):
            raise SystemExit(f"cannot read struct {kind}: {structs.get(kind)}")
    known = numbers(kinds, structs)
    used = {f[0] for kind in raw if kind != "A_Const" for f in structs[kind] if not f[1] and f[0] in enums} - {"NodeTag"}

    out = ["// Generated by policy/sql/generate_nodes.py from PostgreSQL 15's nodes/*.h; do not edit.",
           "// One file, however long: only the compiler reads it.",
           "// Portions Copyright (c) 1996-2022, PostgreSQL Global Development Group; PostgreSQL Licence.",
           "// clang-format off", "#pragma once", "", "#include <cstddef>", "#include <cstdint>", "", "namespace clawpatrol::sql::tree {", "",
           "enum class Tag : std::int32_t {", "  none = 0,"]
    out += [f"  {kind} = {known['tag', kind]}," for kind in kinds] + ["};", ""]
    for name in sorted(used):
        out += [f"enum {name} : std::int32_t {{ " + ", ".join(enums[name]) + " };"]
    out += ["", "struct Node {", "  Tag type;", "};", "",
            "union ListCell {", "  const Node* node;", "  std::int32_t integer;", "};",
            "struct List {", "  Tag type;", "  std::int32_t length;", "  std::int32_t max_length;",
            "  const ListCell* elements;", "};", ""]
    out += [f"struct {kind};" for kind in raw] + [""]
    done, pending = set(), [kind for kind in raw if kind != "A_Const"]
    while pending:
        for kind in pending:
            if all(f[0] not in raw or f[1] or f[0] in done for f in structs[kind]):
                break
        else:
            raise SystemExit(f"cycle: {pending}")
        pending.remove(kind)
        done.add(kind)
        out += [f"struct {kind} {{", f"  static constexpr Tag tag = Tag::{kind};"]
        out += ["  " + cpp_field(f, raw, enums) for f in structs[kind]] + ["};"]
        out += [f"static_assert(sizeof({kind}) == {known['size', kind]});"]
        offsets = [f"offsetof({kind}, {f[2]}) == {known['offset', kind + '.' + f[2]]}" for f in structs[kind][1:]]
        out += (["static_assert(" + " && ".join(offsets) + ");"] if offsets else []) + [""]
        if kind == "BitString":
            out += ["struct A_Const {", "  static constexpr Tag tag = Tag::A_Const;", "  Tag type;",
                    "  union {", "    Node node;", "    Integer ival;", "    Float fval;", "    Boolean boolval;",
                    "    String sval;", "    BitString bsval;", "  } val;", "  bool isnull;",
                    "  std::int32_t location;", "};", f"static_assert(sizeof(A_Const) == {known['size', 'A_Const']});", ""]
    out += ["}  // namespace clawpatrol::sql::tree", ""]
    (OUT / "nodes.h").write_text("\n".join(out))

    out = ["// Generated by policy/sql/generate_nodes.py; do not edit. Included by tree.cpp alone.",
           "// clang-format off", ""]
    for name in sorted(used):
        items, value = [], -1
        for item in enums[name]:
            label, _, explicit = item.partition(" = ")
            value = (eval(explicit) if explicit else value + 1)  # noqa: S307: integers and shifts from the headers
            value = ord(value) if isinstance(value, str) else value
            items.append(f'{{{value}, "{label}"}}')
        out += [f"constexpr EnumName names_of_{name}[] = {{" + ", ".join(items) + ", {0, nullptr}};"]
    out += [""]
    for kind in raw:
        rows = [] if kind == "A_Const" else reflection(kind, structs[kind], raw, used)
        out += [f"constexpr Field fields_of_{kind}[] = {{"] + rows + ["    {nullptr, 0, FieldKind::end, Tag::none},", "};"]
    out += ["", "constexpr NodeKind node_kinds[] = {"]
    for kind in kinds:
        out += [f'    {{Tag::{kind}, "{kind}", ' + (f"fields_of_{kind}" if kind in raw else "nullptr") + "},"]
    out += ["};", ""]
    (OUT / "reflection.inc").write_text("\n".join(out))


main()
