#pragma once

#include <cstdint>

#include <coppice/core/export.h>
#include <coppice/core/function_ref.h>

namespace coppice {

/// Threads that parallel_for uses at most, the calling one included. Starts as the processors this process may
/// run on (inherited affinity and cgroup quota).
COPPICE_API int num_threads();
/// Sets num_threads for the whole process; n ≥ 1.
COPPICE_API void set_num_threads(int n);

/// Lowers num_threads for parallel_for calls made by this thread while the object lives.
class COPPICE_API ThreadLimit {
 public:
  explicit ThreadLimit(int limit);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int previous_;
};

/// Calls body(first, last) on contiguous parts that cover [begin, end), each of at least `grain` elements
/// (the last may be shorter), on up to num_threads threads; returns when all are done.
///
/// Parts depend on the number of threads, so a body must not let its result depend on where parts begin: write
/// disjoint outputs, and reduce over fixed chunks (parallel_chunks). A call inside a body runs on the calling
/// thread. The first exception of a body is rethrown here, after all parts ended.
COPPICE_API void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                              FunctionRef<void(std::int64_t, std::int64_t)> body);

/// Calls body(chunk, first, last) for the fixed chunks of `chunk_size` elements that cover [0, size): chunk
/// borders do not depend on the number of threads, so partial results indexed by `chunk` and combined in order
/// are bitwise reproducible.
COPPICE_API void parallel_chunks(std::int64_t size, std::int64_t chunk_size,
                                 FunctionRef<void(std::int64_t, std::int64_t, std::int64_t)> body);

}  // namespace coppice
