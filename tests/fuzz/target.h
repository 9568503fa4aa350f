#pragma once

#include <string>
#include <string_view>

namespace coppice::fuzz {

/// Reads untrusted bytes with one of the engine's readers: the message of the Error, or empty when they were accepted.
/// Any other exception, signal or unbounded allocation is a fault of the reader.
using Target = std::string (*)(std::string_view bytes);

std::string safetensors(std::string_view bytes);
std::string idx(std::string_view bytes);
std::string npy(std::string_view bytes);
std::string pth(std::string_view bytes);
std::string matrix_market(std::string_view bytes);
std::string smtx(std::string_view bytes);
std::string plan(std::string_view bytes);
std::string png(std::string_view bytes);
std::string jpeg(std::string_view bytes);
std::string pnm(std::string_view bytes);
std::string flo(std::string_view bytes);
std::string cifar10(std::string_view bytes);
std::string recipe(std::string_view bytes);
std::string results(std::string_view bytes);
std::string checkpoint(std::string_view bytes);

}  // namespace coppice::fuzz
