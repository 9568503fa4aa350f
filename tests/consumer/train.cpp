// Uses the training library: the engine's own digits.

#include <cstdio>

#include <coppice/trainers/data/digits.h>

int main() {
  const coppice::train::Dataset data = coppice::train::digits(20);
  std::printf("%s: %lld images, digest %s\n", data.name.c_str(), static_cast<long long>(data.size()),
              coppice::train::digest(data).c_str());
  return data.size() == 20 ? 0 : 1;
}
