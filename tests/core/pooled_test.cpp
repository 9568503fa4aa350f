#include <coppice/core/pooled.h>

#include <array>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace coppice {
namespace {

template <std::size_t kBytes>
struct Object : Pooled {
  virtual ~Object() = default;
  std::array<char, kBytes> bytes;
};

template <std::size_t kBytes>
void make_and_free(int count) {
  std::vector<Object<kBytes>*> objects;
  for (int i = 0; i < count; ++i) {
    objects.push_back(new Object<kBytes>);
    objects.back()->bytes.fill(static_cast<char>(i));
  }
  for (int i = 0; i < count; ++i) {
    for (const char byte : objects[static_cast<std::size_t>(i)]->bytes) ASSERT_EQ(byte, static_cast<char>(i));
    delete objects[static_cast<std::size_t>(i)];
  }
}

TEST(Pooled, BlocksDoNotOverlapWhenReused) {
  for (int round = 0; round < 3; ++round) {
    make_and_free<1>(3000);  // more than a thread keeps
    make_and_free<23>(100);
    make_and_free<24>(100);
    make_and_free<25>(100);
    make_and_free<500>(100);
    make_and_free<600>(100);  // too large to keep
  }
}

TEST(Pooled, ObjectsMayBeFreedByAnotherThread) {
  std::vector<Object<40>*> objects;
  std::thread([&] {
    for (int i = 0; i < 2000; ++i) objects.push_back(new Object<40>);
  }).join();
  std::thread([&] {
    for (Object<40>* object : objects) delete object;
    make_and_free<40>(50);
  }).join();
  make_and_free<40>(50);
}

}  // namespace
}  // namespace coppice
