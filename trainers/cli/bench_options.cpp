#include <coppice/trainers/cli/bench_options.h>

namespace coppice::train::cli {

void add_bench_options(CLI::App& command, BenchOptions& options) {
  command.add_option("--filter", options.filter, "measure the cases whose name this regular expression is found in");
  command.add_flag("--list", options.list, "name the cases and end");
  command.add_option("--kernel", options.kernel, "of ops that have several kernels: one by name, or all");
  command.add_option("--masks", options.masks,
                     "which weights live: uniform, erk, or those of a .mtx, .smtx or safetensors file (a checkpoint)");
  command.add_option("--sparsity", options.sparsities, "shares of zeros for uniform and erk")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--threads", options.threads, "one: processor time counts; several: wall-clock time")
      ->check(CLI::Range(1, 1024));
  command.add_option("--isa", options.isa, "keep kernels to avx512, avx2, sse4, neon or generic");
  command.add_option("--repetitions", options.repetitions, "samples of every case")->check(CLI::Range(1, 1000));
  command.add_option("--sample-seconds", options.sample_seconds, "how long a sample lasts, about")
      ->check(CLI::Range(1e-4, 100.0));
  command.add_option("--compare", options.compare,
                     "a .json of an earlier run: say what became faster and slower; exit code 1 where something did");
  command.add_option("--tolerance", options.tolerance, "with --compare: changes below this share are none")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--out", options.out, "write samples and conditions as .json, or a table as .csv");
  command.add_flag("--document", options.document,
                   "measure beside the peers that are here, and write the page of tables");
  command.add_option("--only", options.only, "with --document: measure these groups, keep what is there of the others");
  command.add_option("--results", options.results, "with --document: where the groups' tables lie");
  command.add_option("--page", options.page, "with --document: the page");
  command.add_option("--venv", options.venv, "with --document: the Python environment of scripts/peers.sh");
  command.footer(
      "Examples:\n"
      "  coppice bench --filter '^linear/.*/90/' --out base.json\n"
      "  coppice bench --filter '^linear/.*/90/' --compare base.json\n"
      "  coppice bench --filter '^linear/' --masks trained.safetensors --kernel csr");
}

}  // namespace coppice::train::cli
