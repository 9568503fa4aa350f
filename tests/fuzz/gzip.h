#pragma once

#include <string>
#include <string_view>

namespace coppice::fuzz {

/// `bytes` as one gzip member, or as a zlib stream.
enum class Wrapper { Gzip, Zlib };
std::string deflate(std::string_view bytes, Wrapper wrapper);

}  // namespace coppice::fuzz
