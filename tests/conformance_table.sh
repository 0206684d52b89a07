#!/bin/sh
# Checks daemon/docs/mqtt-conformance.md: every clause of both standards stands there once, no cell is blank, and every
# file and test case that is named exists. Exit status: 0 so it is, 1 not so, with a line for each fault.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
table=daemon/docs/mqtt-conformance.md

# SECTION COUNT for each group of clauses: "3.1.2 30" stands for [MQTT-3.1.2-1] to [MQTT-3.1.2-30]; FROM-TO where the
# standard does not begin with 1.
version5='1.5.4 3|1.5.5 1|1.5.7 1|2.1.3 1|2.2.1 2-6|2.2.2 1|3.1.0 2|3.1.2 30|3.1.3 12|3.1.4 6|3.2.0 2|3.2.2 22|3.3.1 13
3.3.2 20|3.3.4 10|3.4.2 3|3.5.2 3|3.6.1 1|3.6.2 3|3.7.2 3|3.8.1 1|3.8.3 5|3.8.4 8|3.9.2 2|3.9.3 2|3.10.1 1|3.10.3 2
3.10.4 6|3.11.2 2|3.11.3 2|3.12.4 1|3.14.0 1|3.14.1 1|3.14.2 4|3.14.4 3|3.15.1 1|3.15.2 3|4.1.0 2|4.2.0 1|4.3.1 1|4.3.2 5
4.3.3 13|4.4.0 2|4.5.0 2|4.6.0 6|4.7.0 1|4.7.1 2|4.7.2 1|4.7.3 4|4.8.2 6|4.9.0 3|4.12.0 7|4.12.1 2|4.13.1 1|4.13.2 1|6.0.0 4'
version311='1.5.3 3|2.2.2 2|2.3.1 7|3.1.0 2|3.1.2 24|3.1.3 11|3.1.4 5|3.2.0 1|3.2.2 6|3.3.1 12|3.3.2 3|3.3.4 1|3.3.5 2|3.6.1 1
3.8.1 1|3.8.3 4|3.8.4 6|3.9.3 2|3.10.1 1|3.10.3 2|3.10.4 6|3.12.4 1|3.14.1 1|3.14.4 3|4.1.0 2|4.3.1 1|4.3.2 2|4.3.3 2|4.4.0 1
4.5.0 2|4.6.0 6|4.7.1 3|4.7.2 1|4.7.3 4|4.8.0 2|6.0.0 4|7.0.0 2|7.1.1 1|7.1.2 1'

faults=$(mktemp)
trap 'rm -f "$faults"' EXIT

# The rows of a version's table: rows HEADING
rows() { awk -v heading="## $1" 'index($0, "## ") == 1 { on = index($0, heading) == 1 } on && /^\| \[MQTT-/' "$table"; }

# clauses HEADING GROUPS: what is missing, unknown or there twice.
clauses() {
  wanted=$(echo "$2" | tr '|' '\n' | awk '{
    split($2, ends, "-")
    from = (ends[2] == "") ? 1 : ends[1]
    to = (ends[2] == "") ? ends[1] : ends[2]
    for (i = from; i <= to; i++) print "[MQTT-" $1 "-" i "]"
  }' | sort)
  found=$(rows "$1" | awk -F ' *\\| *' '{ print $2 }' | sort)
  { echo "$wanted" && echo "$wanted" && echo "$found"; } | sort | uniq -c | awk -v heading="$1" '
    $1 == 2 { print heading ": " $2 " is missing" }
    $1 == 1 { print heading ": " $2 " is no clause" }
    $1 > 3 { print heading ": " $2 " stands there more than once" }' >>"$faults"
}

# Every cell, and what it names.
cells() {
  rows "$1" | awk -F '|' -v heading="$1" '
    function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }
    function complain(what) { print heading ": " clause " " what }
    # The source in one line, with literals that were cut for their length put together again.
    function source_of(file,   line, text) {
      if (file in sources) return sources[file]
      text = ""
      while ((getline line < file) > 0) text = text " " trim(line)
      close(file)
      gsub(/" +"/, "", text)
      return sources[file] = text
    }
    {
      clause = trim($2)
      if (NF != 7) { complain("has not 5 cells"); next }
      for (i = 3; i <= 6; i++) if (trim($i) == "") complain("has a blank cell")
      if (trim($3) !~ /^(server|both|client)$/) complain("binds nobody: \"" trim($3) "\"")
      if (trim($5) == "—" || trim($6) == "—") {
        if (trim($3) != "client" || trim($5) != trim($6)) complain("has a dash, but does not bind clients alone")
        next
      }
      count = split($5, files, ",")
      for (i = 1; i <= count; i++) {
        file = files[i]
        gsub(/[ `]/, "", file)
        if (source_of(file) == "") complain("names a file that is not there: " file)
      }
      # "; `" begins the next test: names of cases may hold semicolons and commas.
      count = split(substr(trim($6), 2), tests, "; `")
      for (i = 1; i <= count; i++) {
        at = index(tests[i], "`: ")
        file = "tests/" substr(tests[i], 1, at - 1)
        name = substr(tests[i], at + 3)
        if (at == 0) complain("has a test of another form than `FILE`: CASE: " tests[i])
        else if (source_of(file) == "") complain("names a test file that is not there: " file)
        else if (index(source_of(file), "\"" name "\",") == 0) complain("names a case that is not in " file ": " name)
      }
    }' >>"$faults"
}

clauses 'MQTT 5.0' "$version5"
clauses 'MQTT 3.1.1' "$version311"
cells 'MQTT 5.0'
cells 'MQTT 3.1.1'
if [ -s "$faults" ]; then
  cat "$faults" >&2
  echo "$table: $(wc -l <"$faults") faults" >&2
  exit 1
fi
echo "$table: $(rows 'MQTT 5.0' | wc -l) clauses of MQTT 5.0 and $(rows 'MQTT 3.1.1' | wc -l) of MQTT 3.1.1"
