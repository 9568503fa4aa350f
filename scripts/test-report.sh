#!/usr/bin/env bash
# Runs a small reproduction, reports on it beside another tool's table, and looks at the page as a browser would: it
# must be well-formed, refer to nothing outside itself and, where there is a Chromium, fit a telephone's screen.
# Usage: scripts/test-report.sh COPPICE
set -euo pipefail
coppice=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$coppice" reproduce reactivation --steps 40 --seeds 2 --sparsity 0.98 --method dense rigl iee --jobs 2 \
  --out "$folder/run" >/dev/null 2>&1
for file in report.html results.json results.csv table.tex; do [[ -s $folder/run/$file ]]; done
printf 'method,sparsity,accuracy,cpu_seconds\n<script>alert(1)</script>,0.98,0.5,1.5\n' >"$folder/other tool.csv"
"$coppice" report "$folder/run" "$folder/other tool.csv" --out "$folder/merged"

if "$coppice" report "$folder/run" "$folder/run/results.json" --out "$folder/twice" 2>"$folder/error"; then
  echo "test-report: merging a run with itself must fail" && exit 1
fi
grep -q 'with seed 0 is both in' "$folder/error"

for page in "$folder/run/report.html" "$folder/merged/report.html"; do
  python3 - "$page" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree

text = open(sys.argv[1], encoding="utf-8").read()
tags = [element.tag for element in tree.fromstring(text).iter()]  # throws where it is not well-formed
assert "script" not in tags and "img" not in tags and "link" not in tags
assert tags.count("svg") > 20 and tags.count("table") >= 3, (tags.count("svg"), tags.count("table"))
assert not any(word in text for word in ("http:", "https:", "url(", "@import")), "an external reference"
PYTHON
done

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [[ -z $chromium ]]; then
  echo "test-report: no Chromium here, the width on a narrow screen was not checked"
  exit 0
fi
# Inside a frame, since a window cannot be as narrow as a telephone everywhere.
measure='<script>onload=()=>parent.postMessage(innerWidth+" wide, overflows by "+
(document.documentElement.scrollWidth-document.documentElement.clientWidth),"*")</script></body>'
awk -v with="$measure" '{ gsub(/<\/body>/, with) } 1' "$folder/merged/report.html" >"$folder/measured.html"
for width in 390 1280; do
  printf '<script>onmessage=e=>{document.body.id=e.data}</script><body><iframe src="measured.html" width="%d" height="900">' \
    $width >"$folder/frame.html"
  seen=$(timeout 100 "$chromium" --headless --no-sandbox --disable-gpu --user-data-dir="$folder/profile" \
    --virtual-time-budget=5000 --dump-dom "file://$folder/frame.html" 2>/dev/null | grep -o 'body id="[^"]*"' || true)
  [[ $seen == "body id=\"$width wide, overflows by 0\"" ]] || { echo "test-report: $width pixels: '$seen'" && exit 1; }
done
