#!/usr/bin/env bash
# What the action does, also outside of GitHub: COMMAND, BASE and OUTPUT must be set, the rest has the action's defaults.
set -uo pipefail
: "${COMMAND:?the script to run}" "${BASE:?the revision to hold it against}" "${OUTPUT:?where the comparison goes}"

tools="${RUNNER_TEMP:-$(mktemp -d)}/dlprof-gate"
"${PYTHON:-python3}" -m venv "$tools" && "$tools/bin/pip" install --quiet "${REQUIREMENT:-dlprof}" || exit 1

read -r -a further <<< "${ARGUMENTS:-}"
read -r -a words <<< "$COMMAND"
"$tools/bin/dlprof" gate --base "$BASE" --max-slowdown "${MAX_SLOWDOWN:-5%}" --budget "${BUDGET:-10m}" \
  --junit "$OUTPUT.xml" -o "$OUTPUT" ${further[@]+"${further[@]}"} -- "${words[@]}"
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
