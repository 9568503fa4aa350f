#!/usr/bin/env bash
# The program's conventions: exit codes, where it prints what, and that every help ends with an example.
# Usage: run.sh PROGRAM
set -u
program=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
failures=0

# expect CODE PATTERN ARGUMENTS...: the program ends with CODE and prints a line that matches PATTERN.
expect() {
  local code=$1 pattern=$2
  shift 2
  "$program" "$@" >out 2>err
  local got=$?
  if [ "$got" != "$code" ] || ! cat out err | grep -qE -- "$pattern"; then
    echo "FAILED: coppice $*: exit code $got, expected $code and a line like: $pattern"
    cat out err | tail -5
    failures=$((failures + 1))
  fi
}

expect 0 '^coppice [0-9]+\.[0-9]+\.[0-9]+ ' --version
expect 0 '^  130  ended by Ctrl-C' --help
expect 2 'subcommand is required'
expect 2 "there is no command 'reprodce'; did you mean 'reproduce'\?" reprodce
expect 2 '--frobnicate' reproduce reactivation --frobnicate

# Every command, as the help of the one above lists it.
for command in $("$program" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'); do
  expect 0 '^Examples?:' "$command" --help
  for inner in $("$program" "$command" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'); do
    expect 0 '^Examples?:' "$command" "$inner" --help
  done
done

mistake='\[recipe\] unknown key '"'policy.intervall'"'; did you mean '"'policy.interval'"'\?'
expect 2 "$mistake" reproduce reactivation --set policy.intervall=5
expect 2 'expects KEY=VALUE; got seeds' reproduce reactivation --set seeds
expect 2 'seeds expects an integer of 1 or more' reproduce reactivation --seeds 0
expect 2 "did you mean 'rigl'" reproduce reactivation --method rigle
expect 2 'none.toml: expects a file that can be read' reproduce reactivation --add none.toml
printf 'name = "rigl"\n' >clash.toml
expect 2 "clash.toml:1:8: the table has a row 'rigl' already" reproduce reactivation --add clash.toml
expect 2 "excludes" reproduce reactivation --scale quick --recipe clash.toml
expect 2 "expects a recipe" train
expect 0 "^training.steps = 7" train --keys --set training.steps=7
expect 1 'train-images-idx3-ubyte' data check "$folder"
expect 0 'policy.fraction.initial = ' reproduce reactivation --keys

expect 2 "expects NAME:KERNEL:STRIDE:SIZE; got 'a:3'" latency --layer a:3
expect 2 '--repetitions: Value 0 not in range' bench --repetitions 0
if [ -x "$(dirname "$program")/bench/coppice-bench" ]; then
  expect 0 '^linear/784to300/n64/forward/90/csr/panel$' bench --list --filter '^linear/784to300/n64/forward/90' --sparsity 0.9
  expect 1 "there is no group .x." bench --document --only x
  expect 1 "no case's name has 'nothing'" bench --filter nothing
  expect 1 'expects avx512, avx2, sse4, neon or generic; got .avx3.' bench --isa avx3
else
  expect 1 'expects the program coppice-bench in ' bench --list
fi

# A plan: tuned, followed, kept, shown; and what is wrong with one.
cat >small.toml <<'TOML'
name = "small"
[data]
set = "digits"
train_images = 200
test_images = 40
validation_images = 40
[model]
widths = [784, 12, 10]
[training]
batch_size = 20
steps = 20
[policy]
preset = "static"
density = 0.2
TOML
expect 0 '^written: fast.plan, 5 problems' tune small.toml --rounds 3
expect 0 '^test accuracy' train small.toml --plan fast.plan --out planned
expect 0 '^plan \(followed\):' inspect planned/checkpoints/step-000000020.safetensors
expect 0 '^  linear/forward 20 \* 12x784 float32 ' inspect planned/checkpoints/step-000000020.safetensors
expect 0 '^small after step 20: test accuracy' eval planned
expect 0 '^batch 1, 1 thread, 5 runs: p50 [0-9.]* ms, p99 [0-9.]* ms' infer planned --runs 5
expect 0 ' 0 allocations beside it' infer planned --runs 5 --batch 3 --plan fast.plan
expect 2 'cannot read no.plan' infer planned --plan no.plan
expect 2 'Value 0 not in range' infer planned --batch 0
expect 0 '^written: one.plan, 2 problems' tune planned --inference --batch 1 --rounds 3 --out one.plan
expect 0 'problems of the plan that never came: 5, ' eval planned --plan fast.plan
expect 2 'a checkpoint has its own' tune planned --set training.seed=1
echo 'linear/forward 20 * 12x784' >bad.plan
expect 2 'bad.plan: line 1 expects .problem = candidate.; got: linear/forward 20' train small.toml --plan bad.plan --out bad
echo 'linear/forward 20 * 12x784 = fast' >bad.plan
expect 2 'bad.plan: \[Plan\] linear has no candidate fast for linear/forward 20 \* 12x784; it has dense' eval planned --plan bad.plan
expect 2 'cannot read none.plan' reproduce reactivation --plan none.plan

small="--sparsity 0.95 --jobs 1 --set data.train_images=1200 data.validation_images=200 data.test_images=100"
cp "$here/../../docs/recipes/mine.toml" .
expect 0 '^ +95 %  mine\[interval=20\] ' reproduce reactivation --method rigl iee --add mine.toml --seeds 1 --steps 50 \
  --out first $small
expect 0 '^ +95 %  mine\[interval=40\] ' reproduce reactivation --recipe first/recipe.resolved.toml --out second
expect 0 '^  linear/forward ' inspect first/results.json
cmp first/recipe.resolved.toml second/recipe.resolved.toml || failures=$((failures + 1))

# Interrupted once the first training is done: what is finished is kept.
rm -f out err
"$program" reproduce reactivation --method dense --seeds 20 --steps 100 --out stopped $small >out 2>err &
pid=$!
until grep -q '^\[1/' err 2>/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
kill -INT $pid
wait $pid
got=$?
if [ $got != 130 ] || ! grep -q '"interrupted": true' stopped/results.json; then
  echo "FAILED: exit code $got after SIGINT, expected 130 and results that say so"
  failures=$((failures + 1))
fi

[ $failures = 0 ] && echo "every command keeps to the conventions"
exit $((failures > 0))
