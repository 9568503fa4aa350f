#pragma once

#include <coppice/core/export.h>
#include <coppice/core/function_ref.h>

namespace coppice::train::measure {

/// What one call of something took, in seconds: by the wall's clock, and of this thread's processor time.
struct Sample {
  double wall = 0.0;
  double cpu = 0.0;
};

/// Seconds since some moment.
COPPICE_API double wall_seconds();
/// Seconds this thread has computed. On a machine that others use too it stays within a few per cent where the wall's
/// clock reads twice as long.
COPPICE_API double thread_seconds();

/// The mean of `calls` calls in a row.
COPPICE_API Sample time_calls(int calls, FunctionRef<void()> call);

}  // namespace coppice::train::measure
