#include <gtest/gtest.h>

#include <coppice/core/error.h>
#include <coppice/core/io/atomic_file.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

std::size_t files_in(const TemporaryFolder& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
}

TEST(AtomicFile, AppearsCompleteOrNotAtAll) {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "old");
  {
    AtomicFile abandoned(folder / "a");
    abandoned.write("new", 3);
    EXPECT_EQ(read_bytes(folder / "a"), "old");
    EXPECT_EQ(files_in(folder), 2U);
  }
  EXPECT_EQ(read_bytes(folder / "a"), "old");
  EXPECT_EQ(files_in(folder), 1U);
  AtomicFile kept(folder / "a");
  kept.write("ne", 2);
  kept.write("w", 1);
  kept.commit();
  EXPECT_EQ(read_bytes(folder / "a"), "new");
  EXPECT_EQ(files_in(folder), 1U);
}

TEST(AtomicFile, NamesThePathAndTheReason) {
  const TemporaryFolder folder;
  const std::string text = error_of([&] { AtomicFile(folder / "missing" / "a"); });
  EXPECT_NE(text.find("missing/a cannot be created: No such file"), std::string::npos) << text;
  std::filesystem::create_directories(folder / "taken" / "by_a_folder");
  AtomicFile file(folder / "taken");
  EXPECT_THROW(file.commit(), Error);
}

}  // namespace
}  // namespace coppice
