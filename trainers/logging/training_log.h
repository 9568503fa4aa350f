#pragma once

#include <filesystem>
#include <fstream>
#include <vector>

#include <coppice/trainers/logging/event_file.h>
#include <coppice/trainers/loop.h>

namespace coppice::train {

/// The records of a training, one by one, in a directory: `log.jsonl`, `log.csv` and TensorBoard's `events/`. Every
/// record is in the system's hands once add() returns.
class COPPICE_API TrainingLog {
 public:
  /// Begins anew with the records made so far: what a killed training wrote after its checkpoint is gone. Throws
  /// `[TrainingLog] …` naming the file, as does add().
  TrainingLog(const std::filesystem::path& directory, const std::vector<EpochRecord>& so_far);
  void add(const EpochRecord& record);

 private:
  std::ofstream json_;
  std::ofstream csv_;
  EventFile events_;
};

}  // namespace coppice::train
