#!/usr/bin/env bash
# What the action does, also outside of GitHub: COMMAND, BASE and OUTPUT must be set, the rest has the action's defaults.
# COMMAND and ARGUMENTS are split into words as a shell does, over several lines too; nothing in them is run by one.
set -uo pipefail
: "${COMMAND:?the script to run}" "${BASE:?the revision to hold it against}" "${OUTPUT:?where the comparison goes}"

tools="${DLPROF_VENV:-}"
if [ -z "$tools" ]; then
  tools="${RUNNER_TEMP:-$(mktemp -d)}/dlprof-gate"
  "${PYTHON:-python3}" -m venv "$tools" && "$tools/bin/pip" install --quiet "${REQUIREMENT:-dlprof}" || exit 1
fi

split='import shlex, sys; sys.stdout.write("".join(word + "\0" for word in shlex.split(sys.argv[1])))'
words=() further=()
while IFS= read -r -d '' word; do words+=("$word"); done < <("$tools/bin/python" -c "$split" "$COMMAND")
while IFS= read -r -d '' word; do further+=("$word"); done < <("$tools/bin/python" -c "$split" "${ARGUMENTS:-}")
[ ${#words[@]} -gt 0 ] || { echo "error: COMMAND holds no words, or a quote in it is not closed: $COMMAND" >&2; exit 2; }

# With --trials among the arguments there is no budget: leave it empty then.
budget=("--budget=${BUDGET-10m}")
[ -n "${BUDGET-10m}" ] || budget=()
"$tools/bin/dlprof" gate "--base=$BASE" "--max-slowdown=${MAX_SLOWDOWN:-5%}" ${budget[@]+"${budget[@]}"} \
  "--junit=$OUTPUT.xml" "--output=$OUTPUT" ${further[@]+"${further[@]}"} -- "${words[@]}"
code=$?

case $code in
  0) answer=passed ;;
  3) answer=failed ;;
  4) answer=undecided ;;
  5) answer="not comparable" ;;
  *) exit $code ;; # it could not be run at all: what it said stands above
esac
[ -n "${GITHUB_OUTPUT:-}" ] && echo "answer=$answer" >> "$GITHUB_OUTPUT"
"$tools/bin/dlprof" report "$OUTPUT" -o "$OUTPUT.html" || true
exit $code
